"""Triangle meshes and point clouds: shaded pictures with values and isolines.

Pictures are parallel projections, all axes to the same scale. The first drawing into 3D axes frames
what it draws; ``span`` gives several axes one scale. Matplotlib paints triangles from back to
front: up to a few thousand of them this is quick, and right except where triangles intersect.

A live view to turn with the mouse is in :mod:`eccvkit.viz.live`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize, to_rgb
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from numpy.typing import ArrayLike
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.viz.style import GREY

#: Colour of surfaces without values.
PLAIN = "#c3cad6"
#: Its hues change along the scale, so that values stay readable under shading.
CMAP = "viridis"
#: Darkest shade of a surface with and without values.
_SHADE_VALUES, _SHADE_PLAIN = 0.9, 0.65
#: Default camera in degrees: height above the horizon, and direction around the z axis.
ELEV, AZIM = 25.0, -60.0
#: At this zoom of matplotlib a cube seen face on fills 95% of the axes.
_ZOOM = 1.6
#: Width of an isoline as a share of the picture.
_LINE = 0.008

# Values at the vertices, levels, colour.
Isolines = tuple[ArrayLike, ArrayLike, str]


# --------------------------------------------------------------------------------------
# Pictures
# --------------------------------------------------------------------------------------


def draw_mesh(
    ax: Axes3D,
    vertices: ArrayLike | Tensor,
    faces: ArrayLike | Tensor,
    values: ArrayLike | Tensor | None = None,
    *,
    cmap: str = CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    elev: float = ELEV,
    azim: float = AZIM,
    span: float | None = None,
    colour: str = PLAIN,
    edges: bool = False,
    isolines: Sequence[Isolines] = (),
) -> Axes3D:
    """Draw a mesh with light shading, both sides of the surface alike.

    Parameters
    ----------
    ax : Axes3D
    vertices : (n, 3) array or Tensor
    faces : (f, 3) int array or Tensor
    values : (n,) array or Tensor, optional
        A triangle takes the colour of the mean of its corners; grey where that is not finite.
    cmap, vmin, vmax : str, float, float
        Colour map and its range; by default the range of the values.
    elev, azim : float
        Camera in degrees; the first drawing into the axes decides.
    span : float, optional
        Side of the visible square, in units of the vertices, see :func:`common_span`.
    colour : str
        Of a surface without values.
    edges : bool
        Also draw the edges of the triangles.
    isolines : sequence of (values, levels, colour)
        Lines on the surface where vertex values take the levels; hidden where the surface is.

    Raises
    ------
    EccvkitError
        Shapes that do not fit each other.
    """
    vertices, faces = as_surface(vertices, faces)
    span = _frame(ax, vertices, elev, azim, span)
    camera = _camera(ax.elev, ax.azim)
    corners = vertices[faces]
    if values is None:
        base, darkest = np.tile(to_rgb(colour), (len(faces), 1)), _SHADE_PLAIN
    else:
        values = as_values(values, vertices)
        mapped = ScalarMappable(value_range([values], vmin, vmax), colour_map(cmap))
        base, darkest = mapped.to_rgba(values[faces].mean(axis=1))[:, :3], _SHADE_VALUES
    shaded = base * (darkest + (1 - darkest) * _light(corners, camera)[:, None])
    outline = np.tile(to_rgb("#3a3f47"), (len(faces), 1)) if edges else shaded
    triangles, fill, edge = [corners], [shaded], [outline]
    lift = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).mean()
    for function, levels, line_colour in isolines:
        segments = contour_segments(vertices, faces, function, levels)
        ribbons = _ribbons(segments, camera[2], _LINE * span, lift)
        triangles.append(ribbons)
        fill.append(np.tile(to_rgb(line_colour), (len(ribbons), 1)))
        edge.append(fill[-1])
    # One collection, because matplotlib sorts by depth only within a collection. Triangles only,
    # because it pads polygons of different length with whatever is in memory.
    painted = Poly3DCollection(
        np.concatenate(triangles),
        facecolors=np.concatenate(fill),
        edgecolors=np.concatenate(edge),
        lw=0.3,
    )
    ax.add_collection3d(painted)
    return ax


def draw_points(
    ax: Axes3D,
    points: ArrayLike | Tensor,
    values: ArrayLike | Tensor | None = None,
    *,
    cmap: str = CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    elev: float = ELEV,
    azim: float = AZIM,
    span: float | None = None,
    colour: str = "#33507a",
    size: float = 6,
) -> Axes3D:
    """Draw a point cloud.

    Parameters
    ----------
    points : (n, 3) array or Tensor
    values : (n,) array or Tensor, optional
    cmap, vmin, vmax, elev, azim, span, colour
        As in :func:`draw_mesh`.
    size : float
        Area of a dot in square points.
    """
    points = _points(points)
    _frame(ax, points, elev, azim, span)
    if values is None:
        ax.scatter(*points.T, s=size, color=colour, lw=0)
    else:
        values = as_values(values, points)
        # Depth shading would change the colours.
        look = {"c": values, "cmap": colour_map(cmap), "norm": value_range([values], vmin, vmax)}
        ax.scatter(*points.T, s=size, lw=0, depthshade=False, plotnonfinite=True, **look)
    return ax


def mesh_row(
    meshes: Sequence[ArrayLike | Tensor] | Tensor,
    faces: ArrayLike | Tensor | Sequence[ArrayLike | Tensor],
    values: Sequence[ArrayLike | Tensor] | Tensor | None = None,
    *,
    titles: Sequence[str] = (),
    label: str = "",
    cmap: str = CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    elev: float = ELEV,
    azim: float = AZIM,
    cell: float = 1.6,
    **options: Any,
) -> Figure:
    """Meshes side by side, all to one scale, with one colour bar.

    Parameters
    ----------
    meshes : sequence of (n, 3), or (B, n, 3)
        Vertices of each mesh.
    faces : (f, 3) array or Tensor, or list of them
        Shared by all, or one per mesh.
    values : sequence of (n,), or (B, n), optional
        Vertex values of each mesh.
    titles : sequence of str
    label : str
        Names the values and their unit at the colour bar.
    cmap, vmin, vmax, elev, azim
        As in :func:`draw_mesh`; the default range is that of all values.
    cell : float
        Side of one picture in inches.
    **options
        Passed to :func:`draw_mesh`.
    """
    each = list(faces) if isinstance(faces, list | tuple) else [faces] * len(meshes)
    if len(each) != len(meshes) or (values is not None and len(values) != len(meshes)):
        raise EccvkitError(
            f"mesh_row: {len(meshes)} meshes, {len(each)} lists of faces, "
            f"{'no' if values is None else len(values)} lists of values: give one per mesh"
        )
    width = len(meshes) * cell + (0.9 if values is not None else 0)
    figure, axes = plt.subplots(
        1,
        len(meshes),
        figsize=(width, cell * (1.2 if len(titles) else 1)),
        squeeze=False,
        subplot_kw={"projection": "3d"},
    )
    options |= {"elev": elev, "azim": azim, "span": common_span(meshes, elev, azim)}
    if values is not None:
        norm = value_range([_array(v) for v in values], vmin, vmax)
        options |= {"cmap": cmap, "vmin": norm.vmin, "vmax": norm.vmax}
    for k, ax in enumerate(axes[0]):
        draw_mesh(ax, meshes[k], each[k], None if values is None else values[k], **options)
        if k < len(titles):
            ax.set_title(titles[k], fontsize="small")
    if values is not None:
        figure.colorbar(ScalarMappable(norm, cmap), ax=axes[0].tolist(), label=label, aspect=12)
    return figure


def common_span(
    meshes: Sequence[ArrayLike | Tensor] | Tensor, elev: float = ELEV, azim: float = AZIM
) -> float:
    """Side of the smallest square that shows every mesh (n, 3) of a list from this direction."""
    return max(_extent(_points(mesh) @ _camera(elev, azim).T) for mesh in meshes)


def contour_segments(
    vertices: ArrayLike | Tensor,
    faces: ArrayLike | Tensor,
    values: ArrayLike | Tensor,
    levels: ArrayLike,
) -> np.ndarray:
    """Lines where a function, linear on each triangle, takes the given levels.

    Parameters
    ----------
    vertices : (n, 3) array or Tensor
    faces : (f, 3) int array or Tensor
    values : (n,) array or Tensor
        The function at the vertices.
    levels : float or (k,) array

    Returns
    -------
    (s, 2, 3) array
        Ends of the segments, in the order of the levels. An edge that lies on a level appears once
        if the function descends to one of its sides.
    """
    vertices, faces = as_surface(vertices, faces)
    at = as_values(values, vertices).astype(float)[faces]
    after = np.roll(at, -1, axis=1)
    level = np.atleast_1d(np.asarray(levels, dtype=float))[:, None, None]
    # From "at or above" to "below": this way each triangle is crossed at two edges or at none.
    which, face, edge = np.nonzero((at >= level) != (after >= level))
    start, end = at[face, edge], after[face, edge]
    share = (level[which, 0, 0] - start) / (end - start)
    a, b = vertices[faces[face, edge]], vertices[faces[face, (edge + 1) % 3]]
    segments = (a + share[:, None] * (b - a)).reshape(-1, 2, 3)
    return segments[(segments[:, 0] != segments[:, 1]).any(axis=1)]


# --------------------------------------------------------------------------------------
# Inputs, camera, light, colours
# --------------------------------------------------------------------------------------


def _array(values: ArrayLike | Tensor) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _points(points: ArrayLike | Tensor) -> np.ndarray:
    points = _array(points)
    if points.ndim != 2 or points.shape[1] != 3 or not len(points):
        raise EccvkitError(f"points have shape {points.shape}: expected (n, 3)")
    if not np.isfinite(points).all():
        raise EccvkitError("points are NaN or infinite: look for the step that made them so")
    return points


def as_surface(
    vertices: ArrayLike | Tensor, faces: ArrayLike | Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) and faces (f, 3) as arrays, after checking that they fit each other."""
    vertices, faces = _points(vertices), _array(faces)
    proper = faces.ndim == 2 and faces.shape[1] == 3 and len(faces) and faces.dtype.kind in "iu"
    if not proper or faces.min() < 0 or faces.max() >= len(vertices):
        raise EccvkitError(
            f"faces of shape {faces.shape} do not fit {len(vertices)} vertices: expected (f, 3) "
            "indices of vertices, counted from 0"
        )
    return vertices, faces


