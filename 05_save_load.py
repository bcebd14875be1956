# %% [markdown]
# # 5. Save and load a model
#
# | function | what it does |
# | --- | --- |
# | `torch.save` | writes a model, a tensor or a dictionary to a file, with Python's pickle |
# | `torch.load` | reads such a file back, onto a device of choice (section 6) |
# | `load_state_dict` | copies parameters from a dictionary into a model, by their names |
#
# Save the state_dict, the parameters by name, and not the whole model. A pickled model holds no
# class, only the class's module and name. The file may move. The class may not be renamed, or move
# to another module.

# %% Sections 1 to 4 in short
from pprint import pprint

import torch
from torch import nn

weight = 0.7
bias = 0.3
X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
y = weight * X + bias
train_split = int(0.8 * len(X))
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]


class LinearRegressionModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)
        self.bias = nn.Parameter(torch.randn(1, dtype=torch.float), requires_grad=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights * x + self.bias


torch.manual_seed(42)
model_0 = LinearRegressionModel()
loss_fn = nn.L1Loss()
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)
for _ in range(100):
    y_pred = model_0(X_train)  # 1. Forward pass
    loss = loss_fn(y_pred, y_train)  # 2. Loss
    optimizer.zero_grad()  # 3. Zero gradients
    loss.backward()  # 4. Backpropagation
    optimizer.step()  # 5. Gradient descent
model_0.eval()
with torch.inference_mode():
    y_preds = model_0(X_test)

# %% Save the state_dict
from pathlib import Path

# 1. A folder for models
MODEL_PATH = Path("models")
MODEL_PATH.mkdir(parents=True, exist_ok=True)

# 2. A path in it. The usual endings are .pt and .pth.
MODEL_NAME = "01_pytorch_workflow_model_0.pth"
MODEL_SAVE_PATH = MODEL_PATH / MODEL_NAME

# 3. The state_dict holds the parameters alone: enough for predictions. To go on training, save
#    optimizer.state_dict() too. Adam keeps averages of its gradients there, and ends elsewhere
#    without them; plain SGD keeps nothing. A training of days needs more than this line, and
#    beyond/checkpoints.py has it: a save that is cut off must not cost the last good file.
print(f"Saving model to: {MODEL_SAVE_PATH}")
torch.save(obj=model_0.state_dict(), f=MODEL_SAVE_PATH)

# %% The saved file
# The tutorial's `!ls -l` works in a notebook alone, and not on Windows. The size in bytes depends
# on PyTorch's version: the tutorial has 1680.
print(MODEL_SAVE_PATH.stat().st_size, MODEL_SAVE_PATH)

# %% Load it into a new model
# A new model starts with random parameters. torch.load gives a dictionary of tensors, no model;
# load_state_dict copies them into this one. The tutorial has no weights_only=True, which is torch's
# default since 2.6. It takes tensors and plain values only: a pickle can hold any program, and
# loading would run it.
loaded_model_0 = LinearRegressionModel()

pprint(loaded_model_0.load_state_dict(torch.load(f=MODEL_SAVE_PATH, weights_only=True)))

# %% Predictions of the loaded model
# 1. Evaluation mode
loaded_model_0.eval()

# 2. Inference mode
with torch.inference_mode():
    loaded_model_preds = loaded_model_0(X_test)

# %% The same predictions
# The same parameters make the same predictions, to the last bit.
pprint(y_preds == loaded_model_preds)
