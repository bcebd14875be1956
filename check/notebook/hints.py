"""What a notebook's code says about its run, each value with its cell and line: read, never run.

Three things are read with ast: values (X, the line, a seed, a rate), the model's class, and each
loop that trains, as the order of its events, which are backward(), step() and zero_grad(), with
what each loss compares. Of an `if` the body counts, because reading can't tell whether it runs.
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
OPTIMIZERS = "SGD", "Adam", "AdamW"
DRAWS = "randn", "rand", "Linear"
# What changes numbers, and is no field of Settings: calls, and options with their usual values
UNTRIED = """RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop LBFGS DataLoader randperm Dropout
    random_split train_test_split StepLR ExponentialLR CosineAnnealingLR LambdaLR half
    clip_grad_norm_""".split()
OPTIONS = dict(weight_decay=0, nesterov=False, reduction="mean", amsgrad=False, dampening=0)
NUMBERS = {name: name for name in ("weight", "weights", "w", "bias", "b", "epochs")}
NUMBERS |= dict(true_weight="weight", true_bias="bias", num_epochs="epochs", n_epochs="epochs")
KEYS = "X", "parameters", "seed", "loss", "optimizer", "lr", "momentum", "split", *NUMBERS.values()
IS_LOSS = re.compile("loss|criterion|mae|mse|cost", re.IGNORECASE)
FOLD = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b if b else None,
}


def hints_of(codes):
    """Return (hints, places) of cells of code.

    `hints` is what is said last of each of KEYS. `places` has all Said of these, and of what a
    class and a loop do: the columns train and test, zero_grad, trains, dtype, device, model, and
    the mistakes of words.MISTAKES.
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
    return {key: places[key][-1].value for key in KEYS if key in places}, places


