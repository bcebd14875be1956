"""The drift report: what was computed here, beside what is expected of this kind of machine.

    python -m pytest --drift FILE           writes the report to FILE as JSON
    python tests/drift.py OLD NEW           prints what differs between two such files; exits with 1
                                            if a row does, with 2 if a file is no report
    python tests/drift.py --expect FILE     makes the rows of FILE the expected ones of its kind of
                                            machine, in tests/baseline.json

The JSON has these keys:
    header          versions, CPU, SIMD levels, BLAS, threads
    kind            machine, torch's CPU capability, NumPy's SIMD level: what a row may depend on
    rows            a list of rows; each has table, name, and
        total, equal        how many numbers, or epochs, were compared, and how many are equal
        bits_total, bits    of those printed with all their digits, how many are equal to the bit
        steps, difference   the farthest: in float32 steps (1 is the next float32), and absolutely
        first               the first that differs: at (epoch), column, expected, got
        value               in place of all these: numbers that stand for themselves
        status              "as expected", "first seen", "MOVED", "DID NOT RUN"
        was                 what was expected, where the row moved
    figures         the published numbers: total (652), compared, equal; bits_total, to_the_bit
"""

import ctypes
import json
import platform
import sys
from pathlib import Path

import numpy as np

BASELINE = Path(__file__).parent / "baseline.json"
TORCH_THREADS = None  # what the header says, where the tests have changed torch's own number
COMPARED = ("total", "equal", "bits_total", "bits", "steps", "value")
EXACTLY = (*COMPARED, "difference", "first")  # what two builds are compared by


def float32_steps(a, b):
    """Return how many float32 numbers lie between two numbers, the second counted in."""
    bits = np.array([a, b], np.float32).view(np.int32).astype(np.int64)
    first, second = np.where(bits < 0, -(2**31) - bits, bits)
    return abs(int(first) - int(second))


# --- what machine this is


def header():
    """Return the versions and the properties of the machine that a last bit may depend on."""
    import torch

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    return {
        "torch": torch.__version__,
        "torch_git": torch.version.git_version,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpu": cpu_model(),
        "torch_capability": torch.backends.cpu.get_cpu_capability(),
        "numpy_simd": [*simd["baseline"], *simd.get("found", [])][-1],
        "blas": blas_kernel(),
        "torch_threads": TORCH_THREADS or torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }


def cpu_model(cpuinfo=Path("/proc/cpuinfo")):
    """Return the CPU's name, as the system tells it: on ARM, the numbers of its maker and model."""
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.exists() else ""
    fields = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    arm = [f"{key} {fields[key]}" for key in ("CPU implementer", "CPU part") if key in fields]
    return fields.get("model name") or ", ".join(arm) or platform.processor() or "unknown"


def blas_kernel():
    """Return the name of NumPy's BLAS and, where it is OpenBLAS, of the kernel that it chose."""
    name = np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    libraries = Path(np.__file__).parent.parent / "numpy.libs"
    for library in libraries.glob("*openblas*"):
        for symbol in ("scipy_openblas_get_corename64_", "openblas_get_corename64_"):
            function = getattr(ctypes.CDLL(str(library)), symbol, None)
            if function:
                function.restype = ctypes.c_char_p
                return f"{name} {function().decode()}"
    return name


# --- the report


def make(rows):
    """Return the report on the rows of a run: each with its status, those that didn't run too."""
    from published_numbers import SECTIONS, Section

    about = header()
    kind = kind_of(about)
    expected = expected_rows(kind)
    by_name = {(row["table"], row["name"]): row for row in rows}
    names = [("published", str(section)) for section in SECTIONS if section.figures()]
    names += [name for name in sorted(expected) if name not in names]
    names += [name for name in by_name if name not in names]
    report = []
    for table, name in names:
        row = by_name.get((table, name), {"table": table, "name": name, "status": "DID NOT RUN"})
        was = expected.get((table, name))
        if "status" not in row:
            now = {key: row[key] for key in COMPARED if key in row}
            row["status"] = "first seen" if was is None else "as expected"
            if was is not None and now != was:
                row |= {"status": "MOVED", "was": was}
        report.append(row)
    published = [row for row in report if row["table"] == "published" and "total" in row]
    figures = {
        "total": sum(map(Section.figures, SECTIONS)),
        "compared": sum(row["total"] for row in published),
        "equal": sum(row["equal"] for row in published),
        "bits_total": sum(row["bits_total"] for row in published),
        "to_the_bit": sum(row["bits"] for row in published),
    }
    return {"header": about, "kind": kind, "rows": report, "figures": figures}


def kind_of(about):
    """Return the kind of machine that a header tells of: what a row may depend on."""
    kind = "{machine}, torch {torch_capability}, NumPy {numpy_simd}".format(**about)
    return kind if about["gpu"] == "none" else f"{kind}, {about['gpu']}"


def expected_rows(kind):
    """Return what is expected of a kind of machine: {(table, name): what a row compares}."""
    for entry in json.loads(BASELINE.read_text(encoding="utf-8")):
        if kind in entry["kinds"]:
            return {tuple(name.split(": ", 1)): row for name, row in entry["rows"].items()}
    return {}


HEADINGS = {
    "published": "published numbers: equal to the printed digit, losses equal to the bit",
    "trainers": "trainers by hand: epochs equal to torch.optim's, to the bit",
    "ends": "torch.optim's parameters after the last epoch",
    "cycles": "the cycle: first epoch, number of states, the states",
}


