"""The tables of losses in a notebook, or in the text that a run printed.

A notebook is JSON whose cells hold what they printed. A table comes with hints: what the code above
it says.
"""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

from check.notebook.hints import hints_of

EXP = r"[eE][-+]?\d{1,3}"  # an exponent
NUMBER = rf"[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:{EXP})?|\bnan\b|\binf\b"
# "Epoch: 10", "Epcoh 10", "Epoch [10/200]", "step 10"
EPOCH = re.compile(
    r"\b(?:ep[och]{2,5}s?|steps?|iter\w*)\b[^\d\n]{0,12}?(\d{1,12})(?!\d)", re.IGNORECASE
)
# "Loss: 0.31", "MAE Train Loss: 0.31", "test_loss=tensor(0.31, grad_fn=...)", "Test: 0.48"
LOSS = re.compile(
    rf"((?:\w*[ _-]*loss(?:es)?|test|train)\b(?:(?!acc)[^\d\n|,;+.-]){{0,25}}?)({NUMBER})",
    re.IGNORECASE,
)
DECIMAL = re.compile(rf"(?<![\w.])[-+]?(?:\d+\.\d+(?:{EXP})?|\d+{EXP})(?![\w%.])")
# "10 0.31 0.48"
BARE = re.compile(rf"\W*(\d+)(?:\W+[-+]?\d+\.\d+(?:{EXP})?){{1,2}}\W*")


class Table(NamedTuple):
    """A table of losses: where it stands, its rows (epoch or None, (number, ...)), the hints."""

    where: str
    rows: list
    hints: dict


class Row(NamedTuple):
    """A printed row: its line, its epoch or None, its losses, whether the first is a test loss."""

    line: int
    epoch: int | None
    losses: tuple
    tests: bool


def read(path):
    """Return the Tables in a notebook or in printed text; "-" reads standard input.

    Raises ValueError, or OSError, with one sentence on what is wrong and what would be right.
    """
    name = "standard input" if str(path) == "-" else str(path)
    if Path(path).is_dir():
        raise ValueError("it is a folder: name the notebooks in it, as in folder/*.ipynb")
    text = decoded(sys.stdin.buffer.read() if str(path) == "-" else Path(path).read_bytes())
    if not text.strip():
        raise ValueError("it is empty: save the notebook, or the output of the run, and try again")
    looks_like_json = text.lstrip().startswith("{")
    if name.endswith(".ipynb") or looks_like_json and '"cells"' in text:
        tables = tables_of_notebook(text, name)
    else:
        tables = [Table(f"{name}, from line {line}", rows, {}) for line, rows in tables_in(text)]
    if not tables:
        raise ValueError(
            "no table of losses in it: a row has an epoch and a loss, as in "
            "'Epoch: 10 | MAE Train Loss: 0.1977 | MAE Test Loss: 0.3464'"
        )
    return tables


def decoded(data):
    """Return bytes as text: UTF-8, or UTF-16 as PowerShell's `>` writes it, or plain Latin."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if re.search("[\x00-\x07\x0e-\x1a\x1c-\x1f]", text):
        raise ValueError("it holds bytes that are no text: name a notebook, or what a run printed")
    return text


# --- A notebook


def tables_of_notebook(text, name):
    """Return the Tables of a notebook's code cells, which are counted from 1."""
    try:
        return tables_of_cells(json.loads(text), name)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON, and so no notebook: {error}") from None
    except (AttributeError, TypeError):
        raise ValueError("it is JSON, but no notebook: its cells have another form") from None


