"""The oldest torch and NumPy on which every test holds."""

import re

OLDEST = {"torch": "2.2.1", "NumPy": "1.26.0"}


def too_old(**found):
    """Return one line that says what is too old for these tests, or None if nothing is.

    `found` holds the versions: torch="2.13.0+cpu", NumPy="2.4.6".
    """
    for name, version in found.items():
        if numbers(version) < numbers(OLDEST[name]):
            return f"the tests need {name} {OLDEST[name]} or newer, this is {name} {version}"
    if numbers(found["torch"]) < (2, 3) and numbers(found["NumPy"]) >= (2,):
        return "torch {torch} can't use NumPy {NumPy}: install 'numpy<2'".format(**found)
    return None


def numbers(version):
    """Return the leading numbers of a version: (2, 13, 0) for "2.13.0+cpu", (2, 9) for "2.9rc1"."""
    return tuple(map(int, re.match(r"\d+(\.\d+)*", version)[0].split(".")))
