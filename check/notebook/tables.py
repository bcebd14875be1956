"""The tables of losses in a notebook, or in the text that a run printed.

Lines that read alike but for their numbers are a table, in any language and in any order of words:
the whole number that grows is the epoch, and the numbers with decimals are the losses. A notebook
is JSON whose cells hold what they printed; its tables come with hints, which are what the code
above them says.
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

# A number with decimals, or else a whole one. In 10/200 and 12:30 only the first is a number of its
# own, and one with a unit (0.02s, 3 MB, 40%) is none; Test_loss0.48 holds one.
NUMBER = re.compile(
    r"((?<![\d.])(?:(?<!\w)[-+])?"
    r"(?:(?:\d*\.\d+|\d+\.(?=[,)\]]))(?:[eE][-+]?\d{1,3})?|\d+[eE][-+]?\d{1,3}|\bnan\b|\binf\b"
    r"|(?<!\d[:/-])\d{1,12}(?!\s?%))(?!\w(?<=[A-Za-z0-9_])|\.\d|\s?(?:[kMG]i?B|m?s|sec)\b))"
)
WORD = re.compile(r"[^\W\d_]+")
# Of a progress bar, "7%|#  | 7/100 [00:00<00:01, 95it/s, loss=0.3]", the step counts, and what was
# given to it; or nothing, if more is printed behind it.
BAR = re.compile(r"\d{1,3}%(?:\|[^|]*\|)?\s*(\d+)/(\d+) \[[^,\]]*,?[^,\]]*(?:\](?=\s*\S))?")
# What stands around a number, and a tensor of several numbers, which are parameters or data
AROUND = re.compile(
    r"(?:tensor|array)\(\[[^()]*\)|\b(?:tensor|array|(?:np\.)?float\d\d)(?=\()"
    r"|,\s*(?:grad_fn=<\w*>|device='[\w:]*'|dtype=[\w.]+|requires_grad=\w+)"
    r"|(?<=\d)(?:st|nd|rd|th)\b|(?<=\d)[^\w%]+\d+/\d+"
)

# The names that people give to the numbers of a row
EPOCH = re.compile(r"[eé]p[ocóhk]{2,}|step|iter|эпох|轮|에포크|에폭|エポック", re.IGNORECASE)
LOSS = re.compile(
    r"los[st]|cost|mae|mse|err|perte|p[ée]rdida|perd[ai]|verlust|verlies|fehler|потер|ошибк"
    r"|损失|損失|误差|誤差|손실|오차",
    re.IGNORECASE,
)
TEST = re.compile(r"tes|prueba|prova|prüf|тест|测试|測試|テスト|테스트", re.IGNORECASE)
TRAIN = re.compile(r"train|val|entr[ea]|treino|addestr|обуч|训练|訓練|학습|훈련", re.IGNORECASE)
OTHER = re.compile(  # no loss, and no epoch
    r"\bindex\b|acc|exact|pr[ée]cisi|genau|точн|准确|精度|정확|correct|score|f1|weight|\bw\b|bias|\bb\b|param"
    r"|slope|intercept|grad|\blr\b|learning|\brate|moment|time|elapsed|zeit|tiempo|temps|время|时间"
    r"|시간|gewicht|peso|poids|sesgo|biais|вес|权重|偏置|가중치|편향|\beps\b|\bp\b|size|shape|version|\bmem",
    re.IGNORECASE,
)
PRINT = 'print(f"Epoch: {epoch} | Train loss: {loss} | Test loss: {test_loss}")'

LONGEST_LINE = 2000  # characters: behind them stands no loss, and reading more takes long


class Table(NamedTuple):
    """A table of losses: where it stands, its rows (epoch or None, (number, ...)), the hints.

    `places` says where in the code each hint stands, and what else the code says of it.
    """

    where: str
    rows: list
    hints: dict
    places: dict = {}


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
    widths = [len(table.rows[0][1]) for table in tables]
    if min(widths, default=3) > 2:
        why = "no lines that read alike have an epoch and a loss"
        if tables:
            why = f"its rows have {widths[0]} decimals, and no name says which are losses"
        raise ValueError(f"no table of losses in it: {why}; write {PRINT}")
    return [table for table, width in zip(tables, widths) if width <= 2]


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
        hints, places = hints_of(codes) if found else ({}, {})
        tables += [Table(f"{name}, cell {number}", rows, hints, places) for _, rows in found]
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

    Rows without an epoch are left out beside some that have one and both losses, because many a
    loop prints a loss in every epoch beside its table.
    """
    printed = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r\n", "\n").split("\n")
    found = together(rows for lines in forms(printed) if (rows := rows_of(lines, printed)))
    full = any(epoch is not None and len(losses) > 1 for (_, epoch, losses), *_ in found)
    tables = []
    for rows in found:
        epochs = [epoch for _, epoch, _ in rows]
        if full and epochs[0] is None or not rows[0][2]:
            continue
        anew = [i for i, (a, b) in enumerate(pairwise(epochs), start=1) if a is not None and b <= a]
        for start, end in pairwise([0, *anew, len(rows)]):
            if end - start > (2 if epochs[0] is None or len(rows[0][2]) < 2 else 1):
                tables.append((rows[start][0], [row[1:] for row in rows[start:end]]))
    return sorted(tables, key=lambda table: table[0])


