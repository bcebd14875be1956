"""The scripts are the tutorials' cells, each runs alone, and what their comments say is true."""

import ast
import copy
import os
import pickle
import re
import subprocess
import sys
import types
import zipfile

import matplotlib.pyplot as plt
import pytest
import torch
from published_numbers import DOCUMENTS, ROOT, SCRIPTS, Cell, beside, cells, ran, run, source
from torch import nn


def imports(code):
    nodes = ast.parse(code).body
    return {ast.unparse(node) for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)}


def statements(code):
    """Return a cell's statements as text, without what the scripts do in another way throughout.

    A notebook shows a cell's last expression, a script pprints it. Imports are sorted. Pictures go
    to a folder, and their look (keywords of plt, the body of plot_predictions) differs.
    """
    body = []
    for node in ast.parse(code).body:
        call = getattr(node, "value", None)
        name = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
        if name in ("plt.rc", "plt.figure", "plt.ylim", "plt.savefig", "plt.show"):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom) or "Path('figures')" in ast.unparse(node):
            continue
        if name == "pprint":
            node = call.args[0]
        elif name.startswith("plt."):
            call.keywords = [keyword for keyword in call.keywords if keyword.arg == "label"]
        elif getattr(node, "name", "") == "plot_predictions":
            node.body = [ast.Pass()]
        body.append(ast.unparse(node))
    return [line for line in "\n".join(body).splitlines() if line]


def lines(text):
    """Return printed lines: # for each number, equal lines once, the same on any device."""
    text = text.replace(torch.__version__, "2.2.1+cu121").replace("\\", "/")
    text = re.sub(r"(, )?(device='cuda:\d'|index=\d)", "", text).replace("cuda", "cpu")
    text = re.sub(r"\d[\d.]*(e-\d+)?|True|False", "#", text)
    # Python 3.12 and later print an OrderedDict with colons.
    text = re.sub(r"('[\w.]+'): (tensor\(\[#\]\))", r"(\1, \2)", text)
    text = re.sub(r"OrderedDict\(\{(.*)\}\)", r"OrderedDict([\1])", text)
    stripped = [line.strip() for line in text.splitlines() if line.strip()]
    return [line for line, before in zip(stripped, ["", *stripped]) if line != before]


def test_cell_for_cell_the_scripts_are_the_documents():
    """The same statements, and the same lines printed, but for the differences that are listed."""
    for script in SCRIPTS:
        imported = set()
        for document, cell, text in beside(script):
            if "code" not in document:  # of the author's solution, the numbers alone are kept
                continue
            code, printed = "\n".join(document["code"]), "\n".join(document["prints"])
            for theirs, ours, reason in document.get("differs", []):
                assert theirs in code + printed, f"{document['of']}: no longer needed: {reason}"
                code, printed = code.replace(theirs, ours), printed.replace(theirs, ours)
            place = f"{script}, cell '{cell.title}', {document['of']}"
            imported |= imports(cell.code) | {"import numpy as np"}  # the reader never uses it
            assert imports(code) <= imported, place
            assert statements(cell.code) == statements(code), place
            assert lines(text) == printed.splitlines(), place


def test_what_a_script_says_again_is_what_it_was():
    def first(kind, code):
        return next(node for node in ast.parse(code).body if isinstance(node, kind))

    plot = ast.unparse(first(ast.FunctionDef, source("01_data")))
    model = ast.unparse(first(ast.ClassDef, source("02_model")))
    steps = first(ast.For, cells("03_train")[2].code).body[1:6]  # the first statement is train()
    for script in SCRIPTS[1:7]:
        again = ast.unparse(ast.parse("\n".join(c.code for c in cells(script) if c.repeats)))
        if script == "07_exercises":  # two solutions, each whole
            assert ast.unparse(ast.parse(source(script))).count(plot) == 2
            continue
        assert script in ("03_train", "05_save_load") or plot in again, script
        assert script in ("02_model", "06_all_together") or model in again, script
        if script in ("04_infer", "05_save_load"):
            loop = first(ast.For, again).body
            assert [ast.unparse(s) for s in loop] == [ast.unparse(s) for s in steps], script
            assert str(ran(script).names["model_0"].state_dict()) in ran("03_train").printed[-1]
        for name in ("X_train", "y_train", "X_test", "y_test"):
            ours, before = ran(script).names[name], ran("01_data").names[name]
            assert torch.equal(ours.cpu(), before), f"{script}, {name}"


def test_a_script_needs_no_other_file_and_leaves_its_pictures_and_models():
    for script, windows in zip(SCRIPTS, [1, 1, 1, 1, 0, 2, 4, 0]):
        nodes = list(ast.walk(ast.parse(source(script))))
        modules = {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}
        modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
        assert {m.split(".")[0] for m in modules} <= {"torch", "matplotlib", "pathlib", "pprint"}
        assert "__name__" not in source(script)
        left = ran(script)
        assert left.figures == [windows] * bool(windows), script  # one plt.show(), at the end
        pictures = [file for file in left.files if file.startswith(f"figures/{script[:2]}_")]
        models = [file for file in left.files if re.fullmatch(r"models/\w+\.pth", file)]
        assert pictures + models == left.files, script
        assert bool(pictures) == bool(windows), script


