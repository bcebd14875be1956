"""What check.notebook says of a table: one table of fields, each with its cause and its words.

Each field of Settings that differs from the tutorial's run is one of three: the code says it, and
then its cell and line are named; the code is silent, and then every mistake that prints the same
rows is named; or the code contradicts it, and then that is said first.
"""

import json
from pathlib import Path
from typing import NamedTuple

from check.notebook.rows import NEAR
from check.notebook.runs import DRAWN, TUTORIAL
from check.notebook.search import nearest_run

PUBLIC_RUNS = Path(__file__).with_name("public_runs.json")
DEVICES = {"cuda": "CUDA", "mps": "MPS", "cpu": "another CPU"}
TUTORIALS, OWN_START = "as the tutorial", "a start of its own"
ONE_ROW, NOT_EXPLAINED = "one row again and again", "not explained"
AS_SAID = ", as the code says"  # ends the cause of a difference that is the reader's choice
NUMBERS, BREAKING = "docs/numbers.md", "docs/breaking.md"
LOSS_NAMES = {"mae": "nn.L1Loss", "mse": "nn.MSELoss", "huber": "nn.HuberLoss"}


class Field(NamedTuple):
    """A difference: its cause in a summary, what it is, and all mistakes that print the same rows.

    A mistake is (words, key of the code, value there); key and value show that the code makes it.
    `cure` says what would be right, and `page` where more is said of it.
    """

    cause: str
    what: str
    same: tuple = ()
    cure: str = ""
    page: str = ""


def number(value):
    return f"{value:.6g}"


def of_X(X):
    if X[0] == "linspace":
        return f"torch.linspace({number(X[1])}, {number(X[2])}, {X[3]})"
    return f"torch.arange({', '.join(map(number, X))})"


def of_line(line):
    return f"y = {number(line[0])} x + {number(line[1])}"


