"""The table, the plan and the larger pictures of docs/teaching.md."""

import re
import struct

import matplotlib.pyplot as plt
import numpy as np
import pytest
from programs import ROOT, run_python
from tolerances import WHOLE_PIXELS

from manual_grad import finite_differences, program

PAGE = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
SOURCES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("0*.py", "manual_grad/*.py", "beyond/*.py")
    for path in ROOT.glob(pattern)
}


def rows_of(header):
    """Return the cells of the table with this header, row by row."""
    table = PAGE.split(f"| {header}", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]


CONCEPTS, PLAN = rows_of("concept |"), rows_of("minutes |")
LINE = re.search(r"^```text\n(savefig.*)\n```$", PAGE, re.MULTILINE)[1]


def pictures_of(source):
    """Return the file names of the pictures that a source saves in figures/."""
    direct = re.findall(r'savefig\("figures/(\w+\.png)"\)|Path\("figures"\) / "(\w+\.gif)"', source)
    by_program = re.findall(r'save_figure\(.*, "(\w+)"\)', source)
    return {name for pair in direct for name in pair if name} | {f"{n}.png" for n in by_program}


@pytest.mark.parametrize("row", CONCEPTS, ids=[row[0] for row in CONCEPTS])
def test_the_program_of_a_concept_saves_its_picture(row):
    _, command, picture, point = row
    words = re.fullmatch(r"`python (?:-m )?(\S+)( --animation)?`", command)
    file = words[1] if words[1].endswith(".py") else f"{words[1].replace('.', '/')}.py"
    source = SOURCES[file]
    if file == "manual_grad/optimizers.py":
        assert "optimizer_paths.main" in source
        source = SOURCES["manual_grad/optimizer_paths.py"]
    saved = pictures_of(source)
    in_figures = re.findall(r"`figures/(\S+)`", picture)
    linked = re.findall(r"^\[(\S+)\]\(\1\)", picture)
    assert in_figures or linked or (picture == "none" and not saved)
    assert set(in_figures or linked) <= saved
    assert point.endswith(".")


def test_each_picture_of_manual_grad_and_beyond_stands_in_the_table():
    sources = [source for file, source in SOURCES.items() if "/" in file]
    saved = set().union(*map(pictures_of, sources))
    assert len(saved) > 10
    cells = " ".join(row[2] for row in CONCEPTS)
    assert [name for name in saved if f"[{name}]" not in cells] == []


def test_each_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_the_plan_fills_90_minutes_with_what_there_is():
    minutes = [tuple(map(int, row[0].split("-"))) for row in PLAN]
    assert [end for _, end in minutes] == [start for start, _ in minutes[1:]] + [90]
    assert minutes[0][0] == 0
    cells = " ".join(cell for row in PLAN for cell in row)
    in_table = " ".join(row[2] for row in CONCEPTS)
    pictures = re.findall(r"`(\w+\.(?:png|gif))`", cells)
    assert len(pictures) > 10
    assert [name for name in pictures if name not in in_table] == []
    scripts = re.findall(r"`(\w+\.py)`", cells)
    assert scripts
    assert [name for name in scripts if name not in SOURCES] == []
    lists = re.findall(r"[Ee]xercises? (\d+(?:(?:, | and )\d+)*)", cells)
    given = [int(number) for numbers in lists for number in re.findall(r"\d+", numbers)]
    titles = re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)
    assert sorted(given) == [int(title) for title in titles] == list(range(1, 11))


@pytest.mark.slow
def test_the_line_in_matplotlibrc_doubles_each_pictures_pixels(tmp_path, monkeypatch):
    code = """if True:
        import matplotlib.pyplot as plt
        from manual_grad import program
        with plt.rc_context(program.SLIDE):
            program.save_figure(plt.figure(), "slide")
        plt.rc("font", size=14)  # as a numbered script does
        plt.figure(figsize=(10, 7), layout="constrained")
        plt.savefig("figures/script.png")
        plt.close("all")
    """

    def sizes():
        files = [tmp_path / "figures" / f"{name}.png" for name in ("slide", "script")]
        # A PNG file holds its width and height, 4 bytes each, from byte 16 on.
        return [struct.unpack(">II", file.read_bytes()[16:24]) for file in files]

    monkeypatch.chdir(tmp_path)
    with plt.rc_context():
        exec(code, {})
    assert sizes() == [(1333, 750), (1000, 700)]
    (tmp_path / "matplotlibrc").write_text(f"{LINE}\n", encoding="utf-8")
    assert run_python("-c", code, folder=tmp_path).returncode == 0
    assert sizes() == [(2666, 1500), (2000, 1400)]


def test_panels_and_text_of_a_larger_picture_stay_where_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    figure = finite_differences.plot_errors()
    (axes,) = figure.axes
    boxes = []

    def look(event):
        drawn = [axes, axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        places = [np.array(artist.get_window_extent()) for artist in drawn]
        boxes.append(np.array(places) / figure.dpi)  # in inches

    figure.canvas.mpl_connect("draw_event", look)
    key, value = LINE.split(": ")
    for settings in ({}, {key: float(value)}):
        with plt.rc_context(settings):
            program.save_figure(figure, "gradient_check")
    plt.close(figure)
    small, large = boxes[0], boxes[-1]
    apart = np.abs(small - large) * 100
    assert apart[0].max() <= WHOLE_PIXELS, "the panel"
    assert apart[:, :, 1].max() <= WHOLE_PIXELS, "heights of text; its widths are hinted"
    for places in (small, large):
        assert (places >= 0).all()
        assert (places <= [13.33, 7.5]).all()
