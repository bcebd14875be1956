"""The tutorial's five exercises, solved with the pieces of sections 1 to 6, on any device."""

from importlib import import_module
from pathlib import Path
from pprint import pprint

import torch
from torch import nn

data = import_module("01_data")
training = import_module("03_train")
inference = import_module("04_infer")
storage = import_module("05_save_load")
all_together = import_module("06_all_together")

if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    print("\n# Exercises: device")
    print(f"Using device: {device}")

    # 1. Create a straight line of at least 100 points, split it 80/20, and plot it.
    weight, bias = 0.3, 0.9
    X, y = data.make_line(weight, bias, start=0, end=1, step=0.01)
    print("\n# Exercise 1. Data: number of samples")
    print(f"Number of X samples: {len(X)}")
    print(f"Number of y samples: {len(y)}")
    print("\n# Exercise 1. Data: the first ten features X and labels y")
    print(f"First 10 X & y samples:\nX: {X[:10]}\ny: {y[:10]}")

    X_train, y_train, X_test, y_test = data.split(X, y)
    print("\n# Exercise 1. Data: the split as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test)
    data.save_figure(axes, "07_exercises_data")

    # 2. Build a model. With nn.Linear, as the exercise allows, it is the one of section 6.
    torch.manual_seed(42)
    model_1 = all_together.LinearRegressionModelV2()
    print("\n# Exercise 2. Build model: state_dict of the untrained model")
    pprint(model_1.state_dict())

    # module.to() moves the module's own parameters, in place; tensor.to() returns another tensor
    # and leaves the one that it is called on where it was, so its result must be assigned.
    model_1.to(device)
    X_train, y_train = X_train.to(device), y_train.to(device)
    X_test, y_test = X_test.to(device), y_test.to(device)
    print("\n# Exercise 2. Build model: parameters on the device")
    pprint(list(model_1.parameters()))

    # 3. Train for 300 epochs with MAE and SGD, and show the test loss every 20.
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_1.parameters(), lr=0.01)
    torch.manual_seed(42)
    history = training.train(
        model_1, X_train, y_train, X_test, y_test, loss_fn=loss_fn, optimizer=optimizer, epochs=300
    )
    print("\n# Exercise 3. Train model: losses")
    for epoch, loss, test_loss in zip(*history):
        if epoch % 20 == 0:
            print(f"Epoch: {epoch} | Train loss: {loss:.3f} | Test loss: {test_loss:.3f}")

    # 4. Predict the test data, and plot the predictions (on the CPU, where matplotlib draws).
    y_preds = inference.predict(model_1, X_test)
    print("\n# Exercise 4. Make predictions: predictions of the trained model")
    print(y_preds.cpu())

    print("\n# Exercise 4. Make predictions: the predictions as a picture")
    axes = data.plot_predictions(X_train, y_train, X_test, y_test, predictions=y_preds.cpu())
    axes.set_title(f"The exercise: predictions after {len(history.epochs)} epochs")
    data.save_figure(axes, "07_exercises_predictions")

    # 5. Save the state_dict, load it into a new instance, and compare the predictions.
    MODEL_PATH = Path("models")
    MODEL_NAME = "saved_model.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME
    print("\n# Exercise 5. Save model: the file")
    print(f"Saving model to: {MODEL_SAVE_PATH.as_posix()}")
    storage.save_model(model_1, MODEL_SAVE_PATH)

    loaded_model_1 = all_together.LinearRegressionModelV2()
    storage.load_model(loaded_model_1, MODEL_SAVE_PATH, device=device)
    print("\n# Exercise 5. Load model: state_dict of the loaded model")
    pprint(loaded_model_1.state_dict())

    loaded_y_preds = inference.predict(loaded_model_1, X_test)
    print("\n# Exercise 5. Load model: predictions equal those before saving")
    print(loaded_y_preds == y_preds)
    data.show_figures()
