"""check.gradient: a right gradient is never called WRONG, and a wrong one never RIGHT."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from check import gradient as check_gradient
from check.exercise import value_and_gradient as by_torch
from check.gradient import LABELS, PREDICTIONS, Verdict, check, measure, points
from manual_grad.derivative import STEP
from manual_grad.losses import LOSSES

INSIDE, OUTSIDE = 0.99, 1.01  # of a tolerance: rounding moves an answer by 1e-3 of it, or less

MSE = LOSSES["mse"]


@pytest.fixture
def reported(capsys):
    """Return a function that gives the exit status, the table's first letters, and the text.

    In the place of status 2 stands the name of the error.
    """

    def report(loss, gradient):
        try:
            status = check_gradient.report(loss, gradient, PREDICTIONS, [*LABELS], "mine.py")
        except Exception as error:
            status = type(error).__name__
        text = capsys.readouterr().out
        rows = [line.split()[-4:] for line in text.splitlines()[1:4]]
        return status, " ".join("".join(word[0] for word in row) for row in rows), text

    return report


def formula(text, **names):
    """Return a function of two arrays, or two tensors, by its text."""
    return eval(f"lambda p, y: {text}", names)


# A loss for each point, whose mean is taken; n times its gradient; and the answers for three kinds
# of predictions, with four kinds of labels each.
CASES = """
(p.clip(0, 1) - y) ** 2         | 2 * (p.clip(0, 1) - y) * (p > 0) * (p < 1) | RRRR RRRR RRRR
(p.clip(0, 1) - y) ** 2         | 2 * (p.clip(0, 1) - y)                     | WWWW WWWW RRRR
(p.clip(0, 1) - y) ** 2         | 2 * (p - y**2)                             | WWWW WWWW WRWR
maximum(0, 1 - y * p)           | -y * (p < 1)                               | WRWR WRWR RRRR
maximum(0, 1 - y * p) ** 2      | -2 * y * maximum(0, 1 - p)                 | WRWR WRWR WRWR
log1p(exp(-y * p))              | -y / (1 + exp(p))                          | WRWR WRWR WRWR
exp(-y * p)                     | -y * exp(-p)                               | WRWR WRWR WRWR
(1 - y * p).clip(0, 1)          | where(y * p < 1, -y, 0)                    | WWW- RRWR RRWR
y * (log(exp(p).sum()) - p)     | exp(p) / exp(p).sum() - y                  | WWWR WWWR WWWR
-log(p + 1e-7)                  | -1 / p                                     | ---- RRRR RRRR
abs(p - y)                      | sign(p - y) - (p == y)                     | RRRR RRRR RRRR
abs(p - y)                      | sign(p - y) + 1.001 * (p == y)             | WWWW WWWR WRRR
square(subtract(p, y, out=p))   | 2 * subtract(p, y, out=y)                  | RRRR RRRR RRRR
(p - y) ** 2                    | (2 * (p - y)).clip(-9, 9)                  | WRRR RRRR RRRR
(p - y) ** 2                    | 2 * (p - y) + (p == y)                     | WWWW WWWR WRRR
"""


def over_n(loss, gradient):
    """Return the mean of one formula, and n-th parts of another."""
    loss, gradient = (formula(text, **vars(np)) for text in (loss, gradient))
    return lambda p, y: np.mean(loss(p, y)), lambda p, y: gradient(p, y) / y.size


def test_each_kind_of_points_gets_its_answer(reported):
    for line in CASES.strip().splitlines():
        *formulas, answers = line.split(" | ")
        status, found, text = reported(*over_n(*formulas))
        assert (found, status) == (answers, "W" in answers), line
        assert ("kinds that are RIGHT" in text) == ("W" in answers and "R" in answers), line


def test_a_kind_without_an_answer_says_why_and_only_a_refused_domain_keeps_the_status_0(reported):
    def loss(p, y):
        m, _ = p.shape  # flat arrays raise a ValueError, which refuses no domain
        if p.min() < 0:
            raise kind("p < 0")
        return np.log(p).sum() / m

    for kind in ValueError, OverflowError, ZeroDivisionError, RuntimeError, TypeError, IndexError:
        status, answers, text = reported(loss, lambda p, y: 1 / p / y.size)
        assert answers == "---- RRRR RRRR"
        why = f"mine.py: {kind.__name__}: p < 0"
        assert f"\n- any number with labels real and 3 more: {why}\n" in text
        refused = kind in (ValueError, OverflowError, ZeroDivisionError)
        assert status == (0 if refused else kind.__name__)
        assert ("--predictions 0.05 3 --labels real\n" in text) != refused


def huber_of_lists(delta, n_of_tail):
    """Return Huber's loss and gradient of lists of floats. The tail should have n_of_tail = n."""

    def loss(p, y):
        sizes = [math.fabs(a - b) for a, b in zip(p, y)]
        return sum(r * r / 2 if r <= delta else delta * (r - delta / 2) for r in sizes) / len(p)

    def gradient(p, y):
        residuals, tail = [a - b for a, b in zip(p, y)], delta / n_of_tail
        return [r / 19 if abs(r) <= delta else math.copysign(tail, r) for r in residuals]

    return loss, gradient


