"""The numbered scripts: the tutorial and nothing else, quiet and tidy, all names in reach."""

import ast
import random
import re
import sys
import warnings
from functools import cache
from importlib import import_module

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from programs import ROOT, SCRIPTS, call, run_python

every_script = pytest.mark.parametrize("name", SCRIPTS)

FILES = {
    "01_data": {"figures/01_data_split.png"},
    "02_model": {"figures/02_model_untrained_predictions.png"},
    "03_train": {"figures/03_train_loss_curves.png"},
    "04_infer": {"figures/04_infer_predictions.png"},
    "05_save_load": {"models/01_pytorch_workflow_model_0.pth"},
    "06_all_together": {
        "figures/06_all_together_data.png",
        "figures/06_all_together_predictions.png",
        "models/01_pytorch_workflow_model_1.pth",
    },
    "07_exercises": {
        "figures/07_exercises_data.png",
        "figures/07_exercises_nn_parameter.png",
        "figures/07_exercises_nn_linear.png",
        "models/saved_model_nn_parameter.pth",
        "models/saved_model.pth",
    },
    "08_training_pipeline": set(),
}

# Each name that the section of the tutorial uses.
DATA = "weight bias start end step X y train_split X_train y_train X_test y_test".split()
MODEL = [*DATA, "torch", "nn", "LinearRegressionModel", "model_0"]
SAVED = "Path MODEL_PATH MODEL_NAME MODEL_SAVE_PATH".split()
LOOP = "loss_fn optimizer epochs epoch y_pred loss test_pred test_loss".split()
NAMES = {
    "01_data": [*DATA, "what_were_covering", "torch", "plt", "plot_predictions"],
    "02_model": [*MODEL, "y_preds", "plot_predictions", "plt"],
    "03_train": [*MODEL, *LOOP, "plt", "train_loss_values", "test_loss_values", "epoch_count"],
    "04_infer": [*MODEL, "y_preds", "plot_predictions", "plt"],
    "05_save_load": [*MODEL, *SAVED, "y_preds", "loaded_model_0", "loaded_model_preds"],
    "06_all_together": (
        "torch nn plt device weight bias X y train_split X_train y_train X_test y_test pprint "
        "plot_predictions LinearRegressionModelV2 model_1 y_preds loaded_model_1 "
        "loaded_model_1_preds"
    ).split()
    + LOOP
    + SAVED,
    "07_exercises": [*DATA, *LOOP, *SAVED, "torch", "nn", "plt", "device", "plot_predictions"]
    + "LinearRegressionModel model_1 y_preds loaded_model_1 loaded_y_preds".split(),
    "08_training_pipeline": (
        "torch nn X Y w b forward loss learning_rate n_iters epoch y_pred l optimizer X_test "
        "n_samples n_features input_size output_size model LinearRegression"
    ).split(),
}

# What the tutorial defines: nothing else is defined in a script.
DEFINITIONS = {
    "01_data": ["plot_predictions"],
    "02_model": ["LinearRegressionModel"],
    "06_all_together": ["LinearRegressionModelV2"],
    "07_exercises": ["LinearRegressionModel", "LinearRegressionModelV2"],
    "08_training_pipeline": ["LinearRegression", "forward", "loss"],
}
LONGEST = {"06_all_together": 160, "07_exercises": 160, "08_training_pipeline": 160}


@pytest.fixture(scope="module")
def in_process(tmp_path_factory):
    """Return a function from a script's name to its names and modes, run once in this process."""
    done = {}

    def names_and_modes(name):
        if name not in done:
            source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
            done[name] = run_source(source, tmp_path_factory.mktemp(name))
        return done[name]

    return names_and_modes


@pytest.fixture(scope="module")
def modes_of(tmp_path_factory):
    """Return a function from a script's name to its text and its modes, of 40 epochs: enough."""

    @cache
    def text_and_modes(name):
        source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
        source = re.sub(r"\bepochs = \d+", "epochs = 40", source)
        return source, run_source(source, tmp_path_factory.mktemp(name))[1]

    return text_and_modes


def run_source(source, folder):
    """Run a script's text in `folder`, without its pictures; return its names and its modes.

    The modes are (training, gradients recorded, inference mode) in each forward pass of a model.
    """
    modes = []

    def probe(module, inputs):
        if "torch.nn" not in type(module).__module__:  # neither a loss nor a layer in a model
            modes.append(
                (module.training, torch.is_grad_enabled(), torch.is_inference_mode_enabled())
            )

    names = {"__name__": "__main__"}
    handle = torch.nn.modules.module.register_module_forward_pre_hook(probe)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(plt, "savefig", lambda path: None)
        try:
            exec(compile(source, "script.py", "exec"), names)
        finally:
            handle.remove()
            plt.close("all")
    return names, modes


@every_script
def test_a_script_warns_of_nothing_and_writes_only_what_it_should(name, runs):
    run = runs(name)
    assert run.stderr == ""
    written = {f.relative_to(run.folder).as_posix() for f in run.folder.rglob("*") if f.is_file()}
    assert written == FILES[name]


def warn():
    warnings.warn("planted", stacklevel=1)
    np.float32(1e38) * np.float32(10)
    warnings.warn("not for users", DeprecationWarning, stacklevel=1)


