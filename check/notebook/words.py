"""What check.notebook says of a table: one table of fields, each with its cause and its words.

Each field of Settings that differs from the tutorial's run is one of three: the code says it, and
then its cell and line are named; the code is silent, and then every mistake that prints the same
rows is named; or the code contradicts it, and then the answer asks.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from check.notebook.rows import NEAR
from check.notebook.runs import DRAWN, TUTORIAL
from check.notebook.search import nearest_run

PUBLIC_RUNS = Path(__file__).with_name("public_runs.json")
DEVICES = {"cuda": "CUDA", "mps": "MPS", "cpu": "another CPU"}
TUTORIALS, OWN_START = "as the tutorial", "a start of its own"
ONE_ROW, NOT_EXPLAINED = "one row again and again", "not explained"
AS_SAID = ", as the code says"  # ends the cause of a difference that is the reader's choice
NUMBERS, BREAKING = "docs/numbers.md", "docs/breaking.md"
LOSS_NAMES = {"mae": "nn.L1Loss", "mse": "nn.MSELoss", "huber": "nn.HuberLoss or nn.SmoothL1Loss"}


class Field(NamedTuple):
    """A difference: its cause in a summary, what it is, and all mistakes that print the same rows.

    A mistake is a key of MISTAKES and the value that code has for it, None for any, or words alone.
    `cure` says what would be right, but not of a choice, and `page` where more is said.
    """

    cause: str
    what: str
    cure: str = ""
    page: str = ""
    same: tuple = ()


# --- The table: mistakes, columns, and all other fields

# What code can do that changes rows: a key of what it says, and the words for its value
MISTAKES = {
    "steps": "an epoch that takes {} steps",
    "step if": "an `if` around step()",
    "no step": "{}",
    "never zeroed": "gradients that nothing zeroes",
    "model anew": "a model that is made anew in the loop",
    "y_pred once": "a y_pred that isn't assigned in the loop",
    "exchanged": "a forward() that computes bias * x + weight",
    "bias first": "a class whose bias stands above the weight",
    "bias=False": "nn.Linear(1, 1, bias=False)",
    "swapped": "a training on the test set",
    "device": "a model made on a GPU, whose generator draws other numbers",
    "untried": "{}, which isn't tried here",
}
PRINTED, COMPARE = "another number printed", "Compare test_pred with y_test."
FIRST, SECOND, EARLY = "X_train for y_train", "X_test for y_test", "test before the step"
AFTER, ITS_LOSS = "a train loss from after optimizer.step()", "Print the one that backward() has."
# A column that isn't the tutorial's: its cause, what it is, and what would be right
COLUMNS = {
    "train after": (PRINTED, AFTER, ITS_LOSS),
    "X_train": (
        FIRST,
        "a train loss that compares y_pred with X_train",
        "Compare y_pred with y_train.",
    ),
    "test": (PRINTED, "a test loss as the first number", ""),
    "constant": (PRINTED, "a first number that stays the same", "Print the loss of each epoch."),
    "train": (PRINTED, "a second number that is a train loss too", COMPARE),
    "test before": (EARLY, "a test loss from before optimizer.step()", "Test below the step."),
    "X_test": (SECOND, "a test loss that compares the predictions with X_test", COMPARE),
    "X_test before": (
        SECOND,
        "a test loss from before the step that compares with X_test",
        COMPARE,
    ),
    "itself": (PRINTED, "a test loss that compares the predictions with themselves", COMPARE),
}


def difference(name, found, run):
    """Return the Field of a difference between the settings that were found and the run's."""
    settings, new = found.settings, getattr(found.settings, name)
    match name:
        case "X":
            return Field("other data", f"X = {of_X(new)}")
        case "weight" | "bias":
            line = settings.weight, settings.bias
            swapped = ", weight and bias exchanged" * (line == (run.bias, run.weight))
            what = f"data on the line y = {number(line[0])} x + {number(line[1])}{swapped}"
            what = what.replace("+ -", "- ")
            compares = ("a loss_fn that compares with X_train",) * (line == (1, 0))
            return Field("another line", what, same=compares)
        case "split" if new < 0:
            what = f"a training on the last {-new:.0%} of the points, the test set"
            return Field("trained on the test set", what, "Train on X_train and y_train.")
        case "split":
            return Field("another split", f"{new:.0%} of the points in training")
        case "start":
            return of_start(found.start, new)
        case "loss":
            return Field("another loss", LOSS_NAMES[new])
        case "optimizer":
            return Field("another optimizer", f"torch.optim.{new}")
        case "older":
            return Field("another optimizer", "the rounding of an older torch's Adam")
        case "momentum":
            return Field("another optimizer", f"momentum = {number(new)}")
        case "lr":
            times, same = round(new / run.lr), ()
            if times > 1 and abs(new - times * run.lr) < 1e-9 and settings.optimizer == "SGD":
                same = (("steps", times),)
            elif found.own and new < run.lr:
                same = (("step if", None),)
            return Field("another learning rate", f"lr = {number(new)}", same=same)
        case "earlier":
            return of_earlier(found)
        case "trains":
            return of_trains(settings)
        case "zero_grad":
            cure = "Call optimizer.zero_grad() in each epoch, before loss.backward()."
            return Field("no zero_grad", "gradients that nothing zeroes", cure, f"{BREAKING}, 1")
        case "columns":
            return of_columns(new)
        case "dtype":
            return Field("float64", f"data and a model in {new}")


