import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import trimesh
from matplotlib.colors import to_rgb, to_rgba
from mpl_toolkits.mplot3d import proj3d

from eccvkit.errors import EccvkitError
from eccvkit.viz.meshes import (
    common_span,
    contour_segments,
    draw_mesh,
    draw_points,
    mesh_row,
)
from eccvkit.viz.style import GREY

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.figure(figsize=(3, 3)).add_subplot(projection="3d")


def length(segments):
    return np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).sum()


# Contours


def test_contours_of_a_linear_function_on_a_square():
    values = SQUARE @ [1.0, 2.0, 0.0]
    for level, expected in [(0.5, 0.25), (1.5, 0.5), (2.9, 0.05)]:
        segments = contour_segments(SQUARE, HALVES, values, level)
        assert np.allclose(segments @ [1.0, 2.0, 0.0], level)
        # The line x + 2 y = c inside the square has length sqrt(5) times its range of y.
        assert length(segments) == pytest.approx(np.sqrt(5) * expected)


def test_contours_of_several_levels_come_in_their_order():
    segments = contour_segments(
        torch.tensor(SQUARE), torch.tensor(HALVES), SQUARE[:, 0], [0.7, 0.2]
    )
    assert np.allclose(segments[:, :, 0], [[0.7, 0.7]] * 2 + [[0.2, 0.2]] * 2)
    assert contour_segments(SQUARE, HALVES, SQUARE[:, 0], [2.0, -1.0]).shape == (0, 2, 3)
    assert contour_segments(SQUARE, HALVES, np.ones(4), [1.0]).shape == (0, 2, 3)


def test_contour_through_vertices_and_along_an_edge_appears_once():
    diagonal = np.array([0.0, 1.0, 0.0, -1.0])
    (segment,) = contour_segments(SQUARE, HALVES, diagonal, 0.0)
    assert sorted(segment.tolist()) == [[0, 0, 0], [1, 1, 0]]
    # Only a corner reaches the level: a point is no line.
    assert len(contour_segments(SQUARE, HALVES, np.array([0.0, 0, 1, 0]), 1.0)) == 0


def test_contours_of_a_closed_surface_are_closed_circles():
    ball = trimesh.creation.icosphere(subdivisions=4)
    segments = contour_segments(ball.vertices, ball.faces, ball.vertices[:, 2], [0.47])
    assert length(segments) == pytest.approx(2 * np.pi * np.sqrt(1 - 0.47**2), rel=0.01)
    ends = np.unique(segments.reshape(-1, 3).round(9), axis=0, return_counts=True)[1]
    assert (ends == 2).all()


# Pictures


def colours(ax):
    # In the order of painting.
    return ax.collections[0].get_facecolor()


def test_faces_take_the_mean_of_their_corners_and_light_shading(ax):
    draw_mesh(ax, SQUARE, HALVES, [0.0, 0.0, 3.0, 0.0], vmin=0, vmax=2, cmap="viridis")
    both = colours(ax)
    ax.figure.canvas.draw()
    pure = np.array(plt.get_cmap("viridis")(0.5)[:3])
    assert both.shape == (2, 4) and np.allclose(both[0], both[1])
    brightness = both[0, :3] / pure
    assert np.ptp(brightness) < 1e-6 and 0.8 <= brightness[0] <= 1


def test_both_sides_look_alike(ax):
    draw_mesh(ax, SQUARE, HALVES)
    other = plt.figure().add_subplot(projection="3d")
    draw_mesh(other, SQUARE, HALVES[:, ::-1])
    assert np.allclose(colours(ax), colours(other))


def test_values_that_are_not_finite_are_grey(ax):
    draw_mesh(ax, SQUARE, HALVES, [1.0, np.nan, 2.0, 3.0])
    tints = np.ptp(colours(ax)[:, :3] / np.array(to_rgb(GREY)), axis=1)
    assert sorted(tints > 1e-6) == [False, True]


@pytest.mark.parametrize(("elev", "azim"), [(0, 0), (25, -60), (90, 10), (-40, 200)])
def test_mesh_fills_the_axes_undistorted(ax, elev, azim):
    box = trimesh.creation.box((2.0, 0.5, 0.7))
    vertices = box.vertices + np.array([5, -3, 8])
    draw_mesh(ax, vertices, box.faces, elev=elev, azim=azim)
    ax.figure.canvas.draw()
    x, y, _ = proj3d.proj_transform(*vertices.T, ax.get_proj())
    inside = ax.transAxes.inverted().transform(ax.transData.transform(np.c_[x, y]))
    assert np.ptp(inside, axis=0).max() == pytest.approx(0.95, abs=0.01)
    assert inside.min() > 0 and inside.max() < 1
    # Parallel projection to one scale: pixels are proportional to true lengths across the view.
    e, a = np.radians([elev, azim])
    right = np.array([-np.sin(a), np.cos(a), 0])
    up = np.array([-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)])
    true = np.c_[vertices @ right, vertices @ up]
    scale = 0.95 / np.ptp(true, axis=0).max()
    assert np.allclose(inside - inside.mean(0), scale * (true - true.mean(0)), atol=0.01)


