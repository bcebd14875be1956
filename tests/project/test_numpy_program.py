"""numpy_closed_form as a program: the tutorial's rows, without torch."""

import re

import numpy as np
import pytest
import torch
from platform_runs import bounds_of
from problems import ROOT
from programs import run_python
from published_numbers import PUBLISHED, X86, printed_under
from tolerances import ONE_SIGN_FLIPPED

from manual_grad import numpy_closed_form, torch_optim
from manual_grad.published_runs import published_runs


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Return what `python -m manual_grad.numpy_closed_form` prints, and whether torch came in."""
    code = (
        "import runpy, sys\n"
        "runpy.run_module('manual_grad.numpy_closed_form', run_name='__main__')\n"
        "print('\\n# torch\\n', 'torch' in sys.modules)"
    )
    folder = tmp_path_factory.mktemp("closed_form")
    run = run_python("-c", code, folder=folder, PYTHONPATH=str(ROOT))
    assert (run.returncode, run.stderr) == (0, "")
    assert not list(folder.iterdir())
    return run.stdout


def test_it_prints_the_tutorials_rows(printed):
    rows = re.findall(
        r"Epoch: (\d+) \| MAE Train Loss: (\S+) \| MAE Test Loss: (\S+)\n",
        printed_under("3. Train model: losses", printed),
    )
    expected = PUBLISHED["workflow_notebook"]["3_training"]["rows"]
    assert len(rows) == len(expected) == 10
    bounds = bounds_of("section 3")
    tolerances = bounds.same if X86 else bounds.same + bounds.apart
    for ours, (epoch, *published) in zip(rows, expected):
        assert int(ours[0]) == epoch
        for a, b, tolerance in zip(ours[1:], published, tolerances[epoch]):
            assert abs(float(a) - float(b)) <= tolerance


def test_it_prints_learned_against_true_parameters_without_torch(printed):
    learned = printed_under("3. Train model: learned parameters", printed)
    reference = published_runs()["section 3"].train(torch_optim.train)
    weight, bias = (float(word) for word in re.findall(r"\d\.\d+", learned))
    if X86:
        assert (np.float32(weight), np.float32(bias)) == (reference.weight[-1], reference.bias[-1])
    assert weight == pytest.approx(reference.weight[-1], abs=ONE_SIGN_FLIPPED)
    assert bias == pytest.approx(reference.bias[-1], abs=ONE_SIGN_FLIPPED)
    true = printed_under("3. Train model: true parameters", printed)
    assert true.splitlines()[0] == "weight: 0.7, bias: 0.3"
    assert printed_under("torch", printed).strip() == "False"


def test_the_start_is_what_seed_42_draws():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        drawn = torch.randn(1).item(), torch.randn(1).item()
    assert drawn == numpy_closed_form.START