def test_what_cant_be_computed_in_columns_is_tried_flat_and_in_lists(reported):
    assert reported(*huber_of_lists(1.0, 19))[:2] == (0, "RRRR RRRR RRRR")
    assert reported(*huber_of_lists(1.0, 1))[:2] == (1, "WWWW WWWW RRWR")
    last_axis = lambda p, y: ((p - y) ** 2).mean(axis=-1)  # noqa: E731
    assert reported(last_axis, lambda p, y: 2 * (p - y) / p.shape[-1])[:2] == (0, "RRRR RRRR RRRR")
    only_lists = [lambda p, y, f=f: f(p + [], y) for f in huber_of_lists(1.0, 19)]
    assert reported(*only_lists)[:2] == (0, "RRRR RRRR RRRR")
    domain = lambda p, y: sum(map(math.log, p)) / len(p)  # noqa: E731
    status, answers, text = reported(domain, lambda p, y: [1 / a / len(p) for a in p])
    assert (status, answers) == (0, "---- RRRR RRRR")
    assert "\n- any number with labels real and 3 more: mine.py: ValueError: " in text


def test_a_row_is_tried_too_and_told_where_it_differs_with_its_factor(reported):
    loss = lambda p, y: ((p - y) ** 2).mean()  # noqa: E731
    columns, rows = (lambda p, y, axis=i: 2 * (p - y) / p.shape[axis] for i in (0, 1))
    n_times = "it is n times as large as it should be: the loss is a mean, so divide by n\n"
    kind = "\nany number with labels real: "
    for gradient, status, words in (columns, 0, ("RIGHT", "WRONG")), (rows, 1, ("WRONG", "RIGHT")):
        told = reported(loss, gradient)
        assert told[0] == status
        shapes = "{} in shape (19, 1), {} in shape (1, 19): ".format(*words)
        assert kind + shapes + n_times in told[2]
    softmax = lambda p: np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)  # noqa: E731
    told = reported(lambda p, y: -(y * np.log(softmax(p))).sum(), lambda p, y: softmax(p) - y)
    assert told[:2] == ("ValueError", "---- ---- ----")
    assert "labels one-hot: - in shape (19, 1), RIGHT in shape (1, 19)\n" in told[2]
    assert " in shape " not in reported(*MSE)[2]


def test_residuals_reach_1000_where_loss_and_gradient_are_finite_and_it_says_so(reported):
    for bend, answers in (1000 * INSIDE, "WRRR"), (1000 * OUTSIDE, "RRRR"), (10, "WRRR"):
        loss = f"abs(p - y) + maximum(abs(p - y) - {bend}, 0)"
        told = reported(*over_n(loss, "sign(p - y)"))
        assert told[1] == f"{answers} RRRR RRRR"
        assert ("\nResiduals reach 1,000 where it is RIGHT\n" in told[2]) == (answers == "RRRR")
    assert told[2].split()[-2:] == ["0.105263", "0.5"]  # the slope there is 2 / n
    near = abs(np.subtract(*points(19, (-3, 3), "real"))).max()
    reach = f"\nResiduals reach {near:.4g} where it is RIGHT. Farther out"
    status, _, text = reported(*over_n("exp(p - y)", "exp(p - y)"))
    assert status == 0
    assert f"{reach}: mine.py: ValueError: loss must return one finite number, not inf\n" in text
    status, _, text = reported(*over_n("logaddexp(0, p - y)", "exp(p - y) / (1 + exp(p - y))"))
    assert status == 0
    assert f"{reach} the gradient isn't finite\n" in text


