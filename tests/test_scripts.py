"""The numbered scripts as programs: quiet, tidy, repeatable, readable with -i."""

import ast
import random
import sys
from importlib import import_module

import pytest
import torch
from conftest import ROOT, run_python

SCRIPTS = sorted(path.stem for path in ROOT.glob("0*.py"))
FILES = {
    "01_data": {"figures/01_data_split.png"},
    "02_model": {"figures/02_model_untrained_predictions.png"},
    "03_train": {"figures/03_train_loss_curves.png"},
    "04_infer": {"figures/04_infer_predictions.png"},
    "05_save_load": {"models/01_pytorch_workflow_model_0.pth"},
    "06_all_together": {
        "figures/06_all_together_data.png",
        "figures/06_all_together_loss_curves.png",
        "figures/06_all_together_predictions.png",
        "models/01_pytorch_workflow_model_1.pth",
    },
    "07_exercises": {
        "figures/07_exercises_data.png",
        "figures/07_exercises_predictions.png",
        "models/saved_model.pth",
    },
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_warns_of_nothing_and_writes_only_what_it_should(name, runs):
    run = runs(name)
    assert run.stderr == ""
    written = {f.relative_to(run.folder).as_posix() for f in run.folder.rglob("*") if f.is_file()}
    assert written == FILES[name]


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_output_stands_under_a_heading_that_names_its_section(name, runs):
    headings = [line for line in runs(name).stdout.splitlines() if line.startswith("#")]
    section = "Exercise" if name == "07_exercises" else name[1]
    assert headings
    assert all(heading.startswith(f"# {section}") for heading in headings)
    assert len(set(headings)) == len(headings)


@pytest.mark.parametrize("name", SCRIPTS)
def test_importing_a_script_prints_and_draws_nothing_and_leaves_the_rng_alone(
    name, capsys, monkeypatch
):
    for module in SCRIPTS:
        monkeypatch.delitem(sys.modules, module, raising=False)
    states = torch.get_rng_state(), random.getstate()
    import_module(name)
    assert capsys.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


@pytest.mark.slow
def test_interactive_mode_leaves_the_tutorials_names_in_reach(tmp_path):
    run = run_python(
        "-i",
        ROOT / "03_train.py",
        folder=tmp_path,
        input="print(len(X_train), len(y_test), model_0, loss_fn, optimizer, history.epochs[-1])",
    )
    assert "40 10 LinearRegressionModel() L1Loss() SGD" in run.stdout
    assert run.stdout.rstrip().endswith("99")


def test_no_script_repeats_anothers_definitions():
    names = [
        node.name
        for script in SCRIPTS
        for node in ast.parse((ROOT / f"{script}.py").read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    assert len(names) == len(set(names)) > 10
