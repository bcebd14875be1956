"""Why does my run print these numbers? From a table's rows to the settings that print them."""

from typing import NamedTuple

from check.notebook.code import Code
from check.notebook.runs import Settings, simulate
from check.notebook.search import find
from check.notebook.tables import Table, read
from check.notebook.words import NOT_EXPLAINED, answer, not_explained

__all__ = ["Explanation", "Settings", "Table", "explain", "read", "simulate"]


class Explanation(NamedTuple):
    """The settings that print a table, None if none were found; the words; a cause to count."""

    settings: Settings | None
    words: str
    cause: str = NOT_EXPLAINED


def explain(table):
    """Return the Explanation of a Table: what prints exactly its rows, in a beginner's words."""
    try:
        found, search = find(table.rows, Code(table.hints, table.places))
    except ValueError as error:
        return Explanation(None, f"Not explained: {error}.")
    rows = len(search.printed.rows)
    count = f"{rows} row{'s' * (rows > 1)}."
    if found is None:
        return Explanation(None, f"{count} {not_explained(search)}")
    words, cause = answer(found, search)
    return Explanation(found.settings, f"{count} {words}", cause)