class Reader(ast.NodeVisitor):
    """Collects what statements say, in the order of the text."""

    def __init__(self):
        self.places, self.values = defaultdict(list), {}  # values: of names, numbers or devices
        self.functions, self.classes, self.outer = {}, {}, []
        self.swapped = False  # whether X_train is the last part of X
        self.in_loop = False

    def say(self, key, value, node, text=None):
        """Keep a fact with the place of its node; None says nothing."""
        if value is not None:
            text = text or ast.unparse(node).split("\n")[0][:60]
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
        inner = list(ast.walk(value))
        learned = any(isinstance(n, ast.keyword) and n.arg == "requires_grad" for n in inner)
        self.values[name] = number = self.value(value)
        if name in NUMBERS and isinstance(number, int | float) and not learned:
            self.say(NUMBERS[name], number, node)
        if data_named(name) == "X_train" and isinstance(getattr(value, "slice", None), ast.Slice):
            self.swapped = value.slice.upper is None
        for call in inner if name.startswith("x") else ():
            if called(call) in ("arange", "linspace"):
                self.say("X", self.range_of(call), node)
        if re.fullmatch("y|labels?|targets?", name):
            random = {"randn", "rand", "randn_like", "rand_like", "normal"}
            named = any(isinstance(n, ast.Name) and "noise" in n.id for n in inner)
            if named or random & {called(n) for n in inner}:
                self.say("untried", "noise", node)
            if called(value) == "squeeze":
                self.say("untried", "labels of shape (n,), as in docs/breaking.md, 9", node)
        if re.fullmatch("(x|y)(_?(train|test))?", name):
            named = {getattr(n, "attr", "") for n in inner}
            self.say("dtype", "float64" if named & {"float64", "double"} else None, node)
            self.say("untried", "float16" if "float16" in named else None, node)

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
        """Return the number or the device that an expression is, or None if reading can't tell."""
        match node:
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                return number
            case ast.Constant(value="cuda" | "mps" | "cuda:0" as device):
                return device.split(":")[0]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                number = self.value(operand)
                return -number if isinstance(number, int | float) else None
            case ast.BinOp(left=left, op=op, right=right) if type(op) in FOLD:
                pair = self.value(left), self.value(right)
                if all(isinstance(number, int | float) for number in pair):
                    return FOLD[type(op)](*pair)
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
            self.say("seed", self.argument(node, 0, "seed"), node)
        elif name in LOSSES:
            self.say("loss", name, node)
        elif name in OPTIMIZERS:
            self.optimizer(node, name)
        elif name == "int" and node.args and isinstance(node.args[0], ast.BinOp):
            for share in map(self.value, (node.args[0].left, node.args[0].right)):
                if isinstance(share, float) and 0 < share < 1:
                    self.say("split", share, node)
        elif name == "set_default_device" and node.args:
            self.say("device", self.value(node.args[0]), node)
        elif name in UNTRIED:
            self.say("untried", "float16" if name == "half" else name, node)
        elif name in self.classes or name == "Linear" and not self.outer:
            self.say("model", name, node)
            self.say("parameters", ["Linear"] if name == "Linear" else None, node)
        for keyword in node.keywords:
            usual = OPTIONS.get(keyword.arg, ...)
            if usual is not ... and getattr(keyword.value, "value", usual) != usual:
                self.say("untried", ast.unparse(keyword), keyword)
            if keyword.arg == "bias" and name == "Linear" and ast.unparse(keyword.value) == "False":
                self.say("bias=False", True, node)
                self.say("trains", "weight", node)
            if keyword.arg == "device" and (self.outer or name == "Linear"):
                self.say("device", self.value(keyword.value), node)
        self.generic_visit(node)

    def optimizer(self, node, name):
        rate = [k for k in node.keywords if k.arg == "lr"]
        self.say("optimizer", name, node)
        self.say("lr", self.argument(node, 1, "lr"), (rate or [node])[0])
        momentum = self.argument(node, 2, "momentum") if name == "SGD" else None
        self.say("momentum", momentum or 0.0, node)
        held = node.args[:1] + [k.value for k in node.keywords if k.arg == "params"]
        if held and isinstance(held[0], ast.List) and len(held[0].elts) == 1:
            self.say("trains", half(ast.unparse(held[0].elts[0])) or None, node)

    def visit_With(self, node):
        for call in (item.context_expr for item in node.items):
            if called(call) == "device":
                self.say("device", self.value(call), call)
        self.generic_visit(node)

    def visit_ClassDef(self, node):
        inner = ordered(node)
        drawn = [called(n) for n in inner if called(n) in DRAWS]
        self.say("parameters", drawn or None, node)
        made = [half(ast.unparse(n.targets[0])) for n in inner if isinstance(n, ast.Assign)]
        made = [name for name in made if name]
        self.say("bias first", made == ["bias", "weight"] or None, node)
        for function in (n for n in node.body if getattr(n, "name", "") == "forward"):
            for returned in (n for n in ordered(function) if isinstance(n, ast.Return)):
                self.forward(returned)
        self.classes[node.name] = node
        self.inside(node)

    def forward(self, returned):
        """Say of `return self.weights * x + self.bias` whether it is that, or what else it is."""
        total = returned.value
        if not isinstance(total, ast.BinOp) or not isinstance(total.op, ast.Add):
            return
        product, added = total.left, total.right
        if isinstance(added, ast.BinOp):
            product, added = added, product
        if not isinstance(product, ast.BinOp) or not isinstance(product.op, ast.Mult):
            return
        factors = [n for n in (product.left, product.right) if half(ast.unparse(n))]
        if not factors or not half(ast.unparse(added)):
            return
        halves = [half(ast.unparse(n)) for n in (factors[0], added)]
        self.say("exchanged", halves == ["bias", "weight"] or None, returned)
        own = tuple(isinstance(n, ast.Attribute) for n in (factors[0], added))
        moved = {(True, False): "weight", (False, True): "bias"}.get(own)
        self.say("trains", moved, returned)

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
        """Read a loop over epochs, but not one of batches in a loop, or of rates around one."""
        inner = [n for statement in node.body for n in ordered(self.inlined(statement))]
        nested = self.in_loop or any(isinstance(n, ast.For) for n in inner)
        if any(called(n) == "backward" for n in inner) and not nested:
            self.steps(node, inner)
            self.losses(inner)
        self.in_loop, before = True, self.in_loop
        self.generic_visit(node)
        self.in_loop = before

    def inlined(self, statement):
        """Return a statement, or the function that it calls, with the names of the call."""
        call = getattr(statement, "value", None)
        function = self.functions.get(called(call))
        if not function:
            return statement
        names = dict(zip((argument.arg for argument in function.args.args), call.args))
        names |= {k.arg: k.value for k in call.keywords}
        function = deepcopy(function)
        for n in ast.walk(function):
            if isinstance(n, ast.Name) and isinstance(names.get(n.id), ast.Name):
                n.id = names[n.id].id
        return function

    def steps(self, loop, inner):
        """Say what an epoch's steps do, from the order of its events."""
        inside = {id(n): i for i in inner if isinstance(i, ast.If) for n in ast.walk(i)}
        events = [(event_of(n), n) for n in inner if event_of(n)]
        stepped = [n for event, n in events if event == "step"]
        for n in stepped:
            if id(n) in inside:
                self.say("step if", ast.unparse(inside[id(n)].test), inside[id(n)])
        for n in inner:
            if called(n) in self.classes and id(n) not in inside:
                self.say("model anew", called(n), n)
        # w -= ... and b -= ... are one step
        if len(stepped) > 1 and not any(isinstance(n, ast.AugAssign) for n in stepped):
            self.say("steps", len(stepped), stepped[-1])
        # What a step uses is what stands before it in the round: a gradient, or none.
        used, last = [], None
        for event, n in events * 2:
            if event == "step":
                used += [last] if last else []
            else:
                last = event, n
        bare = [n for n in inner if isinstance(n, ast.Expr) and ends_in_step(n.value)]
        if not stepped:
            missing = "an optimizer.step without its brackets" if bare else "a missing step()"
            self.no_step(missing, (bare + [loop])[0])
        elif all(event == "zero" for event, _ in used):
            self.no_step("a zero_grad() between backward() and the next step()", used[-1][1])
        zeroed = [n for event, n in events if event == "zero"]
        if not any(id(n) in inside for n in zeroed):
            self.say("zero_grad", bool(zeroed), loop)
            self.say("never zeroed", not zeroed or None, loop)

    def no_step(self, words, node):
        self.say("no step", words, node)
        self.say("trains", "nothing", node)

    def losses(self, inner):
        """Say what the two losses of a row compare, and whether before the step or after it."""
        roles, found, past = {}, {}, set()  # past: the events so far
        names = {id(n.value): ast.unparse(n.targets[0]) for n in inner if isinstance(n, ast.Assign)}
        steps = any(event_of(n) == "step" for n in inner)
        train = test = None
        for n in inner:
            past |= {event_of(n)} - {None}
            when = "after" if "step" in past or not steps else "before"
            if isinstance(n, ast.Call) and len(n.args) == 2 and IS_LOSS.search(called(n)):
                if called(n) in LOSSES:
                    continue
                pred, label = (role(argument, roles, when) for argument in n.args)
                if "pred" in label and "pred" not in pred:
                    pred, label = label, pred
                name = names.get(id(n), "")
                loss = found[name] = Loss(n, name, column(pred, label, steps))
                if "backward" not in past:
                    train = loss
                    self.trained_on(n, pred, label)
                    self.say_once(n, inner)
                elif loss.column and (
                    not loss.column.startswith("train") or "test" in name.lower()
                ):
                    test = loss
            elif isinstance(n, ast.Assign) and isinstance(n.value, ast.Call | ast.BinOp):
                data = [r for i in ast.walk(n.value) if (r := role(i, {}, when)).startswith("X_")]
                if data:
                    roles[ast.unparse(n.targets[0])] = f"pred_{data[0][2:]} {when}"
        train = train and found[train.name]  # the same name may hold another loss after the step
        if train and (train.column or "").replace("X_", "").startswith("train"):
            self.say("train", train.column, train.call)
        if test:
            self.say("test", test.column, test.call)
        self.printed(inner, found, [loss and loss.name for loss in (train, test)])

    def printed(self, inner, found, usual):
        """Say which losses a row has, if print() doesn't take the train loss and the test loss."""
        calls = [n for n in inner if called(n) == "print"]
        for call in calls:
            row = [i.id for i in ordered(call) if isinstance(i, ast.Name) and i.id in found]
            if len(row) == 2 and row != usual and all(found[name].column for name in row):
                for key, name in zip(("train", "test"), row):
                    self.say(key, found[name].column, call, f"print(.. {row[0]} .. {row[1]})")

    def trained_on(self, call, pred, label):
        pair = pred.split(" ")[0], label
        swapped = {("pred_test", "y_test"): True, ("pred_train", "y_train"): self.swapped}
        self.say("swapped", swapped.get(pair) or None, call)
        if pair == ("pred_all", "y_all"):
            self.say("untried", "a training on all points, those of the test too", call)

    def say_once(self, call, inner):
        """Say if no statement of the loop assigns the predictions that its loss compares."""
        names = [n for n in call.args if isinstance(n, ast.Name) and "pred" in n.id.lower()]
        stored = {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for name in names:
            self.say("y_pred once", None if name.id in stored else name.id, call)


class Loss(NamedTuple):
    """A loss that a loop computes: the call, the name that holds it, the column it would print."""

    call: ast.Call
    name: str
    column: str | None


def column(pred, label, steps):
    """Return the name in runs.COLUMNS of a loss that compares two roles, or None."""
    kind = {
        ("pred_train before", "y_train"): "train",
        ("pred_train before", "X_train"): "X_train",
        ("pred_train after", "y_train"): "train after" if steps else "train",
        ("pred_train after", "X_train"): None if steps else "X_train",
        ("pred_test after", "y_test"): "test",
        ("pred_test after", "X_test"): "X_test",
        ("pred_test before", "y_test"): "test before",
        ("pred_test before", "X_test"): "X_test before",
    }.get((pred, label))
    return "itself" if pred == label and pred.startswith("pred_test") else kind


def event_of(node):
    """Return "zero", "backward" or "step" for a statement or a call that is one, else None."""
    name = called(node)
    if name == "zero_grad" or name == "zero_" and ".grad" in ast.unparse(node):
        return "zero"
    if isinstance(node, ast.Assign) and any(getattr(t, "attr", "") == "grad" for t in node.targets):
        return "zero"
    by_hand = isinstance(node, ast.AugAssign) and ".grad" in ast.unparse(node.value)
    if by_hand or name == "step" and "scheduler" not in ast.unparse(node):
        return "step"
    return name if name == "backward" else None


def role(node, roles, when):
    """Return "X_train", "y_test", "pred_train before", ... for what an expression is, or ""."""
    if ast.unparse(node) in roles:
        return roles[ast.unparse(node)]
    names = [n.id for n in ordered(node) if isinstance(n, ast.Name)]
    found = [r for name in names if (r := roles.get(name) or data_named(name))]
    called_on_X = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if found and called_on_X and found[0].startswith("X_"):
        return f"pred_{found[0][2:]} {when}"
    return found[0] if found else ""


def data_named(name):
    """Return "X_train", "y_test", "X_all", ... for a name that means it, or ""."""
    found = re.fullmatch(
        r"([xy])(_?(train|test|val)(_.*)?)?|(train|test|val)_?([xy])", name.lower()
    )
    if not found:
        return ""
    kind, part = found[1] or found[6], found[3] or found[5]
    part = {None: "all", "train": "train"}.get(part, "test")
    return f"{'X' if kind == 'x' else 'y'}_{part}"


def ends_in_step(node):
    return getattr(node, "attr", "") == "step"


def half(name):
    """Return whether a name is that of a weight or of a bias, or ""."""
    name = name.split(".")[-1].lower()
    return "bias" if name in ("bias", "b") else "weight" if re.match(r"w(eights?)?$", name) else ""


def ordered(node):
    """Return all nodes below one in the order in which they are written, a call after its parts."""
    inner = (n for n in ast.walk(node) if hasattr(n, "end_lineno"))
    return sorted(inner, key=lambda n: (n.lineno, n.end_lineno, n.end_col_offset, -n.col_offset))


def called(node):
    """Return the name of the function that a call calls, without its module, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
