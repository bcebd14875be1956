"""Section 1 of the tutorial: data (preparing and loading).

Data can be anything: a table, photos, sound, text, the shape of a protein. All of it is turned into
numbers first; then a model learns the pattern in the numbers. Here the pattern is known: a straight
line, y = weight * X + bias. So we can see afterwards whether the model has found it.
"""

from pathlib import Path
from pprint import pprint

import matplotlib.pyplot as plt
import torch


def plot_predictions(train_data, train_labels, test_data, test_labels, predictions=None):
    """Draw the training data, the test data and, where given, the predictions for the test data.

    All are tensors of shape (n, 1). The tutorial has its data as default arguments. Other scripts
    import this one, so they pass theirs. Matplotlib draws on the CPU: .cpu() copies from a GPU.
    """
    plt.rc("font", size=14)
    plt.figure(figsize=(10, 7), layout="constrained")
    plt.scatter(train_data.cpu(), train_labels.cpu(), c="#0072B2", label="Training data")
    plt.scatter(test_data.cpu(), test_labels.cpu(), c="#009E73", marker="s", label="Testing data")
    if predictions is not None:
        look = dict(c="#D55E00", marker="x", s=70, linewidths=2, label="Predictions")
        plt.scatter(test_data.cpu(), predictions.cpu(), **look)
    plt.xlabel("X (feature, no unit)")
    plt.ylabel("y (label, no unit)")
    plt.legend(prop={"size": 14})


if __name__ == "__main__":
    # The sections of the tutorial, each a script of its own.
    what_were_covering = {
        1: "data (01_data.py)",
        2: "build a model (02_model.py)",
        3: "train it (03_train.py)",
        4: "make predictions (04_infer.py)",
        5: "save and load (05_save_load.py)",
        6: "all of it together (06_all_together.py)",
    }
    print("\n# 1. Data: PyTorch version")
    print(torch.__version__)

    # Known parameters. The model will have to find them by gradient descent.
    weight = 0.7
    bias = 0.3

    # Features X and labels y: one row a sample, one column a feature. torch.arange gives shape
    # (50,), and unsqueeze adds the dimension of length 1 that makes it a column, (50, 1).
    start = 0
    end = 1
    step = 0.02
    X = torch.arange(start, end, step).unsqueeze(dim=1)
    y = weight * X + bias

    print("\n# 1. Data: the first ten features X and labels y")
    pprint((X[:10], y[:10]))

    # Data is often split in three parts:
    #   part             share      used      for what
    #   training set     60-80 %    always    to learn from: the lessons
    #   validation set   10-20 %    often     to choose settings: the mock exam, then one adjusts
    #   test set         10-20 %    always    to judge the model on unseen data: the real exam
    # The test set stays apart: on data that it has learned from, a model looks better than it is.
    # No setting is chosen here, so two parts are enough. Section 3 measures the test loss in every
    # epoch, but only watches it: no gradient and no decision comes from it.
    train_split = int(0.8 * len(X))  # 80 % for training, 20 % for testing
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]

    print("\n# 1. Data: lengths of X_train, y_train, X_test, y_test")
    print((len(X_train), len(y_train), len(X_test), len(y_test)))

    # Numbers in columns say little. In the picture, the test data continues the training data's
    # line: the model will be asked about an X that is larger than all it has seen.
    plot_predictions(X_train, y_train, X_test, y_test)
    plt.title("The data: a straight line, split 80 to 20")
    Path("figures").mkdir(exist_ok=True)
    plt.savefig("figures/01_data_split.png")
    plt.show()  # opens a window where there is a display
