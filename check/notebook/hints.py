"""What a notebook's code says about its run, each value with its cell and line: read, never run.

Three things are read with ast: values (X, the line, a seed, a rate), the model's class, and each
loop that trains, as the order of its events, which are backward(), step() and zero_grad(), with what
each loss compares. What can't be read with certainty isn't said.
"""

import ast
import re
from collections import defaultdict
from copy import deepcopy
from typing import NamedTuple


class Said(NamedTuple):
    """A value that the code gives, and where: the cell and its line from 1, and the code itself."""

    value: object
    cell: int | None = None
    line: int | None = None
    text: str = ""


LOSSES = "L1Loss", "MSELoss", "HuberLoss", "SmoothL1Loss"
TRIED = "SGD", "Adam", "AdamW"
UNTRIED = {
    name: name for name in "DataLoader randperm train_test_split random_split Dropout".split()
}
UNTRIED |= {
    name: name for name in "RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop LBFGS".split()
}
UNTRIED |= {
    name: "a scheduler" for name in "StepLR ExponentialLR CosineAnnealingLR LambdaLR".split()
}
UNTRIED |= {
    "half": "float16",
    "clip_grad_norm_": "clip_grad_norm_",
    "squeeze": "labels of shape (n,)",
}
OPTIONS = {
    "weight_decay": 0,
    "nesterov": False,
    "reduction": "mean",
    "amsgrad": False,
    "dampening": 0,
}
NUMBERS = {name: name for name in ("weight", "weights", "w", "bias", "b", "epochs")}
NUMBERS |= {
    "true_weight": "weight",
    "true_bias": "bias",
    "num_epochs": "epochs",
    "n_epochs": "epochs",
}
RANDOM = "randn", "rand", "randn_like", "rand_like", "normal"
IS_LOSS = re.compile("loss|criterion|mae|mse|cost", re.IGNORECASE)
IS_DATA = re.compile(r"(x|y|data|features?|labels?|targets?)(_.*)?|(train|test)_.*", re.IGNORECASE)
FOLD = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__"}


def hints_of(codes):
    """Return (hints, places) of cells of code.

    `hints` is what is said last of X, parameters, seed, loss, optimizer, lr, momentum, split, epochs
    and of the line: weight, weights or w, and bias or b. `places` has all Said of each of these
    keys, and of what a class and a loop do: zero_grad, steps, trains, train, test, exchanged, "bias
    first", "bias=False", "step if", "y_pred once", "model anew", model, device, dtype, untried.
    """
    reader = Reader()
    for cell, code in enumerate(codes, start=1):
        lines = ["" if re.match(r"\s*[%!]", line) else line for line in code.split("\n")]
        try:
            tree = ast.parse("\n".join(lines))
        except (SyntaxError, ValueError, RecursionError):
            continue  # a cell that Python can't read says nothing here
        for node in ast.walk(tree):
            node.cell = cell
        reader.visit(tree)
    places = dict(reader.places)
    keys = (
        "X",
        "parameters",
        "seed",
        "loss",
        "optimizer",
        "lr",
        "momentum",
        "split",
        *NUMBERS.values(),
    )
    return {key: places[key][-1].value for key in dict.fromkeys(keys) if key in places}, places


