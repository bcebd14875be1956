"""The tables of losses in a notebook, or in the text that a run printed.

Lines that read alike but for their numbers are a table, in any language and in any order of words.
The whole number that grows from line to line is the epoch, and the numbers with decimals are the
losses. A notebook is JSON whose cells hold what they printed; its tables come with hints, which are
what the code above them says.
"""

import json
import re
import sys
from bisect import bisect
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from check.notebook.hints import hints_of

# A number. Of two that : / or - joins, as in 10/200 and 12:30, the
# second is none, nor is a number with a unit. "Test_loss0.48" is one right behind a word.
NUMBER = re.compile(
    r"((?<![\d.])(?:(?<!\w)[-+])?"
    r"(?:(?:(?:\d*\.\d+|\d+\.(?=[,)\]]))(?:[eE][-+]?\d{1,3})?"
    r"|\d+[eE][-+]?\d{1,3}|\bnan\b|\binf\b)|(?<!\d[:/-])\d{1,12}(?!\s?%))"
    r"(?![A-Za-z0-9_]|\.\d|\s?(?:[kMG]i?B|m?s|sec)\b))"
)
# A progress bar, "7%|#  | 7/100 [00:00<00:01, 95it/s, loss=0.3]": of its own numbers the step alone
# counts, and not even that where something is printed behind the bar.
BAR = re.compile(r"\d+%\|[^|]*\|\s*(\d+)/\d+ \[[^,\]]*,?[^,\]]*(?:\](?=\s*\S))?")
# A tensor or an array of several numbers holds parameters or data; one number stands for itself.
PARAMETERS = re.compile(r"(?:tensor|array)\(\[[^()]*\)")
AROUND = re.compile(
    r",\s*(?:grad_fn=<\w*>|device='[\w:]*'|dtype=[\w.]+|requires_grad=\w+)"
    r"|\b(?:tensor|array|(?:np\.)?float\d\d)(?=\()|(?<=\d)(?:st|nd|rd|th)\b"
)
ALONE = re.compile(r"[\s()]*")
WORD = re.compile(r"[^\W\d_]+")

EPOCH = re.compile(
    r"[eé]p[ocóhk]{2,}|эпох|轮|回合|世代|에포크|에폭|エポック|step|iter", re.IGNORECASE
)
LOSS = re.compile(
    r"los[st]|cost|mae|mse|err|perte|coût|p[ée]rdida|perd[ai]|verlust|fehler|verlies|kay[ıi]p|strat"
    r"|потер|ошибк|损失|損失|误差|誤差|손실|오차|ロス",
    re.IGNORECASE,
)
TEST = re.compile(
    r"tes|val|prueba|prüf|prova|тест|测试|測試|테스트|テスト|验证|검증", re.IGNORECASE
)
TRAIN = re.compile(
    r"train|entren|entra[iî]n|apprent|trein|addestr|обуч|训练|訓練|훈련|학습", re.IGNORECASE
)
# No losses, whatever else their names say
OTHER = re.compile(
    r"acc|genau|pr[ée]cisi|exact|точн|准确|精度|정확|score|f1|weight|\bw\b|bias|\bb\b|param|slope"
    r"|intercept|grad|\blr\b|learning|rate|moment|time|zeit|temps|tiempo|врем|时间|耗时|用时|시간"
    r"|gewicht|peso|poids|sesgo|biais|вес|权重|偏置|가중치|편향|correct|size|shape|version|mem",
    re.IGNORECASE,
)

PRINT = 'print(f"Epoch: {epoch} | Train loss: {loss} | Test loss: {test_loss}")'


class Table(NamedTuple):
    """A table of losses: where it stands, its rows (epoch or None, (number, ...)), the hints.

    `places` says where in the code each hint stands, and what else the code says of it.
    """

    where: str
    rows: list
    hints: dict
    places: dict = {}


class Line(NamedTuple):
    """A printed line: its number, and of each number in it its text and the words before it."""

    number: int
    texts: list
    names: list