def test_whole_a_script_prints_the_same_and_leaves_its_names(monkeypatch):
    cell_by_cell = {script: ran(script) for script in SCRIPTS}
    monkeypatch.setattr(plt, "savefig", lambda path: None)  # drawing takes most of the time
    for script, by_cell in cell_by_cell.items():
        whole = run(script, [Cell("the whole script", source(script))])
        assert whole.printed == ["".join(by_cell.printed)], script
        code = [line for document in DOCUMENTS[script] for line in document.get("code", [])]
        nodes = ast.walk(ast.parse("\n".join(line for line in code if line[0] != "!")))
        stored = {
            n.id
            for n in nodes
            if isinstance(getattr(n, "ctx", None), ast.Store) and hasattr(n, "id")
        }
        assert stored <= whole.names.keys() == by_cell.names.keys(), script


def test_the_second_tutorials_cells_run_alone():
    for cell, printed in zip(cells("08_training_pipeline"), ran("08_training_pipeline").printed):
        assert run("08_training_pipeline", [cell]).printed == [printed], cell.title


@pytest.mark.slow
def test_a_fresh_python_prints_the_same(tmp_path):
    arguments = [sys.executable, "-W", "error", ROOT / "03_train.py"]
    environment = {**os.environ, "MPLBACKEND": "Agg", "PYTHONPATH": ""}
    environment.pop("DISPLAY", None)
    printed = subprocess.run(
        arguments, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    ).stdout
    assert printed == "".join(ran("03_train").printed)
    assert [p.name for p in (tmp_path / "figures").iterdir()] == ["03_train_loss_curves.png"]


def test_plot_predictions_can_be_called_in_both_of_the_tutorials_ways():
    names = ran("02_model").names
    parts, y_preds = (
        [names[name] for name in ("X_train", "y_train", "X_test", "y_test")],
        names["y_preds"],
    )
    for arguments in ([], parts):
        for predictions, sets in ((None, 2), (y_preds, 3)):
            names["plot_predictions"](*arguments, predictions=predictions)
            drawn = plt.gca().collections
            expected = [(parts[0], parts[1]), (parts[2], parts[3]), (parts[2], y_preds)][:sets]
            for points, (x, y) in zip(drawn, expected, strict=True):
                assert torch.equal(torch.tensor(points.get_offsets()).float(), torch.hstack([x, y]))
            # Legible in grey: each set has a marker of its own
            markers = {points.get_paths()[0].vertices.tobytes() for points in drawn}
            assert len(markers) == sets


# --- What a comment says can't be done, or has to be done, is done the other way here, or where
# docs/breaking.md does so (test_docs.py).


@pytest.fixture
def data():
    return ran("02_model").names["X_train"], ran("02_model").names["y_train"]


@pytest.fixture
def model():
    """Return section 2's model at its start."""
    torch.manual_seed(42)
    return ran("02_model").names["LinearRegressionModel"]()


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.01)


