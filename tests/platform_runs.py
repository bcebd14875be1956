"""How far each published number may be off on this machine: its run here, and the bounds for it."""

from decimal import Decimal
from functools import cache
from importlib import import_module

import numpy as np
import torch
from platform_tolerance import loss_tolerances, mae_bounds, mse_bounds
from published_numbers import has_all_digits

from manual_grad.published_runs import CUSTOM_START, LINEAR_START, published_runs

# The line that a published run learns: weight, bias, and the distance of its x.
LINES = {
    "section 3": (0.7, 0.3, 0.02),
    "section 6": (0.7, 0.3, 0.02),
    "exercise": (0.3, 0.9, 0.01),
    "exercise, author's": (0.3, 0.9, 0.01),
}
TRAINED_WITH_MAE = {
    ("workflow_notebook", "3_training"): "section 3",
    ("workflow_notebook", "3_learned_parameters"): "section 3",
    ("workflow_notebook", "4_predictions"): "section 3",
    ("workflow_notebook", "6_training"): "section 6",
    ("workflow_notebook", "6_learned_parameters"): "section 6",
    ("workflow_notebook", "6_predictions"): "section 6",
    ("todays_edition", "6_training"): "section 6",
    ("exercise_solutions", "3_training"): "exercise",
    ("exercise_solutions", "4_predictions"): "exercise",
    ("exercise_solutions", "5_loaded_parameters"): "exercise",
    ("author_solutions", "3_training"): "exercise, author's",
    ("author_solutions", "4_predictions"): "exercise, author's",
    ("author_solutions", "5_loaded_parameters"): "exercise, author's",
}
# The second tutorial learns y = 2 x at 1, 2, 3, 4; its first two models have no bias.
PIPELINE_STARTS = {
    "1_autograd_manual_update": (0.0,),
    "2_torch_loss_and_optimizer": (0.0,),
    "3_nn_linear": tuple(LINEAR_START.values()),
    "4_custom_module": tuple(CUSTOM_START.values()),
}
PIPELINE_X = np.array([1.0, 2.0, 3.0, 4.0])


def path_on(device, name):
    """Train the tutorial's model of a run there; return parameters and gradients, (epochs, 2)."""
    run = published_runs()[name]
    X, y = run.X.to(device), run.y.to(device)
    with torch.random.fork_rng(devices=[]):
        if name in ("section 6", "exercise"):
            model = import_module("06_all_together").LinearRegressionModelV2()
        else:
            model = import_module("02_model").LinearRegressionModel()
    for parameter, start in zip(model.to(device).parameters(), (run.weight, run.bias)):
        torch.nn.init.constant_(parameter, start)
    optimizer = torch.optim.SGD(model.parameters(), lr=run.lr)
    rows = []
    for _ in range(run.epochs):
        optimizer.zero_grad()
        torch.nn.functional.l1_loss(model(X), y).backward()
        optimizer.step()
        rows.append([(p.item(), p.grad.item()) for p in model.parameters()])
    return np.moveaxis(rows, -1, 0)


@cache
def bounds_of(name):
    """Return the MaeBounds of a published run."""
    run = published_runs()[name]
    return mae_bounds(LINES[name], (run.weight, run.bias), run.lr, run.epochs)


@cache
def tolerances_on(device, name):
    """Return for each loss of a published MAE run how far it may be off there, (epochs, 2)."""
    return loss_tolerances(bounds_of(name), *path_on(device, name))


def pipeline_problem(section):
    """Return A, y, the start, lr and the epochs of a section of the second tutorial."""
    start, content = PIPELINE_STARTS[section.key], section.content()
    A = np.stack([PIPELINE_X, np.ones(4)][: len(start)], axis=1)
    return A, 2 * PIPELINE_X, start, content["lr"], content["epochs"]


@cache
def pipeline_bounds(section):
    """Return mse_bounds of a section of the second tutorial."""
    return mse_bounds(*pipeline_problem(section))


def tolerances(section, device):
    """Return for each published number how far it may be off, beside a unit of its last digit.

    It is infinite where a residual's sign flipped here before, as float32's roundings allow. It is
    0 for all that is no loss: weight, bias and predictions are off by less than a unit.
    """
    places, run = section.places(), TRAINED_WITH_MAE.get((section.tutorial, section.key))
    if section.key in PIPELINE_STARTS:
        losses, _ = pipeline_bounds(section)
        of = {(f"epoch {k}", "loss"): bound for k, bound in enumerate(losses, start=1)}
        return [of.get(place, 0) for place in places]
    if not run:
        return [0] * len(places)
    losses = tolerances_on(device, run)
    columns = ("train loss", "test loss")
    of = {(f"epoch {k}", c): t for k, row in enumerate(losses) for c, t in zip(columns, row)}
    at_the_end = 0 if np.isfinite(losses).all() else np.inf
    return [of.get(place, at_the_end) for place in places]


def agree(got, expected, tolerance=None):
    """Tell whether a printed number is the published one: to the digit, or within a tolerance.

    A number that was rounded to be printed may be off by one unit of its last digit on top.
    """
    if tolerance is None or not isinstance(expected, str) or not isinstance(got, str):
        return got == expected
    unit = 0 if has_all_digits(expected) else Decimal(10) ** -len(expected.split(".")[1])
    return abs(Decimal(got) - Decimal(expected)) <= Decimal(tolerance) + unit
