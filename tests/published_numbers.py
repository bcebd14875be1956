"""The numbers that the tutorials print, where our programs print them, and how far apart."""

import json
import platform
import re
from pathlib import Path
from typing import NamedTuple

from drift import float32_steps

FOLDER = Path(__file__).parent / "published"
PUBLISHED = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FOLDER.glob("*.json"))
}
X86 = platform.machine().lower() in ("x86_64", "amd64")

# Settings and counts of a run: they go in, the numbers beside them come out.
SETTINGS = {
    "epochs", "lr", "every", "columns", "samples", "seeded", "device", "recovered_initial_float32"
}  # fmt: skip

HEADINGS = {
    ("workflow_notebook", "01_data"): {
        "1_data": "1. Data: the first ten features X and labels y",
        "1_split": "1. Data: lengths of X_train, y_train, X_test, y_test",
    },
    ("workflow_notebook", "02_model"): {
        "2_parameters": "2. Build model: parameters of the untrained model",
        "2_initial_parameters": "2. Build model: state_dict of the untrained model",
        "2_untrained_predictions": "2. Build model: predictions of the untrained model",
        "2_untrained_residuals": "2. Build model: y_test - y_preds",
    },
    ("workflow_notebook", "03_train"): {
        "3_training": "3. Train model: losses",
        "3_learned_parameters": "3. Train model: learned parameters",
        "3_true_parameters": "3. Train model: true parameters",
    },
    ("workflow_notebook", "04_infer"): {
        "4_predictions": "4. Make predictions: predictions of the trained model",
    },
    ("workflow_notebook", "05_save_load"): {
        "5_loaded_predictions_equal": "5. Load model: predictions equal those before saving",
    },
    ("workflow_notebook", "06_all_together"): {
        "6_data": "6.1 Data: the first ten features X and labels y",
        "6_split": "6.1 Data: lengths of X_train, y_train, X_test, y_test",
        "6_initial_parameters": "6.2 Build model: "
        "the layers, and the state_dict of the untrained model",
        "6_training": "6.3 Training: losses",
        "6_learned_parameters": "6.3 Training: learned parameters",
        "6_true_parameters": "6.3 Training: true parameters",
        "6_predictions": "6.4 Making predictions: predictions of the trained model",
        "6_loaded_predictions_equal": "6.5 Saving and loading: "
        "predictions equal those before saving",
    },
    ("todays_edition", "06_all_together"): {
        "6_training": "6.3 Training: losses",
    },
    ("author_solutions", "07_exercises"): {
        "1_data": "Exercise 1. Data: the first ten features X and labels y",
        "2_initial_parameters": "Exercise 2. nn.Parameter: state_dict of the untrained model",
        "3_training": "Exercise 3. nn.Parameter: losses",
        "4_predictions": "Exercise 4. nn.Parameter: predictions of the trained model",
        "5_loaded_parameters": "Exercise 5. nn.Parameter: "
        "the loaded model; do its predictions equal?",
        "5_loaded_predictions_equal": "Exercise 5. nn.Parameter: "
        "the loaded model; do its predictions equal?",
    },
    ("exercise_solutions", "07_exercises"): {
        "1_data": "Exercise 1. Data: the first ten features X and labels y",
        "2_initial_parameters": "Exercise 2. nn.Linear: state_dict of the untrained model",
        "2_parameters_on_the_device": "Exercise 2. nn.Linear: "
        "device of the model, and its parameters on the device",
        "3_training": "Exercise 3. nn.Linear: losses",
        "4_predictions": "Exercise 4. nn.Linear: predictions of the trained model",
        "5_loaded_parameters": "Exercise 5. nn.Linear: the loaded model; do its predictions equal?",
        "5_loaded_predictions_equal": "Exercise 5. nn.Linear: "
        "the loaded model; do its predictions equal?",
    },
    ("training_pipeline", "08_training_pipeline"): {
        "1_autograd_manual_update": "1. Autograd, with loss and update by hand",
        "2_torch_loss_and_optimizer": "2. PyTorch's loss and optimizer",
        "3_nn_linear": "3. PyTorch's model",
        "4_custom_module": "4. A model class",
    },
}


