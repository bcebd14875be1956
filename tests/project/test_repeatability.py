"""The same numbers again: with other threads, random states, import orders, hash seeds, locales."""

import locale
import os
import random
import runpy
import signal
import subprocess
import sys
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from programs import ENVIRONMENT, ROOT, SCRIPTS, be_the_program, call


def one_thread():
    torch.set_num_threads(1)


def two_threads():
    torch.set_num_threads(2)


def random_numbers_drawn():
    torch.randn(1000)
    np.random.default_rng().random(10)
    random.random()


def imported_backwards():
    for name in reversed(SCRIPTS):
        import_module(name)


def a_locale_with_decimal_commas():
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "German"):
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        assert locale.localeconv()["decimal_point"] == ","
        return
    pytest.skip("no locale with decimal commas is installed here")


@pytest.fixture
def everything_as_it_was(tmp_path, monkeypatch):
    """Run in an empty folder with no script imported, and put threads, RNG and locale back."""
    monkeypatch.chdir(tmp_path)
    for name in SCRIPTS:
        monkeypatch.delitem(sys.modules, name, raising=False)
    threads, rng, names = (
        torch.get_num_threads(),
        torch.get_rng_state(),
        locale.setlocale(locale.LC_ALL),
    )
    yield
    torch.set_num_threads(threads)
    torch.set_rng_state(rng)
    locale.setlocale(locale.LC_ALL, names)
    plt.close("all")


@pytest.mark.usefixtures("everything_as_it_was")
@pytest.mark.parametrize(
    "before",
    [
        one_thread,
        two_threads,
        random_numbers_drawn,
        imported_backwards,
        a_locale_with_decimal_commas,
    ],
    ids=lambda before: before.__name__,
)
@pytest.mark.parametrize("script", ["03_train", "08_training_pipeline"])
def test_the_output_is_the_same_whatever_came_before(script, before, runs, capsys):
    before()
    capsys.readouterr()
    runpy.run_path(str(ROOT / f"{script}.py"), run_name="__main__")
    assert capsys.readouterr().out == runs(script).stdout


def in_sys(script):
    os.chdir("/sys")
    be_the_program([script])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/sys is a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_is_named_in_the_last_line(tmp_path):
    run = call(in_sys, str(ROOT / "01_data.py"), folder=tmp_path)
    assert run.returncode != 0
    last = run.stderr.strip().splitlines()[-1]
    assert "Error" in last
    assert "figures" in last


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="interrupts are different on Windows")
def test_ctrl_c_ends_a_script_and_damages_nothing(tmp_path):
    model = tmp_path / "models" / "01_pytorch_workflow_model_1.pth"
    model.parent.mkdir()
    model.write_text("what was there before", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "06_all_together.py")],
        cwd=tmp_path,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    for line in process.stdout:
        if line.startswith("Epoch: 10 "):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert model.read_text(encoding="utf-8") == "what was there before"
