# %% [markdown]
# # 3. Train the model
#
# The parameters are random, so the predictions are a guess. Nobody types in the right values, which
# are unknown for real data. Instead, a loop of five steps moves the parameters until the
# predictions fit.

# %% Sections 1 and 2 in short
from pathlib import Path

import matplotlib.pyplot as plt
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

# %% Loss function and optimizer
# The loss turns all errors into one number: 0 for a perfect fit, more for a worse one. The problem
# decides which loss. To predict a number (regression): the mean absolute error, MAE, which is the
# mean of |y_pred - y| and here called L1Loss; or the mean squared error, nn.MSELoss. To predict one
# of two classes (classification): binary cross-entropy, nn.BCELoss. Losses live in torch.nn.
loss_fn = nn.L1Loss()

# The optimizer changes the parameters so that the loss falls. Optimizers live in torch.optim; SGD
# and Adam suit most problems. SGD is parameter -= lr * gradient.
# - params: what it may change, here the model's weights and bias.
# - lr: the learning rate. We choose it, which makes it a hyperparameter. Too large, and steps jump
#   over the optimum; too small, and the way is long. Usual values are 0.01, 0.001 and 0.0001. A
#   schedule can lower it as training goes on.
# SGD's S is for stochastic: each step sees a random part of the data, a mini-batch. Here each step
# sees all 40 points, so nothing is stochastic, and it is plain gradient descent. The lesson
# lessons/minibatches.py takes a few points at a time, and shows what that is good for.
optimizer = torch.optim.SGD(params=model_0.parameters(), lr=0.01)

# %% Training loop and testing loop
torch.manual_seed(42)  # as in the tutorial; nothing is random from here on

# An epoch is one pass over all of the training data. The loop makes the model pass over them again
# and again.
epochs = 100

train_loss_values = []
test_loss_values = []
epoch_count = []

for epoch in range(epochs):
    ### Training

    # Train mode is a model's default, but eval mode is set below. Some layers (dropout, batch norm)
    # behave differently in the two. This model has none of them.
    model_0.train()

    # 1. Forward pass: the model computes its predictions from the training data
    y_pred = model_0(X_train)

    # 2. Loss: one number for how wrong they are
    loss = loss_fn(y_pred, y_train)

    # 3. Zero gradients: backward() adds to what is there, so the last epoch's must go first. This
    #    line may stand anywhere between step() and the next backward(). The tutorial says "before
    #    step()", which isn't enough: after backward(), it would delete the new gradients.
    optimizer.zero_grad()

    # 4. Backpropagation: for each parameter, how the loss changes with it (its gradient). It goes
    #    through the computation backward, from the loss to the parameters: so it comes after 2.
    loss.backward()

    # 5. Gradient descent: each parameter takes a step against its gradient, so this comes after 4
    optimizer.step()

    ### Testing

    # Testing only measures. No gradient, no step: the parameters stay as they are.
    model_0.eval()

    with torch.inference_mode():
        # 1. Forward pass
        test_pred = model_0(X_test)

        # 2. Loss. .type(torch.float) makes the labels float32, which they are already.
        test_loss = loss_fn(test_pred, y_test.type(torch.float))

        # 3. Other metrics, where there are any: accuracy for a classifier, for example

        # Every tenth epoch, up to 90, is printed and kept for the plot. `loss` is from before the
        # step, `test_loss` from after it: two models in one row.
        # .item() takes the number out of the tensor. The tutorial's .detach().numpy() fails on a
        # GPU. `loss` itself in the list fails only in the plot below: it requires a gradient.
        if epoch % 10 == 0:
            epoch_count.append(epoch)
            train_loss_values.append(loss.item())
            test_loss_values.append(test_loss.item())
            # Do your numbers differ? See docs/numbers.md.
            print(f"Epoch: {epoch} | MAE Train Loss: {loss} | MAE Test Loss: {test_loss}")

# %% The loss curves
# Both go down: step by step, the optimizer has moved the line towards the points. The look differs.
# The tutorial's notebook swaps the two axis labels. Here the y axis starts at 0, the best loss, and
# markers and dashes tell the curves apart without colour.
plt.rc("font", size=14)
plt.figure(figsize=(10, 7), layout="constrained")
plt.plot(epoch_count, train_loss_values, marker="o", c="#0072B2", lw=2, label="Train Loss")
plt.plot(epoch_count, test_loss_values, marker="s", ls="--", c="#D55E00", lw=2, label="Test Loss")
plt.title("Training and Test loss curves")
plt.xlabel("Epochs")
plt.ylabel("Loss (MAE, no unit)")
plt.ylim(bottom=0)
plt.legend()
Path("figures").mkdir(exist_ok=True)  # the tutorial saves beside the notebook
plt.savefig("figures/03_train_loss_curves.png")

# %% The learned parameters
# Close, but not all the way. That is often good enough, and with real data nobody knows the
# original values. More epochs help for a while: try 200, then 300. Another seed above model_0
# starts elsewhere, and can end closer or farther: try a few.
print("The model learned the following values for weight and bias: ")
print(model_0.state_dict())
print("\nAnd the original values for weights and bias are: ")
print(f"weights: {weight}, bias: {bias}")
plt.show()  # a window, where there is a screen; the script ends when you close it
