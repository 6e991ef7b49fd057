import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PathCollection

from eccvkit.errors import EccvkitError
from eccvkit.viz import heights, topology, use_style
from eccvkit.viz.style import GREY, PALETTE
from eccvkit.viz.topology import (
    barcode,
    betti_histogram,
    moving_dot,
    persistence_diagram,
    transport_plan,
)

INF = np.inf


@pytest.fixture(autouse=True)
def ax():
    use_style()
    yield plt.subplots()[1]
    plt.close("all")


def scatters(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection)]


def dots(ax):
    """Points of each scatter that has any."""
    groups = (c.get_offsets().tolist() for c in scatters(ax))
    return [g for g in groups if g]


def texts(ax):
    return [t.get_text() for t in ax.texts]


def infinity(axis):
    """Positions of the ticks that are marked as infinity."""
    names = [label.get_text() for label in axis.get_ticklabels()]
    return [t for t, name in zip(axis.get_ticklocs(), names) if name == "∞"]


def test_diagram_draws_equal_points_once_and_counts_them(ax):
    assert persistence_diagram(ax, [0, 0, 0, 1], [5, 5, 7, 3], unit="px") is ax
    assert dots(ax) == [[[0, 5], [0, 7], [1, 3]]]
    sizes = scatters(ax)[0].get_sizes()
    assert sizes[0] > sizes[1] == sizes[2]
    assert texts(ax) == ["2×"]
    assert ax.get_xlabel() == "birth (px)" and ax.get_ylabel() == "death (px)"
    assert ax.get_xlim() == ax.get_ylim() and ax.get_aspect() == 1


@pytest.mark.parametrize("scale", [1e-9, 1, 1e9])
def test_points_are_equal_up_to_rounding_on_any_scale(ax, scale):
    persistence_diagram(ax, [0, 0, 0], np.array([0.3, 0.1 + 0.2, 0.301]) * scale)
    assert len(dots(ax)[0]) == 2 and texts(ax) == ["2×"]


@pytest.mark.parametrize("highlight", [[1], np.array([False, True, False]), (1,)])
def test_highlighted_points_stand_apart_even_from_equal_ones(ax, highlight):
    persistence_diagram(ax, [0, 0, 1], [5, 5, 3], highlight=highlight)
    assert dots(ax) == [[[0, 5], [1, 3]], [[0, 5]]]
    assert texts(ax) == []


@pytest.mark.parametrize("highlight", [[], None, np.zeros(3, dtype=bool), np.array([])])
def test_nothing_highlighted(ax, highlight):
    persistence_diagram(ax, [0, 0, 1], [5, 5, 3], highlight=highlight)
    assert dots(ax) == [[[0, 5], [1, 3]]]