def as_values(values: ArrayLike | Tensor, points: np.ndarray) -> np.ndarray:
    """Vertex values (n,) as an array, after checking that there is one per point."""
    values = _array(values)
    if values.shape != (len(points),):
        raise EccvkitError(
            f"values have shape {values.shape}: expected one per vertex, ({len(points)},)"
        )
    return values


def _camera(elev: float, azim: float) -> np.ndarray:
    """Right, up and towards the viewer, as rows of an orthonormal matrix (3, 3)."""
    e, a = np.radians([elev, azim])
    return np.array(
        [
            [-np.sin(a), np.cos(a), 0],
            [-np.sin(e) * np.cos(a), -np.sin(e) * np.sin(a), np.cos(e)],
            [np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)],
        ]
    )


def _extent(seen: np.ndarray) -> float:
    return float(np.ptp(seen[:, :2], axis=0).max())


def _frame(ax: Axes3D, points: np.ndarray, elev: float, azim: float, span: float | None) -> float:
    """Point the camera at what is drawn first; return the side of the visible square."""
    if ax.collections:
        return float(np.ptp(ax.get_xlim()))
    # Straight from above, matplotlib's camera would lose its azimuth to rounding.
    elev = float(np.clip(elev, -89.99, 89.99))
    camera = _camera(elev, azim)
    seen = points @ camera.T
    span = span or _extent(seen) or 1.0
    middle = (seen.min(axis=0) + seen.max(axis=0)) / 2 @ camera
    ax.set_proj_type("ortho")
    ax.view_init(elev, azim)
    ax.set_box_aspect((1, 1, 1), zoom=_ZOOM)
    for set_limits, centre in zip((ax.set_xlim, ax.set_ylim, ax.set_zlim), middle):
        set_limits(centre - span / 2, centre + span / 2)
    ax.set_axis_off()
    return span


