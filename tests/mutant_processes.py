"""Run a module's tests on a mutant, in a process of its own that `import` gives the mutant to."""

import importlib.machinery
import os
import resource
import signal
import sys
from collections import Counter

import pytest

# Of the tests of all trainers, a module needs those of the trainer that uses it; "" means all.
TRAINER = {name: name for name in ("numpy_autograd", "tensor_updates", "torch_optim")}
TRAINER |= {"engine": "numpy_autograd", "numpy_blocks": "numpy_blocks", "trajectory": ""}
ALL_TRAINERS = {*filter(None, TRAINER.values()), "numpy_closed_form"}
SHARED = {"results", "reference", "references"}  # fixtures of a file that take their time


class OfOneModule:
    """A pytest plugin: the tests that a module needs, in a quick order; the first that fails."""

    def __init__(self, module, seconds, killers):
        self.trainer = TRAINER.get(module.split(".")[1], "numpy_closed_form")
        self.seconds, self.killers, self.first, self.durations = seconds, killers, "", {}

    def needs(self, item):
        case = item.name.partition("[")[2]
        other = any(name in case for name in ALL_TRAINERS - {self.trainer})
        slow = "runs" in item.fixturenames or item.get_closest_marker("slow")
        return not slow and not (other and self.trainer not in case)

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
