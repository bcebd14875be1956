"""docs/exercises.md, check/exercise.py: answers are right; stubs and mistakes hear what is off."""

import re
import sys

import pytest
import torch
from conftest import ROOT

from check import exercise
from manual_grad.published_runs import published_runs
from manual_grad.torch_optim import train

PAGE = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
HEAD, *SECTIONS = re.split(r"^### \d+\. ", PAGE, flags=re.MULTILINE)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


ANSWERS = {number: blocks(text, "python")[-1] for number, text in enumerate(SECTIONS, 1)}
STUBS = {number: blocks(text, "python")[0] for number, text in enumerate(SECTIONS, 1)}
STUBS[9] = STUBS[8]  # as the page says
RUNS = published_runs()
W, GRAD = torch.linspace(0, 1, 101), torch.linspace(1, 2, 101)
FUSED = (W.sub(GRAD, alpha=0.01) != W - 0.01 * GRAD).any()  # torch's step rounds once


@pytest.fixture
def judged(tmp_path, monkeypatch, capsys):
    """Return a function that checks code as a solution, and returns (exit status, what it says).

    What it says is all that it prints if the solution is right, and else its last line.
    """
    monkeypatch.chdir(tmp_path)

    def run(number, code):
        (tmp_path / "mine.py").write_text(code, encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [])
        monkeypatch.setattr(sys, "path", list(sys.path))
        try:
            exercise.main(number, "mine.py")
        except SystemExit as end:
            printed = capsys.readouterr()
            return end.code, (printed.out if end.code == 1 else printed.err).splitlines()[-1]
        return 0, capsys.readouterr().out

    return run


def test_each_exercise_has_a_stub_hints_and_an_answer_all_hidden_but_the_stub():
    assert len(SECTIONS) == len(exercise.EXERCISES)
    for number, text in enumerate(SECTIONS, 1):
        question, hint, answer = text.split("<details>")
        assert len(blocks(question, "python")) == (0 if number == 9 else 1)
        assert hint.startswith("<summary>Hint</summary>\n\n"), number
        assert answer.startswith("<summary>Answer</summary>\n\n"), number
        assert text.count("</details>") == 2, number


def test_each_answer_is_right_and_the_page_shows_what_the_check_prints(judged):
    for number, code in ANSWERS.items():
        (shown,) = blocks(SECTIONS[number - 1], "text")
        assert judged(number, code) == (0, shown)


def test_each_stub_runs_and_is_not_right_yet(judged):
    for number, code in STUBS.items():
        if number == 9 and not FUSED:
            continue  # there torch.optim rounds twice too
        status, told = judged(number, code)
        assert status == 1, number
        assert told.startswith(f"Exercise {number}, not yet. "), told
    assert blocks(HEAD, "text") == [judged(1, STUBS[1])[1] + "\n"]


