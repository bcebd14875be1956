# %% [markdown]
# # 1. Data: prepare and load
#
# Machine learning takes data from the past, finds a pattern in them, and predicts the future with
# it. It has two parts. First, the data become numbers, whatever they are: a table, photos, sound,
# text, the shape of a protein. Then a model learns the pattern in the numbers.
#
# Here the pattern is known, a straight line. So we can see afterwards whether the model found it.

# %% The tutorial's sections: 01_data.py to 06_all_together.py
what_were_covering = {
    1: "data (prepare and load)",
    2: "build model",
    3: "fitting the model to data (training)",
    4: "making predictions and evaluating a model (inference)",
    5: "saving and loading a model",
    6: "putting it all together",
}

# %% Imports and PyTorch's version
from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch
from torch import nn  # "nn" is for neural network: its building blocks. Section 2 uses them.

# A notebook shows the value of a cell's last expression by itself. A script must print it: pprint
# ("pretty print") writes it almost as a notebook does. The tutorial has '2.2.1+cu121' here.
pprint(torch.__version__)

# %% Features X and labels y
# Known parameters. The model will have to find them by gradient descent: in small steps against the
# gradient, the slope of its error.
weight = 0.7
bias = 0.3

# X is what a model is given, y what it has to predict. It studies pairs (x, y) to learn how y
# depends on x. One row is one sample, one column one feature: torch.arange gives shape (50,), and
# unsqueeze makes it a column of shape (50, 1).
start = 0
end = 1
step = 0.02
X = torch.arange(start, end, step).unsqueeze(dim=1)
y = weight * X + bias

pprint((X[:10], y[:10]))

# %% Split into training and test set
# Data are often split in three parts:
#   part             share      used      for what
#   training set     60-80 %    always    to learn from: the lessons
#   validation set   10-20 %    often     to choose settings: the mock exam
#   test set         10-20 %    always    to judge the model on unseen data: the real exam
# The test set stays apart. It tells how well the model generalizes, which means: predicts what it
# has not learned from. No setting is tuned here, so two parts are enough.
train_split = int(0.8 * len(X))  # 80 % for training, 20 % for testing
X_train, y_train = X[:train_split], y[:train_split]
X_test, y_test = X[train_split:], y[train_split:]

pprint((len(X_train), len(y_train), len(X_test), len(y_test)))


# %% A function that draws the data
# The tutorial's function with its default arguments. Its look differs: labelled axes, and three
# markers, because two of its colours are one grey in print.
def plot_predictions(
    train_data=X_train,
    train_labels=y_train,
    test_data=X_test,
    test_labels=y_test,
    predictions=None,
):
    """Draw the training data, the test data and, if given, the predictions for the test data."""
    plt.rc("font", size=14)
    plt.figure(figsize=(10, 7), layout="constrained")
    plt.scatter(train_data, train_labels, c="#0072B2", s=30, label="Training data")
    hollow = dict(marker="s", s=110, facecolors="none", edgecolors="#009E73", linewidths=2)
    plt.scatter(test_data, test_labels, **hollow, label="Testing data")
    if predictions is not None:
        plt.scatter(test_data, predictions, c="#D55E00", marker="x", s=40, label="Predictions")
    plt.title("Data" if predictions is None else "Data and predictions")
    plt.xlabel("X (feature, no unit)")
    plt.ylabel("y (label, no unit)")
    plt.legend(prop={"size": 14})


# %% The data as a picture
# Numbers in columns say little. The picture shows that the split is by order: the test data go on
# where the training data end. The model will be asked about an X larger than all it has seen.
plot_predictions()
Path("figures").mkdir(exist_ok=True)  # the tutorial saves beside the notebook
plt.savefig("figures/01_data_split.png")
plt.show()  # a window, where there is a screen; the script ends when you close it