class Section(NamedTuple):
    """A section of a tutorial, and the heading under which one of our programs prints it."""

    tutorial: str
    key: str
    program: str
    heading: str

    def __str__(self):
        return f"{self.tutorial} {self.key}"

    def content(self):
        """Return the section as it stands in published/."""
        return PUBLISHED[self.tutorial][self.key]

    def published(self):
        """Return what the tutorial prints: strings with its digits, ints, and truth values."""
        return list(flatten(self.content()))

    def figures(self):
        """Return how many published numbers it has: decimals and truth values, not counts."""
        return sum(map(is_figure, self.published()))

    def numbers_in(self, output):
        """Return the numbers that a program's output has for this section."""
        text = printed_under(self.heading, output)
        if self.tutorial == "todays_edition":  # it prints every 100th epoch, our script every 10th
            text = "".join(re.findall(r"^Epoch: (?:0|\d00) .*\n", text, flags=re.MULTILINE))
        return numbers_in(text, like=self.published())

    def places(self):
        """Return for each number where it stands: "epoch 20" and a column, or a position."""
        content = self.content()
        if not isinstance(content, dict) or "rows" not in content:
            return [(f"number {i}", self.key) for i, _ in enumerate(self.published(), start=1)]
        rows = [
            (f"epoch {row[0]}", column) for row in content["rows"] for column in content["columns"]
        ]
        before = [("before training", "f(5)")] * ("before f(5)" in content)
        after = [("after training", "f(5)")] * ("after f(5)" in content)
        return [*before, *rows, *after]


SECTIONS = [
    Section(tutorial, key, program, heading)
    for (tutorial, program), headings in HEADINGS.items()
    for key, heading in headings.items()
]


def flatten(value):
    """Yield the numbers of a nest of dicts and lists in order, settings left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in SETTINGS:
                yield from flatten(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from flatten(inner)
    else:
        yield value


def is_figure(number):
    """Tell whether it counts as a published number: a decimal or a truth value, not a count."""
    return isinstance(number, str | bool)


def printed_under(heading, output):
    """Return what a program printed between `# heading` and the next heading."""
    _, found, rest = output.partition(f"# {heading}\n")
    assert found, f"no heading '# {heading}' in the output:\n{output}"
    return re.split(r"^# ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def numbers_in(text, like):
    """Return the numbers in a printed text, as the kinds of number in `like` appear."""
    if any(isinstance(number, bool) for number in like):
        return [word == "True" for word in re.findall(r"(?<!=)\b(?:True|False)\b", text)]
    text = re.sub(r"^From epoch .*$", "", text, flags=re.MULTILINE)  # our own line below a table
    whole = r"|(?<![\w.=:])\d+(?![\w.])" if any(isinstance(n, int) for n in like) else ""
    words = re.findall(r"-?\d+\.\d+(?:e[+-]\d+)?" + whole, text.replace("f(5)", "f"))
    return [int(word) if word.isdigit() else word for word in words]


def has_all_digits(number):
    """Tell whether a printed number has the digits that pin down its float32."""
    return isinstance(number, str) and len(number.split(".")[1].rstrip("0")) > 8


def drift_row(section, device, got):
    """Return a section's row of the drift report: the numbers `got` against the published ones."""
    expected = section.published()
    compared = [t for t in zip(got, expected, section.places()) if is_figure(t[1])]
    exact = [(float(g), float(e)) for g, e, _ in compared if has_all_digits(e)]
    steps = [float32_steps(g, e) for g, e in exact]
    wrong = [(g, e, place) for g, e, place in compared if g != e]
    row = dict(
        table="published",
        name=str(section) if device == "cpu" else f"{section}, {device}",
        total=section.figures(),
        equal=len(compared) - len(wrong),
        bits_total=sum(map(has_all_digits, expected)),
        bits=steps.count(0),
        steps=max(steps, default=0),
        difference=max((abs(float(g) - float(e)) for g, e, _ in wrong), default=0.0),
    )
    if wrong:
        g, e, (at, column) = wrong[0]
        row["first"] = dict(at=at, column=column, expected=e, got=g)
    return row