def number(value):
    return f"{value:.6g}"


def of_X(X):
    if X[0] == "linspace":
        return f"torch.linspace({number(X[1])}, {number(X[2])}, {X[3]})"
    return f"torch.arange({', '.join(map(number, X))})"


def of_columns(columns):
    """Return the Field of the columns that aren't the tutorial's: of one, or of both together."""
    differing = [name for name, usual in zip(columns, ("train", "test")) if name != usual]
    if columns[1:] in (("train",), ("train after",)):
        differing[-1] = "train"
    causes, whats, cures = zip(*(COLUMNS[name] for name in differing))
    same = ()
    if columns == ("X_train", "X_test"):
        same = ("data on the line y = x",)
    elif columns == ("test", "train"):
        whats, cures = ("the test loss first and the train loss behind it",), ()
    elif columns[0] == "constant":
        same = ("y_pred once", None), "another cell's variable in print()"
    page = NUMBERS if columns[-1] in ("test before", "X_test", "X_test before", "itself") else ""
    return Field(causes[-1], joined(whats), " ".join(dict.fromkeys(cures)), page, same)


def of_trains(settings):
    """Return the Field of a training in which a step doesn't move both parameters."""
    cause = "no step, or not all parameters trained"
    if settings.trains == "nothing":
        missing = "a missing step()", "an optimizer.step without its brackets"
        same = *missing, "a zero_grad() between backward() and the next step()"
        same = *(("no step", words) for words in same), "an optimizer of another model"
        cure = "Call zero_grad(), backward(), step(), of an optimizer of this model."
        return Field(cause, "no step that reaches the model", cure, f"{BREAKING}, 2 to 4", same)
    if settings.trains == "anew":
        cure, same = "Make model and optimizer above the loop.", (("model anew", None),)
        return Field(cause, "one step from the same start in each row", cure, same=same)
    moves, other = ("weight", "bias") if settings.trains == "weight" else ("bias", "weight")
    fixed = settings.start[moves == "weight"]
    if fixed == getattr(settings, other) != 0:
        what = f"a forward() that uses the line's {other}, so that the model's own never moves"
        return Field(cause, what, f"Write self.{other}{'s' * (other == 'weight')}.", NUMBERS)
    if fixed == 0 and moves == "weight":
        return Field(cause, "a model without a bias", same=(("bias=False", None),))
    what = f"an optimizer that holds the {moves} alone"
    return Field(cause, what, "Give it model.parameters().")


