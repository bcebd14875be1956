"""Run the project's programs as a reader does: in an empty folder, without a display.

On Linux, programs are forked from a server. It is itself forked before the tests begin: it has
loaded torch and Matplotlib, and none of the project's modules. That saves three seconds a program.
Elsewhere each is a fresh Python.
"""

import io
import multiprocessing
import os
import pickle
import runpy
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from itertools import count
from multiprocessing.connection import wait
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot  # noqa: F401
import torch
from workers import fork

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted(path.stem for path in ROOT.glob("0*.py"))
TIMEOUT = float(os.environ.get("PROGRAM_TIMEOUT", 300))  # seconds; an emulated CPU needs more

# A machine without a display. Elsewhere than on Linux there always is one, which would open windows
# and wait for somebody to close them.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if "DISPLAY" not in name},
    "MPLBACKEND": "" if sys.platform == "linux" else "Agg",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
    "PYTHONPATH": str(ROOT),  # python -m manual_grad runs from the root, here from another folder
}


def run_python(*arguments, folder, input="", **environment):
    """Run a fresh Python in `folder`, type `input`; return the finished process, output as text."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=ENVIRONMENT | environment,
        input=input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=TIMEOUT,
    )


# --- the server

NUMBERS = count(1)
TURNS = threading.Semaphore(2)


def start_server():
    """Fork the server; return the pipe that takes its jobs."""
    # The first use of an optimizer loads much.
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    if fork() == 0:
        sender.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when nobody can send any more
        try:
            serve(receiver)
        finally:
            os._exit(0)
    receiver.close()
    return sender


def serve(receiver):
    """Run the jobs that come, two at a time, each in a fork of this process."""
    context = multiprocessing.get_context("fork")
    jobs, running = deque(), {}
    while True:
        while jobs and len(running) < 2:
            *job, log = jobs.popleft()
            process = context.Process(target=run_job, args=(*job, log))
            process.start()
            running[process.sentinel] = process, log
        for ready in wait([receiver, *running]):
            if ready is not receiver:
                process, log = running.pop(ready)
                process.join()
                with suppress(OSError):  # its folder is gone, and so is who asked for it
                    write_exit_code(log, process.exitcode)
                continue
            try:
                jobs.append(receiver.recv())
            except EOFError:
                for process, _ in running.values():
                    process.kill()
                return


def run_job(call, path, folder, log):
    """Call a function, in this process; its output goes to files."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        with suppress(io.UnsupportedOperation):  # a file of pytest's, that torch's logs go to
            os.dup2(file, getattr(sys, name).fileno())
        os.close(file)
    sys.stdin = open(os.devnull, encoding="utf-8")
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warn_as_a_fresh_python()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    sys.path[:] = path
    function, arguments = pickle.loads(call)
    function(*arguments)
    sys.stdout.flush()


def warn_as_a_fresh_python():
    """Print warnings, and only those that Python prints unasked: pytest has changed both."""

    def show(message, category, filename, lineno, file=None, line=None):
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))

    warnings.showwarning = show
    warnings.resetwarnings()
    for unseen in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", unseen)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    if sys.platform != "linux":  # there is a display, which Agg can't use
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")


def write_exit_code(log, code):
    """Write the file that tells of a job's end, whole."""
    Path(f"{log}.part").write_text(str(code), encoding="utf-8")
    os.replace(f"{log}.part", f"{log}.end")


def begin(function, *arguments, folder, log):
    """Call function(*arguments) in a process of its own, in `folder`, beside the tests."""
    job = pickle.dumps((function, arguments)), list(sys.path), str(folder), str(log)
    if SERVER:
        SERVER.send(job)
    else:
        threading.Thread(target=run_anew, args=job, daemon=True).start()


def run_anew(*job):
    """Run a job where there is no server: in a process that loads everything anew."""
    with TURNS:
        process = multiprocessing.get_context("spawn").Process(
            target=run_job, args=job, daemon=True
        )
        process.start()
        process.join(TIMEOUT)
        process.kill()
        process.join()
        write_exit_code(job[-1], process.exitcode)


def finished(folder, log):
    """Wait for what `begin` began; return its returncode, stdout, stderr and folder."""
    end, deadline = Path(f"{log}.end"), time.monotonic() + TIMEOUT
    while not end.exists():
        assert time.monotonic() < deadline, f"{log} has not ended after {TIMEOUT} seconds"
        time.sleep(0.005)
    stdout, stderr = (
        Path(f"{log}.{stream}").read_text(encoding="utf-8") for stream in ("stdout", "stderr")
    )
    code = int(end.read_text(encoding="utf-8"))
    return SimpleNamespace(returncode=code, stdout=stdout, stderr=stderr, folder=folder)


def call(function, *arguments, folder):
    """Call a function in a process of its own; return its returncode, stdout, stderr, folder."""
    log = f"{folder}.{next(NUMBERS)}"  # beside the folder, which stays empty
    begin(function, *arguments, folder=folder, log=log)
    return finished(folder, log)


# --- programs


def run_program(*command, folder):
    """Run a file or a module ("beyond.limit_cycle") with its arguments, without a fresh Python."""
    return call(be_the_program, [*map(str, command)], folder=folder)


class Programs:
    """Programs that run beside the tests, each in an empty folder of its own.

    `commands`: for each name a list, a file or a module ("beyond.limit_cycle") and its arguments.
    """

    def __init__(self, commands, folder):
        self.folders, self.logs = {}, folder / "logs"
        self.logs.mkdir()
        for name, command in commands.items():
            self.folders[name] = folder / name
            self.folders[name].mkdir()
            command = [*map(str, command)]
            begin(be_the_program, command, folder=self.folders[name], log=self.logs / name)

    def finished(self, name):
        """Return a program's returncode, stdout, stderr and folder, when it has ended."""
        return finished(self.folders[name], self.logs / name)


def be_the_program(command):
    """Turn this process into `python FILE ...` or `python -m MODULE ...`."""
    sys.argv = command
    program = Path(command[0])
    tests = ROOT / "tests"
    own = ROOT, tests, tests / "numbers", tests / "project"  # not .venv, which stands in ROOT too
    elsewhere = [path for path in sys.path if Path(path) not in own]
    if program.suffix == ".py":
        sys.path[:] = [str(program.parent), *elsewhere]
        runpy.run_path(command[0], run_name="__main__")
    else:
        sys.path[:] = [str(ROOT), *elsewhere]
        runpy.run_module(command[0], run_name="__main__", alter_sys=True)


SERVER = None  # in what it forks
SERVER = start_server() if sys.platform == "linux" else None
