"""Why does my run print these numbers? Compare a notebook's loss tables with the tutorial's.

    python -m check.notebook my.ipynb           a notebook, with its outputs
    python -m check.notebook run.txt            what a run printed; - reads it from a pipe
    python -m check.notebook folder             its notebooks: a line a table, then a summary

Training here is deterministic: the data, the model's start, the loss, the optimizer and the loop
decide every digit. So for each table of losses the settings are found that print exactly these
rows, and what differs from the tutorial is said, with the cell and the line of the code that says
the same, or contradicts it. The code is read, and is never run. All rows have to follow: each
number as it is printed, or but for its last digits, which another CPU or a GPU may round otherwise
(by 2e-6 at most; 2e-5 for MSE; more in long runs without zero_grad). Under MAE, rounding can also
flip the sign of a residual near 0, and a few numbers may then be off by what that moves a step. If
any other number is off, the answer is "not explained".

The exit status is 0 if all tables are the tutorial's, 1 if one isn't, 2 if a file can't be checked.
"""

import sys
from glob import escape, glob
from pathlib import Path

if not __package__:  # started by its file name, as an editor's run button does
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from check.loading import NOT_CHECKED, NOT_RIGHT, RIGHT
from check.notebook import explain, read
from check.notebook.words import AS_SAID, NOT_EXPLAINED, TUTORIALS
from manual_grad import program


def main(files):
    """Print an answer for each table of each file, and end with the exit status."""
    causes, unread, files = {}, [], [file for name in files for file in files_of(name)]
    for place, file in enumerate(files, start=1):
        if sys.stderr.isatty():
            print(f"\r{place} of {len(files)}: {file}\x1b[K\r", end="", file=sys.stderr, flush=True)
        try:
            tables = read(file)
        except (OSError, ValueError, RecursionError) as error:
            words = error.strerror if isinstance(error, OSError) and error.strerror else error
            print(f"{file}: {words}", file=sys.stderr)
            unread.append(file)
            continue
        for table in tables:
            explanation = explain(table)
            print(f"{table.where}: {explanation.words}", flush=True)
            causes.setdefault(explanation.cause, []).append(file)
    if len(files) > 1:
        print_summary(len(files), causes, unread)
    right = causes.keys() <= {TUTORIALS}
    sys.exit(NOT_CHECKED if unread else RIGHT if right else NOT_RIGHT)


def files_of(name):
    """Return the files that a name means: a folder's notebooks, or a pattern's files, or itself."""
    pattern = f"{escape(name)}/*.ipynb" if Path(name).is_dir() else name
    return sorted(str(Path(file)) for file in glob(pattern)) or [
        name
    ]  # Windows leaves *.ipynb as it is


def print_summary(count, causes, unread):
    """Print the tables in their kinds, and of each kind the causes, the most frequent first."""
    print(f"\n{count} files, {sum(map(len, causes.values()))} tables")
    said = [cause for cause in causes if cause.endswith(AS_SAID)]
    others = [cause for cause in causes if cause not in (TUTORIALS, NOT_EXPLAINED, *said)]
    for title, kind in (
        ("the tutorial's numbers", [TUTORIALS]),
        ("a choice, which the notebook's own code says", said),
        ("a slip, or what the code doesn't say", others),
        (NOT_EXPLAINED, [NOT_EXPLAINED]),
    ):
        print(f"{sum(len(causes.get(cause, ())) for cause in kind):>4} {title}")
        for cause in sorted(kind, key=lambda cause: -len(causes.get(cause, ()))):
            if cause in causes and cause != TUTORIALS:
                files = ", ".join(dict.fromkeys(causes[cause]))
                print(f"{len(causes[cause]):>8} {cause.removesuffix(AS_SAID)} ({files})")
    if unread:
        print(f"{len(unread):>4} files can't be checked ({', '.join(unread)})")


if __name__ == "__main__":
    files = dict(nargs="+", help="a notebook (.ipynb), what a run printed (.txt), a folder, or -")
    program.run(main, __doc__, [("files", files)])