def of_start(start, pair):
    """Return the Field of a start: how a seed gives it, beside the tutorial's own two."""
    if start is None or start.seed is None:
        what = f"a start from weight {number(pair[0])} and bias {number(pair[1])}, nothing drawn"
        return Field("another start", what)
    weight, bias = (DRAWN[name] for name in start.draws)
    draws = weight if weight == bias else f"{weight} for the weight and {bias} for the bias"
    if start.device == "cuda":
        cure = "Make it on the CPU, then call .to(device)."
        what = f"{MISTAKES['device']} ({draws}, seed {start.seed})"
        return Field("a model made on a GPU", what, cure, NUMBERS)
    what = f"a start from {draws} after seed {start.seed}"
    cause, same, cure = "another seed or draw", (), ""
    if start.bias_first:
        cause, same = "the bias drawn first", (("bias first", None), ("exchanged", None))
        what = f"{what}, the first number for the bias"
    if start.before:
        many = len(start.before)
        cause, cure = "a model made again", "Set the seed in the cell that makes the model."
        what = f"{what}, behind {many} other model{'s' * (many > 1)} from this seed"
    return Field(cause, what, cure, NUMBERS if same or cure else "", same)


def of_earlier(found):
    """Return the Field of epochs that were trained before the first row."""
    settings, same = found.settings, ()
    total, lr = sum(epochs for epochs, _ in settings.earlier), settings.earlier[0][1]
    epochs = f"{total} epochs" if total > 1 else "one epoch"
    if found.settled:
        parity = f" ({'an odd' if total % 2 else 'an even'} number of them)"
        epochs = f"{total} epochs or more" + parity * (found.settled == 2)
        same = ("no step that reaches the model any more",)
    rate = "" if lr == settings.lr else f" with lr = {number(lr)}"
    what = f"{epochs} of training{rate} before the first row"
    cure = "To start anew, run the cells of the model and the optimizer first."
    return Field("trained before (a cell ran twice)", what, cure, NUMBERS, same)


# --- An answer


def joined(parts, word="and"):
    """Return "a, b and c"."""
    *first, last = parts or [""]
    return f"{', '.join(first)} {word} {last}" if first else last


def differences(found):
    """Return the nearest of the tutorial's runs, by name, and a Field for each difference, by name.

    Of an own start, neither it nor the line is known, but only how far one is from the other. That
    a single loss stands in a row is no difference, and a line's weight and bias are one.
    """
    run, changed = nearest_run(found)
    left_out = {"start", "weight", "bias", "dtype"} if found.own else set()
    left_out |= {"columns"} if found.settings.columns == ("train",) else set()
    left_out |= {"bias"} if "weight" in changed else set()
    names = [name for name in changed if name not in left_out]
    return run, {name: difference(name, found, TUTORIAL[run]) for name in names}


def in_short(found):
    """Return the nearest of the tutorial's runs, with all that differs from it."""
    run, fields = differences(found)
    whats = [field.what for field in fields.values()]
    return f"what {run} prints{f' with {joined(whats)}' if whats else ''}"


def within(said):
    text = f": {said.text}" * bool(said.text)
    return f"(cell {said.cell}, line {said.line}{text})" if said.cell else "(as the code says)"


def doubt(name, said):
    """Return what the code says of a field that these rows contradict."""
    draws = name == "start" and isinstance(said.value, list)
    text = joined([DRAWN.get(draw, draw) for draw in said.value]) if draws else said.text
    if said.cell:
        return f"cell {said.cell}, line {said.line}, {'draws' if draws else 'says'} {text}"
    return f"the code has {text or f'{name} = {said.value}'}".replace("start = ", "seed = ")


