"""The tests on all cores: forked processes take the test files, one after the other, from a queue.

torch takes seconds to load, and a fork has loaded it already. A worker runs a file's tests as
pytest does. It sends what happens to the first process, which prints and counts it. The cases of a
slow test count as a file of their own. There is one worker more than cores: some tests only wait.

What needs one process gets pytest's own loop: -s, --pdb, --setup-show, coverage, a run without
pytest's terminal (another program runs the tests), CUDA, which no fork can use. So do pytest-xdist,
which brings its own processes, and systems other than Linux.
"""

import os
import signal
import sys
import traceback
import warnings
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import wait

import pytest
import torch

NEED_ONE_PROCESS = "usepdb trace collectonly setupshow setuponly setupplan cov_source".split()


def run(session):
    """Run the session's tests, and return True; return None to leave them to pytest's own loop."""
    config = session.config
    files = [list(items) for _, items in groupby(session.items, key=file_of)]
    count = min(len(files), 1 + cores())
    if count < 2 or session.testsfailed or needs_one_process(config):
        return None
    config.pluginmanager.get_plugin("terminalreporter").showfspath = False  # the files mix
    config._tmp_path_factory.getbasetemp()  # one folder for all

    queue, end = os.pipe()  # a number of two bytes for each file; reading takes it away
    os.write(end, b"".join(number.to_bytes(2, "big") for number in range(len(files))))
    os.close(end)
    workers = {}
    try:
        for _ in range(count):
            receiver, pid = start_worker(session, files, queue)
            workers[receiver] = [pid, "its start"]
        while workers:
            for receiver in wait(workers):
                listen(session, receiver, workers)
    finally:
        os.close(queue)
        for pid, _ in workers.values():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return True


def cores():
    """Return how many cores this process may use; 0 where forks are not safe."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


def needs_one_process(config):
    """Tell whether an option, a plugin or a device asks for pytest's own loop."""
    options, plugins = config.option, config.pluginmanager
    return (
        any(getattr(options, name, None) for name in NEED_ONE_PROCESS)
        or getattr(options, "capture", "no") == "no"
        or not plugins.has_plugin("terminalreporter")
        or hasattr(config, "workerinput")
        or getattr(options, "dist", "no") != "no"
        or torch.cuda.is_available()
    )


def file_of(item):
    """Return what the tests have in common that one worker runs in one go."""
    return str(item.path), item.get_closest_marker("slow") and item.originalname


def fork():
    """Fork this process. Its other threads, of which Python warns from 3.12 on, are NumPy's."""
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def start_worker(session, files, queue):
    """Start a worker; return the pipe on which it sends, and its process ID."""
    receiver, sender = Pipe(duplex=False)
    pid = fork()
    if pid == 0:
        try:
            end = work(session, files, queue, sender)
        except (KeyboardInterrupt, pytest.exit.Exception) as error:
            end = error
        except BaseException:
            end = traceback.format_exc()
        sender.send(("end", end))
        os._exit(0)
    sender.close()
    return receiver, pid


def work(session, files, queue, sender):
    """In a worker: run the tests of one file after the other, until none is left."""
    plugins = session.config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(Sender(session.config, sender))
    capture = plugins.get_plugin("capturemanager")
    capture.stop_global_capturing()  # the first process's files
    capture.start_global_capturing()
    while number := os.read(queue, 2):
        items = files[int.from_bytes(number, "big")]
        for item, following in zip(items, [*items[1:], None]):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


class Sender:
    """In a worker: sends a test's name when it begins, and all that happened when it has ended.

    What happened are pytest's hooks that tell of it: their names and arguments.
    """

    def __init__(self, config, sender):
        self.config, self.sender, self.events = config, sender, []

    def pytest_runtest_logstart(self, nodeid, location):
        self.sender.send(("test", nodeid))
        self.events = [("pytest_runtest_logstart", dict(nodeid=nodeid, location=location))]

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.events.append(("pytest_runtest_logreport", dict(report=data)))

    def pytest_runtest_logfinish(self, nodeid, location):
        end = "pytest_runtest_logfinish", dict(nodeid=nodeid, location=location)
        self.sender.send(("events", [*self.events, end]))

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        if when == "runtest":  # the first process knows the others
            one = warning_message
            words = str(one.message), one.category.__name__, one.filename, one.lineno
            event = dict(warning_message=words, when=when, nodeid=nodeid, location=location)
            self.sender.send(("events", [("pytest_warning_recorded", event)]))


def listen(session, receiver, workers):
    """Take what a worker has sent, and tell pytest's plugins; a worker may have come to its end."""
    pid, test = workers[receiver]
    try:
        kind, sent = receiver.recv()
    except EOFError:
        kind, sent = "end", "no word of it"
    if kind == "test":
        workers[receiver][1] = sent
    elif kind == "events":
        for name, event in sent:
            tell(session.config, name, event)
    else:
        del workers[receiver]
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if isinstance(sent, BaseException):
            raise sent
        if sent:
            words = f"a process of the tests ended in {test}, exit code {status}: {sent}"
            session.shouldfail = words
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)


def tell(config, name, event):
    """Call one of pytest's hooks as if its test had run in this process."""
    if "report" in event:
        read = config.hook.pytest_report_from_serializable
        event["report"] = read(config=config, data=event["report"])
    hook = getattr(config.hook, name)
    if "warning_message" in event:
        message, category, *place = event["warning_message"]
        kind = type(category, (Warning,), {})
        event["warning_message"] = warnings.WarningMessage(message, kind, *place)
        hook.call_historic(kwargs=event)
    else:
        hook(**event)
