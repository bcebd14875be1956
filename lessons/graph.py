"""The engine's graph of the first loss, node by node, beside the gradient by a formula.

    weight -> weight * X -> y_pred -> residual -> |residual| -> loss
                  X         bias      y

Each arrow is an operation of the engine. Forward, values flow from the parameters to the loss.
Backward, gradients flow from the loss to the parameters. On its way back each is multiplied by the
slope of the operation. Worked out on paper, these products are the formula (the closed form).
"""

import matplotlib.pyplot as plt
import numpy as np

from manual_grad import program
from manual_grad.engine import Tensor
from manual_grad.program import BLUE, ORANGE


def nodes(run):
    """Return the nodes of (weight * X + bias - y).abs().mean(), from the parameters to the loss.

    Each is a row: name, value, gradient by the engine, closed form in words, closed form. The
    engine keeps the gradients of leaves only. So each node becomes a leaf in its turn, and the rest
    of the expression is built on it.
    """
    X, y = run.X.numpy(), run.y.numpy()
    weight, bias = map(X.dtype.type, (run.weight, run.bias))
    product = weight * X
    residual = product + bias - y
    sign = np.sign(residual)
    n = sign.dtype.type(sign.size)
    rest = [
        lambda node: node * X,
        lambda node: node + bias,
        lambda node: node - y,
        Tensor.abs,
        Tensor.mean,
    ]
    rows = []
    for name, value, operations, formula, closed_form in (
        ("weight", weight, rest, "mean of sign * x", (sign * X).mean()),
        ("weight * X", product, rest[1:], "sign / n", sign / n),
        ("bias", bias, [lambda node: product + node, *rest[2:]], "mean of sign", sign.mean()),
        ("y_pred", product + bias, rest[2:], "sign / n", sign / n),
        ("residual", residual, rest[3:], "sign / n", sign / n),
        ("|residual|", np.abs(residual), rest[4:], "1 / n", np.ones_like(sign) / n),
        ("loss", np.abs(residual).mean(), [], "1", np.ones_like(n)),
    ):
        leaf = node = Tensor(value, requires_grad=True)
        for operation in operations:
            node = operation(node)
        node.backward()
        rows.append((name, leaf.data, leaf.grad, formula, np.asarray(closed_form)))
    return rows


def last(array):
    """Return the last element, that of the last point; or the only one."""
    return array.flat[-1] + 0.0  # -0 + 0 is 0


def print_nodes(run):
    """Print the graph from the loss back to the parameters."""
    print("\n# The graph of our own small autograd (engine.py): each operation is a node")
    print("The loss is (weight * X + bias - y).abs().mean(). Read from the loss back.")
    print(f"Of a node with {run.X.numel()} elements, that of the last point is shown.\n")
    head = ("node", "value", "gradient", "by formula", "", "largest diff.")
    print("{:<12}{:>12}{:>12}  {:<17}{:>10}{:>15}".format(*head))
    for name, value, gradient, formula, closed_form in reversed(nodes(run)):
        numbers = last(value), last(gradient), formula, last(closed_form)
        largest = np.abs(gradient - closed_form).max()
        text = "{:<12}{:>12.6f}{:>12.6f}  {:<17}{:>10.6f}{:>15.1e}"
        print(text.format(name, *numbers, largest))


@plt.rc_context(program.SLIDE)
def plot_nodes(run):
    """Draw the graph: a box for each node, values on the way down, gradients on the way up."""
    x, y = (array[-1].item() for array in (run.X, run.y))
    rows = {name: (last(value), last(grad)) for name, value, grad, *_ in nodes(run)}
    bias = rows.pop("bias")
    sign = np.sign(rows["residual"][0])
    steps = [  # what leads from a row to the next, and what leads back
        (f"times x = {x:.2f}", "times x, summed over the points"),
        ("plus bias", "times 1"),
        (f"minus y = {y:.4f}", "times 1"),
        ("absolute value", f"times sign = {sign:.0f}"),
        (f"mean of {run.X.numel()}", f"times 1 / {run.X.numel()}"),
    ]
    figure, axes = plt.subplots()
    axes.set(xlim=(0, 13), ylim=(-5.4, 0.7))
    axes.axis("off")
    axes.set_title(f"Values flow down, gradients flow up: the last of {run.X.numel()} points")
    axes.text(4.6, 0.45, "value", color=BLUE, ha="right", weight="bold")
    axes.text(6.9, 0.45, "gradient", color=ORANGE, ha="right", weight="bold")
    for row, (name, numbers) in enumerate(rows.items()):
        draw_box(axes, 0.6, -row, name, numbers)
    draw_box(axes, 7.8, -1, "bias", bias, width=5)
    draw_arrow(axes, (8.3, -1.26), (7.2, -1.9), BLUE, "-")
    draw_arrow(axes, (7.2, -2.1), (9.2, -1.26), ORANGE, "--")
    axes.text(8.5, -1.85, "times 1, summed over the points", color=ORANGE)
    for row, (forward, backward) in enumerate(steps):
        top, bottom, middle = -row - 0.26, -row - 0.74, -row - 0.5
        draw_arrow(axes, (1.4, top), (1.4, bottom), BLUE, "-")
        draw_arrow(axes, (5.8, bottom), (5.8, top), ORANGE, "--")
        axes.text(1.65, middle, forward, color=BLUE, va="center")
        axes.text(6.05, middle, backward, color=ORANGE, va="center")
    return figure


def draw_box(axes, left, middle, name, numbers, width=6.6):
    """Draw a node: its name, value and gradient."""
    axes.add_patch(plt.Rectangle((left, middle - 0.25), width, 0.5, fill=False, lw=2.5))
    style = dict(va="center", weight="bold")
    axes.text(left + 0.2, middle, name, **style)
    for number, color, right in zip(numbers, (BLUE, ORANGE), (2.6, 0.3)):
        axes.text(left + width - right, middle, f"{number:.4f}", color=color, ha="right", **style)


def draw_arrow(axes, start, end, color, style):
    """Draw an arrow from start to end."""
    look = dict(arrowstyle="-|>", color=color, lw=2.5, ls=style, mutation_scale=20)
    axes.annotate("", end, start, arrowprops=look)
