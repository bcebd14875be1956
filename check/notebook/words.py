"""What check.notebook says of a table: sentences for a beginner, each with what would be right.

A sentence belongs to a field of Settings that differs from the tutorial's run. What follows from
the search alone, or doesn't follow, has sentences of its own.
"""

import json
from pathlib import Path

import numpy as np

from check.notebook.printed import NEAR
from check.notebook.search import LONG, TUTORIAL, confirmed, nearest_run

PUBLIC_RUNS = Path(__file__).with_name("public_runs.json")
DEVICES = {"cuda": "CUDA", "mps": "MPS", "cpu": "another CPU"}
LOSS_NAMES = {"mae": "nn.L1Loss", "mse": "nn.MSELoss", "huber": "nn.HuberLoss"}
# What the fields are called in a summary, the gravest first.
CAUSES = {
    "test_target": "X_test for y_test",
    "trains": "no step, or not all parameters trained",
    "zero_grad": "no zero_grad",
    "test_after_step": "test before the step",
    "earlier": "trained before (a cell ran twice)",
    "columns": "another number printed",
    "X": "other data",
    "weight": "another line",
    "bias": "another line",
    "split": "another split",
    "loss": "another loss",
    "optimizer": "another optimizer",
    "momentum": "another optimizer",
    "lr": "another learning rate",
    "start": "another seed or draw",
    "dtype": "float64",
}
NO_STEP = (
    "optimizer.step() is missing, has no brackets or stands before loss.backward(), or the "
    "optimizer holds the parameters of another model, made earlier"
)
COLUMN_WORDS = {
    ("test", "train"): "The two losses have changed places: the test loss stands first.",
    ("test", "test"): "Both numbers are the test loss. The first should be the train loss.",
    ("train", "train"): (
        "Both numbers are the train loss. The second should compare the predictions for X_test "
        "with y_test."
    ),
    ("constant", "test"): (
        "The first number is the same in every row: does another cell's variable stand in print(), "
        "or is y_pred computed before the loop?"
    ),
    ("test",): "The number is the test loss.",
}


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


def in_words(found, search):
    """Return what differs from the tutorial, a sentence for each difference."""
    name, changed = differences(found)
    said = [sentence_on(field, found.settings, TUTORIAL[name], search) for field in changed]
    if found.own:
        said.insert(0, own_start(found.settings, search.hints))
    elif not changed:
        return f"This is {name}."
    elif name != "section 3":
        said.insert(0, f"This is {name}, but:")
    return " ".join(dict.fromkeys(filter(None, said)))


def sentence_on(field, settings, run, search):
    """Return what one field's difference from the tutorial's run means for the reader."""
    new, old = getattr(settings, field), getattr(run, field)
    match field:
        case "X":
            return f"X is {of_X(new)}, not {of_X(old)}."
        case "weight" | "bias":
            return f"The data lie on the line {of_line(settings)}, not {of_line(run)}."
        case "split":
            return f"{new:.0%} of the points train, not {old:.0%}."
        case "start":
            return of_start(settings, search)
        case "loss":
            return f"The loss is {LOSS_NAMES[new]}, not {LOSS_NAMES[old]}."
        case "optimizer":
            return f"The optimizer is {new}, not {old}."
        case "lr":
            return f"The learning rate is {number(new)}, not {number(old)}."
        case "momentum":
            return f"SGD has momentum {number(new)}."
        case "earlier":
            return of_earlier(settings, search)
        case "trains" if new == "nothing":
            return f"No step reaches the model: {NO_STEP}."
        case "trains":
            return (
                "forward() adds the global `bias` of the line, not self.bias, which therefore "
                "never moves. Write self.bias."
            )
        case "zero_grad":
            return (
                "The gradients add up from epoch to epoch, because optimizer.zero_grad() is "
                "missing. Call it before loss.backward()."
            )
        case "test_after_step":
            return (
                "The test loss stands before optimizer.step(), so that it is the test loss of the "
                "epoch before. Move it below."
            )
        case "test_target":
            return "test_loss compares the predictions with X_test. It should be y_test."
        case "columns":
            return COLUMN_WORDS[new]
        case "dtype":
            return f"The data and the model are {new}, not {old}."


def number(value):
    return f"{value:.6g}"


def of_X(X):
    if X[0] == "linspace":
        return f"torch.linspace({number(X[1])}, {number(X[2])}, {X[3]})"
    return f"torch.arange({', '.join(map(number, X))})"


def of_line(settings):
    return f"y = {number(settings.weight)} x + {number(settings.bias)}"