def test_a_gradient_is_called_with_what_it_needs():
    y_pred, y = points(12, (-3, 3), "real")
    mse_gradient = MSE[1]
    for gradient in (
        lambda: mse_gradient(y_pred, y),
        lambda dout=1: dout * mse_gradient(y_pred, y),
        lambda dout=1, **more: mse_gradient(y_pred, y),
        lambda *both: mse_gradient(*both),
        lambda p, y, factor=1: factor * mse_gradient(p, y),
    ):
        assert check(MSE[0], gradient, y_pred, y).right


def test_a_wrong_sign_may_be_exchanged_arguments_where_the_loss_is_symmetric(reported):
    status, _, text = reported(MSE[0], lambda p, y: MSE[1](y, p))
    assert (status, "with the arguments swapped" in text) == (1, False)
    told = "its sign is wrong, or the arguments are exchanged: nobody can tell.\n"
    assert text.endswith(f"At all points of this kind {told}")
    loss, gradient = over_n("exp(p - 2 * y)", "-exp(p - 2 * y)")
    assert reported(loss, gradient)[2].endswith("\nAt all points of this kind its sign is wrong.\n")


def test_arguments_are_told_by_their_order_alone_and_swapped_ones_are_noticed(reported):
    loss, gradient = over_n("exp(p - 2 * y)", "exp(p - 2 * y)")
    told = "\nIt is RIGHT with the arguments swapped. Take y_pred first, and y second.\n"
    assert reported(lambda y, y_train: loss(y, y_train), gradient)[:2] == (0, "RRRR RRRR RRRR")
    for functions in (loss, gradient), over_n("-y * log(p)", "-y / p"):
        swapped = [lambda y, y_pred, f=f: f(y_pred, y) for f in functions]
        status, answers, text = reported(*swapped)
        assert (status, "R" in answers, told in text) == (1, False, True)
    assert told not in reported(loss, lambda p, y: 2 * gradient(p, y))[2]


def test_the_options_for_what_is_right_the_farthest_point_and_the_factor_are_shown(reported):
    def told(gradient, loss="(p - y) ** 2"):
        _, told = reported(*over_n(loss, gradient))[2].split("\n\n", 1)
        return told.splitlines()

    y_pred, y = (array[18, 0] for array in points(19, (-3, 3), "real"))  # the farthest apart
    numbers = [y_pred, y, 24 * (y_pred - y) / 19, 2 * (y_pred - y) / 19, 12]
    assert told("24 * (p - y)") == [
        "WRONG for any number with labels real. The farthest of n = 19 points:",
        "       y_pred            y        it is    should be        ratio",
        "".join(f"{number:>13.6g}" for number in numbers),
    ]
    assert told("-2 * (p - y)")[-1].startswith("At all points of this kind its sign is wrong")
    assert "it is 1/n of what it should be" in told("2 * (p - y) / y.size")[-1]
    assert " nan " in told("2 * (p - y) * (p != y) / (p != y)")[-1]
    mixed = told("2 * (p.clip(0, 1) - y)", "(p.clip(0, 1) - y) ** 2")
    assert mixed[:5] == ["If the loss is made for one of the kinds that are RIGHT, choose it:"] + [
        f"    --predictions 0.05 0.95 --labels {labels}" for labels in LABELS
    ]
    assert mixed[-1].endswith("            0            -")  # no ratio to 0