# The likeliest wrong ways to solve each exercise: what the answer has -> what stands there instead,
# and below it all that is told. "…" stands for digits that the CPU's rounding decides, or for more.
MISTAKES = {
    1: """
-0.39 -> 0.39
    weight_grad: its sign is wrong
-0.39 -> -15.6
    weight_grad: it is n times as large as it should be: the loss is a mean, so divide by n
-0.39 -> -0.0039
    weight_grad: that is lr times the gradient
-0.39 -> 0.0039
    weight_grad: that is the step
-1.00 -> 0.01
    bias_grad: that is the step
-0.39 -> -1.00
    weight_grad: that is bias_grad
-1.00 -> -0.39
    bias_grad: that is weight_grad
-0.39 -> -0.49
    weight_grad: that is the mean over all 50 points
-0.39 -> -0.28
    weight_grad: that is the gradient of the MSE
-1.00 -> -0.626
    bias_grad: that is the gradient of the MSE
-0.39 -> 0.001
    weight_grad: 0.001 should be lower
-1.00 -> -0.9
    bias_grad: -0.9 should be lower
-1.00 -> '-1'
    bias_grad must be a finite number, not str '-1'
-1.00 -> None
    bias_grad must be a finite number, not NoneType None. A function without `return` returns None
""",
    2: """
0.0039 * 0.39 + 0.01 -> 0.01
    fall: the weight moves the predictions too
0.0039 * 0.39 + 0.01 -> 0.0039 * 0.39
    fall: the bias moves the predictions too
0.0039 * 0.39 -> 0.0039
    fall: at x, the weight's step moves a prediction by x times that step
0.0039 * 0.39 + 0.01 -> 0.1152
    fall: that is the fall in ten epochs
0.0039 * 0.39 + 0.01 -> 0.30136 - 0.31288
    fall: its sign is wrong
18 -> 17
    epoch: then each residual is still below 0. Did you round the bias?
18 -> 19
    epoch: epochs count from 0
18 -> 20
    epoch: the table shows each tenth epoch only. Look between
18 -> 10
    epoch: 10 should be higher
""",
    3: """
(f(x + h) - f(x - h)) / (2 * h) -> 0 * f(x)
    slope of x ** 3 at 2: 0 should be higher
(f(x + h) - f(x - h)) / (2 * h) -> f(x)
    slope of x ** 3 at 2: 8 should be higher
(f(x + h) - f(x - h)) / (2 * h) -> (f(x + h) - f(x)) / h
    slope of x ** 3 at 2: a run to one side only is too rough
(f(x + h) - f(x - h)) / (2 * h) -> (f(x) - f(x - h)) / h
    slope of x ** 3 at 2: a run to one side only is too rough
(f(x + h) - f(x - h)) / (2 * h) -> f(x + h) - f(x - h)
    slope of x ** 3 at 2: the rise isn't divided by the run
(f(x + h) - f(x - h)) -> f(x + h) - f(x - h)
    slope of x ** 3 at 2: a - b / h divides b alone. Is a bracket missing?
(2 * h) -> 2 * h
    slope of x ** 3 at 2: a / 2 * h is half of a, times h. Is a bracket missing?
(2 * h) -> h
    slope of x ** 3 at 2: it is twice as large as it should be
(2 * h) -> (3 * h)
    slope of x ** 3 at 2: 8 should be higher
(2 * h) -> (-2 * h)
    slope of x ** 3 at 2: its sign is wrong
1e-5 -> 1e-12
    slope of x ** 3 at 2: 12.00… should be lower. Rounding drowns a run of 1e-12
1e-5 -> 1e-20
    slope of x ** 3 at 2: x + h is x itself, because h is lost in rounding
1e-5 -> 0.1
    slope of x ** 3 at 2: a run of 1e-01 is too long
1e-5 -> 0.001
    slope of 1 / x at -0.5: a run of 1e-03 is too long
return -> _ =
    slope of x ** 3 at 2 must be a finite number, not NoneType None. A function without …
""",
    4: """
2 * -> -2 *
    gradient: its sign is wrong
2 * ->
    gradient: it is half as large as it should be
2 * -> 4 *
    gradient: it is twice as large as it should be
/ len(y) ->
    gradient: it is n times as large as it should be: the loss is a mean, so divide by n
/ len(y) -> / len(y) ** 2
    gradient: it is 1/n of what it should be: is it divided by n twice?
(y_pred - y) / len -> abs(y_pred - y) / len
    gradient at [1, 0]: 0.015 should be lower
.mean() -> .mean() / 2
    loss: 0.0483425 should be higher. Mend the gradient, not the loss
.mean() -> .sum()
    loss: 3.8674 should be lower. Mend the gradient, not the loss
2 * (y_pred - y) -> 2 * (y_pred - y)[:, 0]
    gradient must be finite numbers of shape (40, 1), not ndarray … of shape (40,)
""",
    5: """
seen[state], epoch - seen[state] -> 120, 10
    find_cycle: so says the table. Look at every epoch
seen[state], epoch - seen[state] -> epoch, epoch - seen[state]
    find_cycle: the state at that index has been there before
seen[state], epoch - seen[state] -> epoch - seen[state], seen[state]
    find_cycle: the index comes first
seen[state], epoch - seen[state] -> seen[state], epoch
    find_cycle: return how many epochs later, not where
seen[state], epoch - seen[state] -> seen[state]
    find_cycle must be finite numbers of shape (2,), not int 115
enumerate(states) -> enumerate(states, 1)
    find_cycle: that counts from 1
seen[state], epoch - seen[state] -> seen[state], 2
    find_cycle of … ... at [1]: 2 should be higher
seen[state], epoch - seen[state] -> 115, 2
    find_cycle of … ...: that is section 6's cycle again
enumerate(states) -> enumerate([weight for weight, _ in states])
    find_cycle of … ...: compare the bias too
enumerate(states) -> enumerate([bias for _, bias in states])
    find_cycle of … ...: compare the weight too
""",
    6: """
2 / np -> 1 / np
    largest_stable_rate: it is half as large as it should be
2 * np -> np
    largest_stable_rate: it is twice as large as it should be
.max() -> .min()
    largest_stable_rate: that is the flattest direction's. The steepest one diverges first
2 / np -> 2 / 40 / np
    largest_stable_rate: that is the limit for a sum of squares. The loss is their mean
arange(40) -> arange(50)
    largest_stable_rate: that is the limit for all 50 points
2 / np -> 0.86 #
    largest_stable_rate: 0.86 should be higher. Below the limit the loss falls in the end; above …
2 / np -> 0.9 #
    largest_stable_rate: 0.9 should be lower. Below the limit the loss falls in the end; above …
""",
    7: """
* (1 - epoch / 1000) -> * 0.9**epoch
    … It is on its way, and stands still after epoch 1…: larger rates first, small last
* (1 - epoch / 1000) -> * 0.02
    the last step: 0.0001… should be lower. It is on its way: larger rates first, small last
* (1 - epoch / 1000) -> * 0
    … It is on its way, and stands still after epoch 0: larger rates first, small last
* (1 - epoch / 1000) ->
    the last step: 0.00999… should be lower. It jumps to and fro: smaller and smaller rates end that
* (1 - epoch / 1000) -> * (epoch < 117)
    … It jumps to and fro, and stands still after epoch 116: smaller and smaller rates end that
* (1 - epoch / 1000) -> * (epoch < 999)
    … It jumps to and fro, and stands still after epoch 998: smaller and smaller rates end that
* (1 - epoch / 1000) -> * (1 - epoch / 500)
    rates between 0 and 0.01 at [501]: -2e-05 should be higher
* (1 - epoch / 1000) -> if epoch != 3 else None
    rates between 0 and 0.01 must be … of shape (1000,). At [3] it is None. A function without …
""",
    8: """
0.9 * -> 0 *
    train: that is SGD without momentum
_sum + -> _sum + 0.1 *
    train: a new gradient counts whole, not 0.1 of it
_sum + -> _sum + 0.9 *
    train: that is 0.9 * (v + g)
lr * weight_sum -> lr * (weight.grad + 0.9 * weight_sum)
lr * bias_sum -> lr * (bias.grad + 0.9 * bias_sum)
    train: that is Nesterov's
weight.grad = bias.grad = None -> pass
    train: the gradients are never zeroed
weight.grad = bias.grad = None -> weight_sum = bias_sum = 0
    train: the gradients are never zeroed, and nothing else adds up
X.new_tensor(start -> torch.tensor(start
    train: these numbers are float32. The data are float64: stay in their dtype
X.new_tensor(start -> torch.tensor(start
0.9 * bias_sum -> 0.8 * bias_sum
    train after step 0, weight: 0.33951813 should be lower
states.append( -> _ = (
# 1. Forward pass -> states.append((weight.item(), bias.item()))
    train: these are the states before the steps
((y_pred - y) ** 2) -> (y_pred - y).abs()
    train: that is the MAE's training
0.9 * bias_sum -> 0.8 * bias_sum
    train after step 1, bias: 0.146183554 should be higher
return states -> return states[1:]
    train must be finite numbers of shape (20, 2), not list …... of shape (19, 2)
return states -> return list(zip(*states))
    train must be finite numbers of shape (20, 2), not list …... of shape (2, 20)
weight.item(), bias.item() -> weight, bias
    train must be finite numbers of shape (20, 2), not list …... Use .item()
weight -= lr -> weight -= 1e300 * lr
    train must be finite numbers of shape (20, 2). At [1, …] it is …
""",
    9: """
alpha=-lr -> alpha=lr
    train after step 0, weight: 0.379548997 should be higher
.mean() -> .sum()
    train after step 0, weight: 1.4… should be lower
alpha=-lr -> alpha=-lr * 1.000001
    the last bits of train after step 0, weight: 0.82714… should be lower
X.new_tensor(start -> X.double().new_tensor(start
    the last bits of train: these numbers are float64. The data are float32: stay in their dtype
return states -> _ = states
    train must be finite numbers of shape (100, 2), not NoneType None. A function without …
""",
    10: """
(near * (distance - near / 2)).mean() -> (near * (distance - near / 2)).sum()
    huber: it is n times as large as it should be: the loss is a mean, so divide by n
(near * (distance - near / 2)).mean() -> distance.mean()
    huber: that is the MAE
DELTA = 0.1 -> DELTA = 1
    huber: that is the loss for delta = 1
(near * (distance - near / 2)).mean() -> (near * (distance - near / 2)).mean() / DELTA
    huber: that is nn.SmoothL1Loss, which divides by delta
DELTA) / len(y) -> DELTA)
    huber_gradient: it is n times as large as it should be: the loss is a mean, so divide by n
-DELTA, DELTA) -> -1, 1)
    huber_gradient: that is the loss for delta = 1
np.clip(y_pred - y, -DELTA, DELTA) -> np.sign(y_pred - y)
    huber_gradient: that is the MAE
np.clip(y_pred - y, -> np.clip(y - y_pred,
    huber_gradient: its sign is wrong
).relu() -> )
    huber_of_tensors: 0.0133 should be higher
distance = (y_pred - y).abs() -> return huber(y_pred.data, y.data)
    its gradient by the engine must be finite numbers of …Does all of the loss come from y_pred, …
""",
    11: """
len(order), batch_size -> len(order) - batch_size + 1, batch_size
    steps: the last 4 points have their turn too
range(0, len(order), batch_size) -> range(len(order))
    steps: that is a step for each point
order[start : start + batch_size] -> order
    epoch: each step takes all the points
order[start : start + batch_size] -> np.arange(len(X))[start : start + batch_size]
    epoch: the points don't have their turn in the order of `order`
/ len(batch) -> / len(X)
    epoch: divide by the number of points in the batch
/ len(batch) -> / batch_size
    epoch: the last batch has 4 points: divide by 4
bias -= -> bias +=
    epoch after step 0, bias: 0.34… should be …
return states -> return list(zip(*states))
    steps: 2 should be higher
return states -> return
    steps must be a finite number, not NoneType None. A function without `return` returns None
""",
}
if FUSED:
    MISTAKES[9] += """bias.add_(bias.grad, alpha=-lr) -> bias -= lr * bias.grad
    the last bits of train: each step rounds twice, torch.optim's once
"""


