"""Run the project's programs as a reader does: in an empty folder, without a display.

On Linux, each program is forked from a server process that has loaded torch and Matplotlib once.
That saves three seconds a program. Elsewhere it is a fresh Python.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

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


def start_server():
    """Return the multiprocessing context whose processes have torch loaded, where that is safe."""
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["preload"])
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parent)})
    try:
        multiprocessing.forkserver.ensure_running()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return context


class Programs:
    """Programs that run beside the tests, two at a time, each in an empty folder of its own.

    `commands`: for each name a list, a file or a module ("beyond.limit_cycle") and its arguments.
    All are started at once, and wait for their turn. So nothing is started later, while a test has
    changed the folder or the module __main__, which a new process would take over.
    """

    def __init__(self, commands, folder):
        context = start_server()
        self.turns = context.Semaphore(2)  # kept, or it would be gone before a process asks for it
        self.processes, self.folders, self.logs = {}, {}, folder / "logs"
        self.logs.mkdir()
        for name, command in commands.items():
            self.folders[name] = folder / name
            self.folders[name].mkdir()
            process = context.Process(
                target=be_the_program,
                args=([*map(str, command)], self.folders[name], self.logs / name, self.turns),
                daemon=True,
            )
            process.start()
            self.processes[name] = process

    def finished(self, name):
        """Return a program's returncode, stdout, stderr and folder, when it has ended."""
        process = self.processes[name]
        process.join(TIMEOUT)
        stdout, stderr = (
            Path(f"{self.logs / name}.{stream}").read_text(encoding="utf-8")
            for stream in ("stdout", "stderr")
        )
        return SimpleNamespace(
            returncode=process.exitcode, stdout=stdout, stderr=stderr, folder=self.folders[name]
        )

    def end(self):
        """End what still runs."""
        for process in self.processes.values():
            process.kill()


def be_the_program(command, folder, log, turns):
    """Turn this process into `python FILE ...` or `python -m MODULE ...`."""
    with turns:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(ENVIRONMENT)
        for number, name in ((1, "stdout"), (2, "stderr")):
            file = os.open(f"{log}.{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, number)
            os.close(file)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)
        sys.argv = command
        program = Path(command[0])
        own = ROOT, ROOT / "tests"  # not .venv, which stands in ROOT too
        elsewhere = [path for path in sys.path if Path(path) not in own]
        if program.suffix == ".py":
            sys.path[:] = [str(program.parent), *elsewhere]
            runpy.run_path(command[0], run_name="__main__")
        else:
            sys.path[:] = [str(ROOT), *elsewhere]
            runpy.run_module(command[0], run_name="__main__", alter_sys=True)
        sys.stdout.flush()