def step(model, X, y, optimizer):
    """Do the five steps once; return the loss."""
    loss = nn.L1Loss()(model(X), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss


def test_02_random_numbers_come_in_the_order_of_the_statements(model):
    assert not torch.equal(type(model)().weights, model.weights)
    torch.manual_seed(42)
    bias, weights = torch.randn(1), torch.randn(1)
    assert torch.equal(bias, model.weights)
    assert torch.equal(weights, model.bias)


def test_02_a_state_dict_is_no_copy(data, model):
    before, copied = model.state_dict(), copy.deepcopy(model.state_dict())
    step(model, *data, sgd(model))
    assert torch.equal(before["weights"], model.weights)
    assert not torch.equal(copied["weights"], model.weights)


def test_02_results_of_inference_mode_cannot_be_saved_for_backward(data, model):
    with torch.no_grad():
        y_preds = model(data[0])
    model(y_preds).sum().backward()
    with torch.inference_mode():
        y_preds = model(data[0])
    nn.L1Loss()(y_preds, model(data[0])).backward()  # here autograd keeps no value
    with pytest.raises(RuntimeError, match="cannot be saved for backward"):
        model(y_preds)


def test_03_zeroing_has_more_than_one_place_and_cannot_be_left_out(data, model):
    def losses(*order):
        ours, values = copy.deepcopy(model), []
        optimizer = sgd(ours)
        for _ in range(3):
            loss = nn.L1Loss()(ours(data[0]), data[1])
            for action in order:
                loss.backward() if action == "backward" else getattr(optimizer, action)()
            values.append(loss.item())
        return values

    usual = losses("zero_grad", "backward", "step")
    assert losses("backward", "step", "zero_grad") == usual
    assert losses("backward", "zero_grad", "step") == [usual[0]] * 3  # nothing is learned
    assert losses("backward", "step")[2] != usual[2]
    assert losses("step", "zero_grad", "backward")[2] != usual[2]


def test_03_more_epochs_and_other_seeds_do_what_the_comments_say():
    def changed(old, new, from_cell=0):
        three = cells("03_train")[:3]
        three[from_cell:] = [c._replace(code=c.code.replace(old, new)) for c in three[from_cell:]]
        ran_again = run("03_train", three)
        parameters = ran_again.names["model_0"].state_dict()
        error = abs(parameters["weights"] - 0.7) + abs(parameters["bias"] - 0.3)
        return ran_again.printed[2], error.item()

    printed, error = changed("", "")
    assert changed("epochs = 100", "epochs = 200")[1] < error
    errors = [changed("seed(42)", f"seed({seed})")[1] for seed in range(6)]
    assert min(errors) < error < max(errors)
    assert changed("seed(42)", "seed(7)", from_cell=2)[0] == printed  # nothing is random by then


def test_04_the_model_is_too_high_on_the_left_and_too_low_on_the_right():
    names = ran("04_infer").names
    residuals = names["model_0"](names["X"]) - names["y"]
    assert residuals[-1] < 0 < residuals[0]


def test_05_a_pickled_model_hangs_on_a_name_and_weights_only_refuses_it(tmp_path):
    script, path = types.ModuleType("some_script"), tmp_path / "model.pth"
    sys.modules["some_script"] = script
    try:
        exec("import torch\nfrom torch import nn\n" + cells("02_model")[1].code, vars(script))
        torch.save(script.LinearRegressionModel(), path)
        torch.load(path, weights_only=False)
        with pytest.raises(pickle.UnpicklingError):
            torch.load(path, weights_only=True)
        script.LineModel = vars(script).pop("LinearRegressionModel")
        with pytest.raises(AttributeError, match="LinearRegressionModel"):
            torch.load(path, weights_only=False)
    finally:
        del sys.modules["some_script"]


def test_05_adam_ends_elsewhere_without_its_state_and_sgd_does_not(data, model):
    for optimizer_class, same in ((torch.optim.SGD, True), (torch.optim.Adam, False)):
        ours = copy.deepcopy(model)
        optimizer = optimizer_class(ours.parameters(), lr=0.01)
        for _ in range(5):
            step(ours, *data, optimizer)
        resumed = copy.deepcopy(ours)
        new = optimizer_class(resumed.parameters(), lr=0.01)
        for _ in range(20):
            step(ours, *data, optimizer)
            step(resumed, *data, new)
        assert torch.equal(ours.weights, resumed.weights) == same


def test_06_to_moves_a_model_in_place_and_a_tensor_not(data, model):
    X, y = data
    X.to("meta")  # a device without memory, which stands in for a GPU
    assert X.device.type == "cpu"
    with pytest.raises(RuntimeError, match="device"):
        nn.Linear(1, 1)(X.to("meta"))
    with pytest.raises(TypeError, match="Tensor.cpu"):
        plt.scatter(X, y.to("meta"))
    model.to("meta")
    assert model.weights.device.type == "meta"
    defaults = ran("06_all_together").names["plot_predictions"].__defaults__
    assert [part.device.type for part in defaults[:4]] == ["cpu"] * 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="here a GPU's file loads")
def test_06_a_file_from_a_gpu_needs_map_location(tmp_path, model):
    here, there = tmp_path / "cpu.pth", tmp_path / "gpu.pth"
    torch.save(model.state_dict(), here)
    with zipfile.ZipFile(here) as cpu, zipfile.ZipFile(there, "w") as gpu:
        for name in cpu.namelist():  # the pickle names each tensor's device
            content = cpu.read(name).replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0")
            gpu.writestr(name, content)
    with pytest.raises((RuntimeError, pickle.UnpicklingError), match="map_location"):
        torch.load(there, weights_only=True)
    assert torch.load(there, map_location="cpu", weights_only=True) == model.state_dict()


def test_07_the_model_predicts_the_same_without_the_two_modes():
    names = ran("07_exercises").names
    predicted = names["loaded_model_1"].train()(names["X_test"])
    assert torch.equal(predicted, names["y_preds"])
    assert (predicted.requires_grad, names["y_preds"].requires_grad) == (True, False)


def test_08_the_update_needs_no_grad_and_has_to_be_in_place():
    w = torch.tensor(1.0, requires_grad=True)
    (w * 2).backward()
    with pytest.raises(RuntimeError, match="in-place operation"):
        w -= w.grad
    with torch.no_grad():
        w = w - w.grad
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'zero_'"):
        w.grad.zero_()


def test_08_mse_has_no_order_and_bce_has_one():
    for loss, same in ((nn.MSELoss(), True), (nn.BCELoss(), False)):
        results = []
        for swapped in (False, True):
            y, y_pred = torch.tensor([0.1, 0.9]), torch.tensor([0.3, 0.8], requires_grad=True)
            value = loss(y, y_pred) if swapped else loss(y_pred, y)
            value.backward()
            results.append([value.item(), *y_pred.grad.tolist()])
        assert (results[0] == results[1]) == same
