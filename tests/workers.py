"""The tests on all cores: forked processes take the test files, one after the other, from a queue.

torch takes seconds to load, and a fork has loaded it already. A worker runs a file's tests as
pytest does. It sends what happens to the first process, which prints and counts it. The cases of a
slow test count as a file of their own. There is one worker more than cores: some tests only wait.

Linux only. What needs one process (-s, --pdb, --trace), or brings its own (pytest-xdist), gets
pytest's own loop.
"""

import os
import signal
import sys
import warnings
from itertools import groupby
from multiprocessing import Pipe
from multiprocessing.connection import wait


def run(session):
    """Run the session's tests, and return True; return None to leave them to pytest's own loop."""
    options = session.config.option
    one_process = options.usepdb or options.trace or options.capture == "no" or options.collectonly
    others = hasattr(session.config, "workerinput") or getattr(options, "dist", "no") != "no"
    files = [list(items) for _, items in groupby(session.items, key=file_of)]
    count = min(len(files), 1 + len(os.sched_getaffinity(0))) if sys.platform == "linux" else 1
    if one_process or others or count < 2 or session.testsfailed:
        return None

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
        status = 1
        try:
            work(session, files, queue, sender)
            status = 0
        finally:
            os._exit(status)
    sender.close()
    return receiver, pid


def work(session, files, queue, sender):
    """In a worker: run the tests of one file after the other, until none is left."""
    plugins = session.config.pluginmanager
    plugins.unregister(name="terminalreporter")
    plugins.register(Sender(session.config, sender))
    capture = plugins.getplugin("capturemanager")
    capture.stop_global_capturing()  # the first process's files
    capture.start_global_capturing()
    while number := os.read(queue, 2):
        items = files[int.from_bytes(number, "big")]
        for item, following in zip(items, [*items[1:], None]):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    sender.send("the end")


class Sender:
    """In a worker: sends a test's name when it begins, and all that happened when it has ended.

    What happened are pytest's hooks that tell of it: their names and arguments.
    """

    def __init__(self, config, sender):
        self.config, self.sender, self.events = config, sender, []

    def pytest_runtest_logstart(self, nodeid, location):
        self.sender.send(nodeid)
        self.events = [("pytest_runtest_logstart", dict(nodeid=nodeid, location=location))]

    def pytest_runtest_logreport(self, report):
        data = self.config.hook.pytest_report_to_serializable(config=self.config, report=report)
        self.events.append(("pytest_runtest_logreport", dict(report=data)))

    def pytest_runtest_logfinish(self, nodeid, location):
        end = "pytest_runtest_logfinish", dict(nodeid=nodeid, location=location)
        self.sender.send([*self.events, end])

    def pytest_warning_recorded(self, warning_message, when, nodeid, location):
        warning = dict(warning_message=warning_message, when=when, nodeid=nodeid, location=location)
        if when == "runtest":  # the first process knows the others
            self.sender.send([("pytest_warning_recorded", warning)])


def listen(session, receiver, workers):
    """Take what a worker has sent, and tell pytest's plugins; a worker may have come to its end."""
    hook, (pid, test) = session.config.hook, workers[receiver]
    try:
        sent = receiver.recv()
    except EOFError:
        sent = None
    if sent is None:
        del workers[receiver]
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if test != "the end":
            session.shouldfail = f"a process of the tests ended in {test}, exit code {status}"
    elif isinstance(sent, str):
        workers[receiver][1] = sent
    else:
        for name, event in sent:
            if "report" in event:
                read = hook.pytest_report_from_serializable
                event["report"] = read(config=session.config, data=event["report"])
            call = getattr(hook, name)
            call.call_historic(kwargs=event) if call.is_historic() else call(**event)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