def forms(printed):
    """Return the lines that hold numbers, in lists in each of which all lines read alike.

    A line becomes (its place, its numbers, the names before them and what stands behind the last,
    the number of steps of its progress bar or None).
    """
    alike = defaultdict(list)
    commas = any(re.search(r"\b0,\d", line) for line in printed)  # decimal ones, for no thousands
    for place, whole in enumerate(printed, start=1):
        for line in re.split("[\r\b]+", whole):  # a progress bar writes over its line
            line = line[:LONGEST_LINE]
            bar = BAR.search(line)
            counts = bar and bar[0][-1] != "]"
            line = AROUND.sub("", BAR.sub(rf" {bar[1]} " if counts else " ", line))
            if commas and not re.search(r"\d\.\d", line):
                line = re.sub(r"(?<=\d),(?=\d)", ".", line)
            names, numbers = NUMBER.split(line)[::2], NUMBER.split(line)[1::2]
            names = [named(name) for name in names]
            if numbers:
                words = [tuple(WORD.findall(name)) for name in names[:-1]]
                kinds = [number.isdigit() for number in numbers]
                steps = int(bar[2]) if counts else None
                alike[(*kinds, *words)].append((place, numbers, names, steps))
    return alike.values()


def named(text):
    """Return what names a number: of the text before it, the last words from a separator on."""
    return next((part for part in re.split("(?<=[|,;])", text)[::-1] if WORD.search(part)), text)


def rows_of(lines, printed):
    """Return the rows (line, epoch or None, losses) of lines that read alike; or none at all.

    A table whose names don't say that it is one needs three rows.
    """
    names, bare = names_of(lines[0], printed)
    columns = list(zip(*(numbers for _, numbers, *_ in lines)))
    whole = [
        i
        for i, name in names.items()
        if columns[i][0].isdigit()
        or EPOCH.search(name)
        and all(float(text).is_integer() for text in columns[i])
    ]
    losses, called = chosen({i: name for i, name in names.items() if i not in whole})
    epochs = [i for i in whole if EPOCH.search(names[i])] + [
        i
        for i in whole
        if (bare or called or WORD.search(names[i])) and not re.search("[A-Za-z_]$", names[i])
    ]
    epoch = next((i for i in epochs if grows([float(text) for text in columns[i]])), None)
    rows = drawn_once(
        (
            place,
            None if epoch is None else int(float(numbers[epoch])),
            tuple(numbers[i] for i in losses),
            steps,
        )
        for place, numbers, _, steps in lines
    )
    alone = bare and len(names) == 1 and re.fullmatch(r"[\s()]*", "".join(lines[0][2]))
    if rows[0][1] is None and not (losses and (called or alone)):
        return []
    return rows


