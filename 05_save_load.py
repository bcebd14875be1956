"""Section 5 of the tutorial: save and load a model.

What is saved is the model's state_dict, its parameters by name, and not the model itself. A pickle
of the whole model is tied to this class in this file of this folder, and loading it runs whatever
code it contains; the state_dict is only numbers, and any code that builds a model with the same
parameters can take them.
"""

import os
from importlib import import_module
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import torch
from torch import nn

data = import_module("01_data")
model = import_module("02_model")
training = import_module("03_train")
inference = import_module("04_infer")


def save_model(model, path):
    """Save the model's state_dict to `path`, and make the folder if need be.

    Atomic: the bytes go to a file beside it, which takes the name in one step once it is complete,
    so that at any moment `path` is the old file or the new one, whole (a process that is killed
    can leave a .tmp file there). Raises ValueError if a parameter is not finite, OSError if the
    file can't be written; the old file then remains.
    """
    state_dict = model.state_dict()
    check_state_dict(state_dict, state_dict, source="the model to save")
    path = Path(path).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    contents = BytesIO()
    torch.save(obj=state_dict, f=contents)
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}.tmp")
    try:
        with open(unfinished, "xb") as file:
            file.write(contents.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_model(model, path, device="cpu"):
    """Load the state_dict at `path` into `model`, move it to `device`, and return it.

    weights_only=True, because a pickle is a program and torch.load would otherwise run it, whoever
    wrote it; map_location, because a file remembers its tensors' device and a model saved on a
    GPU must load where there is none. The file is checked whole before `model` is touched. Raises
    OSError if it can't be read, and ValueError if it is no checkpoint or not one of this model.
    """
    torch.empty(0, device=device)  # no such device: torch's own error, before anything is changed
    try:
        state_dict = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:
        # torch's message advises weights_only=False, which is the one thing not to do here.
        raise ValueError(
            f"{path} is no checkpoint that can be loaded safely ({type(error).__name__}): "
            "expected a complete file that torch.save wrote, with a state_dict of tensors alone"
        ) from None
    check_state_dict(state_dict, model.state_dict(), source=path)
    model.load_state_dict(state_dict)
    return model.to(device)


def check_state_dict(state_dict, expected, source):
    """Raise ValueError unless it has the names, shapes and dtypes of `expected`, all finite."""

    def is_dense(tensor):
        return isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided

    if not (isinstance(state_dict, dict) and all(map(is_dense, state_dict.values()))):
        kind = type(state_dict).__name__
        raise ValueError(f"{source} holds no state_dict (dense tensors by name), but a {kind}")

    def summary(tensors):
        return {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in tensors.items()}

    if summary(state_dict) != summary(expected):
        raise ValueError(
            f"{source} doesn't fit the model: it has {summary(state_dict)}, "
            f"the model needs {summary(expected)}"
        )
    for name, tensor in state_dict.items():
        if tensor.is_meta or not torch.isfinite(tensor).all():
            raise ValueError(f"{source} has values of {name} that are not finite (nan or inf)")


if __name__ == "__main__":
    X, y = data.make_line()
    X_train, y_train, X_test, y_test = data.split(X, y)

    torch.manual_seed(42)
    model_0 = model.LinearRegressionModel()
    loss_fn = nn.L1Loss()
    optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
    training.train(
        model_0, X_train, y_train, X_test, y_test, loss_fn=loss_fn, optimizer=optimizer, epochs=100
    )
    y_preds = inference.predict(model_0, X_test)

    # 1. A folder for models, 2. a path in it (.pt and .pth are the usual endings)
    MODEL_PATH = Path("models")
    MODEL_NAME = "01_pytorch_workflow_model_0.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

    # 3. Save the state_dict
    print("\n# 5. Save model: the file")
    print(f"Saving model to: {MODEL_SAVE_PATH.as_posix()}")
    save_model(model_0, MODEL_SAVE_PATH)
    print(f"{MODEL_SAVE_PATH.stat().st_size} bytes")

    # A new instance starts with random parameters, which the saved ones replace. load_model calls
    # model.load_state_dict(torch.load(path)): torch.load only turns the file into a dictionary of
    # tensors, load_state_dict copies them into the model.
    loaded_model_0 = model.LinearRegressionModel()
    load_model(loaded_model_0, MODEL_SAVE_PATH)

    print("\n# 5. Load model: state_dict of the loaded model")
    print(loaded_model_0.state_dict())

    loaded_model_preds = inference.predict(loaded_model_0, X_test)

    print("\n# 5. Load model: predictions equal those before saving")
    print(y_preds == loaded_model_preds)
