"""gradient_check as a program: what it prints, its exit statuses, its errors in one line."""

import pytest
from programs import run_program
from tolerances import CENTRAL_DIFFERENCE, THREE_GRADIENTS

from manual_grad import gradient_check
from manual_grad.losses import LOSSES


def test_without_a_file_all_losses_are_shown_and_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    gradient_check.main()
    output = capsys.readouterr().out
    assert (tmp_path / "figures" / "gradient_check.png").exists()
    largest = [line.split()[2:] for line in output.splitlines() if line.startswith("largest")]
    assert len(largest) == len(LOSSES)
    for engine, torch, differences in largest:
        assert max(float(engine), float(torch)) <= THREE_GRADIENTS
        assert 0 < float(differences) <= CENTRAL_DIFFERENCE
    for name in LOSSES:
        right = f"{name}, as it is   RIGHT: the gradient is the derivative of the loss.\n"
        assert f"{right}{name}, times -1   WRONG: the gradient has the wrong sign.\n" in output
    for word in ("forward difference: ", "central difference: ", "kink: ", "truncation: "):
        assert f"\n{word}" in output


MINE = """
import numpy as np

def loss(y_pred, y):
    return np.abs(y_pred - y).mean()

def gradient(y_pred, y):
    return {}
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("returned", "status", "text"),
    [
        (
            "np.sign(y_pred - y) / len(y)",
            0,
            "RIGHT: the gradient is the derivative of the loss.\npredictions from -3",
        ),
        (
            "np.sign(y - y_pred) / len(y)",
            1,
            "WRONG: the gradient has the wrong sign.\n49 of 53 test points are wrong (two sets, of",
        ),
    ],
)
def test_the_program_checks_a_file(returned, status, text, tmp_path):
    (tmp_path / "mine.py").write_text(MINE.format(returned), encoding="utf-8")
    run = run_program("manual_grad.gradient_check", "mine.py", folder=tmp_path)
    assert run.returncode == status
    assert f"# mine.py: is gradient the derivative of loss?\n{text}" in run.stdout
    assert run.stderr == ""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "FileNotFoundError: "),
        ("x = (", "SyntaxError: "),
        ("def loss(y_pred, y): return 1", "ValueError: it must define the function gradient(y_p"),
        ("loss = gradient = 3", "ValueError: it must define the function loss(y_pred, y)"),
        (MINE.format("y"), None),
        (MINE.format("y.ravel()"), "ValueError: gradient returns shape (20,), but must return the"),
        (MINE.format("None"), "ValueError: gradient returns None, but must"),
        (MINE.format("1 / 0"), ", line 8: ZeroDivisionError: division by zero"),
        (MINE.format("np.dot(y, y)"), ", line 8: ValueError: shapes (20,1) and (20,1) not aligned"),
        (MINE.format("missing"), ", line 8: NameError: name 'missing' is not defined"),
        (MINE.format("y.abs()"), "'abs' (y_pred and y are NumPy arrays, not tensors)"),
        (MINE.format("y.size()"), "not callable (y_pred and y are NumPy arrays, not tensors)"),
        (MINE.replace("t(y_pred", "t(X, y_pred"), "'y': it is called as gradient(y_pred, y)"),
        ("1 + ''", ", line 1: TypeError: unsupported operand type(s) for +: 'int' and 'str'\n"),
        ("import sys\nsys.exit()", ", line 2: SystemExit"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(source, message, tmp_path, capsys):
    path = tmp_path / "mine.py"
    if source is not None:
        path.write_text(source, encoding="utf-8")
    with pytest.raises(SystemExit) as end:
        gradient_check.main(str(path))
    output, error = capsys.readouterr()
    if message is None:  # the file is as it should be, the gradient is not
        assert end.value.code == 1
        assert error == ""
    else:
        assert end.value.code == 2
        assert output == ""
        assert len(error.splitlines()) == 1
        assert error.startswith(str(path))
        assert message in error