def test_kinks_nearer_than_the_step_hide_a_point_and_make_nothing_wrong(reported):
    kinked = "(p - y) ** 2 + (p - y).clip(-1e-5, 1e-5)"
    loss, gradient = over_n(kinked, "2 * (p - y) + (abs(p - y) < 1e-5)")
    assert reported(loss, gradient)[0] == 0
    assert reported(loss, lambda p, y: gradient(p, y) / 2)[0] == 1


def test_each_tolerance_has_an_answer_just_inside_and_one_just_outside():
    """The slopes of 100 times the loss are 1. A third derivative 6 c gives a room of 1.5 c h^2."""
    y_pred, y = np.ones((9, 1)), np.zeros((9, 1))

    def checked(room, gradient=1.0, rough=9):
        c = room / 1.5 / STEP**2 * (np.arange(9) < rough)[:, None]
        loss = lambda p, y: (p + c * (p - 1) ** 3).sum() / 100  # noqa: E731
        return check(loss, lambda p, y: np.full(p.shape, gradient / 100), y_pred, y).right

    for sign in 1, -1:  # DIGITS of the slope, and of a typical one
        assert checked(0, 1 + sign * 2e-5 * INSIDE)
        assert not checked(0, 1 + sign * 2e-5 * OUTSIDE)
    assert checked(1e-2 * INSIDE, 1.01)  # SHARP
    with pytest.raises(ValueError, match="differences show its slope at 0 of 9 points only"):
        checked(1e-2 * OUTSIDE)
    assert checked(1e-2 * OUTSIDE, rough=3)  # SEEN: at least 6 of 9 points
    with pytest.raises(ValueError, match="differences show its slope at 5 of 9 points only"):
        checked(1e-2 * OUTSIDE, rough=4)


def test_a_loss_is_taken_for_one_in_float64_if_it_shows_a_change_of_2_to_the_minus_36():
    """A prediction p is nudged by 2^-36 p cos(p). This loss is p, to multiples of 2^-37."""
    p = np.linspace(0.5, 0.7, 201)
    for share in INSIDE, OUTSIDE:
        start = np.interp(0.5 / share, p * np.cos(p), p).reshape(1)
        loss = lambda p, y, start=start: np.floor((p - start) * 2.0**37) / 2.0**37  # noqa: E731
        if share == INSIDE:
            assert measure(loss, start, start)[0] == 1
        else:
            with pytest.raises(ValueError, match="doesn't change when predictions change by 1e-11"):
                measure(loss, start, start)