class Reader(ast.NodeVisitor):
    """Collects what statements say, in the order of the text."""

    def __init__(self):
        self.places, self.values = defaultdict(list), {}  # values: of names, numbers or devices
        self.functions, self.classes, self.outer = {}, {}, []
        self.swapped = False  # whether X_train is the last part of X

    def say(self, node, **said):
        """Keep facts with the place of their node; None says nothing."""
        text = ast.unparse(node).split("\n")[0][:60]
        for key, value in said.items():
            if value is not None:
                key = key.replace("_", " ") if key in ("bias_first", "step_if") else key
                self.places[key].append(Said(value, node.cell, node.lineno, text))

    # --- Values

    def visit_Assign(self, node):
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts)
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    self.assign(node, name.id.lower(), value)
        self.generic_visit(node)

    def assign(self, node, name, value):
        self.values[name] = self.value(value)
        learned = any(
            isinstance(n, ast.keyword) and n.arg == "requires_grad" for n in ast.walk(value)
        )
        if name in NUMBERS and isinstance(self.values[name], int | float) and not learned:
            self.say(node, **{NUMBERS[name]: self.values[name]})
        inner = list(ast.walk(value))
        calls = {called(n) for n in inner}
        if data_named(name) == "X_train" and isinstance(getattr(value, "slice", None), ast.Slice):
            self.swapped = value.slice.upper is None
        if name.startswith("x"):
            for call in inner:
                if called(call) in ("arange", "linspace"):
                    self.say(node, X=self.range_of(call))
        if re.fullmatch("y|labels?|targets?", name):
            if calls & {*RANDOM} or any(isinstance(n, ast.Name) and "noise" in n.id for n in inner):
                self.say(node, untried="noise")
            if called(value) == "squeeze":
                self.say(node, untried=UNTRIED["squeeze"])
        if re.fullmatch("(x|y)(_?(train|test))?", name):
            for n in inner:
                if getattr(n, "attr", "") in ("float64", "double"):
                    self.say(node, dtype="float64")
                elif getattr(n, "attr", "") in ("float16", "half"):
                    self.say(node, untried="float16")

    def range_of(self, call):
        names = "start", "end", "step" if called(call) == "arange" else "steps"
        given = [self.argument(call, *place) for place in enumerate(names)]
        return f"{called(call)}({', '.join(str(n) for n in given if n is not None)})"

    def argument(self, call, place, name):
        """Return what a call passes at this place or by this name, if it is a number, or None."""
        given = [k.value for k in call.keywords if k.arg == name] + call.args[place : place + 1]
        value = self.value(given[0]) if given else None
        return value if isinstance(value, int | float) else None

    def value(self, node):
        """Return the number or the device that an expression is, or None if reading doesn't tell."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Constant(value="cuda" | "mps" | "cuda:0" as device):
                return device.split(":")[0]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self.value(operand)
                return -number if isinstance(number, int | float) else None
            case ast.BinOp(left=left, op=op, right=right) if type(op) in FOLD:
                a, b = self.value(left), self.value(right)
                if all(isinstance(n, int | float) for n in (a, b)) and not (
                    b == 0 and FOLD[type(op)] == "__truediv__"
                ):
                    return getattr(float(a), FOLD[type(op)])(float(b))
            case ast.Name(id=name):
                return self.values.get(name.lower())
            case ast.IfExp(body=body):
                return self.value(body)
            case ast.Call(args=[only, *_]) if called(node) in ("tensor", "device", "float"):
                return self.value(only)
        return None

    # --- Calls and classes

    def visit_Call(self, node):
        name = called(node)
        if name == "manual_seed" and "cuda" not in ast.unparse(node.func):
            self.say(node, seed=self.argument(node, 0, "seed"))
        elif name in LOSSES:
            self.say(node, loss=name)
        elif name in TRIED:
            momentum = self.argument(node, 2, "momentum") if name == "SGD" else 0.0
            self.say(node, optimizer=name, momentum=momentum or 0.0)
            named = [k for k in node.keywords if k.arg == "lr"]
            self.say((named or [node])[0], lr=self.argument(node, 1, "lr"))
            self.held(node)
        elif name == "int" and node.args and isinstance(node.args[0], ast.BinOp):
            for share in map(self.value, (node.args[0].left, node.args[0].right)):
                self.say(node, split=share if isinstance(share, float) and 0 < share < 1 else None)
        elif name == "set_default_device":
            self.say(node, device=self.value(node.args[0]) if node.args else None)
        elif name in UNTRIED and name != "squeeze":
            self.say(node, untried=UNTRIED[name])
        elif name in self.classes or name == "Linear" and not self.outer:
            self.say(node, model=name, parameters=None if name in self.classes else ["Linear"])
        for keyword in node.keywords:
            usual = OPTIONS.get(keyword.arg, ...)
            if usual is not ... and getattr(keyword.value, "value", usual) != usual:
                self.say(keyword, untried=ast.unparse(keyword))
            if keyword.arg == "bias" and name == "Linear" and ast.unparse(keyword.value) == "False":
                self.say(node, **{"bias=False": True, "trains": "weight"})
            if keyword.arg == "device" and (self.outer or name == "Linear"):
                self.say(node, device=self.value(keyword.value))
        self.generic_visit(node)

    def held(self, optimizer):
        """Say which parameter an optimizer holds, if that is one alone."""
        given = optimizer.args[:1] + [k.value for k in optimizer.keywords if k.arg == "params"]
        if given and isinstance(given[0], ast.List) and len(given[0].elts) == 1:
            name = ast.unparse(given[0]).lower()
            self.say(
                optimizer,
                trains="bias" if "bias" in name else "weight" if "weight" in name else None,
            )

    def visit_With(self, node):
        for item in node.items:
            if called(item.context_expr) == "device":
                self.say(item.context_expr, device=self.value(item.context_expr))
        self.generic_visit(node)

    def visit_ClassDef(self, node):
        inner = ordered(node)
        drawn = [called(n) for n in inner if called(n) in ("randn", "rand", "Linear")]
        self.say(node, parameters=drawn or None)
        made = [
            t.attr
            for n in inner
            if isinstance(n, ast.Assign)
            for t in n.targets
            if hasattr(t, "attr")
        ]
        made = [half(name) for name in made if half(name)]
        if len(made) == 2:
            self.say(node, bias_first=made == ["bias", "weight"])
        for function in (n for n in node.body if getattr(n, "name", "") == "forward"):
            for returned in (n for n in ordered(function) if isinstance(n, ast.Return)):
                self.forward(returned)
        self.classes[node.name] = node
        self.inside(node)

    def forward(self, returned):
        """Say of `return self.weights * x + self.bias` whether it is that, or what else it is."""
        match returned.value:
            case (
                ast.BinOp(left=ast.BinOp(left=a, op=ast.Mult(), right=b), op=ast.Add(), right=added)
                | ast.BinOp(
                    left=added, op=ast.Add(), right=ast.BinOp(left=a, op=ast.Mult(), right=b)
                )
            ):
                factor = next((n for n in (a, b) if half(ast.unparse(n))), None)

                if factor is None or not half(ast.unparse(added)):
                    return
                own = [isinstance(n, ast.Attribute) for n in (factor, added)]
                halves = [half(ast.unparse(n)) for n in (factor, added)]
                self.say(returned, exchanged=halves == ["bias", "weight"])
                if not all(own):
                    moved = {(True, False): "weight", (False, True): "bias"}.get(tuple(own))
                    self.say(returned, trains=moved)

    def inside(self, node):
        self.outer.append(node)
        self.generic_visit(node)
        self.outer.pop()

    def visit_FunctionDef(self, node):
        if not any(isinstance(outer, ast.ClassDef) for outer in self.outer):
            self.functions[node.name] = node
        self.inside(node)

    # --- A loop that trains

    def visit_For(self, node):
        body = [self.inlined(n) for n in node.body]
        inner = [n for statement in body for n in ordered(statement)]
        if any(called(n) == "backward" for n in inner) and not any(
            isinstance(n, ast.For) and any(called(i) == "backward" for i in ast.walk(n))
            for n in inner
        ):
            self.loop(node, body, inner)
        self.generic_visit(node)

    def inlined(self, statement):
        """Return a statement, or the body of the function that it calls, with the call's names."""
        call = getattr(statement, "value", None)
        function = self.functions.get(called(call))
        if not function:
            return statement
        names = dict(zip((a.arg for a in function.args.args), call.args))
        names |= {k.arg: k.value for k in call.keywords}
        body = deepcopy(function)
        for n in ast.walk(body):
            if isinstance(n, ast.Name) and isinstance(names.get(n.id), ast.Name):
                n.id = names[n.id].id
        return body

    def loop(self, node, body, inner):
        events, roles, losses, stepped = [], {}, [], []
        conditions = {
            id(n): i for i in inner if isinstance(i, ast.If) for b in i.body for n in ast.walk(b)
        }
        assigned = {
            id(n.value): ast.unparse(n.targets[0]) for n in inner if isinstance(n, ast.Assign)
        }
        for n in inner:
            event = event_of(n)
            if event and not ("scheduler" in ast.unparse(n)):
                events.append(event)
                stepped += [n] * (event == "step")
                if event == "step" and id(n) in conditions:
                    self.say(conditions[id(n)], step_if=ast.unparse(conditions[id(n)].test))
            if (
                isinstance(n, ast.Call)
                and len(n.args) == 2
                and IS_LOSS.search(called(n))
                and called(n) not in LOSSES
            ):
                losses.append(
                    (len(events), n, [role(a, roles) for a in n.args], assigned.get(id(n), ""))
                )
            elif isinstance(n, ast.Assign) and isinstance(n.value, ast.Call | ast.BinOp):
                data = next(
                    (
                        role(i, {})
                        for i in ast.walk(n.value)
                        if role(i, {}) in ("X_train", "X_test")
                    ),
                    None,
                )
                if data:
                    roles[ast.unparse(n.targets[0])] = f"pred_{data[2:]}"
            if called(n) in self.classes:
                self.say(n, **{"model anew": called(n)})
        by_hand = [n for n in stepped if isinstance(n, ast.AugAssign)]
        steps = 1 if by_hand else events.count("step")
        no_brackets = [
            n for n in inner if isinstance(n, ast.Expr) and getattr(n.value, "attr", "") == "step"
        ]
        first = (stepped + no_brackets + [node])[0]
        self.say(stepped[-1] if steps > 1 else first, steps=steps)
        # What a step uses is what stands before it in the round: a gradient, or none.
        used = re.findall("([bz])s", re.sub("s+", "s", "".join(e[0] for e in events) * 2))
        self.say(first, trains="nothing" if steps == 0 or set(used) == {"z"} else None)
        if not any(event_of(n) == "zero" and id(n) in conditions for n in inner):
            self.say(node, zero_grad="zero" in events)
        self.compare(losses, events, inner)

    def compare(self, losses, events, inner):
        """Say what the printed train loss and the printed test loss compare, and when."""
        backward = events.index("backward") if "backward" in events else 0
        step = events.index("step") + 1 if "step" in events else 0
        train = [loss for loss in losses if loss[0] <= backward][-1:] if losses else []
        for at, call, (a, b), name in losses:
            mine = train and call is train[0][1]
            if "pred" not in a and "pred" in b:
                a, b = b, a
            if mine:
                kinds = {
                    ("pred_train", "y_train"): "train",
                    ("pred_train", "X_train"): "X_train",
                    ("pred_test", "y_test"): "swapped",
                }
                kind = kinds.get((a, b))
                self.say(call, train="swapped" if kind == "train" and self.swapped else kind)
                once = ast.unparse(call.args[0])
                if a == "" and isinstance(call.args[0], ast.Name) and "pred" in once.lower():
                    self.say(call, **{"y_pred once": once})
            elif (
                train and name == train[0][3] and (a, b) == ("pred_train", "y_train") and at >= step
            ):
                self.say(call, train="train after")
            elif a == "pred_test" and b == "y_train" and "test" in name.lower():
                continue
            elif a == "pred_test":
                kind = {"y_test": "test", "X_test": "X_test", "pred_test": "itself"}.get(b)
                before = " before" if at < step and kind in ("test", "X_test") else ""
                self.say(call, test=kind and kind + before)
            elif "test" in name.lower() and (a, b) == ("pred_train", "y_train"):
                self.say(call, test="train after" if at >= step else "train")