def names_of(line, printed):
    """Return {column: name} of a line's numbers, but for those that are neither epoch nor loss.

    Below a line of names they have these: a data frame's index has none. Also return whether the
    line has no words at all.
    """
    place, numbers, names, _ = line
    bare = not any(map(WORD.search, names[:-1]))
    above = printed[place - 2] if bare and place > 1 else ""
    cells = [cell for cell in re.split(r"[|,;\t]|\s{2,}", above) if WORD.search(cell)]
    index = len(numbers) - len(cells)
    if index in (0, 1) and (len(cells) > 1 or above[:1] == " "):
        names, bare = ["index"] * index + cells, False
    named_columns = enumerate(names[: len(numbers)])
    return {c: name for c, name in named_columns if not OTHER.search(LOSS.split(name)[0])}, bare


def chosen(names):
    """Return the columns that are losses, and whether a name says so; names are {column: name}.

    Two numbers are losses whatever they are called. Of more, their names choose: the first, and the
    test loss or the second. Where no name does, all are returned.
    """
    losses = [i for i, name in names.items() if LOSS.search(name)]
    if len(losses) < 2:
        losses = [i for i in names if any(p.search(names[i]) for p in (LOSS, TEST, TRAIN))]
    if len(names) <= 2 or not losses:
        return list(names), bool(losses)
    tests = [i for i in losses[1:] if TEST.search(names[i])]
    return losses[:1] + (tests or losses[1:])[:1], True


def grows(numbers):
    """Tell whether numbers grow from line to line, and more often than they begin anew."""
    steps = [b - a for a, b in pairwise(numbers)]
    return sum(step > 0 for step in steps) > sum(step < 0 for step in steps)


def drawn_once(rows):
    """Return rows (line, epoch, losses) of (line, epoch, losses, steps of a progress bar or None).

    A row that is printed twice counts once, and one that is written over, as a bar is, counts as it
    is drawn last; a bar that has ended is drawn once more, a step further. Where an epoch has two
    lines, these are its two losses; where it has more, they are batches, and have no epoch.
    """
    once = []
    for place, epoch, losses, steps in rows:
        if once and epoch is not None:
            before, last, as_before = once[-1]
            if epoch == last and (steps or place == before or losses == as_before):
                place = once.pop()[0]
            elif epoch == steps and losses == as_before != ():
                continue
        once.append((place, epoch, losses))
    epochs = [epoch for _, epoch, _ in once]
    repeated = sum(a == b for a, b in pairwise(epochs))
    if epochs[0] is None or not repeated or repeated < len(once) // 2:
        return once
    if repeated == len(once) // 2 and all(a == b for a, b in zip(epochs[::2], epochs[1::2])):
        return in_pairs(once)
    return [(place, None, losses) for place, _, losses in once]


def in_pairs(rows):
    """Return rows each of which has the losses of two."""
    return [
        (place, epoch, losses + others)
        for (place, epoch, losses), (_, _, others) in zip(rows[::2], rows[1::2])
    ]


def together(alike):
    """Return the rows of all forms; where the lines of two or three forms are one row, joined."""
    found = []
    for rows in sorted(alike, key=lambda rows: rows[0][0]):
        for above in sorted(found[::-1], key=lambda above: abs(len(above) - len(rows))):
            if joined := below_each_other(above, rows):
                if len(joined[0][2]) > len(rows[0][2]):
                    found.remove(above)
                rows = joined
                break
        found.append(rows)
    return found


def below_each_other(above, below):
    """Return the rows of two forms, a line of `above` before each line of `below`, or none.

    Where the lines take turns the losses of both are columns. Where only some lines of `above` are
    followed by one of `below`, this has their epochs, unless it has its own.
    """
    starts = [place for place, *_ in above]
    own = [bisect(starts, place) - 1 for place, *_ in below]
    if own[::2] == own[1::2]:
        below, own = in_pairs(below), own[::2]
    if any(a >= b for a, b in pairwise([-1, *own])):
        return []
    pairs = [(above[i], row) for i, row in zip(own, below)]
    turns = own == list(range(len(own))) and len(above) - len(own) < 2
    (_, epoch, losses), (_, other, others) = pairs[0]
    if epoch is None or other is not None:
        both = epoch is not None
        if not turns or both and not (losses and others and all(a[1] == b[1] for a, b in pairs)):
            return []
    if not 0 < len(losses + others) < 3:
        return []
    return [
        (
            start if losses and turns else place,
            epoch if other is None else other,
            losses * turns + others,
        )
        for (start, epoch, losses), (place, other, others) in pairs
    ]
