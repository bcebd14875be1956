"""What a notebook's code says about its run: read with ast, and never run.

The code is a hint on where to search, and no proof: cells run in another order than they stand in,
and were changed after they had run. Therefore a table's settings are what prints its rows.
"""

import ast
import re
from itertools import product

from check.simulate import Settings

MOST_POINTS = 2000  # points in X: more would take long
LOSSES = {"L1Loss": "mae", "MSELoss": "mse", "HuberLoss": "huber", "SmoothL1Loss": "huber"}
OPTIMIZERS = "SGD", "Adam", "AdamW"  # of those that can be simulated


def sound(hints):
    """Return the hints that have the type and the size that they should have."""
    words = {"X": str, "loss": str, "optimizer": str, "parameters": list | tuple}

    def fits(name, value):
        if name in words:
            return isinstance(value, words[name])
        if name in ("seed", "epochs"):
            return isinstance(value, int) and 0 <= value < 2**63
        lowest = 0 if name in ("lr", "momentum") else -1e6
        return isinstance(value, int | float) and lowest <= value < 1e6

    return {name: value for name, value in hints.items() if fits(name, value)}


def said_by(hints):
    """Return the Settings that the code means, one for each line if it has `w` beside `weight`."""
    optimizer = hints.get("optimizer")
    fields = {
        "X": range_of(hints.get("X", "")),
        "loss": LOSSES.get(hints.get("loss")),
        "optimizer": optimizer if optimizer in OPTIMIZERS else None,
        "lr": hints.get("lr"),
        "momentum": hints.get("momentum"),
        "split": hints.get("split"),
    }
    fields = {name: value for name, value in fields.items() if value is not None}
    weights = [float(hints[name]) for name in ("weight", "weights", "w") if name in hints] or [0.7]
    biases = [float(hints[name]) for name in ("bias", "b") if name in hints] or [0.3]
    return [Settings(weight=w, bias=b, **fields) for w, b in product(weights, biases)]


def range_of(text):
    """Return X of "arange(0, 1, 0.02)" or "linspace(0, 1, 50)" as Settings have it, or None."""
    try:
        name, numbers = re.fullmatch(r"(\w+)\((.*)\)", text).groups()
        numbers = [float(number) for number in numbers.split(",")]
        if name == "linspace":
            start, end, points = numbers
            X = name, start, end, int(points)
        else:
            start, end, step = [[0.0, *numbers, 1.0], [*numbers, 1.0], numbers][len(numbers) - 1]
            X, points = (start, end, step), (end - start) / step
    except (AttributeError, IndexError, OverflowError, ValueError, ZeroDivisionError):
        return None
    return X if 2 <= points <= MOST_POINTS else None


def hints_of(codes):
    """Return what cells of code say, as far as it can be read without running them.

    The keys are X, parameters, seed, loss, optimizer, lr, momentum, split, and the names of numbers
    such as weight, bias and epochs. The last statement counts.
    """
    reader = CodeReader()
    for code in codes:
        lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in code.split("\n")]
        try:
            reader.visit(ast.parse("\n".join(lines)))
        except (SyntaxError, ValueError, RecursionError):
            continue  # a cell that Python can't read says nothing here
    return reader.hints


class CodeReader(ast.NodeVisitor):
    """Collects hints from the statements that it visits, in their order."""

    def __init__(self):
        self.hints, self.numbers = {}, {}

    def visit_Assign(self, node):
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
            for name, value in pairs:
                number = self.number(value)
                if isinstance(name, ast.Name) and number is not None:
                    self.numbers[name.id] = number
                    if name.id.lower() in ("weight", "weights", "w", "bias", "b", "epochs"):
                        self.hints[name.id.lower()] = number
                if isinstance(name, ast.Name) and name.id.lower().startswith("x"):
                    self.note_inputs(value)
        self.generic_visit(node)

    def note_inputs(self, value):
        for call in (node for node in ast.walk(value) if isinstance(node, ast.Call)):
            if called(call) in ("arange", "linspace"):
                named = {k.arg: self.number(k.value) for k in call.keywords}
                names = ("start", "end", "step" if called(call) == "arange" else "steps")
                given = [self.number(argument) for argument in call.args]
                given += [named[name] for name in names[len(given) :] if name in named]
                self.hints["X"] = f"{called(call)}({', '.join(map(str, given))})"

    def visit_ClassDef(self, node):
        drawn = [called(n) for n in ordered(node) if called(n) in ("randn", "rand", "Linear")]
        if drawn:
            self.hints["parameters"] = drawn
        self.generic_visit(node)

    def visit_Call(self, node):
        name, named = called(node), {k.arg: self.number(k.value) for k in node.keywords}
        first = self.number(node.args[0]) if node.args else None
        if (
            name == "manual_seed"
            and (seed := named.get("seed", first)) is not None
            and abs(seed) < 2**63
        ):
            self.hints["seed"] = int(seed)
        elif name in LOSSES:
            self.hints["loss"] = name
        elif name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"):
            lr = named.get("lr", self.number(node.args[1]) if len(node.args) > 1 else None)
            self.hints.update(optimizer=name, momentum=named.get("momentum") or 0.0)
            self.hints.update({} if lr is None else dict(lr=lr))
        elif name == "train_test_split":
            self.hints["shuffled"] = True
        elif name == "int" and node.args and isinstance(node.args[0], ast.BinOp):
            for share in map(self.number, (node.args[0].left, node.args[0].right)):
                if share is not None and 0 < share < 1:
                    self.hints["split"] = share
        self.generic_visit(node)

    def number(self, node):
        """Return the number that an expression is, or None if reading alone doesn't tell."""
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self.number(node.operand)
            return None if value is None else -value
        return self.numbers.get(node.id) if isinstance(node, ast.Name) else None


def ordered(node):
    """Return all nodes below one in the order of the text."""
    inner = (n for n in ast.walk(node) if hasattr(n, "lineno"))
    return sorted(inner, key=lambda n: (n.lineno, n.col_offset))


def called(node):
    """Return the name of the function that a call calls, without its module, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