def tables_of_cells(notebook, name):
    """Return the Tables of a notebook's JSON. What isn't as it should be raises of itself."""
    sheets = notebook.get("worksheets") or [notebook]  # before version 4 the cells were in sheets
    cells = [cell for sheet in sheets for cell in sheet.get("cells") or ()]
    code_cells = [cell for cell in cells if cell.get("cell_type") == "code"]
    if not code_cells:
        raise ValueError("it is JSON, but no notebook: it has no code cells")
    if not any(cell.get("outputs") for cell in code_cells):
        raise ValueError("all its outputs are cleared: run the notebook, save it, and try again")
    tables, codes = [], []
    for number, cell in enumerate(code_cells, start=1):
        codes.append(joined(cell.get("source", cell.get("input", ""))))
        printed = "".join(map(output_text, cell.get("outputs") or ()))
        found = list(tables_in(printed))
        hints = hints_of(codes) if found else {}
        tables += [Table(f"{name}, cell {number}", rows, hints) for _, rows in found]
    return tables


def output_text(output):
    """Return what an output shows as text; an error's traceback is none."""
    if output.get("output_type") in ("error", "pyerr"):
        return ""
    data = output.get("data", output)
    return joined(output.get("text", data.get("text/plain", ""))) + "\n"


def joined(lines):
    """Return a notebook's text, which is one string or a list of lines."""
    return lines if isinstance(lines, str) else "".join(map(str, lines or ()))


# --- The rows


def tables_in(text):
    """Yield (first line, rows) for each table in a printed text, with lines counted from 1.

    A new table begins where the epoch doesn't grow. Rows without an epoch are one table, unless
    other rows have one: then a loop prints a loss in every epoch beside its table.
    """
    found = [row for row in rows_in(text) if row.losses]
    if sum(row.epoch is not None for row in found) > 1:
        found = [row for row in found if row.epoch is not None]
    table = []
    for row in found:
        if table and not continues(table[-1].epoch, row.epoch):
            yield from finished(table)
            table = []
        table.append(row)
    yield from finished(table)


def rows_in(text):
    """Return the Rows of a printed text. Epoch, train and test loss may stand on a line each."""
    rows, pending = [], None
    lines = re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", text).replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines, start=1):
        for part in re.split("[\r\b]+", line):  # a progress bar writes over its line
            epoch, losses, tests = row_in(part)
            if not losses:
                pending = pending if epoch is None else epoch
                continue
            last = rows[-1] if rows else None
            if epoch is None and tests and last and len(last.losses) == 1 and not last.tests:
                rows[-1] = last._replace(losses=(*last.losses, losses[0]))
                continue
            epoch, pending = pending if epoch is None else epoch, None
            rows.append(Row(number, epoch, losses, tests))
    return rows


def continues(before, epoch):
    """Tell whether an epoch continues a table, in which all rows have an epoch or none has."""
    return (before is None) == (epoch is None) and (epoch is None or epoch > before)


def finished(table):
    """Yield a table, or nothing if it is too short to be one: a single loss is an evaluation.

    It has as many columns as most of its rows; a row with fewer is left out.
    """
    if len(table) >= (3 if table and table[0].epoch is None else 2):
        widths = [len(row.losses) for row in table]
        width = max(set(widths), key=lambda n: (widths.count(n), n))
        rows = [(row.epoch, row.losses[:width]) for row in table if len(row.losses) >= width]
        yield table[0].line, rows


def row_in(line):
    """Return (epoch or None, losses as printed, whether the first is a test loss) of a line."""
    line = re.sub(r"OrderedDict\(.*|tensor\(\[.*", "", line)  # parameters are no losses
    alone = re.fullmatch(rf"\s*tensor\(({NUMBER})\b[^\[\]]*\)\s*", line)  # and in no list
    if alone:
        return None, (alone[1],), False
    epoch = EPOCH.search(line)
    losses = LOSS.findall(line)
    if losses:
        numbers = tuple(number for _, number in losses)
        is_test = bool(re.search("tes|val", losses[0][0], re.IGNORECASE))
        return (int(epoch[1]) if epoch else None), numbers, is_test
    if epoch:
        rest = line[epoch.end() :]
        return int(epoch[1]), tuple(DECIMAL.findall(rest)), False
    bare = BARE.fullmatch(line)
    if bare:
        return int(bare[1]), tuple(DECIMAL.findall(line[bare.end(1) :])), False
    return None, (), False