class Rows(NamedTuple):
    """Lines that read alike: their numbers, and their epochs (or None) and losses, row by row.

    `least` is how many rows a table has at least: a single loss is an evaluation.
    """

    lines: list
    epochs: list
    losses: list
    least: int


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
    read = [table for table in tables if len(table.rows[0][1]) <= 2]
    if not read:
        many = max((len(table.rows[0][1]) for table in tables), default=0)
        found = (
            f"its rows have {many} numbers, and no name says which are losses"
            if many
            else "a row has an epoch and a loss"
        )
        raise ValueError(f"no table of losses in it: {found}; write {PRINT}")
    return read


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
    """Return (first line, rows) for each table in a printed text, with lines counted from 1.

    Rows without an epoch are left out where others have one: a loop prints a loss in every epoch
    beside its table.
    """
    printed = re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", text).replace("\r\n", "\n").split("\n")
    alike = [rows for lines in forms(printed) if (rows := rows_of(lines, printed))]
    found = joined_columns(with_epochs(alike))
    numbered = [rows for rows in found if rows.epochs[0] is not None]
    return sorted(table for rows in numbered or found for table in pieces(rows))


def forms(printed):
    """Return the Lines of a printed text in lists, in each of which all read alike."""
    alike = defaultdict(list)
    for number, whole in enumerate(printed, start=1):
        for part in re.split("[\r\b]+", whole):  # a progress bar writes over its line
            line = AROUND.sub("", PARAMETERS.sub(" ", BAR.sub(step_of_bar, part)))
            if not re.search(r"\d\.\d", line):
                line = re.sub(r"(?<=\d),(?=\d)", ".", line)  # decimal commas
            names, texts = NUMBER.split(line)[::2], NUMBER.split(line)[1::2]
            if texts:
                kinds = [text.isdigit() for text in texts]
                words = [tuple(WORD.findall(name)[-2:]) for name in names[:-1]]
                names = [words_last(name) for name in names]
                alike[tuple(kinds), tuple(words)].append(Line(number, texts, names))
    return list(alike.values())


def step_of_bar(bar):
    """Return what stays of a bar: its step, unless a line with an epoch of its own is behind it."""
    return " " if bar[0].endswith("]") else f" {bar[1]} "


def words_last(name):
    """Return what names a number: the last words before it, from a separator on."""
    return next((part for part in re.split("[|,;]", name)[::-1] if WORD.search(part)), name)


def rows_of(lines, printed):
    """Return the Rows of lines that read alike, or None if they hold neither epochs nor losses."""
    texts, names = lines[0].texts, lines[0].names
    bare = not any(map(WORD.search, names[:-1]))
    cells = header(printed[lines[0].number - 2]) if bare else []
    indented = printed[lines[0].number - 2].startswith(" ")
    if len(texts) - len(cells) in (0, 1) and (len(cells) > 1 or cells and indented):
        names = [None] * (len(texts) - len(cells)) + cells
        bare = False
    columns = [
        (place, name)
        for place, name in enumerate(names[: len(texts)])
        if name is not None and not OTHER.search(name)
    ]
    growing = [
        i for i, _ in columns if texts[i].isdigit() and grows([int(x.texts[i]) for x in lines])
    ]
    epoch = next((i for i in growing if EPOCH.search(names[i])), growing[0] if growing else None)
    decimals = {i: name for i, name in columns if not texts[i].isdigit()}
    chosen, called = losses_among(decimals)
    alone = bare and len(texts) == 1 and ALONE.fullmatch(names[0] + names[1])
    if epoch is not None and not (called or bare or WORD.search(names[epoch])):
        epoch = None
    if not (called or alone or epoch is not None) or not chosen and epoch is None:
        return None
    rows = []
    for line in lines:
        e = None if epoch is None else int(line.texts[epoch])
        row = line.number, e, tuple(line.texts[i] for i in chosen)
        again = rows and row[1:] == rows[-1][1:] and (e is not None or row[0] == rows[-1][0])
        if rows and e is not None and row[:2] == rows[-1][:2]:
            rows[-1] = row  # drawn again
        elif not again:
            rows.append(row)
    if len(rows) > 2 and rows[-1][0] == rows[-2][0] and rows[-1][2] == rows[-2][2]:
        rows.pop()  # a bar that has ended
    return Rows(*map(list, zip(*rows)), 2 if called and epoch is not None else 3)


