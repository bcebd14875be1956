"""Section 3 of the tutorial: train the model.

The parameters are random, so the predictions are a guess. Nobody types in the right values, which
are unknown for real data: a loop of five steps moves the parameters until the predictions fit.
"""

from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

LinearRegressionModel = import_module("02_model").LinearRegressionModel

if __name__ == "__main__":
    # Sections 1 and 2 in short.
    weight, bias = 0.7, 0.3
    start, end, step = 0, 1, 0.02
    X = torch.arange(start, end, step).unsqueeze(dim=1)
    y = weight * X + bias
    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]
    torch.manual_seed(42)
    model_0 = LinearRegressionModel()

    # The loss function turns all errors into one number: 0 for a perfect fit, more for a worse one.
    # The problem decides which loss. To predict a number (regression): the mean absolute error,
    # MAE, the mean of |y_pred - y|, which PyTorch calls L1Loss; or the mean squared error,
    # nn.MSELoss. To predict one of two classes (classification): binary cross-entropy, nn.BCELoss.
    loss_fn = nn.L1Loss()

    # The optimizer changes the parameters so that the loss falls. SGD and Adam suit most problems.
    # SGD is parameter -= lr * gradient. The learning rate lr is chosen by us, which makes it a
    # hyperparameter: too large, and steps jump over the optimum; too small, and the way is long.
    # Usual values are 0.01, 0.001 and 0.0001. A schedule can lower it as training goes on.
    # SGD's S is for stochastic, a random part of the data in each step. Here every step sees all 40
    # points, so nothing is stochastic: it is plain gradient descent.
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)

    torch.manual_seed(42)  # as in the tutorial; from here on nothing is random

    # An epoch is one pass over all of the training data.
    epochs = 100

    train_loss_values = []
    test_loss_values = []
    epoch_count = []

    print("\n# 3. Train model: losses")
    for epoch in range(epochs):
        ### Training

        # Train mode is a model's default, and eval mode is set below. Some layers (dropout, batch
        # norm) behave differently in the two. This model has none of them.
        model_0.train()

        # 1. Forward pass: the model computes its predictions from the training data
        y_pred = model_0(X_train)

        # 2. Loss: one number for how wrong they are
        loss = loss_fn(y_pred, y_train)

        # 3. Zero gradients: backward() adds to what is there, so the last epoch's must go first.
        #    Its place is anywhere before backward().
        optimizer.zero_grad()

        # 4. Backpropagation: for each parameter, how the loss changes with it (its gradient)
        loss.backward()

        # 5. Gradient descent: each parameter takes a step against its gradient
        optimizer.step()

        ### Testing

        # Testing only measures. No gradient, no step: the parameters stay as they are.
        model_0.eval()

        with torch.inference_mode():
            # 1. Forward pass
            test_pred = model_0(X_test)

            # 2. Loss. .type(torch.float) makes the labels float32, which they are already
            test_loss = loss_fn(test_pred, y_test.type(torch.float))

            # 3. Other metrics, where there are any: accuracy for a classifier, for example

            # `loss` is from before the step, `test_loss` from after it: two models in one row.
            if epoch % 10 == 0:
                epoch_count.append(epoch)
                train_loss_values.append(loss.item())
                test_loss_values.append(test_loss.item())
                print(f"Epoch: {epoch} | MAE Train Loss: {loss} | MAE Test Loss: {test_loss}")

    # Both curves go down: step by step, the optimizer has moved the line towards the points.
    plt.rc("font", size=14)
    plt.figure(figsize=(10, 7), layout="constrained")
    plt.plot(epoch_count, train_loss_values, "o-", lw=2, label="Train loss")
    plt.plot(epoch_count, test_loss_values, "s--", lw=2, label="Test loss")
    plt.title("Training and test loss curves")
    plt.ylabel("Loss (MAE, no unit)")
    plt.xlabel("Epochs")
    plt.legend()
    Path("figures").mkdir(exist_ok=True)
    plt.savefig("figures/03_train_loss_curves.png")

    # The model has come close, but not all the way. That is often good enough. More epochs help:
    # try epochs = 200. Another seed starts elsewhere, and can end closer or farther: try a few.
    # With real data nobody knows the original values.
    print("\n# 3. Train model: learned parameters")
    print("The model learned the following values for weights and bias:")
    print(model_0.state_dict())
    print("\n# 3. Train model: true parameters")
    print("And the original values for weights and bias are:")
    print(f"weights: {weight}, bias: {bias}")
    plt.show()