def edits(text):
    """Return the pairs (old, new), and what is told of the answer with these edits, for each."""
    for lines, told in re.findall(r"((?:\S.* ->.*\n)+) {4}(.*)\n", text):
        yield [line.split(" ->", 1) for line in lines.splitlines()], told


@pytest.mark.slow
@pytest.mark.parametrize("number", MISTAKES)
def test_the_likeliest_mistakes_are_told_by_name_and_no_other_is(judged, number):
    cases = list(edits(MISTAKES[number]))
    assert len(cases) >= 5
    for pairs, told in cases:
        code = ANSWERS[number]
        for old, new in pairs:
            assert old in code
            code = code.replace(old, new.strip())
        status, said = judged(number, code)
        pattern = ".*".join(map(re.escape, told.split("…")))
        assert re.fullmatch(f"Exercise {number}, not yet. {pattern}", said), f"{pairs}\n{said}"
        assert status == 1


def test_the_likeliest_mistakes_are_tried_for_each_exercise():
    assert set(MISTAKES) == set(ANSWERS)


def test_what_does_not_run_cannot_be_checked(judged):
    for number, old, new, told in (
        (
            1,
            "bias_grad",
            "bias",
            "mine.py: AttributeError: module 'mine' has no attribute 'bias_grad'",
        ),
        (3, "1e-5", "0", "mine.py, line 3: ZeroDivisionError: "),
        (
            10,
            "import numpy as np",
            "import numpy as np; raise SystemExit",
            "mine.py, line 1: SystemExit",
        ),
        (10, "import numpy as np", "import numpy as", "mine.py: SyntaxError: "),
    ):
        status, said = judged(number, ANSWERS[number].replace(old, new))
        assert status == 2
        assert said.startswith(told)


