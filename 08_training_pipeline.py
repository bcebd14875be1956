# %% [markdown]
# # The second tutorial: the training pipeline
#
# y = 2 x on four points, with MSE, in four cells that can each be run alone. PyTorch finds the
# gradients in the first; the second leaves it the loss and the update too, the third the model as
# well. The fourth puts that model in a class. The first two reach w = 2.000. The last two also
# train a bias, and have not arrived after 100 epochs.
#
# A pipeline has three parts. First the model: how many numbers go in and out, and what it computes.
# Then a loss and an optimizer. Last a loop that predicts, differentiates and updates, until the fit
# is good.
#
# The steps carry the first tutorial's numbers. So 3 (zero gradients) comes last here. Both orders
# are right: no gradient may be left when backward() adds the next one.

# %% Autograd, with loss and update by hand
import torch

X = torch.tensor([1, 2, 3, 4], dtype=torch.float32)
Y = torch.tensor([2, 4, 6, 8], dtype=torch.float32)

w = torch.tensor(0.0, dtype=torch.float32, requires_grad=True)


def forward(x):
    return w * x


def loss(y, y_predicted):  # MSE
    return ((y_predicted - y) ** 2).mean()


print(f"Prediction before training: f(5) = {forward(5):.3f}")

learning_rate = 0.1
n_iters = 20

for epoch in range(n_iters):
    # 1. Forward pass
    y_pred = forward(X)

    # 2. Loss
    l = loss(Y, y_pred)

    # 4. Backpropagation: dl/dw, into w.grad
    l.backward()

    # 5. Gradient descent. The update is no part of the model, so autograd must not record it. It
    #    stops otherwise ("a leaf Variable that requires grad is being used in an in-place
    #    operation"). -= changes w in place. `w = w - ...` would make a new tensor, whose grad is
    #    None: the line after it would stop.
    with torch.no_grad():
        w -= w.grad * learning_rate

    # 3. Zero gradients
    w.grad.zero_()

    if epoch % 1 == 0:
        print(f"epoch {epoch + 1}: w = {w:.3f}, loss = {l:.8f}")
print(f"Prediction after training: f(5) = {forward(5):.3f}")

# %% PyTorch's loss and optimizer
import torch
import torch.nn as nn

X = torch.tensor([1, 2, 3, 4], dtype=torch.float32)
Y = torch.tensor([2, 4, 6, 8], dtype=torch.float32)

w = torch.tensor(0.0, dtype=torch.float32, requires_grad=True)


def forward(x):
    return w * x


print(f"Prediction before training: f(5) = {forward(5):.3f}")

learning_rate = 0.01
n_iters = 100

loss = nn.MSELoss()
optimizer = torch.optim.SGD([w], lr=learning_rate)

for epoch in range(n_iters):
    # 1. Forward pass
    y_pred = forward(X)

    # 2. Loss. PyTorch's order is input, target: loss(y_pred, Y). MSE gives the same either way;
    #    nn.BCELoss, for one, does not.
    l = loss(Y, y_pred)

    # 4. Backpropagation: dl/dw, into w.grad
    l.backward()

    # 5. Gradient descent
    optimizer.step()

    # 3. Zero gradients
    optimizer.zero_grad()

    if epoch % 10 == 0:
        print(f"epoch {epoch + 1}: w = {w:.3f}, loss = {l:.8f}")
print(f"Prediction after training: f(5) = {forward(5):.3f}")

# %% PyTorch's model
import torch
import torch.nn as nn

# nn.Linear takes a row for each sample, a column for each feature. One sample alone may be a row.
X = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
Y = torch.tensor([[2], [4], [6], [8]], dtype=torch.float32)
X_test = torch.tensor([5], dtype=torch.float32)
n_samples, n_features = X.shape

input_size = n_features
output_size = n_features
model = nn.Linear(input_size, output_size)

# The tutorial set no seed here or in the next cell, so its random starts are lost. From these
# numbers the same digits come out; docs/testing.md tells how they were found.
with torch.no_grad():
    model.weight.fill_(0.20527294278144836)
    model.bias.fill_(0.8670080900192261)

print(f"Prediction before training: f(5) = {model(X_test).item():.3f}")

learning_rate = 0.01
n_iters = 100

loss = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

for epoch in range(n_iters):
    # 1. Forward pass
    y_pred = model(X)

    # 2. Loss
    l = loss(Y, y_pred)

    # 4. Backpropagation: into model.weight.grad and model.bias.grad
    l.backward()

    # 5. Gradient descent
    optimizer.step()

    # 3. Zero gradients
    optimizer.zero_grad()

    if epoch % 10 == 0:
        [w, b] = model.parameters()
        print(f"epoch {epoch + 1}: w = {w[0].item():.3f}, loss = {l:.8f}")
print(f"Prediction after training: f(5) = {model(X_test).item():.3f}")

# %% A model class
import torch
import torch.nn as nn

X = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
Y = torch.tensor([[2], [4], [6], [8]], dtype=torch.float32)
X_test = torch.tensor([5], dtype=torch.float32)
n_samples, n_features = X.shape

input_size = n_features
output_size = n_features


class LinearRegression(nn.Module):
    def __init__(self, input_dim, output_dim):
        super().__init__()  # in the tutorial super(LinearRegression, self).__init__(), the old form
        self.lin = nn.Linear(input_dim, output_dim)

    def forward(self, x):
        return self.lin(x)


model = LinearRegression(input_size, output_size)

# Not seeded either: one of several starts that were found in the same way.
with torch.no_grad():
    model.lin.weight.fill_(0.6033452153205872)
    model.lin.bias.fill_(-0.28596004843711853)

print(f"Prediction before training: f(5) = {model(X_test).item():.3f}")

learning_rate = 0.01
n_iters = 100

loss = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

for epoch in range(n_iters):
    # 1. Forward pass
    y_pred = model(X)

    # 2. Loss
    l = loss(Y, y_pred)

    # 4. Backpropagation: into model.lin.weight.grad and model.lin.bias.grad
    l.backward()

    # 5. Gradient descent
    optimizer.step()

    # 3. Zero gradients
    optimizer.zero_grad()

    if epoch % 10 == 0:
        [w, b] = model.parameters()
        print(f"epoch {epoch + 1}: w = {w[0].item():.3f}, loss = {l:.8f}")
print(f"Prediction after training: f(5) = {model(X_test).item():.3f}")
