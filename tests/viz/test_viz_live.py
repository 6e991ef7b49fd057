import sys

import matplotlib

matplotlib.use("Agg")
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.viz.live import interactive_mesh, show_turnable

SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
HALVES = np.array([[0, 1, 2], [0, 2, 3]])
ALT = "A square made of two triangles."


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, in order."""
    things = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: things.extend(a))
    yield things
    plt.close("all")


def test_live_mesh_has_values_and_range():
    plot = interactive_mesh(SQUARE, HALVES, [0.0, 1, 2, 3], label="error", vmax=5)
    (mesh,) = plot.objects
    assert isinstance(plot, ipywidgets.DOMWidget)
    assert mesh.indices.tolist() == HALVES.tolist() and mesh.vertices.tolist() == SQUARE.tolist()
    assert mesh.attribute.tolist() == [0, 1, 2, 3] and mesh.color_range == [0, 5]
    stops = np.asarray(mesh.color_map).reshape(-1, 4)
    assert stops[0] == pytest.approx([0, *plt.get_cmap("viridis")(0.0)[:3]])
    assert stops[-1] == pytest.approx([1, *plt.get_cmap("viridis")(1.0)[:3]])
    assert mesh.side == "double" and mesh.name == "error"


def test_live_mesh_without_values_has_one_colour():
    (mesh,) = interactive_mesh(SQUARE, HALVES, colour="#ff8001", edges=True).objects
    assert mesh.color == 0xFF8001 and mesh.wireframe
    with pytest.raises(EccvkitError, match="one per vertex"):
        interactive_mesh(SQUARE, HALVES, [1.0])


def test_live_view_is_built_on_demand_only(shown):
    built = []

    def build():
        built.append(ipywidgets.Label("live"))
        return built[0]

    show_turnable(plt.figure(), ALT, build)
    picture, place = shown
    assert picture["text/plain"] == f"Figure: {ALT}" and "image/png" in picture
    (button,) = place.children
    assert not built
    button.click()
    assert place.children == tuple(built)


def test_without_k3d_the_picture_stays_and_says_why(shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "k3d", None)
    with pytest.raises(EccvkitError, match="pip install k3d"):
        interactive_mesh(SQUARE, HALVES)
    show_turnable(plt.figure(), ALT, lambda: interactive_mesh(SQUARE, HALVES))
    button = shown[1].children[0]
    button.click()
    assert shown[1].children[0] is button
    assert "needs k3d" in shown[1].children[1].value