def answer(found, search):
    """Return (words, cause) of the settings that print a table's rows."""
    code, settings = search.code, found.settings
    run, fields = differences(found)
    says = {name: code.on(name, found) for name in settings._fields}
    unknown = ("weight", "bias", "start") * found.own
    unknown += ("lr", "optimizer", "zero_grad") * (settings.trains == "nothing")
    says |= dict.fromkeys(unknown, (None, None))
    if search.printed.by_steps:
        what, cure = "a step in the printed epochs alone", "Take a step in every epoch."
        fields["step if"] = Field("no step in some epochs", what, cure)
        says["step if"] = True, code.places("step if")[-1]
    against = {name: said for name, (right, said) in says.items() if right is False}
    whats = [
        f"{field.what} {within(says[name][1])}" if says[name][0] else field.what
        for name, field in fields.items()
    ]
    asked, more = "was the cell changed after it ran", []
    for name, field in fields.items():
        it_is, others = behind(field, code, *says[name])
        if name in against and it_is:
            asked = ""
        elif name in against and others:
            asked += f", or is it {others}, which prints the same"
        elif others and not says[name][0]:
            more.append(f"The same rows come from {others}.")
        more += [it_is, field.cure]
    words = opening(found, search, run, whats)
    if against:
        doubts = joined([doubt(name, said) for name, said in against.items()])
        words = f"{words}, but {doubts}" + (f": {asked}?" if asked else "")
    words = words if words.endswith("?") else f"{words}."
    if (against and asked) or found.own:
        more += remarks(code)
    if found.own and code.places("seed") and not is_above(code, "model", "seed"):
        more.append("The code sets a seed, which gives other rows: run all cells from the top.")
    counted = search.printed.rows[0][0] is not None and not run.startswith("the pipeline")
    if counted and search.printed.first == found.first + 1:
        more.append("Its epochs count from 1: row 10 is the tutorial's epoch 9.")
    more.append(near(found, search))
    pages = dict.fromkeys(field.page for field in fields.values() if field.page)
    more.append(f"See {joined([*pages])}." if pages else "")
    chosen = all(says[name][0] and not fields[name].cure for name in fields.keys() - {"older"})
    cause = cause_of(found, fields, chosen and not against)
    return " ".join(filter(None, [words, *dict.fromkeys(more)])), cause


def behind(field, code, right, place):
    """Return what is behind a difference: the mistake that the code makes, and all others in words.

    `right` and `place` are what the code says of the field. Mistakes of a loop are refuted by a
    loop in the code that hasn't made them, unless the rows contradict that code.
    """
    for words, said, key in mistakes(code):
        if (key, said.value) in field.same or (key, None) in field.same:
            where = "" if place and said[1:] == place[1:] else f" {within(said)}"
            also = ", which prints the same" * (right is False)
            return f"It is {words}{where}{also}.", ""
    refuted = right is not False and bool(code.places("zero_grad"))
    same = [one for one in field.same if isinstance(one, str) or not refuted]
    same = [one if isinstance(one, str) else MISTAKES[one[0]].format(one[1]) for one in same]
    return "", joined(same, "or")


def opening(found, search, run, whats):
    """Return what prints the rows, as a sentence without its end."""
    settings, with_ = found.settings, f" with {joined(whats)}" if whats else ""
    if found.own and settings.trains == "nothing":
        every = (np.diff(search.printed.epochs) == 1).all()
        words = "All rows are the same. Either no step reaches the model, or "
        return words + (
            "the learning rate is too small for these digits to show a step"
            if every
            else "it was trained so long that it jumps to and fro between two states, of which "
            "rows an even number of epochs apart show one. Print every epoch: do rows take turns"
        )
    if found.own:
        w, b = settings.start[0] - settings.weight, settings.start[1] - settings.bias
        places = min(6, -Decimal(search.printed.rows[0][1][0]).as_tuple().exponent)
        return (
            f"All rows follow from a start of its own{with_}: the model starts elsewhere than the "
            "tutorial's, was trained before, or the data lie on another line. At the first row its "
            f"weight and bias are {w:+.{places}f} and {b:+.{places}f} away from the line's, or "
            "both with the other sign, because the losses can't tell which"
        )
    tutorials = f"These are the tutorial's numbers ({run})"
    return f"These rows are what {run} prints{with_}" if whats else tutorials


