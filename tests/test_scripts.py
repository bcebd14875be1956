"""The scripts are the tutorials' cells, and each runs alone."""

import ast
import re

import matplotlib.pyplot as plt
import torch
from published_numbers import SCRIPTS, beside, cells, ran, run, source


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
        if re.match(r"plt\.(rc|figure|ylim|savefig|show|close|gcf\(\)\..*)$", name):
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
            nodes = ast.walk(ast.parse(code))
            assigned = {n.id for n in nodes if isinstance(n, ast.Name) and type(n.ctx) is ast.Store}
            assert assigned <= ran(script).names.keys(), place


def test_what_a_script_says_again_is_what_it_was():
    def blocks(script, repeats):
        code = "\n".join(cell.code for cell in cells(script) if cell.repeats == repeats)
        nodes = ast.parse(code).body
        return {ast.unparse(n) for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}

    plot = blocks("01_data", repeats=False)
    assert plot < blocks("07_exercises", repeats=False)
    first = plot | blocks("02_model", repeats=False)
    for script in SCRIPTS[1:6]:
        assert blocks(script, repeats=True) <= first, script
        for name in ("X_train", "y_train", "X_test", "y_test"):
            ours, before = ran(script).names[name], ran("01_data").names[name]
            assert torch.equal(ours.cpu(), before), f"{script}, {name}"
    for script in ("04_infer", "05_save_load"):
        assert str(ran(script).names["model_0"].state_dict()) in ran("03_train").printed[-1]


def test_a_script_needs_no_other_file_and_leaves_its_pictures_and_models():
    for script, windows in zip(SCRIPTS, [1, 1, 1, 1, 0, 2, 2, 0]):
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


def test_the_second_tutorials_cells_run_alone():
    for cell, printed in zip(cells("08_training_pipeline"), ran("08_training_pipeline").printed):
        assert run("08_training_pipeline", [cell]).printed == [printed], cell.title


def test_plot_predictions_can_be_called_in_both_of_the_tutorials_ways():
    names = ran("02_model").names
    X_train, y_train, X_test, y_test, y_preds = (
        names[name] for name in ("X_train", "y_train", "X_test", "y_test", "y_preds")
    )
    for arguments in ([], [X_train, y_train, X_test, y_test]):
        names["plot_predictions"](*arguments, predictions=y_preds)
        drawn = plt.gca().collections
        for points, (x, y) in zip(
            drawn, [(X_train, y_train), (X_test, y_test), (X_test, y_preds)], strict=True
        ):
            assert torch.equal(torch.tensor(points.get_offsets()).float(), torch.hstack([x, y]))
        markers = {points.get_paths()[0].vertices.tobytes() for points in drawn}
        assert len(markers) == 3, "legible in grey"
