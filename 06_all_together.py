"""Section 6 of the tutorial: all of it together, from data to a saved and reloaded model.

New here: the code is device-agnostic (it runs on a GPU where there is one), `nn.Linear` makes the
parameters, and the training and testing loop that `train` holds stands written out.
"""

from importlib import import_module
from pathlib import Path
from pprint import pprint

import torch
from torch import nn

data = import_module("01_data")
training = import_module("03_train")
inference = import_module("04_infer")
storage = import_module("05_save_load")


class LinearRegressionModelV2(nn.Module):
    """The straight line, its parameters made by `nn.Linear`: weight (1, 1), bias (1,), float32."""

    def __init__(self):
        super().__init__()
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions (n, 1) for the features x (n, 1)."""
        return self.linear_layer(x)


if __name__ == "__main__":
    weight, bias = 0.7, 0.3
    lr = 0.01
    epochs = 1000

    print("\n# 6. All together: PyTorch version")
    print(torch.__version__)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    print("\n# 6. All together: device")
    print(f"Using device: {device}")

    # 6.1 Data
    X, y = data.make_line(weight, bias)
    print("\n# 6.1 Data: the first ten features X and labels y")
    pprint((X[:10], y[:10]))

    X_train, y_train, X_test, y_test = data.split(X, y)
    print("\n# 6.1 Data: lengths of X_train, y_train, X_test, y_test")
    print((len(X_train), len(y_train), len(X_test), len(y_test)))

    print("\n# 6.1 Data: the split as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test)
    data.save_figure(axes, "06_all_together_data")

    # 6.2 Model
    torch.manual_seed(42)
    model_1 = LinearRegressionModelV2()
    print("\n# 6.2 Build model: the layers")
    print(model_1)
    print("\n# 6.2 Build model: state_dict of the untrained model")
    pprint(model_1.state_dict())

    model_1.to(device)  # a module moves in place
    print("\n# 6.2 Build model: device of the model")
    print(next(model_1.parameters()).device)

    # 6.3 Training
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_1.parameters(), lr=lr)

    torch.manual_seed(42)
    # A tensor does not: to() returns another one, which must be kept.
    X_train, y_train = X_train.to(device), y_train.to(device)
    X_test, y_test = X_test.to(device), y_test.to(device)

    training.check_training(model_1, X_train, y_train, X_test, y_test, optimizer, epochs)

    print("\n# 6.3 Training: losses")
    train_losses, test_losses = [], []
    for epoch in range(epochs):
        ### Training
        model_1.train()

        # 1. Forward pass
        y_pred = model_1(X_train)

        # 2. Loss
        loss = loss_fn(y_pred, y_train)

        # 3. Zero gradients
        optimizer.zero_grad()

        # 4. Backpropagation
        loss.backward()

        # 5. Gradient descent
        optimizer.step()

        ### Testing
        model_1.eval()
        with torch.inference_mode():
            test_pred = model_1(X_test)
            test_loss = loss_fn(test_pred, y_test)

        train_losses.append(loss.detach())
        test_losses.append(test_loss)
        # Two models in one row: `loss` is from before the step, `test_loss` from after it. What
        # this hides, python -m manual_grad.limit_cycle shows.
        if epoch % 10 == 0:
            print(f"Epoch: {epoch} | Train loss: {loss} | Test loss: {test_loss}")

    history = training.History(
        list(range(epochs)), training.to_numbers(train_losses), training.to_numbers(test_losses)
    )
    training.check_finite(history)

    print("\n# 6.3 Training: the loss curves as a picture")
    axes = training.plot_loss_curves(history)
    axes.set_title("Loss curves: what the band at the end is, manual_grad/limit_cycle.py tells")
    data.save_figure(axes, "06_all_together_loss_curves")

    print("\n# 6.3 Training: learned parameters")
    print("The model's weights and bias:")
    pprint(model_1.state_dict())
    print("\n# 6.3 Training: true parameters")
    print("And the original values of weights and bias are:")
    print(f"weights: {weight}, bias: {bias}")

    # 6.4 Predictions
    y_preds = inference.predict(model_1, X_test)
    print("\n# 6.4 Making predictions: predictions of the trained model")
    print(y_preds)

    print("\n# 6.4 Making predictions: the predictions as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds.cpu())
    axes.set_title(f"The predictions after {epochs} epochs")
    data.save_figure(axes, "06_all_together_predictions")

    # 6.5 Saving and loading
    MODEL_PATH = Path("models")
    MODEL_NAME = "01_pytorch_workflow_model_1.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME
    print("\n# 6.5 Saving and loading: the file")
    print(f"Saving model to: {MODEL_SAVE_PATH.as_posix()}")
    storage.save_model(model_1, MODEL_SAVE_PATH)

    loaded_model_1 = LinearRegressionModelV2()
    storage.load_model(loaded_model_1, MODEL_SAVE_PATH, device=device)
    print("\n# 6.5 Saving and loading: the loaded model")
    print(f"Loaded model:\n {loaded_model_1}")
    print(f"Model on device:\n {next(loaded_model_1.parameters()).device}")

    loaded_model_1_preds = inference.predict(loaded_model_1, X_test)
    print("\n# 6.5 Saving and loading: predictions equal those before saving")
    print(y_preds == loaded_model_1_preds)
    data.show_figures()
