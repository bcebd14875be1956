"""Section 5 of the tutorial: save and load a model.

What the three methods do:
    torch.save                 writes an object to a file, with Python's pickle
    torch.load                 reads such a file back, onto a device of choice (section 6)
    Module.load_state_dict     copies parameters from a dictionary into a model, by their names

Save the state_dict, the parameters by name, and not the whole model: a pickled model works only
with the same class in the same file of the same folder. It breaks when the code is rearranged.
"""

from importlib import import_module
from pathlib import Path

import torch
from torch import nn

LinearRegressionModel = import_module("02_model").LinearRegressionModel

if __name__ == "__main__":
    # Sections 1 to 4 in short.
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
    model_0.eval()
    with torch.inference_mode():
        y_preds = model_0(X_test)

    # 1. A folder for models
    MODEL_PATH = Path("models")
    MODEL_PATH.mkdir(parents=True, exist_ok=True)

    # 2. A path in it. The usual endings are .pt and .pth.
    MODEL_NAME = "01_pytorch_workflow_model_0.pth"
    MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

    # 3. Save the state_dict. A training of days needs more than this line: a save that was cut off
    #    must not cost the last good file, and a damaged file must not load. beyond/checkpoints.py
    #    sees to both. The file's size depends on PyTorch's version: the tutorial's is 1680 bytes.
    print("\n# 5. Save model: the file")
    print(f"Saving model to: {MODEL_SAVE_PATH.as_posix()}")
    torch.save(obj=model_0.state_dict(), f=MODEL_SAVE_PATH)
    print(f"{MODEL_SAVE_PATH.stat().st_size} bytes")

    # A new instance starts with random parameters. torch.load gives only a dictionary of tensors;
    # load_state_dict copies them into the new instance. weights_only=True accepts nothing but
    # tensors and plain values: a pickle can hold any program, and loading would run it.
    print("\n# 5. Load model: the keys")
    loaded_model_0 = LinearRegressionModel()
    print(loaded_model_0.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True)))

    # 1. Evaluation mode
    loaded_model_0.eval()

    # 2. Inference mode
    with torch.inference_mode():
        loaded_model_preds = loaded_model_0(X_test)

    # The same parameters make the same predictions, to the last bit.
    print("\n# 5. Load model: predictions equal those before saving")
    print(y_preds == loaded_model_preds)
