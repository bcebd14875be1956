"""docs/performance.md: the table on paper, computed again from the assumptions that it states."""

import re
from math import log2

import pytest
from problems import ROOT

from beyond import numpy_blocks

PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
BYTES, RATE, MEMORY, STORAGE, MESSAGE, SUMS = 8, 1e9, 64e9, 2e9, 50e-6, 24


def with_unit(number, units):
    """Return a number with three digits, in the largest unit that it reaches."""
    unit, size = next((u, s) for u, s in units.items() if number >= s or s == min(units.values()))
    return f"{number / size:.3g} {unit}"


def seconds(number):
    return with_unit(number, {"h": 3600, "s": 1, "ms": 1e-3, "us": 1e-6}) if number else "-"


def size(number):
    return with_unit(number, {"TB": 1e12, "GB": 1e9, "MB": 1e6, "kB": 1e3, "bytes": 1})


def paper_rows():
    """Return the rows of the table, from the assumptions."""
    rows = []
    for exponent in (9, 11, 13):
        for machines in (1, 64, 4096):
            share = 10**exponent / machines * BYTES
            source = "memory" if share <= MEMORY else "storage"
            reading = max(share / BYTES / RATE, share / STORAGE if source == "storage" else 0)
            tree, ring = 2 * log2(machines) * MESSAGE, 2 * (machines - 1) * MESSAGE
            sent = 2 * (machines - 1) * SUMS
            cells = [f"10^{exponent}", f"{machines:,}", size(share), source, seconds(reading)]
            cells += [seconds(tree), seconds(ring), size(sent) if sent else "-"]
            rows.append("| " + " | ".join([*cells, seconds(reading + tree)]) + " |")
    return rows


def test_the_table_on_paper_follows_from_its_assumptions():
    lines = PAGE.split("## Past these machines")[1].splitlines()
    table = [line for line in lines if line.startswith("| 10^")]
    assert table == paper_rows()


@pytest.mark.parametrize(
    "assumption",
    ["A point is 8 bytes", "1,000,000,000 points a second, which is 8 GB/s", "64 GB of data in",
     "at 2 GB/s", "24 bytes", "A message takes 50 us", "2 log2(machines)", "2 (machines - 1)"],
)  # fmt: skip
def test_the_assumptions_are_stated(assumption):
    assert assumption in " ".join(PAGE.split())


def test_the_numbers_in_the_text_follow_too():
    text = " ".join(PAGE.split())
    assert f"works on {numpy_blocks.BLOCK:,} points at a time" in text
    assert f"at most {numpy_blocks.LONGEST_CHAIN} additions one after the other" in text
    measured = re.search(r"^\| 10,000,000 \| ([\d,]+) us", PAGE, re.MULTILINE)[1]
    assert f"10 million points in {float(measured.replace(',', '')) / 1000:.1f} ms" in text
    hours = 3 * 365 * 24 / 4096
    assert f"fails once in three years, one of 4,096 fails every {hours:.1f} hours" in text
    assert f"it would take {2 * 4095 * MESSAGE:.1f} s for 24 bytes" in text
    assert f"10^13 points on 64 machines are {1e13 / 64 * BYTES / 1e12:.2f} TB each" in text
