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
from itertools import groupby, pairwise
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
# What stands around a number; a tensor of several numbers, which are parameters or data; and the
# items done of all behind another number, as in "Epoch 1 [6400/60000]": they count no epochs.
AROUND = re.compile(
    r"(?:tensor|array)\(\[[^()]*\)|\b(?:tensor|array|(?:np\.)?float\d\d)(?=\()"
    r"|,\s*(?:grad_fn=<\w*>|device='[\w:]*'|dtype=[\w.]+|requires_grad=\w+)"
    r"|(?<=\d)(?:st|nd|rd|th)\b|(?<=\d)[^\w%]+\d+/\d+"
)

# The names that people give to the numbers of a row
EPOCH = re.compile(r"[eé]p[ocóhk]{2,}|step|iter", re.IGNORECASE)
LOSS = re.compile(
    r"los[st]|cost|mae|mse|err|perte|p[ée]rdida|perd[ai]|verlust|verlies|fehler|потер|ошибк"
    r"|损失|損失|误差|誤差|손실|오차",
    re.IGNORECASE,
)
TEST = re.compile(r"tes|prueba|prova|prüf|тест|测试|測試|テスト|테스트", re.IGNORECASE)
TRAIN = re.compile("train|val", re.IGNORECASE)
OTHER = re.compile(  # no loss, and no epoch
    r"\bindex\b|acc|exact|pr[ée]cisi|genau|точн|准确|精度|정확|correct|score|f1|weight|\bw\b|bias|\bb\b|param"
    r"|slope|intercept|grad|\blr\b|learning|\brate|moment|time|elapsed|zeit|tiempo|temps|время|时间"
    r"|시간|gewicht|peso|poids|sesgo|biais|вес|权重|偏置|가중치|편향|\beps\b|\bp\b|size|shape|version|\bmem",
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
        try:
            tables = tables_of_cells(json.loads(text), name)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is no JSON, and so no notebook: {error}") from None
        except (AttributeError, TypeError):
            raise ValueError("it is JSON, but no notebook: its cells have another form") from None
    else:
        tables = [Table(f"{name}, from line {line}", rows, {}) for line, rows in tables_in(text)]
    read = [table for table in tables if len(table.rows[0][1]) < 3]
    if not read:
        why = "no lines that read alike have an epoch and a loss"
        if tables:
            many = len(tables[0].rows[0][1])
            why = f"its rows have {many} decimals, and no name says which are losses"
        raise ValueError(f"no table of losses in it: {why}; write {PRINT}")
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


def tables_of_cells(notebook, name):
    """Return the Tables of a notebook's JSON, whose code cells are counted from 1.

    Text is one string or a list of lines there. What isn't as it should be raises of itself.
    """
    sheets = notebook.get("worksheets") or [notebook]  # before version 4 the cells were in sheets
    cells = [cell for sheet in sheets for cell in sheet.get("cells") or ()]
    code_cells = [cell for cell in cells if cell.get("cell_type") == "code"]
    if not code_cells:
        raise ValueError("it is JSON, but no notebook: it has no code cells")
    if not any(cell.get("outputs") for cell in code_cells):
        raise ValueError("all its outputs are cleared: run the notebook, save it, and try again")
    tables, codes = [], []
    for number, cell in enumerate(code_cells, start=1):
        codes.append("".join(cell.get("source", cell.get("input", ""))))
        found = tables_in("".join(map(output_text, cell.get("outputs") or ())))
        hints, places = hints_of(codes) if found else ({}, {})
        tables += [Table(f"{name}, cell {number}", rows, hints, places) for _, rows in found]
    return tables


def output_text(output):
    """Return what an output shows as text; an error's traceback is none."""
    if output.get("output_type") in ("error", "pyerr"):
        return ""
    data = output.get("data", output)
    return "".join(output.get("text", data.get("text/plain", ""))) + "\n"


# --- The rows


class Row(NamedTuple):
    """A row of a table: the line where it stands, its epoch or None, its losses."""

    place: int
    epoch: int | None
    losses: tuple


def tables_in(text):
    """Return [(first line, rows)] for the tables in a printed text, with lines counted from 1.

    A table begins anew where the epoch doesn't grow. One with epochs and both losses has two rows
    or more, any other three, because a loss or two are an evaluation. Rows without an epoch are
    left out beside such a table, because many a loop prints a loss in every epoch beside it.
    """
    printed = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).replace("\r\n", "\n").split("\n")
    alike = [rows_of(lines, printed) for lines in forms(printed)]
    found = [rows for rows in together(filter(None, alike)) if rows[0].losses]
    full = any(rows[0].epoch is not None and len(rows[0].losses) > 1 for rows in found)
    tables = []
    for rows in found:
        epochs = [row.epoch for row in rows]
        if epochs[0] is None:
            anew, least = [], len(rows) + 1 if full else 3
        else:
            anew = [i for i, (a, b) in enumerate(pairwise(epochs), start=1) if a >= b]
            least = 3 if len(rows[0].losses) < 2 else 2
        for start, end in pairwise([0, *anew, len(rows)]):
            if end - start >= least:
                tables.append((rows[start].place, [row[1:] for row in rows[start:end]]))
    return sorted(tables, key=lambda table: table[0])


