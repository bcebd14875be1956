"""compare: a right trainer's last bits are explained, a wrong number is named, tables say so."""

import re
from fractions import Fraction

import numpy as np
import pytest
import torch

from manual_grad import compare, program, verdict
from manual_grad.published_runs import published_runs
from manual_grad.trajectory import Trajectory, as_trajectory
from manual_grad.verdict import COLUMNS, explain, in_float64

RUNS = published_runs()

# A right gradient or loss is itself off float64 by float32's roundings. In epoch 0 of each run that
# is less than this share of it.
ROUNDING = 1e-5


@pytest.fixture(scope="module")
def results():
    return compare.train_all(RUNS)


def run_program(monkeypatch, capsys):
    """Run main. Return the text, and the figures by name."""
    figures = {}
    monkeypatch.setattr(program, "save_figure", lambda figure, name: figures.update({name: figure}))
    compare.main()
    return capsys.readouterr().out, figures


def add_one_by_one(terms):
    return np.cumsum(terms)[-1]


ORDERS = [
    add_one_by_one,
    lambda terms: add_one_by_one(terms[::-1]),
    lambda terms: add_one_by_one([add_one_by_one(terms[i::4]) for i in range(4)]),
    lambda terms: terms.astype(np.float64).sum().astype(np.float32),
]


def trainer(
    add=add_one_by_one, step=verdict.rounded_twice, dtype=np.float32, factor=lambda n: 1, zero=True
):
    """Return a trainer that adds up and steps so, and has gradients `factor(n)` times too large.

    It does one float32 operation after the other: its bits are the same on every machine.
    """

    def train(X, y, weight, bias, *, loss, lr, epochs):
        X, y = (np.asarray(values, dtype).ravel() for values in (X, y))
        n, lr = dtype(len(X)), dtype(lr)
        theta, grad, rows = dtype([weight, bias]), dtype([0, 0]), []
        for _ in range(epochs):
            residual = theta[0] * X + theta[1] - y
            losses = np.abs(residual) if loss == "mae" else residual * residual
            slope = np.sign(residual) / n if loss == "mae" else dtype(2) / n * residual
            new = dtype(factor(len(X))) * np.stack([add(slope * X), add(slope)])
            grad = new if zero else grad + new
            theta = step(theta, grad, lr)
            rows.append((add(losses) / n, *grad, *theta))
        return as_trajectory(rows, dtype)

    return train


def verdicts(run, ours, theirs):
    return {group: str(explain(run, ours, theirs, group)) for group in COLUMNS}


# --- One rounding or two


def test_a_step_rounded_once_is_exact():
    """Against fractions, which round nothing; also where float64 hits the middle of two float32."""
    theta, grad = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    grad[::3] *= np.float32(1e-6)
    cases = [(t, g, 0.01) for t, g in zip(theta, grad)]
    # 1 + 2^-23 + 2^-24 (1 - 2^-46) and 1 + 2^-24 (1 + 2^-36): float64 keeps neither last term.
    cases += [(1 + 2**-23, -(2**-12) * (1 - 2**-23), 2**-12 * (1 + 2**-23))]
    cases += [(1, -(2**-12) * (1 - 2**-12 + 2**-24), 2**-12 * (1 + 2**-12))]
    # 97 * 172961 = 2^24 + 1: the product is the middle of two float32, and theta decides.
    cases += [(t, g, 172961 * 2.0**-24) for t in (2.0**-60, -(2.0**-60), 0) for g in (97, -97)]
    for case in cases:
        theta, grad, lr = np.float32(case)
        got = verdict.rounded_once(theta, grad, lr)
        exact = Fraction(float(theta)) - Fraction(float(lr)) * Fraction(float(grad))
        distance = abs(Fraction(float(got)) - exact)
        for side in (-np.inf, np.inf):
            beside = abs(Fraction(float(np.nextafter(got, np.float32(side)))) - exact)
            assert distance < beside or distance == beside and got.view(np.int32) % 2 == 0


# --- Right runs


def test_any_order_of_a_sum_and_any_rounding_of_a_step_is_explained(reference):
    for name, run in RUNS.items():
        short = Trajectory(*(column[:100] for column in reference[name]))
        for order in ORDERS:
            for step in verdict.STEPS.values():
                ours = run._replace(epochs=100).train(trainer(order, step))
                assert "NOT EXPLAINED" not in str(verdicts(run, ours, short))


