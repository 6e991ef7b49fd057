"""Rays and strips in a plan of two rooms that one can walk by hand."""

import numpy as np
import pytest

from eccvkit.data import floor_plans as fp
from eccvkit.data.panoramas import cast_rays, panoramas
from eccvkit.errors import EccvkitError


@pytest.fixture
def two_rooms():
    """Two rooms side by side, a door from y = 1.4 to 2.6; three nodes."""
    walls = fp.wall_pieces(fp.adjacent_rooms(1, 2), 2, np.array([[True]]), np.array([[2.0]]))
    positions = np.array([[[1.0, 2.0], [4.0, 2.0], [3.0, 0.5]]])
    links = fp.line_of_sight(positions, walls)
    return fp.FloorPlans(
        walls,
        positions,
        np.array([[[0, 0], [0, 1], [0, 0]]]),
        links,
        links.astype(float),
        np.zeros((1, 3, 4)),
        np.array([[2, 0]]),
        rows=1,
        columns=2,
    )


def test_distances_by_hand(two_rooms):
    distances, rooms = cast_rays(two_rooms, 0, rays=4)  # the four diagonals
    root = np.sqrt(2)
    assert distances[0].tolist() == pytest.approx([2 * root, root, root, 2 * root])
    # In the door every second ray goes into either room.
    assert distances[1].tolist() == pytest.approx([2 * root] * 4)
    assert rooms[1].tolist() == [1, 0, 0, 1]
    # From (3, 0.5) through the door at (4, 1.5) to y = 4; then x = 0 at y = 3.5; then twice y = 0.
    assert distances[2].tolist() == pytest.approx([3.5 * root, 3 * root, 0.5 * root, 0.5 * root])
    assert rooms[2].tolist() == [1, 0, 0, 0]


def test_a_ray_through_the_door_sees_the_other_room(two_rooms):
    distances, rooms = cast_rays(two_rooms, 0, rays=48)
    slope = np.tan(np.pi / 48)
    assert distances[0, 0] == pytest.approx(7 * np.sqrt(1 + slope**2)) and rooms[0, 0] == 1
    assert rooms[0, 8] == 0


def test_a_ray_ends_where_sight_ends():
    plans = fp.floor_plans(5, 12, rows=3, columns=2, seed=2)
    for m in range(5):
        distances, _ = cast_rays(plans, m, rays=16)
        angle = 2 * np.pi * (np.arange(16) + 0.5) / 16
        way = np.stack([np.cos(angle), np.sin(angle)], -1) * distances[..., None]
        here = plans.positions[m][:, None]
        start = np.broadcast_to(here, way.shape).reshape(1, -1, 2)

        def hits(share, start=start, way=way, walls=plans.walls[m : m + 1]):
            return fp.blocked(start, start + share * way.reshape(1, -1, 2), walls)

        assert not hits(0.999).any()
        ends = here + way
        inside = (ends > 0.01).all(-1) & (ends < np.array([8, 12]) - 0.01).all(-1)
        assert hits(1.001).reshape(inside.shape)[inside].all()


def test_strips_show_the_colour_of_the_room_and_nearer_walls_higher(two_rooms):
    strips = panoramas(two_rooms, 0, np.eye(3), rays=4, height=40)
    assert strips.shape == (3, 3, 40, 4) and strips.min() >= 0 and strips.max() <= 1
    # Room 0 has colour 2, room 1 has colour 0; the door node sees both.
    assert strips[0, :, 20].argmax(axis=0).tolist() == [2, 2, 2, 2]
    assert strips[1, :, 20].argmax(axis=0).tolist() == [0, 2, 2, 0]
    walls = (strips[0].max(axis=0) != strips[0].min(axis=0)).sum(axis=0)
    assert walls[0] == walls[3] < walls[1] == walls[2]


def test_bad_palette_and_rays(two_rooms):
    with pytest.raises(EccvkitError, match="3 room colours"):
        panoramas(two_rooms, 0, np.eye(3)[:2])
    with pytest.raises(EccvkitError, match="at least 1"):
        cast_rays(two_rooms, 0, rays=0)