def forms(printed):
    """Return the lines that hold numbers, in lists in each of which all lines read alike.

    A line becomes (its place, its numbers, the names before them and the text behind, the number of
    steps of the progress bar that counts in it or None).
    """
    alike = defaultdict(list)
    commas = any(re.search(r"\b0,\d", line) for line in printed)  # decimal ones, for no thousands
    for place, whole in enumerate(printed, start=1):
        for line in re.split("[\r\b]+", whole):  # a progress bar writes over its line
            line = line[:2000]  # behind them stands no loss, and reading more takes long
            bar = BAR.search(line)
            counts = bar and bar[0][-1] != "]"
            line = AROUND.sub("", BAR.sub(rf" {bar[1]} " if counts else " ", line))
            if commas and not re.search(r"\d\.\d", line):
                line = re.sub(r"(?<=\d),(?=\d)", ".", line)
            names, numbers = NUMBER.split(line)[::2], NUMBER.split(line)[1::2]
            names = [named(name) for name in names]
            words = [tuple(WORD.findall(name)) for name in names[:-1]]
            kinds = [number.isdigit() for number in numbers]
            steps = int(bar[2]) if counts else None
            alike[(*kinds, *words)].append((place, numbers, names, steps))
    return [lines for form, lines in alike.items() if form]


def named(text):
    """Return what names a number: of the text before it, the last words from a separator on."""
    return next((part for part in re.split("(?<=[|,;])", text)[::-1] if WORD.search(part)), text)


def rows_of(lines, printed):
    """Return the Rows of lines that read alike; none if they have neither epochs nor losses.

    The epoch is the whole number that grows, and rather one that is called so. It needs a word or
    a loss beside it, and is no part of a name, as in model_1.
    """
    places, numbers, texts, steps = zip(*lines)
    names = names_of(texts[0], printed[places[0] - 2] if places[0] > 1 else "")
    columns = list(zip(*numbers))
    whole = [
        i
        for i, name in names.items()
        if columns[i][0].isdigit()
        or EPOCH.search(name)
        and all(float(text).is_integer() for text in columns[i])
    ]
    losses, called = chosen({i: name for i, name in names.items() if i not in whole})
    bare = not any(map(WORD.search, names.values()))
    epochs = [i for i in whole if EPOCH.search(names[i])] + [
        i
        for i in whole
        if (called or bare or WORD.search(names[i])) and not re.search("[A-Za-z_]$", names[i])
    ]
    epoch = next((i for i in epochs if grows(columns[i])), None)
    alone = len(columns) == 1 and re.fullmatch(r"[\s()]*", "".join(texts[0]))
    if epoch is None and not (losses and (called or alone)):
        return []
    found = list(zip(*(columns[i] for i in losses))) or [()] * len(lines)
    if epoch is None:
        return [Row(place, None, row) for place, row in zip(places, found)]
    epochs = [int(float(text)) for text in columns[epoch]]
    return one_an_epoch([Row(*row) for row in zip(places, epochs, found)], steps)