def test_points_may_have_any_shape_and_labels_may_be_class_numbers():
    """Cross entropy of three classes, by logits of shape (n, 3) and class numbers of shape (n,)."""
    z, y = np.random.default_rng(0).uniform(-3, 3, (8, 3)), np.arange(8) % 3

    def loss(z, y):
        return (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()

    def gradient(z, y, label=1):
        return (np.exp(z) / np.exp(z).sum(1, keepdims=True) - label * np.eye(3)[y]) / len(y)

    assert check(loss, gradient, z.tolist(), y.tolist()).right
    off = check(loss, lambda z, y: gradient(z, y, 1.01), z, y).off
    assert ((off > 0) == np.eye(3)[y]).all()
    assert check(*MSE, [0, 0], [1, 2]).right


FLOAT64 = "it must depend on them, be computed in float64, and not be rounded"
REFUSED = [
    (lambda p, y: p - y, MSE[1], r"loss must return one finite number, not shape \(12, 1\)"),
    (lambda p, y: np.nan, MSE[1], "loss must return one finite number, not nan"),
    (lambda p, y: 1.0, MSE[1], FLOAT64),
    (lambda p, y: round(MSE[0](p, y), 4), MSE[1], FLOAT64),
    (lambda p, y: MSE[0](np.float32(p), y), MSE[1], FLOAT64),
    (lambda p, y: np.float32(MSE[0](p, y)), MSE[1], FLOAT64),
    (MSE[0], lambda p, y: (p - y).sum(), r"shape \(12, 1\), and none for .*, not one number"),
    (MSE[0], lambda p, y: (p - y).ravel(), r"shape \(12, 1\), and none for weights, not \(12,\)"),
    (lambda p, y: None, MSE[1], "^loss returns None: end it with `return` and the loss alone$"),
    (lambda p, y: (MSE[0](p, y), MSE[1](p, y)), MSE[1], "^loss returns a tuple of 2: end it with"),
    (MSE[0], lambda p, y: None, "^gradient returns None: end it with `return` and the gradient"),
    (MSE[0], lambda p, y: (p - y, 2.0), "^gradient returns a tuple of 2: end it with `return` and"),
]


def test_what_cant_be_checked_is_refused():
    for loss, gradient, message in REFUSED:
        error = TypeError if " returns " in message else ValueError
        with pytest.raises(error, match=message):
            check(loss, gradient, *points(12, (-3, 3), "real"))
    in_tuples = [lambda p, y: (MSE[0](p, y),), lambda p, y: tuple(MSE[1](p, y))]
    assert check(*in_tuples, *points(12, (-3, 3), "real")).right


def test_the_points_lie_in_their_range_and_a_step_away_is_exact():
    for limits, column in itertools.product([*PREDICTIONS.values(), (0, 1), (-1, 0)], LABELS):
        y_pred, y = points(12, limits, column)
        assert y_pred.shape == y.shape == (12, 1)
        assert (np.append(y_pred, y) * 2**20 % 1 == 0).all()
        assert limits[0] <= y_pred.min() <= y_pred.max() <= limits[1]
        if column == "real":
            low, high = np.multiply(limits, 2 if limits == (-3, 3) else 1)
            assert low <= y.min() < (2 * low + high) / 3 < (low + 2 * high) / 3 < y.max() <= high
            assert 0 < np.sort(abs(y_pred - y), axis=None)[2] < 0.02


MINE = """
import numpy as np

def loss(y_pred, y):
    return {}

def gradient(y_pred, y):
    return {}
"""
ABS = "np.abs(y_pred - y).mean()"
SIGN = "np.sign(y_pred - y) / len(y)"
CACHED = """
class Square:
    def forward(self, y_pred, y):
        self.residual = y_pred - y
        return (self.residual.T @ self.residual) / y.size

    def backward(self):
        return 2 * self.residual / self.residual.size

loss, gradient = (square := Square()).forward, square.backward
"""
ENGINE = "import helper; from manual_grad.engine import Tensor\n" + MINE
TORCH = "import torch\n" + MINE.replace("return ", "y_pred = torch.tensor(y_pred); return ")
RIGHT_ROW = "\nprobabilities, 0.05 to 0.95         RIGHT    RIGHT    RIGHT    RIGHT"
FILES = [  # the source, the exit status, what is printed, to stderr if the status is 2
    (CACHED, 0, RIGHT_ROW),
    (ENGINE.format("(Tensor(y_pred) - y).abs().mean()", SIGN), 0, RIGHT_ROW),
    (TORCH.format("y_pred.square().mean()", "2 * y_pred / len(y)"), 0, RIGHT_ROW),
    (MINE.format("np.log(y_pred).mean()", "1 / y_pred / y.size"), 0, "\n- any number with labels"),
    (MINE.format(ABS, "-" + SIGN), 1, "nobody can tell."),
    (
        MINE.format("np.log(y / (1 - y_pred)).mean()", "None"),
        2,
        "mine.py: TypeError: gradient retu",
    ),
    (MINE.format(ABS, "(lambda: 1 / 0)()"), 2, "mine.py, line 8: ZeroDivisionError: division"),
    ("def loss(y_pred, y): return 1", 2, "it must define the function gradient"),
    ("import sys\nsys.exit()", 2, "mine.py, line 2: SystemExit"),
]


@pytest.fixture
def ended(checked):
    """Return a function that checks a file's source; it gives status, output and error output."""
    return lambda source, *options: checked(lambda f: check_gradient.main(f, *options), source)


def test_a_file_gets_its_table_or_one_line(ended, tmp_path):
    (tmp_path / "helper.py").touch()  # a neighbour that a file imports
    for source, status, text in FILES:
        code, output, error = ended(source)
        assert code == status, source
        assert text in (error if status == 2 else output), source
        assert error.count("\n") == (status == 2), source
        assert error.startswith("mine.py" * (status == 2))
        assert output.startswith("\n# mine.py: is gradient the derivative of loss?\n") or error


def test_one_range_and_one_kind_of_labels_can_be_chosen(ended, start, tmp_path):
    source = MINE.format("((y_pred.clip(0, 2) - y) ** 2).mean()", "2 * (y_pred - y**2) / y.size")
    assert ended(source, [0.1, 1.9], "01")[1].splitlines()[2:] == [
        "predictions                 labels: 0 or 1   ",
        "chosen, 0.1 to 1.9                  RIGHT    ",
        "Residuals reach 1.771 where it is RIGHT",
    ]
    assert "\nchosen, 0.1 to 1.9                  WRONG    RIGHT" in ended(source, [0.1, 1.9])[1]
    for row in "any number, -3 to 3", "positive, 0.05 to 3", "probabilities, 0.05 to 0.95":
        assert f"\n{row:<36}WRONG    \n" in ended(source, None, "signs")[1]
    exchanged = MINE.format("-(y_pred * np.log(y)).mean()", "-y_pred / y / y.size")
    assert check_gradient.SWAPPED in ended(exchanged, [0.05, 0.95], "01")[1]
    for wrong in [1.0, 1.0], [np.nan, 1.0]:
        assert "LOW must be less than HIGH\n" in ended(source, wrong)[2]
    options = "mine.py", "--predictions", -2.5, 3, "--labels", "onehot"
    with pytest.raises(SystemExit) as end:
        start("check/gradient.py", *options, folder=tmp_path)
    assert end.value.code == 1


def bce(p, y):
    return -y * p.log() - (1 - y) * (1 - p).log()


# Losses for labels 0 and 1: of any prediction, and of a probability. Each is averaged.
ANYWHERE = """
abs(p - y); exp(-y * p); (p - y) ** 2; (p - y).var(); F.relu(1 - y * p); F.huber_loss(p, y)
1000 + abs(p - y); abs(p - y) / abs(y).clamp(min=1e-10); -F.relu(1 - (p - y) ** 2) ** 3
-(y * F.log_softmax(p, 0)).sum(); 1 - (p * y).sum() / (p.norm() * y.norm())
"""
PROBABILITIES = """
bce(p, y); exp(8 * p) - y * p; F.binary_cross_entropy(p, y)
1 - 2 * (p.clamp(0, 1) * y).sum() / (p.clamp(0, 1) + y).sum()
F.kl_div(log(p.clamp(1e-7, 1)), y.clamp(1e-7), reduction="sum")
"""
FACTORS = (-1, 2, 1 / 2, 17, 12, 1 / 12)  # a popular check passed 17, and n is 12
MISTAKES = [lambda g, p, factor=factor: factor * g for factor in FACTORS] + [
    lambda g, p: g[::-1],
    lambda g, p: g * p,
    lambda g, p: g * p * (1 - p),
    lambda g, p: (g * p**2).sum() + 0 * g,
]


@pytest.mark.parametrize(
    ("losses", "predictions"), [(ANYWHERE, "any number"), (PROBABILITIES, "probabilities")]
)
def test_16_losses_are_right_in_float32_too_and_each_mistake_is_wrong(losses, predictions):
    """12 points are enough for these mistakes."""
    y_pred, y = points(12, PREDICTIONS[predictions], "01")
    for name in losses.strip().replace("\n", "; ").split("; "):
        function = formula(name, **vars(torch), F=F, bce=bce)
        mean = lambda p, y, f=function: f(p, y).mean()  # noqa: E731
        loss = lambda p, y, f=mean: f(*map(torch.from_numpy, (p, y))).item()  # noqa: E731
        known, right = measure(loss, y_pred, y), by_torch(mean, y_pred, y)[1]
        assert Verdict(right.astype(np.float32), *known).right, name
        wrong = [change(right, y_pred) for change in MISTAKES]
        for number, gradient in enumerate([*wrong, by_torch(mean, y_pred, 0 * y)[1]]):
            assert not Verdict(gradient, *known).right, (name, number)