def test_the_reason_and_its_epochs_are_named():
    run = RUNS["pipeline, custom"]
    ours, theirs = run.train(trainer(ORDERS[1])), run.train(trainer())
    assert verdicts(run, ours, theirs) == {
        "parameters": "a gradient rounds differently (epoch 0); "
        "the parameters already differ (epochs 1 to 24)",
        "gradients": "a mean rounds differently (epoch 0); "
        "the parameters already differ (12 epochs from 1 to 25)",
        "loss": "a mean rounds differently (21 epochs from 33 to 96); "
        "the parameters already differ (14 epochs from 1 to 25)",
    }
    assert set(verdicts(run, ours, ours).values()) == {"equal to the bit"}
    with pytest.raises(ValueError, match="must be 'mae' or 'mse', not 'bce'"):
        explain(run._replace(loss="bce"), ours, theirs, "loss")


# --- Wrong numbers

PLANTED = [  # the column, the group whose verdict must name it, and the wrong number
    ("loss", "loss", lambda x: 7 * x),
    ("loss", "loss", lambda x: x * np.float32(1 + 1e-5)),
    ("loss", "loss", lambda x: x * np.float32("nan")),
    ("weight_grad", "gradients", lambda x: 17 * x),
    ("weight_grad", "parameters", lambda x: 17 * x),  # a step is only as right as its gradient
    ("weight_grad", "gradients", lambda x: x * np.float32(1.0001)),
    ("bias_grad", "gradients", lambda x: -x),
    ("weight", "parameters", lambda x: x + 100),
    ("weight", "parameters", lambda x: x + np.float32(1e-6)),
    ("bias", "parameters", lambda x: x + np.float32(1e-6)),
]


def test_a_wrong_number_is_named(reference):
    for name, run in RUNS.items():
        good = reference[name]
        for column, group, change in PLANTED:
            wrong = good._replace(**{column: change(getattr(good, column))})
            recorded, right = (float(getattr(t, column)[0]) for t in (wrong, good))
            start = {"weight": run.weight, "bias": run.bias}.get(column, 0)
            source = "a step" if start else "float64"
            for ours, theirs, whose in (
                (wrong, good, ""),
                (good, wrong, "torch_optim"),
                (wrong, wrong, ""),  # equal to the bit, and wrong
            ):
                fault = explain(run, ours, theirs, group).fault
                assert fault[:4] == pytest.approx((whose, 0, column, recorded), nan_ok=True)
                assert fault.right == pytest.approx(right, rel=ROUNDING)
                ratio = (recorded - start) / (right - start)
                assert fault.ratio == pytest.approx(ratio, rel=ROUNDING, nan_ok=True)
                words = f"{column} is {recorded:.9g}, {source} gives {fault.right:.9g}, ratio "
                assert words in str(fault)
                assert ("NOT EXPLAINED (torch_optim): " in str(fault)) == bool(whose)
                assert str(fault).endswith(
                    f": {fault.guess}" if fault.guess else f"{fault.ratio:.7g}"
                )
            numbers, late = getattr(good, column).copy(), run.epochs * 2 // 5
            numbers[late] += np.float32(0.01)
            fault = explain(run, good._replace(**{column: numbers}), good, group).fault
            assert (fault.epoch, fault.column) == (late, column)


def test_a_last_bit_is_told_from_more():
    for right in (1.0, -1.0):
        guesses = [verdict.guess_at(right + k * 2**-23, right, 1, 0, 4) for k in (-1, 1, 2)]
        assert guesses == ["off by a last bit, does it compute in float64?"] * 2 + [""]


def test_how_far_rounding_may_lead(reference):
    run, good = RUNS["section 3"], reference["section 3"]
    right = in_float64(run, good)
    k = 40 - 1 + 3 + 1  # all signs are the same in epoch 0: 40 terms that are -1 to the bit
    assert right["bias_grad"][1][0] == pytest.approx(k * 2.0**-24 / (1 - k * 2.0**-24), rel=1e-12)
    for name, trajectory in reference.items():
        for value, bound in in_float64(RUNS[name], trajectory).values():
            assert bound[0] < ROUNDING * abs(value[0])  # a wider one would let wrong numbers pass
    value, bound = right["bias_grad"]
    half = good._replace(bias_grad=value + 0.5 * bound, weight_grad=right["weight_grad"][0])
    assert verdict.share_of_bound(run, half, COLUMNS["gradients"]) == pytest.approx(0.5)
    # A sign that is known may not flip: here that of the smallest x but 0.
    flipped = good._replace(weight_grad=good.weight_grad + np.float32(2 * 0.02 / 40))
    fault = explain(run, flipped, good, "gradients").fault
    assert (fault.epoch, fault.column) == (0, "weight_grad")
    assert explain(run, flipped, good, "loss").fault is None


def test_where_rounding_decides_a_sign_every_slope_is_allowed_and_no_more():
    """At the true parameters all residuals are 0 but for rounding."""
    run = RUNS["section 3"]._replace(weight=0.7, bias=0.3, epochs=1)
    one, X = run.train(trainer()), run.X.numpy().astype(np.float64)
    for column, factor in (("weight_grad", X), ("bias_grad", np.ones_like(X))):
        value, bound = in_float64(run, one)[column]
        for slope in (1, -1):
            assert abs(slope * factor.mean() - value[0]) <= bound[0] < 1.001 * factor.mean()


