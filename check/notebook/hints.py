"""What a notebook's code says about its run, each value with its cell and line: read, never run.

Three things are read with ast: values (X, the line, a seed, a rate), the model's class, and each
loop that trains, as the order of its events, which are backward(), step() and zero_grad(), with
what each loss compares. Of an `if` the body counts, because reading can't tell whether it runs.
"""

import ast
import re
from collections import defaultdict
from contextlib import suppress
from copy import deepcopy
from operator import add, mul, sub, truediv
from typing import NamedTuple


class Said(NamedTuple):
    """A value that the code gives, and where: the cell and its line from 1, and the code itself."""

    value: object
    cell: int | None = None
    line: int | None = None
    text: str = ""


LOSSES = "L1Loss", "MSELoss", "HuberLoss", "SmoothL1Loss"
# A call's name: the key under which it says something, and the value
SAYS = {name: ("loss", name) for name in LOSSES}
SAYS |= {name: ("optimizer", name) for name in ("SGD", "Adam", "AdamW")}
# What changes numbers, and is no field of Settings: calls, and options with their usual values
UNTRIED = """RMSprop Adagrad Adadelta Adamax NAdam RAdam Rprop LBFGS DataLoader randperm Dropout
    random_split train_test_split StepLR ExponentialLR CosineAnnealingLR LambdaLR
    clip_grad_norm_""".split()
