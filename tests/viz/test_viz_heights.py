import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.viz import use_style
from eccvkit.viz.heights import sublevel_sets, surface, transform_map

#: Two rows, three columns: a transposed picture would not fit.
F = np.array([[0.0, 1.0, 2.0], [0.0, 3.0, 4.0]])


@pytest.fixture(autouse=True)
def ax():
    use_style()
    yield plt.subplots()[1]
    plt.close("all")


@pytest.fixture
def ax3d():
    return plt.figure().add_subplot(projection="3d")


def test_sublevel_sets_grow_from_the_structure():
    axes = plt.subplots(1, 3)[1]
    assert sublevel_sets(axes, F, [0, 1, 3], unit="px") is axes
    stages = [ax.images[0].get_array().tolist() for ax in axes]
    assert stages == [
        [[2, 0, 0], [2, 0, 0]],
        [[2, 1, 0], [2, 0, 0]],
        [[2, 1, 1], [2, 1, 0]],
    ]
    assert [ax.get_title() for ax in axes] == ["t = 0 px", "t = 1 px", "t = 3 px"]


def test_negative_thresholds_show_less_than_the_structure(ax):
    sublevel_sets([ax], [[-2.0, 0.0, 1.0]], [-1])
    assert ax.images[0].get_array().tolist() == [[2, 0, 0]]


def test_rings_of_critical_pixels_are_filled_once_they_are_in_the_set():
    axes = plt.subplots(1, 2)[1]
    sublevel_sets(axes, F, [1, 2], critical=[(0, 2)])
    before, after = (ax.lines[0] for ax in axes)
    assert before.get_markerfacecolor() == "w" != after.get_markerfacecolor()
    assert (before.get_xdata()[0], before.get_ydata()[0]) == (2, 0)


def test_one_axes_for_each_threshold(ax):
    with pytest.raises(EccvkitError, match="1 axes for 2 thresholds"):
        sublevel_sets([ax], F, [0, 1])


def test_rows_are_drawn_downwards_and_columns_to_the_right(ax):
    assert transform_map(ax, F, [(1, 2), (0, 1)], vmax=8) is ax
    assert ax.lines[0].get_xydata().tolist() == [[2, 1], [1, 0]]
    assert ax.images[0].get_array().shape == (2, 3) and ax.yaxis_inverted()
    assert ax.images[0].get_clim() == (0, 8)
    assert ax.figure.axes[-1].get_ylabel() == "distance to the structure (px)"


def test_a_map_without_colour_bar_and_critical_pixels(ax):
    transform_map(ax, F, label=None)
    assert len(ax.figure.axes) == 1 and not len(ax.lines[0].get_xdata())
    transform_map(ax, F, critical=np.empty((0, 2)), label=None)


def test_surface_lifts_critical_pixels_to_their_height(ax3d):
    surface(ax3d, F, [(1, 2)], vmax=5)
    x, y, z = ax3d.collections[-1]._offsets3d
    assert (x[0], y[0], z[0]) == (2, 1, 4)
    assert ax3d.get_zlim()[1] >= 5 and ax3d.get_ylim()[0] > ax3d.get_ylim()[1]
    ax3d.figure.canvas.draw()


def test_surface_of_a_constant(ax3d):
    surface(ax3d, np.zeros((3, 4)))
    ax3d.figure.canvas.draw()


def test_surface_needs_three_dimensions(ax):
    with pytest.raises(EccvkitError, match='projection="3d"'):
        surface(ax, F)


@pytest.mark.parametrize("draw", [transform_map, lambda ax, f: sublevel_sets([ax], f, [0])])
@pytest.mark.parametrize("f", [np.zeros(3), np.zeros((0, 3)), [[0.0, np.nan]], [[0.0, np.inf]]])
def test_functions_must_be_finite_images(ax, draw, f):
    with pytest.raises(EccvkitError, match="finite array"):
        draw(ax, f)


def test_swapped_coordinates_are_noticed(ax):
    with pytest.raises(EccvkitError, match="outside the image of 2 rows and 3 columns"):
        transform_map(ax, F, [(2, 1)])
    with pytest.raises(EccvkitError, match="outside"):
        transform_map(ax, F, [(0, -1)])