def test_span_gives_two_pictures_one_scale():
    big = 3 * SQUARE
    span = common_span([SQUARE, torch.tensor(big)], elev=90, azim=-90)
    assert span == pytest.approx(3)
    figure = mesh_row([SQUARE, big], HALVES, elev=90, azim=-90)
    sizes = [np.ptp(ax.get_xlim()) for ax in figure.axes]
    assert sizes == pytest.approx([3, 3])


def test_second_drawing_keeps_the_frame(ax):
    draw_mesh(ax, SQUARE, HALVES)
    limits = ax.get_xlim()
    draw_points(ax, 10 * SQUARE, values=[0, 1, 2, 3], elev=0)
    assert ax.get_xlim() == limits and ax.elev == 25
    assert len(ax.collections) == 2
    assert len(draw_points(plt.figure().add_subplot(projection="3d"), SQUARE).collections) == 1


def test_isolines_are_painted_after_their_triangles_in_their_place(ax):
    draw_mesh(ax, SQUARE, HALVES, isolines=[(SQUARE[:, 0], [0.3], "red")])
    faces = colours(ax)
    assert len(faces) == 2 + 2 * 2 and np.allclose(faces[2:], to_rgba("red"))
    ax.figure.canvas.draw()
    # Sorted by depth, what is in front comes last.
    painted = ax.collections[0].get_facecolor()
    assert np.allclose(painted[2:], to_rgba("red"))
    paths = [path.vertices for path in ax.collections[0].get_paths()[2:]]
    # The two halves of the line x = 0.3 have their middles at y = 0.15 and y = 0.65.
    middle = np.mean([path[:3].mean(axis=0) for path in paths], axis=0)
    x, y, _ = proj3d.proj_transform(0.3, 0.4, 0, ax.get_proj())
    assert middle == pytest.approx([x, y], abs=1e-3)


def test_row_shares_range_and_has_one_colour_bar():
    meshes = torch.tensor(np.stack([SQUARE, SQUARE + 1]))
    values = torch.tensor([[0.0, 0, 0, 0], [3.0, 3, 3, 3]])
    figure = mesh_row(meshes, HALVES, values, titles=["a", "b"], label="error in mm")
    assert len(figure.axes) == 3
    bar = figure.axes[-1]
    assert bar.get_ylabel() == "error in mm" and bar.get_ylim() == (0, 3)
    assert [ax.get_title() for ax in figure.axes[:2]] == ["a", "b"]
    assert not np.allclose(*[colours(ax)[0] for ax in figure.axes[:2]])
    assert len(mesh_row([SQUARE, SQUARE[:3]], [HALVES, HALVES[:1]]).axes) == 2


def test_edges_are_drawn_dark(ax):
    draw_mesh(ax, SQUARE, HALVES, edges=True)
    assert ax.collections[0].get_edgecolor()[:, :3].max() < 0.3


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((SQUARE[:, :2], HALVES), r"points have shape \(4, 2\)"),
        ((SQUARE * np.nan, HALVES), "points are NaN"),
        ((SQUARE, HALVES + 2), "do not fit 4 vertices"),
        ((SQUARE, HALVES - 1), "do not fit 4 vertices"),
        ((SQUARE, HALVES[:0]), "do not fit 4 vertices"),
        ((SQUARE, HALVES * 0.5), "do not fit 4 vertices"),
        ((SQUARE, HALVES, [1, 2]), r"values have shape \(2,\): expected one per vertex, \(4,\)"),
    ],
)
def test_inputs_that_do_not_fit(ax, arguments, part):
    with pytest.raises(EccvkitError, match=part):
        draw_mesh(ax, *arguments)


def test_row_of_lists_that_do_not_fit():
    with pytest.raises(EccvkitError, match="2 meshes, 2 lists of faces, 1 lists of values"):
        mesh_row([SQUARE] * 2, HALVES, [SQUARE[:, 0]])
    with pytest.raises(EccvkitError, match="2 meshes, 1 lists of faces, no lists of values"):
        mesh_row([SQUARE] * 2, [HALVES])