def as_lines(report):
    """Return the report as lines of text."""
    if not any(row["status"] != "DID NOT RUN" for row in report["rows"]):
        total = report["figures"]["total"]
        return [f"0 of {total} published numbers: none was compared in this run"]
    about = report["header"]
    lines = [
        "torch {torch} ({torch_git:.10}), NumPy {numpy}, Python {python}".format(**about),
        "{system} {machine}, {cpu}, GPU: {gpu}".format(**about),
        "torch uses {torch_capability} and {torch_threads} threads".format(**about)
        + ", NumPy {numpy_simd}, BLAS {blas}".format(**about),
    ]
    known = any(row["status"] in ("as expected", "MOVED") for row in report["rows"])
    for table, heading in HEADINGS.items():
        rows = [row for row in report["rows"] if row["table"] == table]
        if rows:
            lines += ["", heading, *(line for row in rows for line in row_lines(row, known))]
    figures = report["figures"]
    lines += [
        "",
        "{compared} of {total} published numbers compared, {equal} equal to the digit; of the "
        "{bits_total} losses with all digits, {to_the_bit} to the bit.".format(**figures),
        "(The 20 of today's edition come from a GPU: 11 of them are what an x86-64 CPU prints.)",
    ]
    moved = sum(row["status"] == "MOVED" for row in report["rows"])
    if known:
        lost = sum(row["status"] == "DID NOT RUN" for row in report["rows"])
        lost = f", {lost} did not run" if lost else ""
        lines.append(f"{moved} rows moved{lost}. Expected of: {report['kind']}")
    else:
        lines.append(
            f"A machine of this kind is first seen, nothing to compare with: {report['kind']}"
        )
    return lines


def row_lines(row, known):
    """Return a row as one line, and what moved below it. `known`: such a machine was seen."""
    line = f"  {row['name']:<42}"
    if "value" in row:
        line += "  " + " ".join(map(str, row["value"]))
    elif "total" in row:
        line += f"{row['equal']:>6} of {row['total']:>4}"
        line += f"{row['bits']:>6} of {row['bits_total']:>3} bits" if row.get("bits_total") else ""
        line += f"  at most {row['difference']:.1e}, {row['steps']} steps" if row["steps"] else ""
    quiet = row["status"] == "as expected" or row["status"] == "first seen" and not known
    lines = [line if quiet else f"{line}  [{row['status']}]"]
    if row["status"] == "MOVED":
        was = ", ".join(f"{key} {value}" for key, value in row["was"].items())
        lines.append(f"      expected here: {was}")
        if row.get("first"):
            lines.append("      first: " + describe(row["first"]))
    return lines


def describe(first):
    """Return in words which number was the first to differ, and by how much."""
    expected, got = float(first["expected"]), float(first["got"])
    return (
        f"{first['at']}, {first['column']}: expected {first['expected']}, got {first['got']}, "
        f"{abs(got - expected):.1e} or {float32_steps(got, expected)} float32 steps apart"
    )


# --- as a program


def compare(old, new):
    """Print what differs between two reports; return whether anything does."""
    differences = [
        f"{key}: {old['header'].get(key)} -> {value}"
        for key, value in new["header"].items()
        if value != old["header"].get(key)
    ]
    print("\n".join(differences) or "the same machine and versions")
    before, after = (
        {f"{row['table']}: {row['name']}": row for row in report["rows"]} for report in (old, new)
    )
    moved = False
    for name in sorted(before | after):
        a, b = (
            {key: rows[name][key] for key in EXACTLY if key in rows.get(name, {})}
            or {"status": "did not run"}
            for rows in (before, after)
        )
        if a != b:
            moved = True
            keys = [key for key in a | b if a.get(key) != b.get(key)]
            print(name + ": " + ", ".join(f"{k} {a.get(k)} -> {b.get(k)}" for k in keys))
            if after.get(name, {}).get("first"):
                print("    first: " + describe(after[name]["first"]))
    print("something moved" if moved else "nothing moved")
    return moved


def expect(report):
    """Write a report's rows to baseline.json, as those of its kind of machine."""
    rows = {
        f"{row['table']}: {row['name']}": {key: row[key] for key in COMPARED if key in row}
        for row in report["rows"]
    }
    if any(not row for row in rows.values()):
        sys.exit(
            "this report has rows that did not run: make it with python -m pytest --drift FILE"
        )
    entries = json.loads(BASELINE.read_text(encoding="utf-8"))
    for entry in entries:
        entry["kinds"] = [kind for kind in entry["kinds"] if kind != report["kind"]]
    entries = [entry for entry in entries if entry["kinds"]]
    same = [entry for entry in entries if entry["rows"] == rows]
    if same:
        same[0]["kinds"] = sorted([*same[0]["kinds"], report["kind"]])
    else:
        entries.append({"kinds": [report["kind"]], "rows": rows})
    BASELINE.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def main(arguments):
    if len(arguments) != 2 or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    if arguments[0] == "--expect":
        return expect(read(arguments[1]))
    return int(compare(*map(read, arguments)))


def read(path):
    """Return the report in a file; end with one line if there is none."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        report["header"], report["rows"], report["kind"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(
            f"drift.py: {path} is no report that pytest --drift wrote: {error!r}", file=sys.stderr
        )
        sys.exit(2)
    return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
