"""The scripts' cells, run as a notebook runs them, beside the documents' cells and numbers.

published/cells.json lists the documents' code cells by script and in order: the statements without
comments, what they print (one # for each number), and the names of the numbers in the other files.
"""

import contextlib
import io
import json
import platform
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import pytest

ROOT = Path(__file__).resolve().parent.parent
PUBLISHED = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests/published").glob("*.json"))
}
DOCUMENTS = PUBLISHED.pop("cells")
PUBLIC_TABLES = PUBLISHED.pop("public_tables")  # of public notebooks, with what their code says
# What other machines print, as public notebooks show
PUBLIC_RUNS = json.loads((ROOT / "check/notebook/public_runs.json").read_text(encoding="utf-8"))
SCRIPTS = list(DOCUMENTS)
X86 = platform.machine().lower() in ("x86_64", "amd64")

# Settings and counts of a run: they go in, the numbers beside them come out.
SETTINGS = {
    "source", "epochs", "lr", "every", "columns", "samples", "seeded", "device",
    "recovered_initial_float32",
}  # fmt: skip

# How far two right float32 runs may be apart where they add up sums in another order: as far as all
# roundings of a run lead together, by their number. In an MAE run no epoch enlarges what is there,
# as long as no residual's sign flips, which none was seen to do. The MSE runs have larger numbers:
# labels up to 8, gradients up to 20.
BOUND = {"mae": 4e-6, "mse": 2e-5}


class Cell(NamedTuple):
    title: str
    code: str

    @property
    def repeats(self):
        """Tell whether it says earlier sections again, and is no cell of the document."""
        return self.title.endswith((" in short", " again"))


class Ran(NamedTuple):
    """What cells do: each one's text, their names and files, the figures that plt.show() shows."""

    printed: list
    names: dict
    files: list
    figures: list


class Number(NamedTuple):
    """A published number, as printed, and ours, which has to equal it where it is `exact`."""

    document: str
    place: str
    published: str | bool | int
    ours: str | bool | int
    exact: bool

    @property
    def is_loss(self):
        """Tell whether it has all digits of a float32, as the losses of sections 3 and 6 have."""
        return isinstance(self.published, str) and len(self.published.split(".")[1].rstrip("0")) > 8

    def apart(self):
        return abs(float(self.ours) - float(self.published))

    def __str__(self):
        place = f"{self.document}, {self.place}: published {self.published}, got {self.ours}"
        return f"{place}, {self.apart():.1e} apart"


def source(script):
    """Return the text of a script, 01_data for example."""
    return (ROOT / f"{script}.py").read_text(encoding="utf-8")


def cells(script):
    """Return a script's code cells in order, each of which begins with a line `# %% title`."""
    _, *parts = re.split(r"^# %% (.*)\n", source(script), flags=re.MULTILINE)
    return [Cell(*cell) for cell in zip(parts[::2], parts[1::2]) if cell[0] != "[markdown]"]


def run(script, some_cells):
    """Run cells one after the other in an empty folder, as a notebook does.

    Pictures are saved as empty files, because rendering them would take most of the time.
    """
    printed, names, figures = [], {"__name__": "__main__"}, []
    plt.close("all")
    with (
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
        plt.rc_context(),
    ):
        patch.chdir(folder)
        patch.setattr(plt, "savefig", lambda path: Path(path).touch())
        patch.setattr(plt, "show", lambda: figures.append(len(plt.get_fignums())))
        for cell in some_cells:
            with contextlib.redirect_stdout(io.StringIO()) as text:
                exec(compile(cell.code, f"{script}.py, cell '{cell.title}'", "exec"), names)
            printed.append(text.getvalue())
        files = sorted(path.as_posix() for path in Path().rglob("*.*"))
        plt.close("all")
    return Ran(printed, names, files, figures)


@cache
def ran(script):
    """Return what a script's cells did, once they have run for all tests."""
    return run(script, cells(script))


def beside(script):
    """Return the document's cells, beside each the script's cell and what that prints."""
    ours = [(c, text) for c, text in zip(cells(script), ran(script).printed) if not c.repeats]
    assert len(ours) == len(DOCUMENTS[script]), "not as many cells as the document has"
    return [(document, *own) for document, own in zip(DOCUMENTS[script], ours)]


def numbers(script):
    """Return each Number that a script prints, in the order in which it prints them."""
    exact = X86 and str(ran(script).names.get("device", "cpu")) == "cpu"  # not a GPU
    found = []
    for document, _, text in beside(script):
        sections = [name.split() for name in document.get("numbers", [])]
        if not sections:
            continue
        here = [s for s in sections if s[0] != "todays_edition"]
        published = [n for tutorial, key in here for n in places(PUBLISHED[tutorial][key], key)]
        ours = numbers_in(text, [number for _, number in published])
        assert len(ours) == len(published), f"{document['of']}: {len(ours)} numbers printed"
        found += [Number(here[0][0], *p, o, exact) for p, o in zip(published, ours)]
        if here != sections:  # a GPU's edition, every 100th epoch of the same table
            rows = {place: o for (place, _), o in zip(published, ours)}
            for place, number in places(PUBLISHED["todays_edition"][key := sections[-1][1]], key):
                found.append(Number("todays_edition", place, number, rows[place], False))
    return found


def places(value, place):
    """Yield (place, number) for each number in a nest of dicts and lists, settings left out."""
    if isinstance(value, dict) and "rows" in value:
        if "before f(5)" in value:
            yield f"{place}, before f(5)", value["before f(5)"]
        for row in value["rows"]:
            for column, number in zip(value["columns"], row):
                yield f"{place}, epoch {row[0]}, {column}", number
        if "after f(5)" in value:
            yield f"{place}, after f(5)", value["after f(5)"]
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in SETTINGS:
                yield from places(inner, f"{place}, {key}")
    elif isinstance(value, list):
        for i, inner in enumerate(value, start=1):
            yield from places(inner, f"{place}, number {i}")
    else:
        yield place, value


def numbers_in(text, like):
    """Return the numbers in a printed text, of the kinds that appear in `like`."""
    if any(isinstance(number, bool) for number in like):
        return [word == "True" for word in re.findall(r"(?<!=)\b(?:True|False)\b", text)]
    whole = r"|(?<![\w.=:])\d+(?![\w.])" if any(isinstance(n, int) for n in like) else ""
    words = re.findall(r"-?\d+\.\d+(?:e[+-]\d+)?" + whole, text.replace("f(5)", "f"))
    return [int(word) if word.isdigit() else word for word in words]


def counts(number):
    """Tell whether it counts as a published number: a decimal or a truth value."""
    return isinstance(number, str | bool)


TOTAL = sum(counts(n) for tutorial in PUBLISHED.values() for _, n in places(tutorial, ""))
