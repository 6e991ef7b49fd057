"""Meshes to turn with the mouse (k3d), beside the pictures that notebooks store.

A notebook stores the picture only: a live view is large, and dead without a kernel.
:func:`show_turnable` shows the picture and a button that builds the live view when it is pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.viz.meshes import CMAP, PLAIN, as_surface, as_values, colour_map, value_range
from eccvkit.viz.style import show

if TYPE_CHECKING:
    import k3d


def interactive_mesh(
    vertices: ArrayLike | Tensor,
    faces: ArrayLike | Tensor,
    values: ArrayLike | Tensor | None = None,
    *,
    label: str = "",
    cmap: str = CMAP,
    vmin: float | None = None,
    vmax: float | None = None,
    colour: str = PLAIN,
    edges: bool = False,
    height: int = 360,
) -> k3d.Plot:
    """A mesh to turn with the mouse, as a widget (k3d).

    Do not display it in a notebook that is stored: use :func:`show_turnable`.

    Parameters
    ----------
    vertices, faces, values, cmap, vmin, vmax, colour
        As in :func:`eccvkit.viz.meshes.draw_mesh`.
    label : str
        Name of the object in the view's menu.
    edges : bool
        Only the edges.
    height : int
        Pixels.

    Raises
    ------
    EccvkitError
        k3d is not installed, or shapes do not fit each other.
    """
    try:
        import k3d
    except ImportError as error:
        raise EccvkitError(
            "the live 3D view needs k3d: pip install k3d, or use the picture (draw_mesh)"
        ) from error

    vertices, faces = as_surface(vertices, faces)
    look: dict[str, Any] = {"color": _packed(colour)}
    if values is not None:
        values = as_values(values, vertices)
        norm = value_range([values], vmin, vmax)
        share = np.linspace(0, 1, 64)
        stops = np.column_stack([share, colour_map(cmap)(share)[:, :3]])
        look = {
            "attribute": values.astype(np.float32),
            "color_range": [float(norm.vmin), float(norm.vmax)],
            "color_map": stops.astype(np.float32),
        }
    plot = k3d.plot(height=height, grid_visible=False, menu_visibility=False)
    plot += k3d.mesh(
        vertices.astype(np.float32),
        faces.astype(np.uint32),
        side="double",
        wireframe=edges,
        name=label or None,
        **look,
    )
    return plot


def show_turnable(
    figure: Figure, alt: str, build: Callable[[], Any], *, thumbnail: bool = False
) -> None:
    """Publish a picture, and below it a button that opens a live view.

    The view is built when the button is pressed, so the stored notebook holds the picture alone.

    Parameters
    ----------
    figure, alt, thumbnail
        As in :func:`eccvkit.viz.style.show`.
    build : callable
        Returns a widget: ``lambda: interactive_mesh(vertices, faces, values)``.
    """
    import ipywidgets
    from IPython.display import display

    show(figure, alt, thumbnail=thumbnail)
    button = ipywidgets.Button(description="Turn it in 3D")
    place = ipywidgets.VBox([button])

    def open_view(_button: Any) -> None:
        try:
            place.children = (build(),)
        except EccvkitError as error:
            place.children = (button, ipywidgets.Label(str(error)))

    button.on_click(open_view)
    display(place)


def _packed(colour: str) -> int:
    """A colour as 0xRRGGBB."""
    red, green, blue = (round(255 * c) for c in to_rgb(colour))
    return (red << 16) + (green << 8) + blue
