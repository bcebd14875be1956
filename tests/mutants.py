"""Do the tests see a mistake? Makes mistakes in the modules that compute, and runs their tests.

    python tests/mutants.py                      a fixed sample of each module's mutants
    python tests/mutants.py --all                all of them, the equivalent ones too
    python tests/mutants.py manual_grad.losses   those of one module, or of several
    python tests/mutants.py --list ...           only prints them

A mutant is a module with one small mistake: another operator, comparison, constant, sign or order,
a statement left out. No file is changed: each is imported in a process of its own, forked from one
that has torch loaded. A mutant is caught if a test of TESTS fails, or if the tests don't end. Some
mutants compute what the module computes: equivalent_mutants.txt lists them, with the reason. They
are not run without --all. If another one survives, it is printed, and the exit status is 1.

Docstrings, messages, type annotations, pictures and what is printed are not mutated. Linux only.
"""

import argparse
import gc
import multiprocessing
import os
import sys
import zlib
from collections import Counter, deque
from multiprocessing.connection import wait
from pathlib import Path

import programs  # noqa: F401, loads what torch loads on first use
import torch
from mutant_processes import result, start
from mutations import mutants

TESTS_FOLDER = Path(__file__).absolute().parent
ROOT = TESTS_FOLDER.parent
TRAINERS = "test_mutants_caught test_trainer_arguments test_trainers test_trainers_published"
TESTS = {
    "manual_grad.losses": f"test_gradient_check {TRAINERS}",
    "manual_grad.numpy_closed_form": TRAINERS,
    "manual_grad.numpy_autograd": TRAINERS,
    "manual_grad.tensor_updates": TRAINERS,
    "manual_grad.torch_optim": TRAINERS,
    "manual_grad.trajectory": f"{TRAINERS} test_verdict test_compare",
    "manual_grad.published_runs": "test_mutants_caught test_trainers_published "
    "test_recovered_starts",
    "manual_grad.engine": f"test_engine* {TRAINERS}",
    "manual_grad.optimizers": "test_mutants_caught test_optimizers",
    "manual_grad.verdict": "test_mutants_caught test_rounding test_verdict test_planted_faults "
    "test_compare",
    "manual_grad.gradient_check": "test_mutants_caught test_gradient_check",
    "manual_grad.finite_differences": "test_mutants_caught test_finite_differences "
    "test_gradient_check",
    "manual_grad.autograd_function": "test_mutants_caught test_autograd_function",
    "beyond.numpy_blocks": f"test_block* {TRAINERS}",
}
SAMPLE = 20  # mutants of a module in a run without --all: all modules in three minutes on two cores
PROCESSES = 2


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
    chosen = {module: choose(module, options.all) for module in modules}
    if options.list:
        print("\n".join(name for codes in chosen.values() for name in codes))
    else:
        sys.exit(run(chosen, read_equivalent(), options.all))


def read_equivalent():
    """Return the equivalent mutants and their reasons: {name: reason}."""
    lines = (TESTS_FOLDER / "equivalent_mutants.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.rsplit(" | ", 1) for line in lines if line and not line.startswith("#"))


def choose(module, everything):
    """Return a module's mutants, or a sample of them that is always the same: {name: code}."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    made = mutants(path.read_text(encoding="utf-8"), str(path), module)
    for name in read_equivalent():
        if name.split(":")[0].startswith(module) and name not in made:
            sys.exit(f"equivalent_mutants.txt: there is no such mutant any more: {name}")
    sample = sorted(made, key=lambda name: zlib.crc32(name.encode()))
    return {name: made[name] for name in (sample if everything else sample[:SAMPLE])}


def files_of(module):
    """Return the test files of a module."""
    patterns = TESTS[module].split()
    found = [sorted((TESTS_FOLDER / "numbers").glob(f"{pattern}.py")) for pattern in patterns]
    if not all(found):
        sys.exit(f"{module}: a file of {TESTS[module]} is not there")
    return [str(path) for paths in found for path in paths]


def run(chosen, equivalent, everything):
    """Run the mutants, print what became of each; return whether one survives unexpectedly."""
    torch.set_num_threads(1)  # a forked process has no other thread of its parent's
    gc.freeze()
    context = multiprocessing.get_context("fork")
    files = {module: files_of(module) for module in chosen}
    seconds = {}
    for module in chosen:
        caught, durations = result(*start(context, files[module], module, None, seconds, Counter()))
        seconds |= durations
        if caught:
            sys.exit(f"{module}: without a mutant this fails: {caught}")
    work = deque((m, name, code) for m, codes in chosen.items() for name, code in codes.items())
    print(f"{len(work)} mutants of {len(chosen)} modules, whose tests pass as they are", flush=True)

    counts, killers = Counter(), {module: Counter() for module in chosen}
    running, wrong, total = {}, [], len(work)

    def ended(module, name, caught):
        """Count a mutant and print it; remember it if it should have ended in another way."""
        kind = "caught" if caught else "equivalent" if name in equivalent else "SURVIVES"
        counts[module, kind] += 1
        killers[module][caught] += 1
        print(f"{sum(counts.values())} of {total}: {name}: {caught or kind}", flush=True)
        if kind == "SURVIVES" or (caught and name in equivalent):
            wrong.append(f"{name}: {caught or 'no test catches it'}")

    while work or running:
        while work and len(running) < PROCESSES:
            module, name, code = work.popleft()
            if name in equivalent and not everything:
                ended(module, name, "")
                continue
            arguments = files[module], module, code, seconds, killers[module]
            process, receiver = start(context, *arguments)
            running[receiver] = process, module, name
        for receiver in wait(running) if running else ():
            process, module, name = running.pop(receiver)
            ended(module, name, result(process, receiver)[0])

    print(f"\n# {'Mutants':<30}caught  equivalent  not caught")
    for module in chosen:
        numbers = [counts[module, kind] for kind in ("caught", "equivalent", "SURVIVES")]
        print("{:<32}{:>6}{:>12}{:>12}".format(module, *numbers))
    print("\n# Not as expected\n" + ("\n".join(wrong) or "none"))
    return bool(wrong)


if __name__ == "__main__":
    main()