COLUMNS = {
    "train after": Field(
        "another number printed",
        "a train loss from after optimizer.step()",
        cure="Print the loss that backward() was called on.",
    ),
    "X_train": Field(
        "X_train for y_train",
        "a train loss that compares y_pred with X_train",
        cure="Compare y_pred with y_train.",
    ),
    "test": Field("another number printed", "a test loss as the first number"),
    "constant": Field(
        "another number printed",
        "a first number that stays the same",
        (
            ("a y_pred that is computed above the loop", "y_pred once", None),
            ("another cell's variable in print()", "", None),
        ),
        "Compute y_pred and the loss in each epoch, and print that loss.",
    ),
    "second train": Field(
        "another number printed",
        "a second number that is a train loss too",
        cure="Compare the predictions for X_test with y_test.",
    ),
    "test before": Field(
        "test before the step",
        "a test loss from before optimizer.step()",
        cure="Move the test below the step.",
        page=NUMBERS,
    ),
    "X_test": Field(
        "X_test for y_test",
        "a test loss that compares the predictions with X_test",
        cure="Compare test_pred with y_test.",
        page=NUMBERS,
    ),
    "X_test before": Field(
        "X_test for y_test",
        "a test loss that compares the predictions from before the step with X_test",
        cure="Compare test_pred with y_test, below the step.",
        page=NUMBERS,
    ),
    "itself": Field(
        "another number printed",
        "a test loss that compares the predictions with themselves",
        cure="Compare test_pred with y_test.",
        page=NUMBERS,
    ),
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
            same = (("a loss_fn that compares with X_train", "train", "X_train"),) * (
                line == (1, 0)
            )
            return Field("another line", f"data on the line {of_line(line)}{swapped}", same)
        case "split" if new < 0:
            what = f"a training on the last {-new:.0%} of the points, the test set"
            same = (("training set and test set exchanged", "train", "swapped"),)
            return Field("trained on the test set", what, same, "Train on X_train and y_train.")
        case "split":
            return Field("another split", f"{new:.0%} of the points in training")
        case "start":
            return of_start(found)
        case "loss":
            return Field("another loss", LOSS_NAMES[new])
        case "optimizer":
            return Field("another optimizer", f"torch.optim.{new}")
        case "momentum":
            return Field("another optimizer", f"momentum = {number(new)}")
        case "lr":
            times = round(new / run.lr)
            steps = (f"an epoch that takes {times} steps", "steps", times)
            many = times > 1 and abs(new - times * run.lr) < 1e-9 and settings.optimizer == "SGD"
            same = (steps,) * many
            if found.own and round(run.lr / new) > 1:
                same = ((f"a step in one of {round(run.lr / new)} epochs", "step if", None),)
            return Field("another learning rate", f"lr = {number(new)}", same)
        case "earlier":
            return of_earlier(found)
        case "trains":
            return of_trains(settings)
        case "zero_grad":
            return Field(
                "no zero_grad",
                "gradients that add up from epoch to epoch",
                cure="Call optimizer.zero_grad() in each epoch, before loss.backward().",
                page=f"{BREAKING}, 1",
            )
        case "columns":
            return of_columns(new)
        case "dtype":
            return Field("float64", f"data and a model in {new}")


def of_columns(columns):
    """Return the Field of the columns that aren't the tutorial's: of one, or of both together."""
    if columns == ("test", "train"):
        return COLUMNS["test"]._replace(what="the test loss first and the train loss behind it")
    fields = []
    for place, name in enumerate(columns):
        if name != ("train", "test")[place]:
            fields.append(COLUMNS["second train" if place and "train" in name else name])
    what, cure = (" and ".join(f.what for f in fields), " ".join(f.cure for f in fields))
    same = (("data on the line y = x", "", None),) if columns == ("X_train", "X_test") else ()
    return fields[-1]._replace(what=what, cure=cure, same=fields[0].same + same)


def of_trains(settings):
    """Return the Field of a training in which a step doesn't move both parameters."""
    cause = "no step, or not all parameters trained"
    if settings.trains == "nothing":
        holds = "an optimizer that holds the parameters of another model, made earlier"
        same = (
            ("an optimizer.step() that is missing, or has no brackets", "steps", 0),
            ("a zero_grad() or a step() in the wrong place", "trains", "nothing"),
            (holds, "", None),
        )
        return Field(cause, "no step that reaches the model", same, page=f"{BREAKING}, 2 to 4")
    if settings.trains == "anew":
        what = "one step from the same start in each row"
        same = (("a model that is made anew in the loop", "model anew", None),)
        return Field(cause, what, same, "Make model and optimizer above the loop.")
    moves, other = ("weight", "bias") if settings.trains == "weight" else ("bias", "weight")
    fixed = settings.start[moves == "weight"]
    if fixed == getattr(settings, other) != 0:
        what = f"a forward() that uses the line's {other}, so that the model's own never moves"
        cure = f"Write self.{other}." if other == "bias" else "Write self.weights."
        return Field(cause, what, cure=cure, page=NUMBERS)
    if fixed == 0 and moves == "weight":
        return Field(
            cause, "a model without a bias", (("nn.Linear(1, 1, bias=False)", "bias=False", None),)
        )
    what = f"an optimizer that holds the {moves} alone"
    return Field(cause, what, cure="Give it model.parameters().")


def of_start(found):
    """Return the Field of a start: how a seed gives it, beside the tutorial's own two."""
    start, pair = found.start, found.settings.start
    if start is None or start.seed is None:
        what = f"a start from weight {number(pair[0])} and bias {number(pair[1])}, nothing drawn"
        return Field("another seed or draw", what)
    weight, bias = (DRAWN[name] for name in start.draws)
    draws = weight if weight == bias else f"{weight} for the weight and {bias} for the bias"
    what, same, cure = f"a start from {draws} after seed {start.seed}", (), ""
    if start.device == "cuda":
        what = f"a model made on a GPU, whose generator draws other numbers ({draws}, seed {start.seed})"
        cure = "Make it on the CPU, then call .to(device)."
    if start.bias_first:
        what = f"{what}, the first number for the bias"
        same = (
            ("a class whose bias stands above the weight", "bias first", True),
            ("a forward() that computes bias * x + weight", "exchanged", True),
        )
    if start.before:
        many = len(start.before)
        what = f"{what}, behind {many} other model{'s' * (many > 1)} from this seed"
        cure = f"Set the seed in the cell that makes the model."
    return Field("another seed or draw", what, same, cure, NUMBERS if same or cure else "")


def of_earlier(found):
    """Return the Field of epochs that were trained before the first row."""
    settings = found.settings
    total, lr = sum(epochs for epochs, _ in settings.earlier), settings.earlier[0][1]
    epochs = f"{total} epochs" if total > 1 else "one epoch"
    same = ()
    if found.settled:
        odd = "an odd" if total % 2 else "an even"
        epochs = f"{total} epochs or more" + f" ({odd} number of them)" * (found.settled == 2)
        same = (("no step that reaches the model any more", "trains", "nothing"),)
    rate = "" if lr == settings.lr else f" with lr = {number(lr)}"
    return Field(
        "trained before (a cell ran twice)",
        f"{epochs} trained{rate} before these rows",
        same,
        cure="To start anew, run the cells of the model and the optimizer first.",
        page=NUMBERS,
    )


# --- An answer


def differences(found):
    """Return the nearest of the tutorial's runs, by name, and the fields that matter beside it.

    Of an own start, neither it nor the line is known, but only how far one is from the other. That
    a single loss stands in a row is no difference.
    """
    run, changed = nearest_run(found.settings)
    left_out = {"start", "weight", "bias", "dtype"} if found.own else set()
    if found.settings.columns == ("train",):
        left_out.add("columns")
    return run, [name for name in changed if name not in left_out]


def fields_of(found, run, changed):
    """Return the Field of each difference, by name; a line's weight and bias are one."""
    names = [n for n in changed if n != "bias" or "weight" not in changed]
    return {name: difference(name, found, TUTORIAL[run]) for name in names}


def doubt(name, said):
    """Return what the code says of a field that these rows contradict."""
    if said.cell:
        return f"cell {said.cell}, line {said.line}, says {said.text}"
    if name == "start":
        number_ = isinstance(said.value, int)
        drawn = ", ".join(DRAWN.get(n, n) for n in said.value) if not number_ else ""
        return f"the code has {f'seed {said.value}' if number_ else drawn}"
    return f"the code has {name} = {said.value}"


def within(said):
    text = f": {said.text}" * bool(said.text)
    return f"(cell {said.cell}, line {said.line}{text})" if said.cell else "(as the code says)"


def answer(found, search):
    """Return (words, cause) of the settings that print a table's rows."""
    code, settings = search.code, found.settings
    run, changed = differences(found)
    fields = fields_of(found, run, changed)
    says = {name: code.on(name, found) for name in settings._fields}
    if search.printed.by_steps:
        cause, what = "no step in some epochs", "a step in the printed epochs alone"
        fields["step if"] = Field(cause, what, cure="Take a step in every epoch.")
        says["step if"] = True, code.places("step if")[-1]
    if found.own or settings.trains == "nothing":
        ignored = ("weight", "bias", "start") if found.own else ("lr", "optimizer", "zero_grad")
        says |= dict.fromkeys(ignored, (None, None))
    against = {name: said for name, (right, said) in says.items() if right is False}
    whats = [
        f"{field.what} {within(says[name][1])}" if says[name][0] else field.what
        for name, field in fields.items()
    ]
    with_ = f" with {joined(whats)}" if whats else ""
    if found.own and settings.trains == "nothing":
        words = same_row(search)
    elif found.own:
        words = own_start(found, with_)
    elif whats:
        words = f"These rows are what {run} prints{with_}"
    else:
        words = f"These are the tutorial's numbers ({run})"
    more = []
    asked = "was the cell changed after it ran"
    for name, field in fields.items():
        shown = [(w, s) for w, key, value in field.same for s in code.showing(key, value)]
        others = joined([w for w, *_ in field.same], "or")
        if shown and shown[0][1] == says[name][1]:
            more.append(f"It is {shown[0][0]}.")
        elif shown:
            asked = ""
            more.append(f"It is {shown[0][0]} {within(shown[0][1])}, which prints the same.")
        elif field.same and says[name][0] is False:
            asked += f", or is it {others}, which prints the same"
        elif field.same and not says[name][0]:
            more.append(f"The same rows come from {others}.")
        more.append(field.cure)
    if against:
        doubts = joined([doubt(name, said) for name, said in against.items()])
        words = f"{words}, but {doubts}" + (f": {asked}?" if asked else ".")
    else:
        words = f"{words}."
    if (against and asked) or found.own:
        more += remarks(code)
    more.append(near(found, search))
    pages = dict.fromkeys(field.page for field in fields.values() if field.page)
    more.append(f"See {joined(pages)}." if pages else "")
    chosen = not against and all(says[name][0] and name in CHOICES for name in fields)
    cause = cause_of(found, fields, chosen)
    return " ".join(filter(None, [words, *dict.fromkeys(more)])), cause


CHOICES = "X", "weight", "bias", "split", "loss", "optimizer", "momentum", "lr", "start", "dtype"


def cause_of(found, fields, chosen):
    """Return the cause to count: the gravest, and whether it is a choice, which the code says."""
    if found.own:
        return ONE_ROW if found.settings.trains == "nothing" else OWN_START
    if not fields:
        return TUTORIALS
    slips = [field for name, field in fields.items() if name not in CHOICES]
    return (slips or [*fields.values()])[0].cause + AS_SAID * chosen


def joined(parts, word="and"):
    """Return "a, b and c"."""
    *first, last = parts or [""]
    return f"{', '.join(first)} {word} {last}" if first else last


def own_start(found, with_):
    """Say that only the two differences of the start from the line are known, up to their sign."""
    settings = found.settings
    w, b = settings.start[0] - settings.weight, settings.start[1] - settings.bias
    return (
        f"All rows follow from a start of its own{with_}: the model starts elsewhere than the "
        "tutorial's, or the data lie on another line. At the first row its weight and bias are "
        f"{w:+.6f} and {b:+.6f} away from the line's, or both with the other sign, because the "
        "losses can't tell which"
    )


def same_row(search):
    """Say what can have printed one row again and again: causes that can't be told apart."""
    rows = search.printed.epochs
    words = "All rows are the same. Either no step reaches the model, or "
    if (rows[1:] - rows[:-1] == 1).all():
        return f"{words}the learning rate is too small for these digits to show a step"
    return (
        f"{words}the training has settled: then it may jump between two states, of which rows an "
        "even number of epochs apart show only one. Print every epoch, and see whether two rows "
        "take turns"
    )


REMARKS = {
    "steps": lambda said: said.value != 1 and f"the loop takes {said.value} steps in an epoch",
    "step if": lambda said: "an `if` stands around optimizer.step()",
    "y_pred once": lambda said: f"{said.value} isn't assigned in the loop",
    "model anew": lambda said: "the model is made anew in each epoch",
    "exchanged": lambda said: said.value and "forward() computes bias * x + weight",
    "trains": lambda said: said.value == "nothing" and "no step follows backward()",
    "zero_grad": lambda said: not said.value and "nothing zeroes the gradients",
    "train": lambda said: said.value == "swapped" and "the model trains on the test set",
    "device": lambda said: (
        f"the model is made on {DEVICES.get(said.value, said.value)}, whose "
        "generator draws other numbers"
    ),
    "untried": lambda said: f"it has {said.value}, which isn't tried here",
}


def remarks(code):
    """Return what the code does that can change these rows, each with its place."""
    found = []
    for key, remark in REMARKS.items():
        for said in code.places(key):
            if words := remark(said):
                found.append(f"In the code, {words} {within(said)}.")
    seeds, models = code.places("seed"), code.places("model")
    if not seeds and code.said:
        found.append("The code sets no seed: put torch.manual_seed(42) directly above the model.")
    if seeds and models and models[0][1:3] < seeds[0][1:3]:
        found.append(f"The seed stands below the model {within(seeds[0])}.")
    return list(dict.fromkeys(found))


def in_short(found):
    """Return the nearest of the tutorial's runs, by name, and " with" all that differs from it."""
    run, changed = differences(found)
    whats = [field.what for field in fields_of(found, run, changed).values()]
    return run, f" with {joined(whats)}" if whats else ""


def not_explained(search):
    """Say what the code has that isn't tried, and how many first rows the best run prints."""
    best, rows = search.best, search.printed.rows
    words = ["Not explained."]
    if search.train_only:
        run, with_ = in_short(search.train_only)
        words = [
            f"The first number follows in all rows: it is what {run} prints{with_}. Not explained is "
            "the second number: which predictions and labels does test_loss compare?"
        ]
    elif best and 2 <= best.rows < len(rows) and search.is_sure(best.rows):
        run, with_ = in_short(best)
        epoch = rows[best.rows][0]
        where = f"row {best.rows + 1}" if epoch is None else f"the row of epoch {epoch}"
        words = [
            f"Not explained, but rows 1 to {best.rows} are what {run} prints{with_}. From there on "
            f"{where} isn't: was a number changed, or another cell run in between?"
        ]
    words += remarks(search.code)
    if not search.is_sure():
        words.append("Its rows have too few digits to choose one of the runs that were tried.")
    words.append(
        f"Tried: {search.tried:,} runs with the tutorial's and the code's settings, up to two "
        "changes, other seeds and draws, training before the first row, and unknown starts."
    )
    return " ".join(words)


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
