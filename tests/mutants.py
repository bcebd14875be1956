"""Do the tests see a mistake? Makes mistakes in the modules that compute, and runs their tests.

    python tests/mutants.py                      a fixed sample of each module's mutants
    python tests/mutants.py --all                all of them, the equivalent ones too
    python tests/mutants.py manual_grad.losses   those of one module, or of several
    python tests/mutants.py --list ...           only prints them

A mutant is a module with one small mistake: another operator, comparison, constant, sign or order,
a statement left out. Each is run in a process of its own, forked from one that has torch loaded, in
which `import` gives the mutant. No file is changed. A mutant is caught if a test of TESTS fails, or
if they don't end. One that survives and is not in equivalent_mutants.txt is printed, and the exit
status is 1. In that file stands why a mutant computes nothing else than the module does.

Docstrings, messages, type annotations, pictures and what is printed are not mutated.
"""

import argparse
import gc
import importlib.machinery
import multiprocessing
import os
import resource
import signal
import sys
import zlib
from collections import Counter, deque
from multiprocessing.connection import wait
from pathlib import Path

import preload  # noqa: F401
import pytest
import torch
from mutations import mutants

TESTS_FOLDER = Path(sys.argv[0]).absolute().parent
ROOT = TESTS_FOLDER.parent
TRAINERS = "test_mutants_caught test_trainer_arguments test_trainers test_trainers_published"
TESTS = {
    "manual_grad.losses": f"test_gradient_check {TRAINERS}",
    "manual_grad.numpy_closed_form": TRAINERS,
    "manual_grad.numpy_autograd": TRAINERS,
    "manual_grad.tensor_updates": TRAINERS,
    "manual_grad.torch_optim": TRAINERS,
    "manual_grad.trajectory": TRAINERS,
    "manual_grad.published_runs": "test_mutants_caught test_trainers_published "
    "test_recovered_starts",
    "manual_grad.engine": f"test_engine* {TRAINERS}",
    "manual_grad.optimizers": "test_mutants_caught test_optimizers",
    "manual_grad.verdict": "test_mutants_caught test_rounding test_verdict test_planted_faults",
    "manual_grad.gradient_check": "test_mutants_caught test_gradient_check",
    "manual_grad.finite_differences": "test_mutants_caught test_finite_differences "
    "test_gradient_check",
    "manual_grad.autograd_function": "test_mutants_caught test_autograd_function",
    "beyond.numpy_blocks": f"test_block* {TRAINERS}",
}
# Of the tests of all trainers, a module needs those of the trainer that uses it.
TRAINER = {name: name for name in ("numpy_autograd", "tensor_updates", "torch_optim")}
TRAINER |= {"engine": "numpy_autograd", "numpy_blocks": "numpy_blocks"}
ALL_TRAINERS = {*TRAINER.values(), "numpy_closed_form"}
SHARED = {"results", "reference", "references"}  # fixtures of a file that take their time
SAMPLE = 20  # mutants of a module in a run without --all: all modules in six minutes on two cores
PROCESSES = 2
EQUIVALENT = TESTS_FOLDER / "equivalent_mutants.txt"


class OfOneModule:
    """A pytest plugin: the tests that a module needs, in a quick order; the first that fails."""

    def __init__(self, module, seconds, killers):
        self.trainer = TRAINER.get(module.split(".")[1], "numpy_closed_form")
        self.seconds, self.killers, self.first, self.durations = seconds, killers, "", {}

    def needs(self, item):
        other = any(name in item.name for name in ALL_TRAINERS - {self.trainer})
        slow = "runs" in item.fixturenames or item.get_closest_marker("slow")
        return not slow and not (other and self.trainer not in item.name)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        """What caught most comes first; then the first case of each test, the second, and so on."""
        items[:] = filter(self.needs, items)
        turn, place = Counter(), {}
        for item in items:
            turn[item.function] += 1
            file = str(item.path) if SHARED & set(item.fixturenames) else ""
            seconds = self.seconds.get(item.nodeid, 0)
            place[item] = -self.killers[item.nodeid], file, turn[item.function], seconds
        items.sort(key=place.get)

    def pytest_runtest_logreport(self, report):
        seconds = self.durations.get(report.nodeid, 0) + report.duration
        self.durations[report.nodeid] = seconds
        if report.failed:
            self.first = self.first or report.nodeid

    def pytest_collectreport(self, report):
        if report.failed:
            self.first = self.first or f"{report.nodeid} (import)"


