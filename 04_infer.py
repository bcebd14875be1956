"""Section 4 of the tutorial: make predictions with the trained model (inference).

Three things to remember: put the model in evaluation mode, predict under inference mode, and have
model and data on the same device. `predict` does all three.
"""

from importlib import import_module

import torch
from torch import nn

data = import_module("01_data")
model = import_module("02_model")
training = import_module("03_train")


def predict(model, X):
    """Return the model's predictions for the features X, on the model's device, without gradients.

    X is moved to the device of the model's parameters. The model is left in evaluation mode. Raises
    TypeError or ValueError if X is not a tensor of finite floats.
    """
    data.check_values("X", X)

    # 1. Evaluation mode: switches off what only training needs (dropout, for one).
    model.eval()

    # 2. Inference mode: nothing is recorded for gradients.
    with torch.inference_mode():
        # 3. Model and data on the same device
        return model(X.to(next(model.parameters(), X).device))


if __name__ == "__main__":
    X, y = data.make_line()
    X_train, y_train, X_test, y_test = data.split(X, y)

    # The model of section 3, trained again: this takes less time than it takes to read about it.
    torch.manual_seed(42)
    model_0 = model.LinearRegressionModel()
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
    history = training.train(
        model_0, X_train, y_train, X_test, y_test, loss_fn=loss_fn, optimizer=optimizer, epochs=100
    )

    y_preds = predict(model_0, X_test)

    print("\n# 4. Make predictions: predictions of the trained model")
    print(y_preds)

    print("\n# 4. Make predictions: the predictions as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds)
    axes.set_title(f"The predictions after {len(history.epochs)} epochs")
    data.save_figure(axes, "04_infer_predictions")
    data.show_figures()