def test_what_a_script_warns_of_would_be_seen(tmp_path):
    run = call(warn, folder=tmp_path)
    assert run.returncode == 0, "a warning is no error"
    assert "UserWarning: planted\n" in run.stderr
    assert "RuntimeWarning: overflow" in run.stderr
    assert "not for users" not in run.stderr


@every_script
def test_each_output_stands_under_a_heading_that_names_its_section(name, runs):
    headings = [line for line in runs(name).stdout.splitlines() if line.startswith("#")]
    section = {"07_exercises": "Exercise", "08_training_pipeline": ""}.get(name, name[1])
    assert headings
    assert all(re.match(rf"# {section} ?\d?", heading) for heading in headings)
    assert len(set(headings)) == len(headings)


@every_script
def test_every_name_of_the_tutorials_section_is_in_reach(name, in_process):
    names, _ = in_process(name)
    assert [n for n in NAMES[name] if n not in names] == []


@pytest.mark.slow
def test_python_i_in_another_environment_prints_the_same_and_knows_every_name(runs, tmp_path):
    """Another hash seed, one thread from the start, and the C locale."""
    name = "06_all_together"
    typed = "".join(f"print('{n} is', type({n}).__name__)\n" for n in NAMES[name])
    other = dict(PYTHONHASHSEED="1", OMP_NUM_THREADS="1", LC_ALL="C")
    run = run_python("-i", ROOT / f"{name}.py", folder=tmp_path, input=typed, **other)
    assert run.stdout.startswith(runs(name).stdout)
    assert "NameError" not in run.stderr
    found = [n for n in NAMES[name] if re.search(rf"\b{n} is \w", run.stdout)]
    assert found == NAMES[name]


@every_script
def test_a_script_is_short_and_holds_no_guard_and_no_helper(name):
    source = (ROOT / f"{name}.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= LONGEST.get(name, 120)
    tree = ast.parse(source)
    defined = [
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name not in ("__init__", "forward")
        or isinstance(node, ast.FunctionDef)
        and node.name == "forward"
        and [argument.arg for argument in node.args.args][0] != "self"
    ]
    assert sorted(set(defined)) == sorted(DEFINITIONS.get(name, []))
    guards = ast.Raise | ast.Assert | ast.Try
    assert not [node for node in ast.walk(tree) if isinstance(node, guards)]
    *above, section = tree.body
    assert isinstance(section, ast.If)
    allowed = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Expr | ast.Assign
    assert all(isinstance(node, allowed) for node in above)


def test_across_scripts_only_two_names_are_imported():
    imported = {
        name
        for script in SCRIPTS
        for name in re.findall(
            r'import_module\("\d\d_\w+"\)\.(\w+)',
            (ROOT / f"{script}.py").read_text(encoding="utf-8"),
        )
    }
    assert imported == {"plot_predictions", "LinearRegressionModel"}


@every_script
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
    assert not plt.get_fignums()


# --- modes: (training, gradients recorded, inference mode) in each forward pass

TRAIN = (True, True, False)
TEST = (False, False, True)
SHORT_TRAINING = [TRAIN] * 100  # sections 4 and 5 say section 3 again in short
MODES = {
    "02_model": [(True, False, True)],  # the untrained model, in its default mode
    "03_train": [TRAIN, TEST] * 100,
    "04_infer": [*SHORT_TRAINING, TEST],
    "05_save_load": [*SHORT_TRAINING, TEST, TEST],
    "06_all_together": [*[TRAIN, TEST] * 1000, TEST, TEST],
    "07_exercises": [*([TRAIN, TEST] + [TRAIN] * 19) * 15, TEST, TEST] * 2,
}


@pytest.mark.parametrize("name", MODES)
def test_each_forward_pass_is_made_in_the_right_modes(name, in_process):
    _, modes = in_process(name)
    assert modes == MODES[name]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("02_model", "with torch.inference_mode():"),
        ("03_train", "model_0.train()"),
        ("03_train", "model_0.eval()"),
        ("03_train", "with torch.inference_mode():"),
        ("04_infer", "model_0.eval()"),
        ("04_infer", "with torch.inference_mode():"),
        ("05_save_load", "model_0.eval()"),
        ("05_save_load", "loaded_model_0.eval()"),
        ("05_save_load", "with torch.inference_mode():"),
        ("06_all_together", "model_1.train()"),
        ("06_all_together", "model_1.eval()"),
        ("06_all_together", "loaded_model_1.eval()"),
        ("06_all_together", "with torch.inference_mode():"),
        ("07_exercises", "model_1.train()"),
        ("07_exercises", "model_1.eval()"),
        ("07_exercises", "loaded_model_1.eval()"),
        ("07_exercises", "with torch.inference_mode():"),
    ],
)
def test_a_mode_that_is_taken_away_is_noticed(name, line, modes_of, tmp_path):
    source, modes = modes_of(name)
    instead = "if True:" if line.startswith("with") else "pass"
    changed = re.sub(rf"^( *){re.escape(line)}$", rf"\1{instead}", source, count=1, flags=re.M)
    assert changed != source
    try:
        _, changed_modes = run_source(changed, tmp_path)
    except RuntimeError:  # without inference mode, predictions can't be drawn
        changed_modes = None
    assert changed_modes != modes
