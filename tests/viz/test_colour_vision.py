"""Colours that everybody can tell apart: the simulation, and what this package draws in."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from skimage.color import rgb2lab

from eccvkit.errors import UnknownName
from eccvkit.papers.crowded_mvpose import pictures as crowd
from eccvkit.papers.tide import pictures as tide
from eccvkit.viz import heights, meshes
from eccvkit.viz.colour_vision import MACHADO, confused, differences, simulate
from eccvkit.viz.style import ARM_COLOURS, GREY, PALETTE

GREYS = np.linspace(0, 1, 5)[:, None] * np.ones(3)


@pytest.mark.parametrize("deficiency", MACHADO)
def test_greys_stay_grey(deficiency):
    np.testing.assert_allclose(simulate(GREYS, deficiency), GREYS, atol=1e-3)


def test_confusions_are_those_of_the_missing_cones():
    # Same light for the other cones: red and green of one lightness, blue and green at dusk.
    red, green = (0.80, 0.30, 0.30), (0.42, 0.52, 0.28)
    normal, deuteranopia, tritanopia = (
        differences(seen)[0, 1]
        for seen in ([red, green], *(simulate([red, green], d) for d in list(MACHADO)[1:]))
    )
    assert deuteranopia < normal / 3
    assert tritanopia > normal / 2


def test_confused_names_the_pair_and_the_deficiency():
    assert confused(["black", "white"]) == []
    assert confused(["#808080", "#828282"])[0] == ("#808080", "#828282", "normal vision")
    assert ("#2468f2", "#c524f2", "protanopia") in confused(["black", "#2468f2", "#c524f2"])


def test_unknown_deficiency_is_refused():
    with pytest.raises(UnknownName, match="protanopia"):
        simulate([0, 0, 0], "protan")


@pytest.mark.parametrize(
    "colours",
    [
        PALETTE,
        (*ARM_COLOURS, GREY),
        (tide.OBJECT, tide.CORRECT, tide.FALSE),
        tuple(tide.COLOURS.values()),
        (crowd.TRUTH, crowd.FOUND),
    ],
    ids=["palette", "arms and their reference", "boxes", "errors", "people"],
)
def test_colours_with_a_meaning_can_be_told_apart_by_all(colours):
    assert confused(colours) == []


@pytest.mark.parametrize(
    "name", [meshes.CMAP, heights.HEIGHTS, "cividis", "viridis", "Blues", "inferno", "magma"]
)
@pytest.mark.parametrize("deficiency", MACHADO)
def test_colour_maps_have_an_order_for_all(name, deficiency):
    colours = matplotlib.colormaps[name] if isinstance(name, str) else name
    light = rgb2lab(simulate(colours(np.linspace(0, 1, 17))[:, :3], deficiency))[:, 0]
    steps = np.diff(light)
    assert (steps > 0).all() or (steps < 0).all()
