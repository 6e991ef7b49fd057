"""Graphs and floor plans draw what they are given."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection

from eccvkit.errors import EccvkitError
from eccvkit.viz import graphs

PLACES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])


@pytest.fixture
def ax():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


def lines(ax):
    return [c for c in ax.collections if isinstance(c, LineCollection)]


def test_opacity_of_an_edge_is_its_weight(ax):
    weights = np.array([[1, 0.25, 0.01], [0.25, 1, 0.75], [0.01, 0.75, 1]])
    graphs.graph(ax, PLACES, weights)
    (edges,) = lines(ax)
    assert edges.get_colors()[:, 3].tolist() == [0.25, 0.75]  # 0-2 is too faint to show
    assert [t.get_text() for t in ax.texts] == ["0", "1", "2"]


def test_boolean_graph_has_opaque_edges(ax):
    graphs.graph(ax, PLACES, np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=bool), labels=False)
    assert lines(ax)[0].get_colors()[:, 3].tolist() == [1.0] and not ax.texts


def test_way_has_an_arrow_per_step_and_a_cross_where_it_is_blocked(ax):
    graphs.path(ax, PLACES, [0, 1, 2], "red", ok=[True, False], label="a way")
    assert len(ax.texts) == 2  # annotations
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert len(crosses) == 1
    assert [float(a[0]) for a in crosses[0].get_data()] == [0.5, 1.0]
    assert ax.get_legend_handles_labels()[1] == ["a way"]


def test_floor_plan_shows_rooms_and_walls_that_are_there(ax):
    walls = np.array([[4.0, 0, 4, 1], [np.nan] * 4])
    graphs.floor_plan(ax, walls, 1, 2, [1, 0])
    assert len(lines(ax)[0].get_segments()) == 1
    assert len(ax.patches) == 3  # two rooms and the outer wall
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # rows go down


def test_start_and_target_are_marked(ax):
    graphs.ends(ax, PLACES, 0, 2)
    assert [c.get_offsets()[0].tolist() for c in ax.collections] == [[0, 0], [0, 2]]


def test_too_many_rooms(ax):
    with pytest.raises(EccvkitError, match="17 rooms"):
        graphs.rgb_palette(17)
