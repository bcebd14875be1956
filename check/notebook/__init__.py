"""Why does my run print these numbers? From a table's rows to the settings that print them."""

from typing import NamedTuple

from check.notebook.runs import Settings, simulate
from check.notebook.search import find
from check.notebook.tables import Table, read
from check.notebook.words import (
    CAUSES,
    differences,
    every_row,
    first_column,
    in_words,
    not_explained,
    same_row,
)

__all__ = ["Explanation", "Settings", "Table", "explain", "read", "simulate"]


class Explanation(NamedTuple):
    """The settings that print a table, None if none were found; the words; a cause to count."""

    settings: Settings | None
    words: str
    cause: str = "not explained"


TUTORIALS, OWN_START = "as the tutorial", "a start of its own"


def explain(table):
    """Return the Explanation of a Table: what prints exactly its rows, in a beginner's words."""
    try:
        found, search = find(table.rows, table.hints)
    except ValueError as error:
        return Explanation(None, f"Not explained: {error}.")
    rows = len(search.printed.rows)
    count = f"{rows} row{'s' * (rows > 1)}."
    if found is None:
        return Explanation(None, f"{count} {first_column(search) or not_explained(search)}")
    run, changed = differences(found)
    near = every_row(found, search)
    if found.own and found.settings.trains == "nothing":
        words, cause = same_row(search.printed.epochs), "one row again and again"
    elif not found.own and not changed:
        words, cause = f"These are the tutorial's numbers ({run}). {near}", TUTORIALS
    else:
        words = f"{in_words(found, search)} {near}"
        cause = OWN_START if found.own else next(CAUSES[name] for name in CAUSES if name in changed)
    return Explanation(found.settings, f"{count} {words}", cause)
