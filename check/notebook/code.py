"""What a notebook's code means, in the terms of Settings: what it says, contradicts or leaves open.

The code is a hint on where to search, and no proof: cells run in another order than they stand in,
and were changed after they had run. Therefore a table's settings are what prints its rows.
"""

from itertools import product

from check.notebook.hints import Said
from check.notebook.runs import OPTIMIZERS, TRAINED, Settings

MOST_POINTS = 2000  # points in X: more would take long
LOSS_CLASSES = {"L1Loss": "mae", "MSELoss": "mse", "HuberLoss": "huber", "SmoothL1Loss": "huber"}


def range_of(text):
    """Return X of "arange(0, 1, 0.02)" or "linspace(0, 1, 50)" as Settings have it."""
    name, given = text.rstrip(")").split("(")
    given = [float(number) for number in given.split(",")]
    if name == "linspace":
        start, end, points = given
        X = name, start, end, int(points)
    else:
        X = start, end, step = {1: (0.0, *given, 1.0), 2: (*given, 1.0), 3: (*given,)}[len(given)]
        points = (end - start) / step
    return X if 2 <= points <= MOST_POINTS else None


def number(value):
    return value if abs(value) <= 1e6 else None


# A field of Settings: the code's names for it, and what a value means there, if anything
MEANT = {
    "X": (("X",), range_of),
    "weight": (("weight", "weights", "w"), number),
    "bias": (("bias", "b"), number),
    "split": (("split",), lambda share: share if 0.05 <= share <= 0.99 else None),
    "loss": (("loss",), LOSS_CLASSES.get),
    "optimizer": (("optimizer",), {name: name for name in OPTIMIZERS}.get),
    "lr": (("lr",), number),
    "momentum": (("momentum",), number),
    "trains": (("trains",), {name: name for name in TRAINED}.get),
    "zero_grad": (("zero_grad",), {True: True, False: False}.get),
}
# What a column can be, the tutorial's own first
COLUMN_NAMES = {
    "train": ("train", "train after", "X_train", "test"),
    "test": ("test", "test before", "X_test", "X_test before", "itself", "train", "train after"),
}


def meant(field, value):
    """Return what a value of the code means as this field, or None: code can say anything."""
    try:
        return MEANT[field][1](value)
    except (KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError, AttributeError):
        return None


class Code:
    """What the code above a table says: `hints` has the last values, `places` all and where."""

    def __init__(self, hints, places):
        self.said = {key: [Said(value)] for key, value in hints.items()} | dict(places)

    def places(self, key):
        """Return all Said of a key that are what they should be, in the order of the code."""
        found = self.said.get(key, ())
        if key in ("seed", "epochs"):
            return [s for s in found if type(s.value) is int and 0 <= s.value < 2**63]
        if key == "parameters":
            return [
                s for s in found if isinstance(s.value, list) and {*map(type, s.value)} <= {str}
            ]
        return [said for said in found if said.value is not None]

    def all(self, key):
        return [said.value for said in self.places(key)]

    def last(self, key):
        return (self.all(key) or [None])[-1]

    def values(self, field):
        """Return pairs of what the code says of a field, in the terms of Settings, and the Said."""
        places = [said for key in MEANT.get(field, ((),))[0] for said in self.places(key)]
        pairs = [(meant(field, said.value), said) for said in places]
        return [(value, said) for value, said in pairs if value is not None]

    def settings(self):
        """Return the Settings that the code means last, one for each line that it names."""
        fields = {field: values[-1][0] for field in MEANT if (values := self.values(field))}
        if self.places("swapped"):
            fields["split"] = round(fields.get("split", 0.8) - 1, 9)
        columns = [self.last(key) for key in COLUMN_NAMES]
        usual = zip(columns, COLUMN_NAMES.values())
        fields["columns"] = tuple(name if name in names else names[0] for name, names in usual)
        lines = [self.line("weight"), self.line("bias")]
        return [Settings(**fields)._replace(weight=w, bias=b) for w, b in product(*lines)]

    def line(self, field):
        """Return the last number of each of the code's names for the line's weight or bias."""
        said = [meant(field, self.last(key)) for key in MEANT[field][0]]
        return list(dict.fromkeys(v for v in said if v is not None)) or [getattr(Settings(), field)]

    def on(self, field, found):
        """Return (says, Said): whether the code says this field's value, and the last place.

        `says` is None, and so is the Said, where the code is silent; it is False where the code
        says other values alone.
        """
        wanted = getattr(found.settings, field)
        if field == "columns":
            return self.on_columns(wanted)
        if field == "start":
            return self.on_start(found.start)
        if field == "split" and wanted < 0:
            swapped = self.places("swapped")
            return (True, swapped[-1]) if swapped else (None, None)
        values = self.values(field)
        same = [said for value, said in values if value == wanted]
        return (bool(same), (same or [said for _, said in values])[-1]) if values else (None, None)

    def on_columns(self, columns):
        found, roles = (None, None), [*COLUMN_NAMES.items()]
        if len(columns) == 1 and columns[0] in COLUMN_NAMES["test"][:5]:
            roles = roles[1:]  # a test loss alone
        for name, (key, names) in zip(columns, roles):
            said = [s for s in self.places(key) if s.value in names]
            same = [s for s in said if s.value == name]
            if said and not same:
                return False, said[-1]
            if same and name != names[0]:
                found = True, same[-1]
        return found

    def on_start(self, start):
        """Return (says, Said) of a start that a seed draws: by the seed, and the class's draws."""
        if start is None or start.seed is None:
            return None, None
        seeds, classes = self.places("seed"), self.places("parameters")
        drawn = [["Linear"]] if start.draws[0] == "Linear" else [list(start.draws)]
        drawn += [drawn[0][::-1]] * start.bias_first
        for said, wanted in ((seeds, [start.seed]), (classes, drawn)):
            if said and not any(s.value in wanted for s in said):
                return False, said[-1]
        plain = not (start.bias_first or start.before or start.device == "cuda")
        right = [s for s in seeds if s.value == start.seed] if plain and classes else []
        if start.seed == 42:  # the tutorial's: the class is what differs
            right = [s for s in classes if right and s.value in drawn]
        return (True, right[-1]) if right else (None, None)
