"""Section 4 of the tutorial: make predictions with a trained model (inference).

Three things belong to every prediction: the model is in evaluation mode, inference mode is on, and
model and data lie on the same device. The first two leave out what only training needs.
"""

from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import nn

plot_predictions = import_module("01_data").plot_predictions
LinearRegressionModel = import_module("02_model").LinearRegressionModel

if __name__ == "__main__":
    # Sections 1 to 3 in short.
    weight, bias = 0.7, 0.3
    start, end, step = 0, 1, 0.02
    X = torch.arange(start, end, step).unsqueeze(dim=1)
    y = weight * X + bias
    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]
    torch.manual_seed(42)
    model_0 = LinearRegressionModel()
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
    for _ in range(100):
        optimizer.zero_grad()
        loss_fn(model_0(X_train), y_train).backward()
        optimizer.step()

    # 1. Evaluation mode. Some layers work differently in training: dropout, for example, switches
    #    off units at random. This turns that off.
    model_0.eval()

    # 2. Inference mode: nothing is recorded for gradients, which is faster.
    with torch.inference_mode():
        # 3. The same device. Here all is on the CPU. With the model on a GPU and the data on the
        #    CPU, PyTorch would stop with a cross-device error ("Expected all tensors to be on the
        #    same device"). Section 6 moves both:
        # model_0.to(device)
        # X_test = X_test.to(device)
        y_preds = model_0(X_test)

    print("\n# 4. Make predictions: predictions of the trained model")
    print(y_preds)

    # Compare section 2's picture: the predictions have moved close to the test data. They lie a
    # little too low on the right: the weight is still too small. Nobody has told the model 0.7 and
    # 0.3; it has found its values from 40 examples.
    plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    plt.title("The predictions of the trained model: close, not yet on the line")
    Path("figures").mkdir(exist_ok=True)
    plt.savefig("figures/04_infer_predictions.png")
    plt.show()