# --- A reader's trainer


def changed(change):
    """Return a right trainer that returns something else than its Trajectory."""
    return lambda *data, **options: change(trainer()(*data, **options))


def writes_into_its_data(X, *data, **options):
    X -= 7
    return trainer()(X, *data, **options)


RIGHT = "weight 0.578"
READERS = {  # each with what the table says of it in section 3
    "right": (trainer(), RIGHT),
    "lists": (changed(lambda t: Trajectory(*(column.tolist() for column in t))), RIGHT),
    "tensors": (changed(lambda t: Trajectory(*map(torch.tensor, t))), RIGHT),
    "writes": (writes_into_its_data, "NOT EXPLAINED: epoch 0, weight_grad is "),
    "raises": (changed(lambda t: int("much text " * 99)), "ValueError: invalid literal for int()"),
    "exits": (changed(lambda t: exit(3)), "SystemExit: 3 (test_compare.py, line "),
    "none": (changed(lambda t: None), "TypeError: train must return a Trajectory of manual_grad."),
    "tuple": (changed(tuple), "trajectory, not tuple"),
    "column": (changed(lambda t: t._replace(loss=t.loss[:, None])), "not (100, 1)"),
    "short": (changed(lambda t: t._replace(bias=t.bias[1:])), "bias must have shape (100,), one"),
    "words": (changed(lambda t: t._replace(loss=["a"] * len(t.loss))), "loss must hold floats"),
    "nan": (
        changed(lambda t: t._replace(bias=np.where(t.bias == t.bias[7], np.nan, t.bias))),
        "ValueError: bias is nan in epoch 7",
    ),
    "huge": (changed(lambda t: t._replace(bias=t.bias + np.float64(1e300))), "bias is 1e+300 in"),
    "float64": (trainer(dtype=np.float64), "off by a last bit, does it compute in float64?"),
    "half": (trainer(factor=lambda n: 0.5), ": half"),
    "twice": (trainer(factor=lambda n: 2), ": twice"),
    "n times": (trainer(factor=lambda n: n), ": n times, is it a sum?"),
    "1/n": (trainer(factor=lambda n: 1 / n), ": 1/n of it, is it divided twice?"),
    "sign": (trainer(factor=lambda n: -1), ": the other sign"),
    "zeroing": (trainer(zero=False), ": the epoch before is added, is it zeroed?"),
}


def test_whatever_a_readers_trainer_does_is_a_line_and_the_program_goes_on(monkeypatch, capsys):
    some = {name: RUNS[name] for name in ("section 3", "section 6", "pipeline, custom")}
    some["section 6"] = some["section 6"]._replace(epochs=10)
    monkeypatch.setattr(compare, "published_runs", lambda: some)
    added = {name: train for name, (train, _) in READERS.items()}
    monkeypatch.setattr(compare, "TRAINERS", compare.TRAINERS | added)
    text, figures = run_program(monkeypatch, capsys)
    assert max(map(len, text.splitlines())) <= 100
    table = text.split("\n# section 3: ")[1].split("\n# ")[0]
    for name, (_, words) in READERS.items():
        said = " ".join(re.search(f"^{name}: (.*(?:\n .*)*)", table, re.MULTILINE)[1].split())
        assert words in said, name
        wrong = "NOT EXPLAINED" in said or "Error: " in said or "Exit: " in said
        assert wrong == (words != RIGHT), name
        assert wrong == (f"\n{name}:\nNot as torch_optim in 3 of 3 runs. In 'sect" in text), name
    shown = {text.get_text() for text in figures["rounding"].legends[0].get_texts()}
    assert {"right", "lists", "tensors", "half"} < shown
    assert "none" not in shown


# --- What the program prints and draws


def test_the_text_is_the_same_in_every_run(results, monkeypatch, capsys):
    text, figures = run_program(monkeypatch, capsys)
    assert set(figures) == {"manual_grad", "rounding"}
    monkeypatch.setattr(compare, "train_all", lambda runs: results)  # trained another time
    assert text == run_program(monkeypatch, capsys)[0]
    assert max(map(len, text.splitlines())) <= 100
    assert "NOT EXPLAINED" not in text
    versions = re.match("torch (.*) with its kernels for .*, NumPy (.*)\n", text).groups()
    assert versions == (torch.__version__, np.__version__)
    words = [w for trainer in compare.by_hand(compare.TRAINERS) for w in (f"{trainer}:", *COLUMNS)]
    for name in RUNS:
        rows = text.split(f"\n# {name}: ")[1].split("\n# ")[0].splitlines()[4:]
        assert [row.split()[0] for row in rows if row and row[2] != " "] == words
    losses = text.split("in each trainer\n")[1].splitlines()
    assert losses[0].split() == ["epoch", *compare.TRAINERS]
    for line, epoch in zip(losses[1:], range(0, 100, 10)):
        expected = [trajectory.loss[epoch] for trajectory in results["section 3"].values()]
        assert [*np.float32(line.split())] == [epoch, *expected]


