"""SGD, RMSprop, Adam and AdamW by hand stay with torch.optim's, and name what they refuse."""

import inspect
import itertools

import numpy as np
import pytest
import torch

from manual_grad import optimizers

# The same float64 gradients on both sides, relative to the largest parameter. A step rounds about
# ten numbers by 2^-53. The averages and the momentum keep each rounding for up to 1000 steps.
STEPS = 1000 * 1000 * 2.0**-53

TWICE = "share memory, which each step would change twice: give it once"
EACH = pytest.mark.parametrize("name", ["SGD", "RMSprop", "Adam", "AdamW"])
OF_ADAM = dict(betas=[(0.9, 0.999), (0.0, 0.5)], eps=[1e-8, 0.1], weight_decay=[0, 0.1])
OPTIONS = {
    "SGD": dict(momentum=[0, 0.9], dampening=[0.3, 0], weight_decay=[0, 0.1])
    | dict(nesterov=[False, True]),
    # An alpha or beta2 of 0 would divide by the size of one gradient, and enlarge its last bit.
    "RMSprop": dict(alpha=[0.99, 0.5], eps=[1e-8, 0.1], weight_decay=[0, 0.1], momentum=[0, 0.9])
    | dict(centered=[False, True]),
    "Adam": OF_ADAM,
    "AdamW": OF_ADAM,
}


@EACH
def test_all_combinations_of_options_stay_with_torch_optim_and_the_last_for_1000_steps(name):
    cases = [dict(zip(OPTIONS[name], case)) for case in itertools.product(*OPTIONS[name].values())]
    for options in cases:
        if options.get("nesterov") and (options["dampening"] or not options["momentum"]):
            continue
        rng = np.random.default_rng(0)
        ours = [rng.normal(size=3), rng.normal(size=(2, 2))]
        theirs = [torch.tensor(start, requires_grad=True) for start in ours]
        optimizer = getattr(optimizers, name)(iter(ours), lr=0.05, **options)
        reference = getattr(torch.optim, name)(theirs, lr=0.05, **options)
        by_hand, by_torch = [], []
        for _ in range(1000 if options == cases[-1] else 12):
            grads = [rng.normal(size=param.shape) for param in ours]
            for param, grad in zip(theirs, grads):
                param.grad = torch.tensor(grad)
            optimizer.step(iter(grads))
            reference.step()
            by_hand.append(np.concatenate(ours, axis=None))
            by_torch.append(np.concatenate([param.detach() for param in theirs], axis=None))
        atol = STEPS * np.abs(by_torch).max()
        np.testing.assert_allclose(by_hand, by_torch, rtol=0, atol=atol, err_msg=str(options))
        assert all((a == b.grad.numpy()).all() for a, b in zip(grads, theirs)), "left as they were"


@EACH
def test_names_order_and_defaults_of_the_arguments_are_torchs(name):
    ours, torchs = (
        [(one.name, one.default) for one in inspect.signature(optimizer).parameters.values()]
        for optimizer in (getattr(optimizers, name), getattr(torch.optim, name))
    )
    assert ours == torchs[: len(ours)]


def test_nesterovs_parameter_is_the_textbooks_look_ahead_point():
    slope, lr, momentum = np.array([3.0, 0.5]), 0.1, 0.9  # the gradient is slope * parameter
    theta, phi, b = np.array([1.0, -2.0]), np.array([1.0, -2.0]), 0
    optimizer = optimizers.SGD([theta], lr, momentum, nesterov=True)
    for _ in range(50):
        optimizer.step([slope * theta])
        b = momentum * b + slope * (phi - lr * momentum * b)
        phi = phi - lr * b
        np.testing.assert_allclose(theta, phi - lr * momentum * b, rtol=0, atol=1000 * 2.0**-53)


@EACH
def test_float32_stays_float32_also_where_the_gradient_is_the_parameter_itself(name):
    ours, exact = np.ones(3, np.float32), np.ones(3)
    optimizer, other = (getattr(optimizers, name)([one], weight_decay=0.1) for one in (ours, exact))
    for _ in range(3):
        optimizer.step([ours])
        other.step([exact.copy()])
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, exact, rtol=30 * 2.0**-24)


@EACH
def test_options_changed_between_steps_do_what_torchs_do(name):
    """SGD starts without a momentum; RMSprop with one, because in torch it can't come in later."""
    theirs = torch.tensor(ours := np.array([1.0, -2.0, 3.0]), requires_grad=True)
    choices = OPTIONS[name] | dict(lr=[0.05, 0.01])
    options = {key: choice[0 if name == "SGD" else -1] for key, choice in choices.items()}
    optimizer = getattr(optimizers, name)([ours], **options)
    reference = getattr(torch.optim, name)([theirs], **options)
    rng = np.random.default_rng(0)
    for _ in range(30):
        grad = rng.normal(size=3)
        theirs.grad = torch.tensor(grad)
        optimizer.step([grad])
        reference.step()
        np.testing.assert_allclose(ours, theirs.detach(), rtol=0, atol=STEPS, err_msg=str(options))
        options = {key: choice[rng.integers(2)] for key, choice in choices.items()}
        vars(optimizer).update(options)
        reference.param_groups[0].update(options)


