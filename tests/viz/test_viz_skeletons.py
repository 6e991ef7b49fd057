"""Stick figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from eccvkit.data.cameras import camera_ring
from eccvkit.data.people import LIMBS, random_people
from eccvkit.viz import skeletons as s


@pytest.fixture
def people():
    return random_people(np.array([[0.0, 0], [1, 1]]), np.random.default_rng(0))


def test_one_line_per_limb_and_colours_per_person(people):
    _, ax = plt.subplots()
    s.draw_skeletons(ax, people[..., :2], ["red", "blue"], dots=3, label="found")
    lines = ax.collections[0]
    assert len(lines.get_segments()) == 2 * len(LIMBS)
    colours = lines.get_colors()
    assert (colours[: len(LIMBS)] == [1, 0, 0, 1]).all() and (colours[-1] == [0, 0, 1, 1]).all()
    assert len(ax.collections[1].get_offsets()) == 46
    assert ax.get_legend_handles_labels()[1] == ["found"]
    plt.close("all")


def test_limbs_with_a_missing_end_are_left_out(people):
    people[0, 0] = np.nan
    figure = plt.figure()
    ax = figure.add_subplot(projection="3d")
    s.draw_skeletons_3d(ax, people, "black", label="truth")
    missing = sum(0 in limb for limb in LIMBS)
    assert missing == 2
    segments = ax.collections[0]._segments3d
    assert len(segments) == 2 * len(LIMBS) - missing
    plt.close("all")


def test_nobody_is_no_error():
    _, ax = plt.subplots()
    s.draw_skeletons(ax, np.zeros((0, 23, 2)), "red", dots=2, label="none")
    plt.close("all")


def test_floor_and_cameras():
    figure = plt.figure()
    ax = figure.add_subplot(projection="3d")
    s.draw_floor(ax, 2.0, step=1.0)
    assert len(ax.collections[0]._segments3d) == 10 and ax.get_xlim() == (-2, 2)
    flat = figure.add_subplot()
    s.draw_cameras(flat, camera_ring(3))
    assert len(flat.patches) == 3
    assert [t.get_text() for t in flat.texts] == ["1", "2", "3"]
    # The first camera is at (7, 0) and looks towards the origin.
    assert flat.patches[0].get_xy()[:, 0].min() < 7
    plt.close("all")
