"""Section 3 of the tutorial: train the model.

Training takes a loss function, which says how wrong the predictions are (lower is better), and an
optimizer, which changes the parameters so that the loss falls. A loop of five steps does the rest.
"""

from importlib import import_module
from math import isfinite
from numbers import Integral
from typing import NamedTuple

import matplotlib.pyplot as plt
import torch
from torch import nn

data = import_module("01_data")
model = import_module("02_model")


class History(NamedTuple):
    """What `train` saw: three lists of Python numbers, one entry for every epoch."""

    epochs: list[int]
    train_loss: list[float]
    test_loss: list[float]


def train(model, X_train, y_train, X_test, y_test, *, loss_fn, optimizer, epochs):
    """Train `model` in place for `epochs` passes over all the training data; return the History.

    Labels have the shape of the predictions, all tensors are floats on the model's device, and
    `loss_fn(y_pred, y)` returns a scalar. An epoch's train loss is measured before its step, its
    test loss after it. Raises TypeError or ValueError, before the first step, for data, epochs or
    an optimizer that can't train this model, and FloatingPointError, after the last, if a loss was
    not finite.
    """
    check_training(model, X_train, y_train, X_test, y_test, optimizer, epochs)
    train_losses, test_losses = [], []

    for _ in range(epochs):
        # Training mode: some layers (dropout, for one; none here) behave differently in it.
        model.train()

        # 1. Forward pass
        y_pred = model(X_train)

        # 2. Loss
        loss = loss_fn(y_pred, y_train)

        # 3. Zero gradients: backward() adds to what is there, so the last epoch's must go first
        optimizer.zero_grad()

        # 4. Backpropagation: the loss's gradient with respect to every parameter
        loss.backward()

        # 5. Gradient descent: each parameter takes a step against its gradient
        optimizer.step()

        # Testing only measures: nothing is learned, so there is no backward pass and no step.
        model.eval()
        with torch.inference_mode():
            test_pred = model(X_test)
            test_loss = loss_fn(test_pred, y_test)

        # Kept as tensors: .item() here would make the CPU wait for a GPU in every epoch.
        train_losses.append(loss.detach())
        test_losses.append(test_loss)

    history = History(list(range(epochs)), to_numbers(train_losses), to_numbers(test_losses))
    check_finite(history)
    return history


def to_numbers(losses):
    """Return a list of scalar tensors as Python numbers, fetched from their device in one go."""
    return torch.stack(losses).tolist() if losses else []


def check_training(model, X_train, y_train, X_test, y_test, optimizer, epochs):
    """Raise TypeError or ValueError for what would train nothing, or nonsense."""
    if not isinstance(epochs, Integral) or epochs < 0:
        raise ValueError(f"epochs must be a whole number, 0 or more, not {epochs!r}")
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if not any(id(parameter) in held for parameter in model.parameters()):
        raise ValueError(
            "optimizer holds none of the model's parameters, so the loss would never move: "
            "construct it with model.parameters() of the model that you train"
        )
    was_training = model.training
    model.eval()
    try:
        for X, y in ((X_train, y_train), (X_test, y_test)):
            data.check_data(X, y)
            with torch.inference_mode():
                y_pred = model(X)
            data.check_values("the model's prediction", y_pred)
            check_shapes(y_pred, y)
    finally:
        model.train(was_training)


def check_shapes(y_pred, y):
    """Raise ValueError unless both have one shape: (n, 1) and (n,) would make (n, n) losses."""
    if y_pred.shape != y.shape:
        raise ValueError(
            f"labels of shape {tuple(y.shape)} don't fit predictions of shape "
            f"{tuple(y_pred.shape)}: give both shape (n, 1), for example with unsqueeze(dim=1)"
        )


def check_finite(history):
    """Raise FloatingPointError that names the first epoch whose loss is inf or nan."""
    for epoch, *losses in zip(*history):
        if not all(map(isfinite, losses)):
            raise FloatingPointError(
                f"the loss is not finite in epoch {epoch} (train {losses[0]}, test {losses[1]}): "
                "try a smaller learning rate lr"
            )


def plot_loss_curves(history):
    """Draw train and test loss over the epochs of a History; return the Axes of a new figure."""
    axes = plt.figure(figsize=(10, 7), layout="constrained").subplots()
    epochs, train_loss, test_loss = history
    axes.plot(epochs, train_loss, color="#0072B2", lw=1.2, zorder=3, label="Train loss")
    axes.plot(epochs, test_loss, color="#D55E00", lw=1.2, ls="--", label="Test loss")
    axes.set(title="Training and test loss curves", xlabel="Epoch", ylabel="Loss (MAE, unit of y)")
    axes.legend(prop={"size": 14})
    return axes


if __name__ == "__main__":
    weight, bias = 0.7, 0.3
    lr = 0.01
    epochs = 100

    X, y = data.make_line(weight, bias)
    X_train, y_train, X_test, y_test = data.split(X, y)

    torch.manual_seed(42)
    model_0 = model.LinearRegressionModel()

    # MAE = mean of |y_pred - y| over the samples. PyTorch calls it L1Loss.
    loss_fn = nn.L1Loss()

    # Stochastic gradient descent: parameter -= lr * gradient. The learning rate lr is chosen by us,
    # which makes it a hyperparameter: too small, and the optimum is many more epochs away; too
    # large, and each step jumps over it, in the worst case farther away every time.
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=lr)

    # An epoch is one pass over all of the training data; here all 40 points go through at once.
    torch.manual_seed(42)
    history = train(
        model_0,
        X_train,
        y_train,
        X_test,
        y_test,
        loss_fn=loss_fn,
        optimizer=optimizer,
        epochs=epochs,
    )

    print("\n# 3. Train model: losses")
    # The train loss is from before the epoch's step, the test loss from after it: two models in one
    # row. What that hides, python -m manual_grad.limit_cycle shows.
    for epoch, loss, test_loss in zip(*history):
        if epoch % 10 == 0:
            print(f"Epoch: {epoch} | MAE Train Loss: {loss} | MAE Test Loss: {test_loss}")

    print("\n# 3. Train model: the loss curves as a picture")
    axes = plot_loss_curves(history)
    data.save_figure(axes, "03_train_loss_curves")

    print("\n# 3. Train model: learned parameters")
    print("The model learned the following values for weights and bias:")
    print(model_0.state_dict())
    print("\n# 3. Train model: true parameters")
    print("And the original values for weights and bias are:")
    print(f"weights: {weight}, bias: {bias}")
    data.show_figures()