def names_of(texts, above):
    """Return {column: name} of a line's numbers, but for those that are neither epoch nor loss.

    Numbers without words, below a line of names, have these: a data frame's index has none.
    """
    names = texts[:-1]
    cells = [cell for cell in re.split(r"[|,;\t]|\s{2,}", above) if WORD.search(cell)]
    index = len(names) - len(cells)
    if index in (0, 1) and (len(cells) > 1 or above[:1] == " "):
        names = names if any(map(WORD.search, names)) else ["index"] * index + cells
    return {i: name for i, name in enumerate(names) if not OTHER.search(LOSS.split(name)[0])}


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


def grows(texts):
    """Tell whether numbers grow from line to line, and more often than they begin anew."""
    steps = [float(b) - float(a) for a, b in pairwise(texts)]
    return sum(step > 0 for step in steps) > sum(step < 0 for step in steps)


def one_an_epoch(rows, steps):
    """Return Rows with epochs so that each epoch has one; `steps` are those of their bars.

    What is printed again counts once, and what is written over counts as it stands last; a bar that
    has ended is drawn once more, a step further, with the last row's losses. What is left are an
    epoch's row, or two rows with a loss each, or the rows of its batches, which have no epoch.
    """
    epochs = []
    for (epoch, last_step), drawn in groupby(
        zip(rows, steps), key=lambda pair: (pair[0].epoch, pair[1])
    ):
        last = {row.place if last_step is None else "bar": row for row, _ in drawn}
        once = list({row.losses: row for row in last.values()}.values())
        ended = epochs and epoch == last_step and () != once[0].losses == epochs[-1][0].losses
        epochs += [] if ended else [once]
    usual = sorted(map(len, epochs))[len(epochs) // 2]
    if usual == 2 and len(rows[0].losses) == 1:
        return in_pairs([row for once in epochs if len(once) == 2 for row in once])
    each = [row for once in epochs for row in once]
    return each if usual == 1 else [row._replace(epoch=None) for row in each]


def in_pairs(rows):
    """Return Rows each of which has the losses of two."""
    return [a._replace(losses=a.losses + b.losses) for a, b in zip(rows[::2], rows[1::2])]


def together(alike):
    """Return the Rows of all forms; where lines of two or three forms are one row, joined."""
    found = []
    for rows in sorted(alike, key=lambda rows: rows[0].place):
        for above in sorted(found[::-1], key=lambda above: abs(len(above) - len(rows))):
            if joined := joined_with(above, rows):
                if len(joined[0].losses) > len(rows[0].losses):
                    found.remove(above)
                rows = joined
                break
        found.append(rows)
    return found


def joined_with(above, below):
    """Return the Rows of two forms, where each of `below` has one of `above` before it, or none.

    Lines that take turns are one row, with the losses of both; a training that was interrupted
    lacks the last. Where only some lines of `above` have one below, they lend it their epochs.
    """
    places = [row.place for row in above]
    own = [bisect(places, row.place) - 1 for row in below]
    if own[::2] == own[1::2]:  # the same words for the train and the test loss
        below, own = in_pairs(below), own[::2]
    pairs = [(above[i], row) for i, row in zip(own, below)]
    a, b = pairs[0]
    turns = own == list(range(len(own))) and len(above) - len(own) < 2
    fit = turns and all(None in (a.epoch, b.epoch) or a.epoch == b.epoch for a, b in pairs)
    lent = a.epoch is not None and b.epoch is None and all(i < j for i, j in pairwise(own))
    if not (fit and (b.losses or a.epoch is None) or lent) or not 0 < len(a.losses + b.losses) < 3:
        return []
    return [
        Row(
            a.place if turns and a.losses else b.place,
            a.epoch if b.epoch is None else b.epoch,
            a.losses * turns + b.losses,
        )
        for a, b in pairs
    ]
