"""The tutorial's five exercises, solved twice: with nn.Parameter, then with nn.Linear.

The first way is the tutorial author's, the second a reader's. Both run on any device.
"""

from importlib import import_module
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

plot_predictions = import_module("01_data").plot_predictions


class LinearRegressionModel(nn.Module):
    """The straight line with two parameters of its own, weight and bias, of shape (1,), float32."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x + self.bias


class LinearRegressionModelV2(nn.Module):
    """The same with nn.Linear. The reader's solution calls it LinearRegressionModel too."""

    def __init__(self):
        super().__init__()
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_layer(x)


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    Path("figures").mkdir(exist_ok=True)

    ### Exercise 1. A line with weight 0.3 and bias 0.9, 100 points or more, split 80 to 20, drawn
    weight, bias = 0.3, 0.9
    start, end, step = 0, 1, 0.01
    X = torch.arange(start, end, step).unsqueeze(dim=1)
    y = weight * X + bias
    print("\n# Exercise 1. Data: the first ten features X and labels y")
    print(f"Number of X samples: {len(X)}")
    print(f"Number of y samples: {len(y)}")
    print(f"First 10 X & y samples:\nX: {X[:10]}\ny: {y[:10]}")
    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]
    print((len(X_train), len(y_train), len(X_test), len(y_test)))
    plot_predictions(X_train, y_train, X_test, y_test)
    plt.title("The exercises' data, split 80 to 20")
    plt.savefig("figures/07_exercises_data.png")

    ### Exercise 2. A model with two random nn.Parameters
    torch.manual_seed(42)
    model_1 = LinearRegressionModel()
    print("\n# Exercise 2. nn.Parameter: state_dict of the untrained model")
    print(model_1.state_dict())
    model_1.to(device)  # in place; a tensor's .to() is not, so its result is assigned

    ### Exercise 3. Train it for 300 epochs with MAE and SGD; test every 20 epochs
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)
    torch.manual_seed(42)
    epochs = 300
    X_train, y_train = X_train.to(device), y_train.to(device)
    X_test, y_test = X_test.to(device), y_test.to(device)
    print("\n# Exercise 3. nn.Parameter: losses")
    for epoch in range(epochs):
        model_1.train()
        y_pred = model_1(X_train)  # 1. Forward pass
        loss = loss_fn(y_pred, y_train)  # 2. Loss
        optimizer.zero_grad()  # 3. Zero gradients
        loss.backward()  # 4. Backpropagation
        optimizer.step()  # 5. Gradient descent
        if epoch % 20 == 0:
            model_1.eval()
            with torch.inference_mode():
                test_pred = model_1(X_test)
                test_loss = loss_fn(test_pred, y_test)
            print(f"Epoch: {epoch} | Train loss: {loss:.3f} | Test loss: {test_loss:.3f}")

    ### Exercise 4. Predict the test data, and draw the predictions
    model_1.eval()
    with torch.inference_mode():
        y_preds = model_1(X_test)
    print("\n# Exercise 4. nn.Parameter: predictions of the trained model")
    print(y_preds.cpu())
    plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    plt.title(f"nn.Parameter: predictions after {epochs} epochs")
    plt.savefig("figures/07_exercises_nn_parameter.png")

    ### Exercise 5. Save the state_dict, load it into a new instance, compare the predictions
    MODEL_PATH = Path("models")
    MODEL_PATH.mkdir(parents=True, exist_ok=True)
    MODEL_SAVE_PATH = MODEL_PATH / "saved_model_nn_parameter.pth"
    torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)
    loaded_model_1 = LinearRegressionModel()
    loaded_model_1.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True))
    loaded_model_1.to(device)
    print("\n# Exercise 5. nn.Parameter: the loaded model; do its predictions equal?")
    print(loaded_model_1.state_dict())
    loaded_model_1.eval()
    with torch.inference_mode():
        loaded_y_preds = loaded_model_1(X_test)
    print(loaded_y_preds == y_preds)

    ### Exercise 2 again. A model with nn.Linear, which the exercise allows
    torch.manual_seed(42)
    model_1 = LinearRegressionModelV2()
    print("\n# Exercise 2. nn.Linear: state_dict of the untrained model")
    pprint(model_1.state_dict())
    print("\n# Exercise 2. nn.Linear: device of the model, and its parameters on the device")
    print(next(model_1.parameters()).device)
    model_1.to(device)
    pprint(list(model_1.parameters()))
    # loss_fn, epochs and the data on the device stay as above. Training draws no random number.
    optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)
    print("\n# Exercise 3. nn.Linear: losses")
    for epoch in range(epochs):
        model_1.train()
        y_pred = model_1(X_train)  # 1. Forward pass
        loss = loss_fn(y_pred, y_train)  # 2. Loss
        optimizer.zero_grad()  # 3. Zero gradients
        loss.backward()  # 4. Backpropagation
        optimizer.step()  # 5. Gradient descent
        if epoch % 20 == 0:
            model_1.eval()
            with torch.inference_mode():
                test_pred = model_1(X_test)
                test_loss = loss_fn(test_pred, y_test)
            print(f"Epoch: {epoch} | Train loss: {loss:.3f} | Test loss: {test_loss:.3f}")
    model_1.eval()
    with torch.inference_mode():
        y_preds = model_1(X_test)
    print("\n# Exercise 4. nn.Linear: predictions of the trained model")
    print(y_preds.cpu())
    plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    plt.title(f"nn.Linear: predictions after {epochs} epochs")
    plt.savefig("figures/07_exercises_nn_linear.png")
    MODEL_NAME = "saved_model.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME
    torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)
    loaded_model_1 = LinearRegressionModelV2()
    loaded_model_1.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True))
    loaded_model_1.to(device)
    print("\n# Exercise 5. nn.Linear: the loaded model; do its predictions equal?")
    pprint(loaded_model_1.state_dict())
    loaded_model_1.eval()
    with torch.inference_mode():
        loaded_y_preds = loaded_model_1(X_test)
    print(loaded_y_preds == y_preds)
    plt.show()
