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
CHANGES = {name: options | dict(lr=[0.05, 0.01]) for name, options in OPTIONS.items()}
del CHANGES["RMSprop"]["centered"]  # v - a^2 would become negative, and the parameters nan


@EACH
def test_every_step_is_torch_optims_with_all_options_also_after_they_have_changed(name):
    """Each combination of options takes 6 steps, the last one 300; then come 6 with others."""
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
        unchanged = 300 if options == cases[-1] else 6
        for step in range(unchanged + 6):
            if step >= unchanged:
                changed = {key: choice[rng.integers(2)] for key, choice in CHANGES[name].items()}
                if name == "RMSprop" and not options["momentum"]:
                    del changed["momentum"]  # in torch, it can't come in later
                vars(optimizer).update(changed)
                reference.param_groups[0].update(changed)
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
def test_each_bad_parameter_is_named(name):
    make, one, table = getattr(optimizers, name), np.ones(6), np.ones((2, 3))
    for error, message, params in (
        (TypeError, "params must be a list of arrays, not NoneType", None),
        (TypeError, "params must be a list of arrays, not ndarray", table),
        (ValueError, "params is empty", []),
        (TypeError, r"params\[0\] must be a plain array of .*, not list", [[1.0, 2.0]]),
        (TypeError, r"params\[1\] must .*, not MaskedArray", [one, np.ma.array(one)]),
        (TypeError, r"params\[0\] must .* not ndarray of int64", [one.astype("int64")]),
        (ValueError, r"params\[1\] is read-only", [one, one.sum()]),
        (ValueError, r"params\[0\] and params\[2\] share memory", [one[:4], table, one[3:]]),
        (ValueError, r"params\[1\] and params\[2\]", [one[::2], one[1::2], one[3::3]]),
    ):
        with pytest.raises(error, match=message):
            make(params)
    make([one[::2], one[1::2], *table, *np.ones((3, 2)).T])  # no two of these share an element


@EACH
def test_each_bad_option_is_named(name):
    make, good = getattr(optimizers, name), [np.ones(2)]
    options = inspect.signature(make).parameters.values()
    for option in [one.name for one in options if isinstance(one.default, float)]:
        limit = 1 if option == "alpha" else np.inf
        make(good, **{option: 0}), make(good, **{option: np.float32(0.5)})
        for bad in ("0.1", None, True):
            with pytest.raises(TypeError, match=f"{option} must be a number"):
                make(good, **{option: bad})
        for bad in (-0.1, np.nan, limit):
            with pytest.raises(ValueError, match=f"{option} must be 0 or more and below {limit}"):
                make(good, **{option: bad})
    for bad in (0.9, (0.9,), "ab") if "Adam" in name else ():
        with pytest.raises(TypeError, match="betas must be two numbers"):
            make(good, betas=bad)
    for i, bad in ((0, (1, 0.9)), (1, (0.9, -0.1))) if "Adam" in name else ():
        with pytest.raises(ValueError, match=rf"betas\[{i}\] must be 0 or more and below 1"):
            make(good, betas=bad)
    for options in ({}, dict(momentum=0.9, dampening=0.1)) if name == "SGD" else ():
        with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
            make(good, nesterov=True, **options)


@EACH
def test_bad_gradients_are_named_before_anything_changes(name):
    params, fresh = ([np.ones((2, 1)), np.ones(())] for _ in range(2))
    optimizer, other = (getattr(optimizers, name)(arrays) for arrays in (params, fresh))
    good, one = np.ones((2, 1)), np.float64(1)
    for error, message, grads in (
        (TypeError, "grads must be a list of arrays, not float", 1.0),
        (ValueError, "1 grads for 2 params", [good]),
        (ValueError, "3 grads for 2 params", [good] * 3),
        (TypeError, r"grads\[0\] must .* not matrix", [good.view(np.matrix), one]),
        (ValueError, r"grads\[0\] is .* but params\[0\] \(\(2, 1\), 'float64'\)", [one, one]),
        (ValueError, r"grads\[1\] is \(\(\), 'float32'\), but", [good, np.float32(1)]),
    ):
        with pytest.raises(error, match=message):
            optimizer.step(grads)
    for each in (optimizer, other):  # the parameters, the averages and the steps are as they were
        each.step([good, one])
    np.testing.assert_array_equal(np.concatenate(params, None), np.concatenate(fresh, None))