TABLE = """
# a run: 4 points, mse, lr 0.01, 100 epochs
start: weight 0.603345215, bias -0.285960048
torch_optim: weight 1.95729244, bias 0.125565425, last loss 0.0026490665, checksum 841383d1
                     equal    apart  of bound  why they differ
mine: weight 1.95729244, bias 0.125565425, last loss 0.0026490665, checksum 724280f6
  parameters     89 of 100  1.5e-08            our step rounds twice, torch_optim's once (epoch 0);
                                               the parameters already differ (epochs 1 to 10)
  gradients      98 of 100  1.4e-06      0.37  the parameters already differ (epochs 9 to 10)
  loss           99 of 100  4.8e-07      0.26  the parameters already differ (epoch 9)
wrong: ValueError: of mine
"""


def test_the_table_says_what_was_compared(capsys):
    run = RUNS["pipeline, custom"]
    once = run.train(trainer(step=verdict.rounded_once))
    results = {"mine": run.train(trainer()), "torch_optim": once, "wrong": "ValueError: of mine"}
    compare.print_comparison("a run", run, results)
    assert capsys.readouterr().out == TABLE


def test_the_checksum_sees_every_bit(reference):
    good = reference["section 3"]
    for name, column in good._asdict().items():
        moved = column.copy()
        moved[37] = np.nextafter(moved[37], np.float32(9))
        words = compare.last_epoch(good._replace(**{name: moved}))
        assert words != compare.last_epoch(good)


def test_the_summary_counts_what_differs():
    runs = {name: RUNS[name] for name in ("pipeline, nn.Linear", "pipeline, custom")}
    once = {name: run.train(trainer(step=verdict.rounded_once)) for name, run in runs.items()}
    results = {name: {"torch_optim": once[name], "mine": once[name]} for name in runs}
    assert compare.in_short(runs, results, "mine").splitlines() == [
        "weight and bias are equal to torch_optim's, to the bit, in every epoch of 2 of 2 runs.",
        "Losses and gradients are equal to the bit.",
    ]
    results["pipeline, custom"]["mine"] = runs["pipeline, custom"].train(trainer())
    assert compare.in_short(runs, results, "mine").splitlines() == [
        "weight and bias are equal to torch_optim's, to the bit, in every epoch of 1 of 2 runs.",
        "In 'pipeline, custom' they differ in 11 of 100 epochs, by 1.5e-08 at most.",
        "Where losses or gradients differ: the parameters already differ.",
    ]
    results["pipeline, custom"]["mine"] = "ValueError: mine"
    words = "Not as torch_optim in 1 of 2 runs. In 'pipeline, custom': ValueError: mine"
    assert compare.in_short(runs, results, "mine") == words


def test_the_pictures_show_the_runs_and_their_titles_follow(results):
    results = {name: dict(trained) for name, trained in results.items()}
    [paths] = compare.plot_paths(RUNS, results).axes
    losses, steps = compare.plot_rounding(RUNS, results).axes
    for trainer in compare.TRAINERS:
        lines = [line for line in paths.get_lines() if line.get_label() == trainer]
        for line, name in zip(lines, ("section 3", "section 6"), strict=True):
            run, trajectory = RUNS[name], results[name][trainer]
            np.testing.assert_array_equal(line.get_xdata(), [run.weight, *trajectory.weight])
            np.testing.assert_array_equal(line.get_ydata(), [run.bias, *trajectory.bias])
    *errors, bound = losses.get_lines()
    for line, trajectory in zip(errors, results["section 3"].values(), strict=True):
        right, most = in_float64(RUNS["section 3"], trajectory)["loss"]
        np.testing.assert_array_equal(line.get_ydata(), np.abs(trajectory.loss - right))
        np.testing.assert_allclose(bound.get_ydata(), most, rtol=1e-6)
    *ours, theirs = (np.stack(t[3:]) for t in results["pipeline, custom"].values())
    for line, parameters in zip(steps.get_lines(), ours, strict=True):
        apart = np.abs(parameters - theirs).max(axis=0)
        np.testing.assert_array_equal(line.get_ydata(), apart * 1e8)
    assert losses.get_title() == "section 3: all errors below what rounding can cause"

    for run in results.values():
        run["tensor_updates"] = run["torch_optim"]._replace(loss=2 * run["torch_optim"].loss)
    losses, _ = compare.plot_rounding(RUNS, results).axes
    assert losses.get_title() == "section 3: a loss wrong by more"
