"""The second tutorial: the training pipeline, y = 2 x on four points, with MSE, in four steps.

Each step hands one more part of the work to PyTorch: the gradients; then the loss and the update;
then the model (nn.Linear); last comes a model class of one's own. Each step can be read alone.

A pipeline has three parts. First the model: how many numbers go in and out, and how. Then a loss
and an optimizer. Last a loop that predicts, differentiates and updates, until the fit is good.

The steps carry the first tutorial's numbers. So 3 (zero the gradients) comes last here, after the
update. Both orders are right: no gradient may be left when backward() adds the next one.
"""

import torch
from torch import nn


class LinearRegression(nn.Module):
    """A model class around nn.Linear: features (n, input_dim) to predictions (n, output_dim)."""

    def __init__(self, input_dim, output_dim):
        super().__init__()
        self.lin = nn.Linear(input_dim, output_dim)

    def forward(self, x):
        return self.lin(x)


if __name__ == "__main__":
    print("\n# 1. Autograd, with loss and update by hand")
    X = torch.tensor([1, 2, 3, 4], dtype=torch.float32)
    Y = torch.tensor([2, 4, 6, 8], dtype=torch.float32)
    w = torch.tensor(0.0, dtype=torch.float32, requires_grad=True)

    def forward(x):
        return w * x

    def loss(y_predicted, y):  # MSE. The tutorial has (y, y_predicted): the same value.
        return ((y_predicted - y) ** 2).mean()

    print(f"Prediction before training: f(5) = {forward(5):.3f}")
    learning_rate = 0.1
    n_iters = 20
    for epoch in range(n_iters):
        # 1. Forward pass
        y_pred = forward(X)
        # 2. Loss
        l = loss(y_pred, Y)
        # 4. Backpropagation: dl/dw, into w.grad
        l.backward()
        # 5. Gradient descent. Autograd must not record the update: it is no part of the model.
        #    no_grad pauses the recording. inference_mode goes further: a tensor made inside it
        #    can't be used in training. So no_grad is for updates, inference_mode for predictions.
        with torch.no_grad():
            w -= learning_rate * w.grad
        # 3. Zero gradients
        w.grad.zero_()
        print(f"epoch {epoch + 1}: w = {w:.3f}, loss = {l:.8f}")
    print(f"Prediction after training: f(5) = {forward(5):.3f}")

    print("\n# 2. PyTorch's loss and optimizer")
    X = torch.tensor([1, 2, 3, 4], dtype=torch.float32)
    Y = torch.tensor([2, 4, 6, 8], dtype=torch.float32)
    w = torch.tensor(0.0, dtype=torch.float32, requires_grad=True)

    def forward(x):
        return w * x

    print(f"Prediction before training: f(5) = {forward(5):.3f}")
    learning_rate = 0.01
    n_iters = 100
    loss = nn.MSELoss()  # torch's order: input (predictions), then target (labels)
    optimizer = torch.optim.SGD([w], lr=learning_rate)
    for epoch in range(n_iters):
        # 1. Forward pass
        y_pred = forward(X)
        # 2. Loss
        l = loss(y_pred, Y)
        # 4. Backpropagation
        l.backward()
        # 5. Gradient descent
        optimizer.step()
        # 3. Zero gradients
        optimizer.zero_grad()
        if epoch % 10 == 0:
            print(f"epoch {epoch + 1}: w = {w:.3f}, loss = {l:.8f}")
    print(f"Prediction after training: f(5) = {forward(5):.3f}")

    print("\n# 3. PyTorch's model")
    # nn.Linear takes two dimensions: a row for each sample, a column for each feature.
    X = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
    Y = torch.tensor([[2], [4], [6], [8]], dtype=torch.float32)
    X_test = torch.tensor([5], dtype=torch.float32)
    n_samples, n_features = X.shape
    input_size = n_features
    output_size = n_features
    model = nn.Linear(input_size, output_size)

    # The tutorial set no seed here or in step 4, so its random starts are lost. Its printed losses
    # still tell where it began. Under MSE the loss of epoch k is a sum of two terms that shrink by
    # constant factors. Least squares gives their sizes, f(5) before training their signs. A search
    # of the float32 numbers nearby finds several starts, within 3 steps, that print these digits.
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
        l = loss(y_pred, Y)
        # 4. Backpropagation
        l.backward()
        # 5. Gradient descent
        optimizer.step()
        # 3. Zero gradients
        optimizer.zero_grad()
        if epoch % 10 == 0:
            [w, b] = model.parameters()
            print(f"epoch {epoch + 1}: w = {w[0].item():.3f}, loss = {l:.8f}")
    print(f"Prediction after training: f(5) = {model(X_test).item():.3f}")

    print("\n# 4. A model class")
    X = torch.tensor([[1], [2], [3], [4]], dtype=torch.float32)
    Y = torch.tensor([[2], [4], [6], [8]], dtype=torch.float32)
    X_test = torch.tensor([5], dtype=torch.float32)
    n_samples, n_features = X.shape
    input_size = n_features
    output_size = n_features
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
        l = loss(y_pred, Y)
        # 4. Backpropagation
        l.backward()
        # 5. Gradient descent
        optimizer.step()
        # 3. Zero gradients
        optimizer.zero_grad()
        if epoch % 10 == 0:
            [w, b] = model.parameters()
            print(f"epoch {epoch + 1}: w = {w[0].item():.3f}, loss = {l:.8f}")
    print(f"Prediction after training: f(5) = {model(X_test).item():.3f}")