def cause_of(found, fields, chosen):
    """Return the cause to count: the gravest, and whether it is a choice, which the code says."""
    if found.own:
        return ONE_ROW if found.settings.trains == "nothing" else OWN_START
    if not fields:
        return TUTORIALS
    gravest = max(fields.values(), key=lambda field: bool(field.cure))
    return gravest.cause + AS_SAID * chosen


def mistakes(code):
    """Return (words, Said, key) of all mistakes in the code, the last of each kind."""
    every = [(key, said) for key in MISTAKES for said in code.places(key)]
    last = {MISTAKES[key].format(said.value): (said, key) for key, said in every}
    return [(words, *rest) for words, rest in last.items()]


def remarks(code):
    """Return what the code does that can change these rows, each with its place."""
    found = [f"The code has {words} {within(said)}." for words, said, _ in mistakes(code)]
    seeds = code.places("seed")
    if not seeds and code.said:
        found.append("The code sets no seed: put torch.manual_seed(42) directly above the model.")
    if is_above(code, "model", "seed"):
        found.append(f"All seeds stand below the model {within(seeds[0])}: set one above it.")
    return found


def is_above(code, key, other):
    """Say if the code's last place for a key stands above all places for the other."""
    ours, theirs = code.places(key), code.places(other)
    return bool(ours and theirs) and ours[-1][1:3] < theirs[0][1:3]


def not_explained(search):
    """Say what the code has that isn't tried, and how many first rows the best run prints."""
    best, rows = search.best, search.printed.rows
    words = "Not explained."
    if search.train_only:
        words = (
            f"The first number follows in all rows: it is {in_short(search.train_only)}. Not "
            "explained is the second number: which predictions and labels does test_loss compare?"
        )
    elif best and 2 <= best.rows < len(rows) and search.is_sure(best.rows):
        epoch = rows[best.rows][0]
        where = f"row {best.rows + 1}" if epoch is None else f"the row of epoch {epoch}"
        words = (
            f"Not explained, but rows 1 to {best.rows} are {in_short(best)}. From there on {where} "
            "isn't: was a number changed, or another cell run in between?"
        )
    few = "Its rows have too few digits to choose one of the runs that were tried."
    tried = (
        f"Tried: {search.tried:,} runs with the tutorial's and the code's settings, up to two "
        "changes, other seeds and draws, training before the first row, and unknown starts."
    )
    return " ".join([words, *remarks(search.code), *[few] * (not search.is_sure()), tried])


# --- How near the rows are


def near(found, search):
    """Return how near the rows follow, and on which machines others have seen the same digits."""
    rows = len(search.printed.rows)
    if found.own and found.settings.trains == "nothing":
        return ""
    if found.exact:
        return f"All digits of all {rows} rows follow."
    if found.off <= 0:
        return f"All {rows} rows follow."
    words = f"All {rows} rows follow, but for last digits ({found.off:.1e} off at most)"
    if found.off > NEAR[found.settings.loss] and found.flipped:
        words += "; a residual's sign has flipped by rounding, and a few numbers show that"
    return f"{words}{seen_on(search)}."


def seen_on(search):
    """Return in words how many public notebooks print these very rows on which device, or ""."""
    for group in json.loads(PUBLIC_RUNS.read_text(encoding="utf-8")):
        theirs = {epoch: (train, test) for epoch, train, test, _ in group["rows"]}
        both = [(theirs[epoch], texts) for epoch, texts in search.printed.rows if epoch in theirs]
        if len(both) >= 5 and all(printed == tuple(texts) for printed, texts in both):
            device, count = next(iter(group["said"])), group["notebooks"]
            notebooks = f"{count} public notebook{'s' * (count > 1)}"
            return f", as {notebooks} on {DEVICES[device]} print them"
    return ""