@pytest.mark.parametrize(("dtype", "count"), [("float32", 0), ("float64", 7)])
def test_centered_rmsprop_becomes_nan_as_its_docstring_says(dtype, count):
    params, grads = np.zeros(40, dtype), (np.arange(1, 41) / 40).astype(dtype)
    optimizer = optimizers.RMSprop([params], centered=True)
    with np.errstate(invalid="ignore"):
        for step in range(1, 3400):
            optimizer.step([grads])
            assert step >= 3212 or np.isfinite(params).all()
    assert np.isnan(params).sum() == count


def refused(error, message, function, *arguments, **options):
    with pytest.raises(error) as raised:
        function(*arguments, **options)
    assert str(raised.value) == message


@EACH
def test_each_bad_argument_is_named(name):
    make, good, one = getattr(optimizers, name), [np.ones(2)], np.ones(6)
    table = np.ones((2, 3))
    for error, message, params in (
        (TypeError, "params must be a list of arrays, not NoneType", None),
        (TypeError, "params must be a list of arrays, not ndarray", table),
        (ValueError, "params is empty: give at least one array to optimize", []),
        (TypeError, "params[0] must be a plain array, not list", [[1.0, 2.0]]),
        (TypeError, "params[1] must be a plain array, not float64", [one, one.sum()]),
        (TypeError, "params[0] must be a plain array, not MaskedArray", [np.ma.array(one)]),
        (TypeError, "params[0] must hold float32 or float64, not int64", [one.astype("int64")]),
        (TypeError, "params[0] must hold float32 or float64, not float16", [one.astype("f2")]),
        (ValueError, "params[0] is read-only: give a copy", [np.broadcast_to(1.0, 2)]),
        (ValueError, f"params[0] and params[1] {TWICE}", [one, one]),
        (ValueError, f"params[0] and params[2] {TWICE}", [one[:4], table, one[3:]]),
        (ValueError, f"params[1] and params[2] {TWICE}", [one[::2], one[1::2], one[3::3]]),
    ):
        refused(error, message, make, params)
    make([one[::2], one[1::2], *table, *np.ones((3, 2)).T])  # no two of these share an element
    for option, one in list(inspect.signature(make).parameters.items())[1:]:
        if option == "betas":
            for bad in (0.9, (0.9,), (0.9, 0.9, 0.9), "ab", None):
                message = f"betas must be two numbers, as in (0.9, 0.999), not {bad!r}"
                refused(TypeError, message, make, good, betas=bad)
            for bad in (1, -0.1, float("nan")):
                message = f"must be 0 or more and below 1, not {bad}"
                refused(ValueError, f"betas[0] {message}", make, good, betas=(bad, 0.9))
                refused(ValueError, f"betas[1] {message}", make, good, betas=[0.9, bad])
        elif isinstance(one.default, bool):
            for bad in (1, "no", None):
                message = f"{option} must be True or False, not {bad!r}"
                refused(TypeError, message, make, good, **{option: bad})
        else:
            for bad in ("0.1", None, True):
                message = f"{option} must be a number, not {bad!r} of {type(bad).__name__}"
                refused(TypeError, message, make, good, **{option: bad})
            limit = 1 if option == "alpha" else float("inf")
            for bad in (-0.1, float("nan"), limit):
                message = f"{option} must be 0 or more and below {limit}, not {bad}"
                refused(ValueError, message, make, good, **{option: bad})
            make(good, **{option: 0}), make(good, **{option: np.float32(0.5)})
    for options in (dict(), dict(momentum=0.9, dampening=0.1)) if name == "SGD" else ():
        message = "nesterov needs a momentum above 0 and a dampening of 0"
        refused(ValueError, message, make, good, nesterov=True, **options)


@EACH
def test_bad_gradients_are_named_before_anything_changes(name):
    params, fresh = ([np.ones((2, 1)), np.ones(())] for _ in range(2))
    optimizer, other = (getattr(optimizers, name)(arrays) for arrays in (params, fresh))
    good, one, F4 = np.ones((2, 1)), np.float64(1), np.float32(1)
    for error, message, grads in (
        (TypeError, "grads must be a list of arrays, not float", 1.0),
        (ValueError, "1 grads for 2 params: each needs one", [good]),
        (ValueError, "3 grads for 2 params: each needs one", [good] * 3),
        (TypeError, "grads[1] must be a plain array, not list", [good, [1.0] * 3]),
        (TypeError, "grads[0] must be a plain array, not matrix", [good.view(np.matrix), one]),
        (ValueError, "grads[0] is ((), 'float64'), but params[0] ((2, 1), 'float64')", [one, one]),
        (ValueError, "grads[1] is ((), 'float32'), but params[1] ((), 'float64')", [good, F4]),
    ):
        refused(error, message, optimizer.step, grads)
        assert all((param == 1).all() for param in params)
    for each in (optimizer, other):  # the averages and the count of steps are as they were, too
        each.step([good, one])
    np.testing.assert_array_equal(np.concatenate(params, None), np.concatenate(fresh, None))