def _light(corners: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Light that falls on triangles (f, 3, 3), 0 to 1."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals / np.where(length > 0, length, 1)
    # Sheets show both sides: the side we see is the one that is lit.
    normals = np.where(normals @ camera[2] < 0, -1, 1)[:, None] * normals
    lamp = np.array([-0.4, 0.6, 0.7]) @ camera
    return (normals @ lamp / np.linalg.norm(lamp)).clip(0)


def _ribbons(segments: np.ndarray, viewer: np.ndarray, width: float, lift: float) -> np.ndarray:
    """Segments (s, 2, 3) as thin rectangles, two triangles each, (2 s, 3, 3), facing the viewer.

    Moved along the line of sight by ``lift`` they stay in place, but are painted after the surface.
    """
    side = np.cross(segments[:, 1] - segments[:, 0], viewer)
    length = np.linalg.norm(side, axis=1, keepdims=True)
    side = (width / 2 * side / np.where(length > 0, length, 1))[:, None]
    raised = segments + lift * viewer
    rectangles = np.concatenate([raised - side, raised[:, ::-1] + side], axis=1)
    return rectangles[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)


def value_range(values: Sequence[np.ndarray], vmin: float | None, vmax: float | None) -> Normalize:
    """Range of colours: the given ends, by default those of all finite values."""
    finite = np.concatenate([v[np.isfinite(v)].ravel() for v in values] or [np.zeros(0)])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    return Normalize(low if vmin is None else vmin, high if vmax is None else vmax)


def colour_map(cmap: str) -> Colormap:
    """A colour map of matplotlib with grey for what is not finite."""
    return plt.get_cmap(cmap).with_extremes(bad=GREY)