def event_of(node):
    """Return "zero", "backward" or "step" for a statement or a call that is one, else None."""
    name = called(node)
    if name == "zero_grad" or name == "zero_" and ".grad" in ast.unparse(node):
        return "zero"
    if isinstance(node, ast.Assign) and any(getattr(t, "attr", "") == "grad" for t in node.targets):
        return "zero"
    by_hand = isinstance(node, ast.AugAssign) and ".grad" in ast.unparse(node.value)
    return "step" if by_hand or name == "step" else name if name == "backward" else None


def role(node, roles):
    """Return "X_train", "y_test", "pred_train", ... of what an expression is, or ""."""
    names = [n for n in ordered(node) if isinstance(n, ast.Name)]
    text = ast.unparse(node)
    if text in roles:
        return roles[text]
    found = [roles.get(n.id) or data_named(n.id) for n in names]
    found = [name for name in found if name]
    if not found:
        return ""
    if isinstance(node, ast.Call) and found[0].startswith("X_") and isinstance(node.func, ast.Name):
        return f"pred_{found[0][2:]}"
    return found[0]


def data_named(name):
    match = re.fullmatch(r"([xy])_?(train|test|val)|(train|test|val)_?([xy])", name.lower())
    if not match:
        return ""
    kind, part = (match[1], match[2]) if match[1] else (match[4], match[3])
    return f"{'X' if kind == 'x' else 'y'}_{'train' if part == 'train' else 'test'}"


def half(name):
    """Return whether a name is that of a weight or of a bias, or ""."""
    name = name.split(".")[-1].lower()
    return "bias" if name in ("bias", "b") else "weight" if re.match(r"w(eights?)?$", name) else ""


def ordered(node):
    """Return all nodes below one in the order in which they are written, a call behind its parts."""
    inner = (n for n in ast.walk(node) if hasattr(n, "end_lineno"))
    return sorted(inner, key=lambda n: (n.lineno, n.end_lineno, n.end_col_offset, -n.col_offset))


def called(node):
    """Return the name of the function that a call calls, without its module, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