def of_start(settings, search):
    """Say how the model's start came about, beside the tutorial's two draws after one seed."""
    start = search.starts.get(settings.start)
    if start is None or start.seed is None:
        w, b = map(number, settings.start)
        return f"The model started from weight {w} and bias {b}, with nothing drawn at random."
    seed, said = f"seed {start.seed}{'' if start.seed == 42 else ', not 42'}", []
    if start.weight != start.bias:
        said.append(f"The weight started from {start.weight}, the bias from {start.bias} ({seed}).")
    elif start.weight == "torch.rand":
        said.append(f"The model started from torch.rand, not torch.randn ({seed}).")
    elif start.seed != 42:
        said.append(f"The model started from {start.weight} ({seed}).")
    if start.bias_first:
        said.append(
            "In the model class the bias stands above the weight, so that it takes the first "
            "number that is drawn. To compare, write the weight first."
        )
    if start.model > 1:
        said.append(
            f"The model is number {start.model} after one torch.manual_seed({start.seed}), and "
            "each takes the next numbers. Set the seed in the cell that makes the model."
        )
    if start.after:
        said.append(
            f"After torch.manual_seed({start.seed}) a model of two {start.after} was made before "
            "this one. Set the seed in the cell that makes the model."
        )
    return " ".join(said)


def of_earlier(settings, search):
    """Say how long the model had been trained before the first row, and how to start anew."""
    (_, lr), *_ = settings.earlier
    total = sum(epochs for epochs, _ in settings.earlier)
    usual = (search.hints.get("epochs"), 100, 200, 300, 1000)
    again = "The cell ran a second time" if total in usual else "The training goes on"
    rate = "" if lr == settings.lr else f" with lr {number(lr)}"
    many = f"{total} epochs were" if total > 1 else "one epoch was"
    if not np.ptp(search.printed.values, axis=0).any():  # settled: later epochs print the same
        again, many = "The training goes on", f"at least {many}"
    return (
        f"{again}: {many} trained before{rate}, so that epoch 0 here is epoch {total} of the "
        "model's training. To start anew, run the cells of the model and the optimizer first."
    )


def own_start(settings, hints):
    """Say that only the two differences of the start from the line are known, up to their sign."""
    w, b = settings.start[0] - settings.weight, settings.start[1] - settings.bias
    seeded = (
        "The code sets a seed, so that the model was trained in another way before these rows, or "
        "the line isn't the code's last one, or the seed stands below the model: run all cells "
        "from the top. Does forward() return weights * x + bias?"
    )
    unseeded = (
        "Without a seed each run starts elsewhere: put torch.manual_seed(42) directly above the "
        "model."
    )
    return (
        "The training is right, from a start of its own: the model doesn't start where the "
        "tutorial's does, or the data lie on another line. At the first row its weight and bias "
        f"are {w:+.6f} and {b:+.6f} away from the line's, or both with the other sign, because the "
        f"losses can't tell which. {seeded if 'seed' in hints else unseeded}"
    )


def same_row(epochs):
    """Say what can have printed one row again and again: causes that can't be told apart."""
    words = f"All rows are the same. Either no step reaches the model: {NO_STEP}. Or "
    if np.all(np.diff(epochs) == 1):
        return f"{words}the learning rate is too small for these digits to show a step."
    return (
        f"{words}the training has settled: then it may jump between two states, of which rows an "
        "even number of epochs apart show only one. Print every epoch, and see whether two rows "
        "take turns."
    )


def first_column(search):
    """Return what is known if the train losses alone follow from a known start, or ""."""
    found = search.train_only and confirmed(search.train_only, search)
    if not found or not search.enough():
        return ""
    return (
        f"The first number follows in all rows: {in_words(found, search)} Not explained is the "
        "second number: which predictions and labels does test_loss compare?"
    )


def not_explained(search):
    """Say which rows follow from the best run that was tried, and where they leave it."""
    best = search.best
    tried = (
        f"Tried: {search.tried:,} runs with the tutorial's and the code's settings, up to two "
        "changes, other seeds and draws, training before the first row, and unknown starts."
    )
    if search.too_long:
        tried = f"Tried: the tutorial's own runs alone, because it has over {LONG:,} epochs."
    if search.hints.get("shuffled"):
        tried = f"The code calls train_test_split, which shuffles points: not tried here. {tried}"
    some = 2 <= best.rows < len(search.printed.rows)
    if not some or not search.enough(best.rows, own=best.own):
        return f"Not explained. {tried}"
    best = best._replace(settings=search.with_earlier(best))
    epoch = search.printed.rows[best.rows][0]
    where = f"row {best.rows + 1}" if epoch is None else f"the row of epoch {epoch}"
    return (
        f"Not explained, but rows 1 to {best.rows} are those of this run: "
        f"{in_words(best, search)} From there on {where} isn't. Was a number changed, was another "
        "cell run in between, or did another machine's rounding grow?"
    )


# --- How near the rows are


def every_row(found, search):
    """Return how near the rows follow, and on which machines others have seen the same digits."""
    rows = len(search.printed.rows)
    if found.exact:
        return f"All digits of all {rows} rows follow."
    if found.off <= 0:
        return f"All {rows} rows follow."
    near = f"All {rows} rows follow, but for last digits ({found.off:.1e} off at most)"
    if found.off > NEAR[found.settings.loss]:
        near += "; a residual's sign has flipped by rounding, and a few numbers show that"
    return f"{near}{seen_on(search)}."


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