SAYS |= {name: ("untried", name) for name in UNTRIED} | {"half": ("untried", "float16")}
OPTIONS = dict(weight_decay=0, nesterov=False, reduction="mean", amsgrad=False, dampening=0)
NUMBERS = {name: name for name in ("weight", "weights", "w", "bias", "b", "epochs")}
NUMBERS |= dict(true_weight="weight", true_bias="bias", num_epochs="epochs", n_epochs="epochs")
HALVES = dict(weight="weight", weights="weight", w="weight", bias="bias", b="bias")
KEYS = "X", "parameters", "seed", "loss", "optimizer", "lr", "momentum", "split", *NUMBERS.values()
IS_LOSS = re.compile("loss|criterion|mae|mse|cost", re.IGNORECASE)
FOLD = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Div: truediv}


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
        self.functions, self.classes, self.outer = {}, set(), []
        self.swapped = False  # whether X_train is the last part of X
        self.other = {}  # names of data that hold other data: the Role, and the assignment
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
                for n in (n for n in ast.walk(name) if isinstance(n, ast.Name)):
                    self.hold(node, n.id, value)
        self.generic_visit(node)

    def hold(self, node, name, value):
        """Note a name of data that gets other data, as in y_test = X[40:] or X_test = X_train."""
        while isinstance(value, ast.Subscript | ast.Attribute | ast.Call):  # X_train.to(device)
            value = value.func if isinstance(value, ast.Call) else value.value
        known = {other: role for other, (role, _) in self.other.items()}
        given = role(value, known, "") if isinstance(value, ast.Name) else Role()
        mine = data_named(name)
        self.other.pop(name, None)
        if mine and mine.part != "all" and given.kind in ("X", "y"):
            held = Role(given.kind, mine.part if given.part == "all" else given.part)
            if held != mine:
                self.other[name] = held, node

    def assign(self, node, name, value):
        """Keep the value of a name, and say what it is if it is the line's, or data."""
        self.values[name] = self.value(value)
        inner = list(ast.walk(value))
        learned = any(isinstance(n, ast.keyword) and n.arg == "requires_grad" for n in inner)
        words = {getattr(n, "attr", getattr(n, "id", "")) for n in inner}
        if name in NUMBERS and not learned:
            self.say(NUMBERS[name], self.number(value), node)
            drawn = words & {"randn", "rand", "uniform", "random"} and not self.outer
            self.say("untried", "a line that is drawn at random" if drawn else None, node)
        part = getattr(value, "slice", None)  # of X_train = X[:40]
        if data_named(name) == Role("X", "train") and isinstance(part, ast.Slice):
            self.swapped = part.upper is None
        for n in inner if name.startswith("x") else ():
            self.say("X", self.range_of(n), node)
        if re.fullmatch("y|labels?|targets?", name):
            random = words & {"randn", "rand", "randn_like", "rand_like", "normal"}
            if random or any("noise" in word for word in words):
                self.say("untried", "noise", node)
            if called(value) == "squeeze":
                self.say("untried", "labels of shape (n,), as in docs/breaking.md, 9", node)
        if re.fullmatch("(x|y)(_?(train|test))?", name):
            self.say("dtype", "float64" if words & {"float64", "double"} else None, node)

    def visit_Attribute(self, node):
        self.say("untried", "float16" if node.attr == "float16" else None, node)
        self.generic_visit(node)

    def range_of(self, call):
        """Return "arange(0, 1, 0.02)" of such a call, or of a linspace, None of any other node."""
        last = {"arange": "step", "linspace": "steps"}.get(called(call))
        if not last:
            return None
        given = [self.argument(call, *place) for place in enumerate(("start", "end", last))]
        numbers = ", ".join(str(n) for n in given if n is not None)
        return f"{called(call)}({numbers})"

    def argument(self, call, place, name):
        """Return what a call passes at this place or by this name, if it is a number, or None."""
        given = [k.value for k in call.keywords if k.arg == name] + call.args[place : place + 1]
        return self.number(given[0]) if given else None

    def number(self, node):
        value = self.value(node)
        return value if isinstance(value, int | float) else None

    def value(self, node):
        """Return the number or the device that an expression is, or None if reading can't tell."""
        match node:
            case ast.Constant(value=number) if type(number) in (int, float):
                return number
            case ast.Constant(value="cuda" | "mps" | "cuda:0" as device):
                return device.split(":")[0]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.value(ast.BinOp(ast.Constant(0), ast.Sub(), operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in FOLD:
                with suppress(TypeError, ArithmeticError):  # a side is None, or the right one is 0
                    return FOLD[type(op)](self.number(left), self.number(right))
            case ast.Name(id=name):
                return self.values.get(name.lower())
            case ast.IfExp(body=body):
                return self.value(body)
            case ast.Call(args=[only, *_]) if called(node) in ("tensor", "device", "float"):
                return self.value(only)

    # --- Calls and classes

    def visit_Call(self, node):
        name = called(node)
        key, value = SAYS.get(name, ("", None))
        self.say(key, value, node)
        if key == "optimizer":
            self.optimizer(node, name)
        if name == "manual_seed" and "cuda" not in ast.unparse(node.func):
            self.say("seed", self.argument(node, 0, "seed"), node)
        if name == "set_default_device" and node.args:
            self.say("device", self.value(node.args[0]), node)
        if name in self.classes or name == "Linear" and not self.outer:
            self.say("model", name, node)
            self.say("parameters", ["Linear"] if name == "Linear" else None, node)
        if name == "int" and node.args and isinstance(node.args[0], ast.BinOp):
            for share in map(self.value, (node.args[0].left, node.args[0].right)):
                if isinstance(share, float) and 0 < share < 1:  # int(0.8 * len(X))
                    self.say("split", share, node)
        for keyword in node.keywords:
            usual = OPTIONS.get(keyword.arg, ...)
            if usual is not ... and getattr(keyword.value, "value", usual) != usual:
                self.say("untried", ast.unparse(keyword), keyword)
            if name == "Linear" and ast.unparse(keyword) == "bias=False":
                self.say("bias=False", True, node)
                self.say("trains", "weight", node)
            if keyword.arg == "device" and (self.outer or name == "Linear"):
                self.say("device", self.value(keyword.value), node)
        self.generic_visit(node)

    def optimizer(self, node, name):
        rate = [k for k in node.keywords if k.arg == "lr"]
        self.say("lr", self.argument(node, 1, "lr"), (rate or [node])[0])
        momentum = self.argument(node, 2, "momentum") if name == "SGD" else None
        self.say("momentum", momentum or 0.0, node)
        for held in node.args[:1] + [k.value for k in node.keywords if k.arg == "params"]:
            if isinstance(held, ast.List) and len(held.elts) == 1:
                self.say("trains", half(held.elts[0]), node)

    def visit_With(self, node):
        for call in (item.context_expr for item in node.items):
            if called(call) == "device":
                self.say("device", self.value(call), call)
        self.generic_visit(node)

    def visit_ClassDef(self, node):
        inner = ordered(node)
        draws = [n for n in inner if called(n) in ("randn", "rand", "Linear")]
        others = [n for n in draws if called(n) != "randn"]  # than the tutorial's
        self.say("parameters", [called(n) for n in draws] or None, (others + [node])[0])
        made = [half(n.targets[0]) for n in inner if isinstance(n, ast.Assign)]
        made = [name for name in made if name]
        self.say("bias first", made == ["bias", "weight"] or None, node)
        for function in (n for n in node.body if getattr(n, "name", "") == "forward"):
            for returned in (n for n in ordered(function) if isinstance(n, ast.Return)):
                self.forward(returned)
        self.classes.add(node.name)
        self.inside(node)

    def forward(self, returned):
        """Say what else `return self.weights * x + self.bias` computes, if it isn't that."""
        match returned.value:
            case ast.BinOp(ast.BinOp(op=ast.Mult()) as product, ast.Add(), added) | ast.BinOp(
                added, ast.Add(), ast.BinOp(op=ast.Mult()) as product
            ):
                factor = product.left if half(product.left) else product.right
                halves = half(factor), half(added)
                self.say("exchanged", halves == ("bias", "weight") or None, returned)
                own = tuple(isinstance(n, ast.Attribute) for n in (factor, added))  # self.weights
                moved = {(True, False): "weight", (False, True): "bias"}.get(own)
                self.say("trains", moved if all(halves) else None, returned)

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
        nested |= any(isinstance(n, ast.Name) and data_named(n.id) for n in ast.walk(node.target))
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
        """Say what an epoch's steps do, from the order of its events.

        A step uses what stands just before it: a gradient behind backward(), and none behind
        zero_grad(). The epochs are a round, so that the first step uses what the last one left.
        """
        inside = {id(n): i for i in inner if isinstance(i, ast.If) for n in ast.walk(i)}
        events = [(event_of(n), n) for n in inner if event_of(n)]
        stepped, zeroed = ([n for e, n in events if e == kind] for kind in ("step", "zero"))
        used, left = [], None
        for event, n in events * 2:
            if event != "step":
                left = event, n
            elif left:
                used.append(left)
        bare, bare_zero = (
            [n for n in inner if getattr(getattr(n, "value", None), "attr", "") == name]
            for name in ("step", "zero_grad")
        )
        if not stepped:
            missing = "an optimizer.step without its brackets" if bare else "a missing step()"
            self.no_step(missing, (bare + [loop])[0])
        elif all(event == "zero" for event, _ in used):
            self.no_step("a zero_grad() between backward() and the next step()", used[-1][1])
        for n in stepped:
            if id(n) in inside:
                self.say("step if", ast.unparse(inside[id(n)].test), inside[id(n)])
        # w -= ... and b -= ... are one step
        if len(stepped) > 1 and not any(isinstance(n, ast.AugAssign) for n in stepped):
            self.say("steps", len(stepped), stepped[-1])
        if not any(id(n) in inside for n in zeroed):
            place = (zeroed + bare_zero + [loop])[0]
            self.say("zero_grad", bool(zeroed), place)
            self.say("never zeroed", not zeroed or None, place)
        for n in inner:
            if called(n) in self.classes and id(n) not in inside:
                self.say("model anew", called(n), n)

    def no_step(self, words, node):
        self.say("no step", words, node)
        self.say("trains", "nothing", node)

    def losses(self, inner):
        """Say what the two losses of a row compare, and whether before the step or after it."""
        losses = losses_of(inner, {name: role for name, (role, _) in self.other.items()})
        named = {loss.name: loss for loss in losses}
        trained = [loss for loss in losses if loss.trains]
        for loss in trained:
            self.trained_on(loss, inner)
        # The name of the trained loss may hold another one after the step, which is then printed
        train = [named[loss.name] for loss in trained[-1:]]
        test = [loss for loss in losses if not loss.trains and loss.is_test][-1:]
        for loss in train:
            known = loss.column in ("train", "train after", "X_train")
            self.say("train", loss.column if known else None, self.origin(loss))
        for loss in test:
            self.say("test", loss.column, self.origin(loss))
        for call in (n for n in inner if called(n) == "print"):
            row = [named[name] for name in shown(call) if name in named]
            other = [loss.call for loss in row] != [loss.call for loss in train + test]
            if len(row) == 2 and other and all(loss.column for loss in row):
                for key, loss in zip(("train", "test"), row):
                    text = f"print(.. {row[0].name} .. {row[1].name})"
                    self.say(key, loss.column, call, text)

    def origin(self, loss):
        """Return the node that decides what a loss compares: its call, or data's assignment."""
        names = [n.id for n in ast.walk(loss.call) if isinstance(n, ast.Name)]
        return next((self.other[name][1] for name in names if name in self.other), loss.call)

    def trained_on(self, loss, inner):
        """Say which points train, if not the first ones, and which predictions stay the same."""
        part = loss.part if loss.label.kind == "y" else ""
        swapped = part == "test" or part == "train" and self.swapped
        self.say("swapped", swapped or None, loss.call)
        if part == "all":
            self.say("untried", "a training on all points, those of the test too", loss.call)
        stored = {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        for n in loss.call.args:
            if isinstance(n, ast.Name) and "pred" in n.id.lower() and n.id not in stored:
                self.say("y_pred once", n.id, loss.call)


class Role(NamedTuple):
    """What an expression stands for: "X", "y" or "pred", and for which part of the points.

    `when` is "before" or "after" of predictions in a loop that has a step, and else "".
    """

    kind: str = ""
    part: str = ""
    when: str = ""


class Loss(NamedTuple):
    """A loss of a loop: its call, the name that holds it, and what it compares with what."""

    call: ast.Call
    name: str
    pred: Role
    label: Role
    trains: bool  # whether it stands before backward()

    @property
    def part(self):
        """Part of the points that are compared, "" if the two differ or aren't predictions."""
        kinds = self.pred.kind == "pred" and self.label.kind in ("X", "y")
        return self.pred.part if kinds and self.pred.part == self.label.part else ""

    @property
    def column(self):
        """Name in runs.COLUMNS, or None: the tutorial's train loss is from before the step."""
        if self.pred == self.label and self.pred[:2] == ("pred", "test"):
            return "itself"
        usual = {"train": "before", "test": "after"}.get(self.part)
        name = f"X_{self.part}" if self.label.kind == "X" else self.part
        name = name if self.pred.when in ("", usual) else f"{name} {self.pred.when}"
        return name if usual else None

    @property
    def is_test(self):
        """Whether a row has it as its test loss: not on training points, or named so."""
        column = self.column or "train"
        return not column.startswith("train") or bool(self.column) and "test" in self.name.lower()


def losses_of(inner, data):
    """Return each Loss of a loop in the order of its nodes, and again for another name of it.

    `data` has the Roles of names that hold other data than they say.
    """
    losses, roles, past = [], dict(data), set()  # past: the events so far
    names = {id(n.value): ast.unparse(n.targets[0]) for n in inner if isinstance(n, ast.Assign)}
    steps = any(event_of(n) == "step" for n in inner)
    for n in inner:
        past.add(event_of(n))
        when = "" if not steps else "after" if "step" in past else "before"
        if IS_LOSS.search(called(n)) and len(n.args) == 2 and called(n) not in LOSSES:
            pair = [role(argument, roles, when) for argument in n.args]
            # Some write loss_fn(y_train, y_pred): the same number, for each of these losses
            if pair[1].kind == "pred" != pair[0].kind:
                pair.reverse()
            losses.append(Loss(n, names.get(id(n), ""), *pair, "backward" not in past))
        elif isinstance(n, ast.Assign):
            name, value = ast.unparse(n.targets[0]), role(n.value, data, when)
            if isinstance(n.value, ast.Call | ast.BinOp) and value.kind in ("X", "pred"):
                roles[name] = Role("pred", value.part, when)
            held = re.fullmatch(r"(?:float\()?(\w+)(\.\w+\(\))*\)?", ast.unparse(n.value))
            same = [loss for loss in losses if held and loss.name == held[1]]  # of loss.item()
            losses += [loss._replace(name=name, trains=False) for loss in same[-1:]]
    return losses


def shown(call):
    """Return the names in a print() in their order, but none of 2 * loss, which is another loss."""
    computed = [n for n in ast.walk(call) if isinstance(getattr(n, "op", None), ast.Mult | ast.Div)]
    inside = {id(n) for computation in computed for n in ast.walk(computation)}
    return [n.id for n in ordered(call) if isinstance(n, ast.Name) and id(n) not in inside]


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
    """Return the Role of an expression by its names, of which a loop has given some `roles`."""
    if ast.unparse(node) in roles:
        return roles[ast.unparse(node)]
    names = [n.id for n in ordered(node) if isinstance(n, ast.Name)]
    found = [r for name in names if (r := roles.get(name) or data_named(name))]
    first = found[0] if found else Role()
    if first.kind == "X" and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return Role("pred", first.part, when)  # model_0(X_train)
    return first


def data_named(name):
    """Return the Role of data that a name such as X_train, y_test_1 or train_x means, or None."""
    parts = "(train|test|val)"
    found = re.fullmatch(rf"([xy])(_?{parts}(_.*)?)?|{parts}_?([xy])", name.lower())
    if not found:
        return None
    kind, part = found[1] or found[6], found[3] or found[5]
    return Role("X" if kind == "x" else "y", {None: "all", "train": "train"}.get(part, "test"))


def half(node):
    """Return "weight" or "bias" for an expression such as self.weights that names one, or None."""
    name = ast.unparse(node).split(".")[-1].lower()
    return HALVES.get(name)


def ordered(node):
    """Return all nodes below one in the order in which they are written, a call after its parts."""
    inner = (n for n in ast.walk(node) if hasattr(n, "end_lineno"))
    return sorted(inner, key=lambda n: (n.lineno, n.end_lineno, n.end_col_offset, -n.col_offset))


def called(node):
    """Return the name of the function that a call calls, without its module, or ""."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))
