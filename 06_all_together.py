"""Section 6 of the tutorial: all of it together, from data to a saved and reloaded model.

New here: the code runs on a GPU where there is one (it is device-agnostic), and nn.Linear makes the
parameters. All else is sections 1 to 5 again.
"""

from importlib import import_module
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn

plot_predictions = import_module("01_data").plot_predictions


class LinearRegressionModelV2(nn.Module):
    """The straight line, its parameters made by nn.Linear: weight (1, 1) and bias (1,), float32."""

    def __init__(self):
        super().__init__()
        # in_features: columns of the input; out_features: columns of the prediction. One and one.
        self.linear_layer = nn.Linear(in_features=1, out_features=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear_layer(x)


if __name__ == "__main__":
    print("\n# 6. All together: PyTorch version and device")
    print(torch.__version__)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    print(f"Using device: {device}")

    ### 6.1 Data
    weight = 0.7
    bias = 0.3
    X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    y = weight * X + bias
    print("\n# 6.1 Data: the first ten features X and labels y")
    pprint((X[:10], y[:10]))

    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]
    print("\n# 6.1 Data: lengths of X_train, y_train, X_test, y_test")
    print((len(X_train), len(y_train), len(X_test), len(y_test)))

    plot_predictions(X_train, y_train, X_test, y_test)
    plt.title("The data: a straight line, split 80 to 20")
    Path("figures").mkdir(exist_ok=True)
    plt.savefig("figures/06_all_together_data.png")

    ### 6.2 Building a model
    torch.manual_seed(42)
    model_1 = LinearRegressionModelV2()
    print("\n# 6.2 Build model: the layers, and the state_dict of the untrained model")
    print(model_1)
    pprint(model_1.state_dict())

    # A new model lies on the CPU. Its .to() moves the parameters in place.
    print("\n# 6.2 Build model: device of the model, before and after .to(device)")
    print(next(model_1.parameters()).device)
    model_1.to(device)
    print(next(model_1.parameters()).device)

    ### 6.3 Training
    # Loss, optimizer and learning rate are section 3's. The parameters are model_1's.
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)
    torch.manual_seed(42)
    epochs = 1000

    # A tensor's .to() changes nothing in place: assign its result. Model and data must lie on one
    # device, or the forward pass ends with a cross-device error.
    X_train, y_train = X_train.to(device), y_train.to(device)
    X_test, y_test = X_test.to(device), y_test.to(device)

    rows = {}
    print("\n# 6.3 Training: losses")
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
            test_pred = model_1(X_test)  # 1. Forward pass
            test_loss = loss_fn(test_pred, y_test)  # 2. Loss

        if epoch % 10 == 0:
            rows[epoch] = loss.item(), test_loss.item()
            print(f"Epoch: {epoch} | Train loss: {loss} | Test loss: {test_loss}")
    first = min(row for row in rows if rows[row] == rows[max(rows)])
    print(f"From epoch {first} on, every row is the same: python -m beyond.limit_cycle shows why.")

    # Close to the original values, and closer than section 3's model after its 100 epochs.
    print("\n# 6.3 Training: learned parameters")
    print("The model's weights and bias:")
    pprint(model_1.state_dict())
    print("\n# 6.3 Training: true parameters")
    print("And the original values of weights and bias are:")
    print(f"weights: {weight}, bias: {bias}")

    ### 6.4 Making predictions
    model_1.eval()
    with torch.inference_mode():
        y_preds = model_1(X_test)
    print("\n# 6.4 Making predictions: predictions of the trained model")
    print(y_preds)

    plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    plt.title(f"The predictions after {epochs} epochs: on the test data, to the eye")
    plt.savefig("figures/06_all_together_predictions.png")

    ### 6.5 Saving and loading
    MODEL_PATH = Path("models")
    MODEL_PATH.mkdir(parents=True, exist_ok=True)
    MODEL_NAME = "01_pytorch_workflow_model_1.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

    print("\n# 6.5 Saving and loading: the file")
    print(f"Saving model to: {MODEL_SAVE_PATH.as_posix()}")
    torch.save(obj=model_1.state_dict(), f=MODEL_SAVE_PATH)

    # A file remembers its tensors' device. map_location puts them on this machine's instead.
    loaded_model_1 = LinearRegressionModelV2()
    loaded_model_1.load_state_dict(
        torch.load(f=MODEL_SAVE_PATH, map_location=device, weights_only=True)
    )
    loaded_model_1.to(device)
    print("\n# 6.5 Saving and loading: the loaded model")
    print(f"Loaded model:\n {loaded_model_1}")
    print(f"Model on device:\n {next(loaded_model_1.parameters()).device}")

    loaded_model_1.eval()
    with torch.inference_mode():
        loaded_model_1_preds = loaded_model_1(X_test)
    print("\n# 6.5 Saving and loading: predictions equal those before saving")
    print(y_preds == loaded_model_1_preds)
    plt.show()