class Finder:
    """Finds one module: with the code of a mutant."""

    def __init__(self, module, code):
        self.module, self.code = module, code

    def find_spec(self, name, path=None, target=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        spec.loader.get_code = lambda name: self.code
        return spec


def run_tests(files, module, code, seconds, killers, sender):
    """Run test files in this process; send what caught the mutant, or else the durations."""
    if code:
        resource.setrlimit(resource.RLIMIT_CPU, (120, 120))  # a loop without an end
        resource.setrlimit(resource.RLIMIT_DATA, (2**33, 2**33))
        signal.alarm(1200)  # threads that wait for each other; long enough on a busy machine
        for number in (1, 2):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        sys.meta_path.insert(0, Finder(module, code))
    plugin = OfOneModule(module, seconds, killers)
    options = ["-x", "-p", "no:terminal", "-p", "no:randomly", "-p", "no:xdist"]
    status = pytest.main([*options, *files], [plugin])
    caught = plugin.first or (f"pytest ended with {int(status)}" if status else "")
    sender.send((caught, {} if code else plugin.durations))


def files_of(module):
    """Return the test files of a module."""
    patterns = TESTS[module].split()
    found = [sorted((TESTS_FOLDER / "numbers").glob(f"{pattern}.py")) for pattern in patterns]
    if not all(found):
        sys.exit(f"{module}: a file of {TESTS[module]} is not there")
    return [str(path) for paths in found for path in paths]


def start(context, *arguments):
    """Start a process that runs the tests; return it and the pipe that it writes to."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=run_tests, args=(*arguments, sender))
    process.start()
    sender.close()
    return process, receiver


def result(process, receiver):
    """Return what a process sends at its end: what caught the mutant, and durations."""
    try:
        return receiver.recv()
    except EOFError:
        return "it takes too long", {}
    finally:
        process.join()


def read_equivalent():
    """Return the equivalent mutants and their reasons: {name: reason}."""
    lines = EQUIVALENT.read_text(encoding="utf-8").splitlines()
    entries = [line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#")]
    return {name: reason for name, reason in entries}


def chosen(module, everything):
    """Return a module's mutants of this run: {name: code}."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    made = mutants(path.read_text(encoding="utf-8"), str(path), module)
    if everything:
        return made
    equivalent = read_equivalent()
    sample = sorted(made, key=lambda name: zlib.crc32(name.encode()))[:SAMPLE]
    return {name: made[name] for name in made if name in sample and name not in equivalent}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", help=f"of {', '.join(TESTS)}")
    parser.add_argument("--all", action="store_true", help="all mutants, not a sample")
    parser.add_argument("--list", action="store_true", help="print them, and run nothing")
    options = parser.parse_args()
    for module in options.modules:
        if module not in TESTS:
            parser.error(f"{module} is none of {', '.join(TESTS)}")
    os.chdir(ROOT)
    modules = options.modules or list(TESTS)
    work = deque((m, name, code) for m in modules for name, code in chosen(m, options.all).items())
    if options.list:
        print("\n".join(name for _, name, _ in work))
        return
    run(work)


def run(work):
    """Run the mutants, print those that survive, and end with status 1 if there are any."""
    torch.set_num_threads(1)  # what is forked has no threads of its parent's
    os.environ["OMP_NUM_THREADS"] = "1"
    gc.freeze()
    context = multiprocessing.get_context("fork")
    equivalent, total = read_equivalent(), len(work)
    files = {module: files_of(module) for module, _, _ in work}
    killers = {module: Counter() for module in files}
    running, survivors, wrong, counts = {}, [], [], Counter()
    seconds = {}
    for module in files:
        caught, durations = result(*start(context, files[module], module, None, seconds, Counter()))
        seconds |= durations
        if caught:
            sys.exit(f"{module}: without a mutant this fails: {caught}")
    print(f"{total} mutants of {len(files)} modules, whose tests pass as they are", flush=True)

    while work or running:
        while work and len(running) < PROCESSES:
            module, name, code = work.popleft()
            process, receiver = start(
                context, files[module], module, code, seconds, killers[module]
            )
            running[receiver] = process, module, name
        for receiver in wait(running):
            process, module, name = running.pop(receiver)
            caught, _ = result(process, receiver)
            killers[module][caught] += 1
            counts[module, "caught" if caught else "equivalent" if name in equivalent else "?"] += 1
            if caught and name in equivalent:
                wrong.append(f"{name}\n    listed as equivalent, but caught by {caught}")
            elif not caught and name not in equivalent:
                survivors.append(name)
            number = sum(counts.values())
            print(f"{number} of {total}: {name}: {caught or 'SURVIVES'}", flush=True)

    print("\n# Mutants by module: caught, equivalent, not caught")
    for module in files:
        print(f"{module:<32}", *(counts[module, kind] for kind in ("caught", "equivalent", "?")))
    for name in survivors + wrong:
        print(f"NOT CAUGHT {name}")
    sys.exit(bool(survivors or wrong))


if __name__ == "__main__":
    main()