@pytest.mark.slow
def test_a_number_may_be_off_by_the_room_of_its_exercise_and_no_more(judged):
    run, straight = RUNS["section 6"], "0.01 * (1 - epoch / 1000)"
    path = run.train_at([0.01 * (1 - epoch / 1000) for epoch in range(1000)], train)
    steepest = max(abs(path.weight_grad[-1]), abs(path.bias_grad[-1]))
    start, slope = path.weight[-3], path.weight_grad[-2]  # of the last step but one
    off = (
        f"({{}} + {0.7 - start}) / {-slope} if epoch == 998 else 0 if epoch == 999 else {straight}"
    )
    for number, old, new, room in (
        (1, "-0.39", "-0.39 + {}", 0.005),
        (1, "-1.00", "-1.00 + {}", 0.005),
        (2, "fall = ", "fall = {} + ", 2e-5),
        (3, "return ", "return {} * (x == 2) + ", 1.2e-5),
        (3, "return ", "return {} * (x < 0) + ", 4e-6),
        (4, "mean()", "mean() + {}", 1e-12),
        (4, "len(y)\n", "len(y) + {}\n", 1e-12),
        (6, "2 / np", "{} + 2 / np", 1e-3),
        (7, straight, f"(0.01 + {{}} if epoch == 0 else {straight})", 1e-12),
        (7, straight, f"({{}} if epoch == 999 else {straight})", 1e-4 / steepest),
        (7, straight, off, 1e-3),
        (8, "(weight.item(),", "(weight.item() + {},", 1e-9),
        (10, "near / 2)).mean()", "near / 2)).mean() + {}", 1e-12),
        (10, "relu()\n    return", "relu()\n    return {} +", 1e-12),
        (11, "(weight, bias))", "(weight + {}, bias))", 1e-12),
        (10, "len(y)\n", "len(y) + {}\n", 1e-12),
    ):
        for part, status in ((-0.98, 0), (0.98, 0), (1.02, 1)):
            if number == 7 and part < 0:
                continue  # a rate isn't negative
            code = ANSWERS[number].replace(old, new.format(part * room))
            assert judged(number, code)[0] == status, (number, new, part)


def test_a_run_in_float32_is_right_to_1e_6_but_its_last_bits_are_not(judged):
    for part, told in ((0.98, "the last bits of train after"), (1.02, "train after")):
        state = f"np.float32(weight.item() - {part * 1e-6})"
        code = "import numpy as np\n" + ANSWERS[9].replace("(weight.item()", f"({state}")
        assert judged(9, code)[1].startswith(f"Exercise 9, not yet. {told} step 0, weight: ")


def test_a_bad_command_line_says_what_would_be_right(start, judged, tmp_path, capsys):
    for arguments, told in (((99, "mine.py"), "choose from 1, 2, 3"), ((1,), "required: file")):
        with pytest.raises(SystemExit) as end:
            start("check/exercise.py", *arguments, folder=tmp_path)
        assert end.value.code == 2
        assert told in capsys.readouterr().err
    (tmp_path / "mine.py").write_text(ANSWERS[1], encoding="utf-8")
    assert "is solved" in start("check/exercise.py", 1, "mine.py", folder=tmp_path)