def header(line):
    """Return the names in the line above a data frame."""
    cells = [cell.strip() for cell in re.split(r"[|,;\t]|\s{2,}", line)]
    return [cell for cell in cells if WORD.search(cell)]


def grows(numbers):
    """Tell whether whole numbers grow from line to line, and more often than they begin anew."""
    steps = [b - a for a, b in pairwise(numbers)]
    return sum(step > 0 for step in steps) > sum(step < 0 for step in steps)


def losses_among(decimals):
    """Return the places of the losses, and whether a name says so; decimals are {place: name}.

    Up to two numbers are losses whatever they are called. Among more, the names choose; all are
    returned if none does.
    """
    called = [
        i for i, name in decimals.items() if any(re_.search(name) for re_ in (LOSS, TRAIN, TEST))
    ]
    if len(decimals) <= 2:
        return list(decimals), bool(called)
    chosen = called or list(decimals)
    losses = [i for i in chosen if LOSS.search(decimals[i])]
    if len(chosen) > 2 and len(losses) > 1:
        chosen = losses
    if called and len(chosen) > 2:
        tests = [i for i in chosen[1:] if TEST.search(decimals[i])]
        chosen = [chosen[0], (tests or chosen[1:])[0]]
    return chosen, bool(called)


def with_epochs(alike):
    """Return the Rows with losses; where they have no epoch, that of a line above or below it."""
    marks = [rows for rows in alike if rows.epochs[0] is not None]
    found = []
    for rows in alike:
        if not rows.losses[0]:
            continue
        if rows.epochs[0] is None:
            for mark in sorted(marks, key=lambda mark: abs(len(mark.lines) - len(rows.lines))):
                epochs = borrowed(rows.lines, mark)
                if epochs:
                    rows = rows._replace(epochs=epochs)
                    break
        found.append(rows)
    return found


def borrowed(lines, mark):
    """Return an epoch for each line, from the line of mark above it, or below; None if two share one."""
    for shift in (-1, 0):
        places = [bisect(mark.lines, line) + shift for line in lines]
        if (
            places[0] >= 0
            and places[-1] < len(mark.lines)
            and all(a < b for a, b in pairwise(places))
        ):
            return [mark.epochs[place] for place in places]
    return None


def joined_columns(found):
    """Return the Rows where two of one loss each, whose lines take turns, are two columns of one."""
    joined_rows = []
    for rows in sorted(found, key=lambda rows: rows.lines[0]):
        for place, other in enumerate(joined_rows):
            if take_turns(other, rows):
                losses = [a + b for a, b in zip(other.losses, rows.losses)]
                joined_rows[place] = other._replace(losses=losses)
                break
        else:
            joined_rows.append(rows)
    return joined_rows


def take_turns(one, two):
    """Tell whether the lines of two Rows of one loss each take turns, in the same epochs."""
    if (
        len(one.losses[0]) != 1
        or len(two.losses[0]) != 1
        or len(one.lines) - len(two.lines) not in (0, 1)
    ):
        return False
    order = [line for pair in zip(one.lines, two.lines) for line in pair]
    return order == sorted(order) and one.epochs[: len(two.epochs)] == two.epochs


def pieces(rows):
    """Yield (first line, rows) for each table in Rows: a new one begins where no epoch grows."""
    starts = [
        i for i, (a, b) in enumerate(pairwise(rows.epochs), start=1) if a is not None and b <= a
    ]
    for a, b in zip([0, *starts], [*starts, len(rows.lines)]):
        if b - a >= rows.least:
            yield rows.lines[a], list(zip(rows.epochs[a:b], rows.losses[a:b]))
