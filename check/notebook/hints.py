"""What a notebook's code says about its run: read with ast, and never run.

The code is a hint on where to search, and no proof: cells run in another order than they stand in,
and were changed after they had run. Therefore a table's settings are what prints its rows.
"""

import ast
import re
from itertools import product

from check.notebook.runs import OPTIMIZERS, Settings

MOST_POINTS = 2000  # points in X: more would take long
LOSS_CLASSES = {"L1Loss": "mae", "MSELoss": "mse", "HuberLoss": "huber", "SmoothL1Loss": "huber"}


def sound(hints):
    """Return the hints that have the type and the size that they should have."""
    kinds = {"X": str, "loss": str, "optimizer": str, "parameters": list | tuple}

    def fits(name, value):
        if name in kinds:
            return isinstance(value, kinds[name])
        if name in ("seed", "epochs"):
            return isinstance(value, int) and 0 <= value < 2**63
        lowest = 0 if name in ("lr", "momentum") else -1e6
        return isinstance(value, int | float) and lowest <= value < 1e6

    return {name: value for name, value in hints.items() if fits(name, value)}


def said_by(hints):
    """Return the Settings that the code means, one for each line if it has `w` beside `weight`."""
    fields = {name: hints.get(name) for name in ("lr", "momentum", "split")}
    fields["X"] = range_of(hints.get("X", ""))
    fields["loss"] = LOSS_CLASSES.get(hints.get("loss"))
    if hints.get("optimizer") in OPTIMIZERS:
        fields["optimizer"] = hints["optimizer"]
    fields = {name: value for name, value in fields.items() if value is not None}
    weights = [float(hints[name]) for name in ("weight", "weights", "w") if name in hints] or [0.7]
    biases = [float(hints[name]) for name in ("bias", "b") if name in hints] or [0.3]
    return [Settings(weight=w, bias=b, **fields) for w, b in product(weights, biases)]


def range_of(text):
    """Return X of "arange(0, 1, 0.02)" or "linspace(0, 1, 50)" as Settings have it, or None."""
    try:
        name, given = re.fullmatch(r"(\w+)\((.*)\)", text).groups()
        given = [float(number) for number in given.split(",")]
        if name == "linspace":
            start, end, points = given
            X = name, start, end, int(points)
        else:
            start, end, step = {1: [0.0, *given, 1.0], 2: [*given, 1.0], 3: given}[len(given)]
            X, points = (start, end, step), (end - start) / step
    except (AttributeError, KeyError, OverflowError, ValueError, ZeroDivisionError):
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

    def note(self, **said):
        """Keep what is said; None says nothing."""
        self.hints.update({name: value for name, value in said.items() if value is not None})

    def visit_Assign(self, node):
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    self.assign(name.id.lower(), value)
        self.generic_visit(node)

    def assign(self, name, value):
        self.numbers[name] = number = self.number(value)
        if name in ("weight", "weights", "w", "bias", "b", "epochs"):
            self.note(**{name: number})
        for call in ast.walk(value):
            function = called(call)
            if name.startswith("x") and function in ("arange", "linspace"):
                names = "start", "end", "step" if function == "arange" else "steps"
                given = [self.argument(call, *place) for place in enumerate(names)]
                given = [str(number) for number in given if number is not None]
                self.note(X=f"{function}({', '.join(given)})")

    def visit_ClassDef(self, node):
        drawn = [called(n) for n in ordered(node) if called(n) in ("randn", "rand", "Linear")]
        self.note(parameters=drawn or None)
        self.generic_visit(node)

    def visit_Call(self, node):
        name = called(node)
        if name == "manual_seed":
            self.note(seed=self.argument(node, 0, "seed"))
        elif name in LOSS_CLASSES:
            self.note(loss=name)
        elif name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "LBFGS"):
            momentum = self.argument(node, 2, "momentum") if name == "SGD" else 0.0
            self.note(optimizer=name, lr=self.argument(node, 1, "lr"), momentum=momentum or 0.0)
        elif name == "train_test_split":
            self.note(shuffled=True)
        elif name == "int" and node.args and isinstance(node.args[0], ast.BinOp):
            for share in map(self.number, (node.args[0].left, node.args[0].right)):
                self.note(split=share if share and 0 < share < 1 else None)
        self.generic_visit(node)

    def argument(self, call, place, name):
        """Return the number that a call passes at this place or by this name, or None."""
        given = [k.value for k in call.keywords if k.arg == name] + call.args[place : place + 1]
        return self.number(given[0]) if given else None

    def number(self, node):
        """Return the number that an expression is, or None if reading alone doesn't tell."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            number = self.number(node.operand)
            return None if number is None else -number
        if isinstance(node, ast.Name):
            return self.numbers.get(node.id.lower())
        value = getattr(node, "value", None)
        return value if type(value) in (int, float) else None


def ordered(node):
    """Return all nodes below one in the order of the text."""
    inner = (n for n in ast.walk(node) if hasattr(n, "lineno"))
    return sorted(inner, key=lambda n: (n.lineno, n.col_offset))


def called(node):
    """Return the name of the function that a call calls, without its module, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
