"""The numbers that the tutorials print, where our programs print them, and how far apart."""

import json
import platform
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tolerances import LOSS_ON_ANOTHER_PLATFORM

FOLDER = Path(__file__).parent / "published"
PUBLISHED = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
X86 = platform.machine().lower() in ("x86_64", "amd64")

# Settings and counts of a run: they go in, the numbers beside them come out.
SETTINGS = {"epochs", "lr", "every", "columns", "samples", "seeded", "recovered_initial_float32"}


class Section(NamedTuple):
    """A section of a tutorial, and the heading under which one of our programs prints it."""

    tutorial: str
    key: str
    program: str
    heading: str

    def __str__(self):
        return f"{self.tutorial}:{self.key}"

    def published(self):
        """Return what the tutorial prints: strings with its digits, ints, and truth values."""
        return list(flatten(PUBLISHED[self.tutorial][self.key]))


SECTIONS = [
    Section(tutorial, key, program, heading)
    for (tutorial, program), headings in {
        ("workflow_notebook", "01_data"): {
            "1_data": "1. Data: the first ten features X and labels y",
            "1_split": "1. Data: lengths of X_train, y_train, X_test, y_test",
        },
        ("workflow_notebook", "02_model"): {
            "2_initial_parameters": "2. Build model: state_dict of the untrained model",
            "2_untrained_predictions": "2. Build model: predictions of the untrained model",
            "2_untrained_residuals": "2. Build model: residuals y_test - y_preds",
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
            "6_initial_parameters": "6.2 Build model: state_dict of the untrained model",
            "6_training": "6.3 Training: losses",
            "6_learned_parameters": "6.3 Training: learned parameters",
            "6_true_parameters": "6.3 Training: true parameters",
            "6_predictions": "6.4 Making predictions: predictions of the trained model",
            "6_loaded_predictions_equal": "6.5 Saving and loading: "
            "predictions equal those before saving",
        },
        ("exercise_solutions", "07_exercises"): {
            "1_data": "Exercise 1. Data: the first ten features X and labels y",
            "2_initial_parameters": "Exercise 2. Build model: state_dict of the untrained model",
            "3_training": "Exercise 3. Train model: losses",
            "4_predictions": "Exercise 4. Make predictions: predictions of the trained model",
            "5_loaded_parameters": "Exercise 5. Load model: state_dict of the loaded model",
            "5_loaded_predictions_equal": "Exercise 5. Load model: "
            "predictions equal those before saving",
        },
        ("training_pipeline", "training_pipeline"): {
            "1_autograd_manual_update": "1. Autograd, with loss and update by hand",
            "2_torch_loss_and_optimizer": "2. PyTorch's loss and optimizer",
            "3_nn_linear": "3. PyTorch's model",
            "4_custom_module": "4. A model class",
        },
    }.items()
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
    """Tell whether it counts as a published figure: a decimal or a truth value, not a count."""
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
    whole = r"|(?<![\w.=:])\d+(?![\w.])" if any(isinstance(n, int) for n in like) else ""
    words = re.findall(r"-?\d+\.\d+(?:e[+-]\d+)?" + whole, text.replace("f(5)", "f"))
    return [int(word) if word.isdigit() else word for word in words]


def float32_steps(a, b):
    """Return how many float32 numbers lie between two numbers, the second counted in."""
    bits = np.array([a, b], np.float32).view(np.int32).astype(np.int64)
    first, second = np.where(bits < 0, -(2**31) - bits, bits)
    return abs(int(first) - int(second))


def has_all_digits(number):
    """Tell whether a printed number has the digits that pin down its float32."""
    return isinstance(number, str) and len(number.split(".")[1].rstrip("0")) > 8


def agree(got, expected, exact):
    """Tell whether a printed number is the published one: to the digit, or within the tolerance."""
    if exact or not isinstance(expected, str) or not isinstance(got, str):
        return got == expected
    last_digit = 0 if has_all_digits(expected) else 10.0 ** -len(expected.split(".")[1])
    tolerance = LOSS_ON_ANOTHER_PLATFORM * max(1, abs(float(expected)))
    return abs(float(got) - float(expected)) <= tolerance + 1.01 * last_digit


class Drift(NamedTuple):
    """How far one section's printed numbers are from the published ones."""

    section: str
    device: str
    numbers: int
    to_the_digit: int
    with_all_digits: int
    to_the_bit: int
    steps: int


def measure(section, device, got, expected):
    """Return the Drift of the figures `got` against those `expected`."""
    pairs = [(g, e) for g, e in zip(got, expected) if is_figure(e)]
    steps = [float32_steps(float(g), float(e)) for g, e in pairs if has_all_digits(e)]
    return Drift(
        section=str(section),
        device=device,
        numbers=sum(map(is_figure, expected)),
        to_the_digit=sum(g == e for g, e in pairs),
        with_all_digits=sum(has_all_digits(e) for e in expected),
        to_the_bit=steps.count(0),
        steps=max(steps, default=0),
    )