def test_features_that_never_die_lie_on_a_marked_line_above_all_others(ax):
    persistence_diagram(ax, [0, 1], [INF, 4], limits=(0, 10))
    (top,) = infinity(ax.yaxis)
    assert 10 < top < ax.get_ylim()[1] and not infinity(ax.xaxis)
    assert dots(ax) == [[[0, pytest.approx(top)], [1, 4]]]
    assert [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"] == [top]


def test_limits_and_diagonal(ax):
    persistence_diagram(ax, [0], [2], limits=(-1, 9), diagonal=False)
    assert ax.get_xlim() == ax.get_ylim() == (-1, 9) and not ax.lines
    assert not infinity(ax.yaxis)


def test_only_features_that_never_die(ax):
    persistence_diagram(ax, [0], [INF])
    barcode(ax, [0], [INF])
    ax.figure.canvas.draw()


@pytest.mark.parametrize("draw", [persistence_diagram, barcode])
def test_no_features_are_said_and_not_raised(ax, draw):
    assert draw(ax, [], [], highlight=[]) is ax
    assert texts(ax) == ["no features"]
    ax.figure.canvas.draw()


@pytest.mark.parametrize("draw", [persistence_diagram, barcode])
def test_bad_features(ax, draw):
    with pytest.raises(EccvkitError, match="2 births but 1 deaths"):
        draw(ax, [0, 1], [2])
    for births, deaths in (([np.nan], [1]), ([0], [np.nan]), ([INF], [INF])):
        with pytest.raises(EccvkitError, match="finite"):
            draw(ax, births, deaths)
    for highlight in ([2], [True], [0.5]):
        with pytest.raises(EccvkitError, match="highlight does not fit 2 features"):
            draw(ax, [0, 1], [2, 3], highlight=highlight)


def test_barcode_is_sorted_by_birth_then_death(ax):
    assert barcode(ax, [3, 0, 0], [5, 8, 7], highlight=[0]) is ax
    bars = [line for line in ax.lines if len(line.get_xdata()) == 2]
    assert [list(map(float, bar.get_xdata())) for bar in bars] == [[0, 7], [0, 8], [3, 5]]
    assert [bar.get_ydata()[0] for bar in bars] == [0, 1, 2]
    assert ax.yaxis_inverted()
    assert bars[2].get_linewidth() > bars[0].get_linewidth()
    assert bars[2].get_color() != bars[0].get_color() == bars[1].get_color()


def test_endless_bars_reach_the_marked_line(ax):
    barcode(ax, [0, 1], [INF, 2])
    (right,) = infinity(ax.xaxis)
    assert 2 < right < ax.get_xlim()[1]
    assert ax.lines[0].get_xdata()[1] == right
    assert sum(line.get_marker() == ">" for line in ax.lines) == 1


def test_moving_dot_starts_hollow_and_ends_full(ax):
    assert moving_dot(ax, [(3, 5), (1, 5), (0, 6)], label="gap") is ax
    start, end = ax.lines[1:]
    assert start.get_xydata().tolist() == [[3, 5]] and start.get_markerfacecolor() == "white"
    assert end.get_xydata().tolist() == [[0, 6]] and end.get_markerfacecolor() != "white"
    assert ax.get_legend_handles_labels()[1] == ["gap"]


def test_bad_trajectories(ax):
    moving_dot(ax, [])
    assert texts(ax) == ["no steps"]
    for bad in ([1, 2, 3], [(1, 2, 3)], [(0, INF)]):
        with pytest.raises(EccvkitError, match="pairs"):
            moving_dot(ax, bad)


def test_transport_plan_marks_the_first_largest_entry_of_each_row_with_mass(ax):
    gamma = [[0.1, 0.3, 0.0], [0.2, 0.2, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.2]]
    assert transport_plan(ax, gamma, "abcd", ["r0", "r1", "r2"]) is ax
    assert ax.lines[0].get_xydata().tolist() == [[1, 0], [0, 1], [2, 3]]
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abcd")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["r0", "r1", "r2"]
    assert ax.figure.axes[-1].get_ylabel() == "mass"


def test_bad_transport_plans(ax):
    with pytest.raises(EccvkitError, match="3 labels for 2"):
        transport_plan(ax, np.eye(2), "abc")
    with pytest.raises(EccvkitError, match="matrix"):
        transport_plan(ax, [1.0, 2.0])


def test_betti_histogram_shows_shares_side_by_side(ax):
    assert betti_histogram(ax, {"real": [0, 2, 2, 2], "ours": [1, 2]}, {"real": GREY}) is ax
    real, ours = ([bar.get_height() for bar in c] for c in ax.containers)
    assert real == [0.25, 0, 0.75] and ours == [0, 0.5, 0.5]
    left, right = (c[2] for c in ax.containers)
    assert left.get_x() + left.get_width() == pytest.approx(right.get_x())
    assert left.get_x() + left.get_width() == pytest.approx(2)
    assert ax.get_legend_handles_labels()[1] == ["real", "ours"]


def test_betti_histogram_has_colours_of_its_own(ax):
    betti_histogram(ax, {"a": [1], "b": np.array([1.0])})
    colours = [matplotlib.colors.to_hex(c[0].get_facecolor()) for c in ax.containers]
    assert colours == list(PALETTE[:2])


@pytest.mark.parametrize("bad", [[], [-1], [0.5], [[1, 2]], [np.nan]])
def test_bad_betti_numbers(ax, bad):
    with pytest.raises(EccvkitError, match="ours: give the Betti number"):
        betti_histogram(ax, {"real": [1], "ours": bad})


def test_filtrations_can_be_had_from_here():
    for name in ("sublevel_sets", "surface", "transform_map"):
        assert getattr(topology, name) is getattr(heights, name)
