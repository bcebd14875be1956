"""What a reader sees of a picture: its keys, and its words."""

from itertools import combinations

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox


def color(artist):
    """Return the one colour of a line, of several lines, of a text, of a bar or of a band."""
    colors = artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor()
    (found,) = {to_hex(one) for one in ([colors] if isinstance(colors, str | tuple) else colors)}
    return found


def look(artist):
    """Return what a grey print shows: marker, dashes and hatch, each None where it has none."""
    if isinstance(artist, PolyCollection):  # a band: its edge is a solid line
        return None, "-", None
    if not isinstance(artist, Line2D):
        return None, None, getattr(artist, "get_hatch", lambda: None)()
    marker, dashes = artist.get_marker(), artist.get_linestyle() if artist.get_linewidth() else None
    return *(None if one in ("None", "") else one for one in (marker, dashes)), None


def assert_key(legend, drawn):
    """Assert that a legend has these labels, each with the look of what is drawn for it.

    `drawn` holds artists by label; that they show what the label says, the test knows by their
    data. The labels differ in more than their colour.
    """
    assert [text.get_text() for text in legend.get_texts()] == list(drawn)
    handles = legend.legend_handles
    for handle, artists in zip(handles, drawn.values()):
        marker, dashes, hatch = look(handle)
        for artist in artists:
            assert color(artist) == color(handle)
            # A path may lack the markers of its label, and a label of markers the path's line.
            assert look(artist)[0] in (marker, None)
            assert look(artist)[1] in (dashes or "-", None)
            assert look(artist)[2] == hatch
    grey = {(*look(handle), handle.get_linewidth()) for handle in handles}
    assert len(grey) == len(handles), "a grey print shows two labels alike"


def assert_inside(frame, boxes):
    np.testing.assert_array_equal(Bbox.union([frame, *boxes]).extents, frame.extents)


def assert_words_are_whole(figure):
    """Assert that panels have titles, and that no note leaves its panel or lies on another."""
    figure.draw_without_rendering()
    assert_inside(figure.bbox_inches, [figure.get_tightbbox()])
    for axes in figure.axes:
        assert axes.get_title() or not axes.axison
        notes = [text for text in axes.texts if text.get_visible() and text.get_text()]
        notes = [note for note in notes if not hasattr(note, "xy") or note._check_xy(None)]
        boxes = [note.get_window_extent() for note in notes]
        assert_inside(axes.bbox, boxes)
        boxes += [legend.get_window_extent() for legend in [axes.get_legend()] if legend]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2)), axes
