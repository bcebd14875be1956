"""README.md and docs/: their texts, and whether what runs is what they quote."""

import contextlib
import io
import re
import runpy
import warnings

import matplotlib.pyplot as plt
from published_numbers import ROOT

FILES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {file.name: file.read_text(encoding="utf-8") for file in FILES}


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def table(text, header):
    """Return the cells of the table with this header, row by row."""
    rows = text.split(f"| {header}", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def run(code, folder):
    """Run code as a script in a folder, and return all it shows: output, warnings, the error."""
    (folder / "script.py").write_text(code, encoding="utf-8")
    output, error = io.StringIO(), ""
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        plt.rc_context(),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        try:
            runpy.run_path("script.py", run_name="__main__")
        except Exception as e:
            error = f"{type(e).__name__}: {e}"
    told = dict.fromkeys(f"{warning.category.__name__}: {warning.message}" for warning in caught)
    return "\n".join([output.getvalue(), *told, error])


def assert_shows(seen, quoted):
    """Assert that `seen` has the quoted lines in this order, where "..." stands for anything.

    Numbers are compared to six decimals (other CPUs round otherwise), or to as many as are quoted.
    Brackets are left out, because Python 3.12 prints an OrderedDict with other ones.
    """

    def words(text):
        return re.sub(r"[^\w.+-]+", " ", re.sub(r"(\.\d{6})\d+", r"\1", text)).strip()

    parts = [words(part) for line in quoted.splitlines() for part in line.split("...")]
    pattern = ".*?".join(re.escape(part) for part in parts if part)
    assert re.search(pattern, words(seen)), f"quoted:\n{quoted}\nseen:\n{seen}"
