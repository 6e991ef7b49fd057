"""Cameras, epipolar geometry, homographies of the ground."""

import numpy as np
import pytest

from eccvkit.data import cameras as c
from eccvkit.errors import DataError, EccvkitError


def hom(points):
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)


@pytest.fixture
def ring():
    return c.camera_ring(4, np.random.default_rng(0))


def test_projection_by_hand():
    camera = c.look_at((0, -5, 1), (0, 0, 1), 100, (64, 48))
    assert np.allclose(camera.centre, [0, -5, 1])
    assert np.allclose(camera.project([0, 0, 1.0]), [31.5, 23.5])
    # One metre to the right (x) and one up (z), five metres away: 100 / 5 = 20 pixels.
    assert np.allclose(camera.project([1, 0, 2.0]), [51.5, 3.5])
    assert camera.depth(np.array([3.0, 2.0, 0.0])) == pytest.approx(7)


def test_points_behind_have_no_image():
    camera = c.look_at((0, -5, 1), (0, 0, 1), 100, (64, 48))
    assert np.isnan(camera.project([0, -6, 1.0])).all()
    assert np.isnan(camera.project([1, -5, 1.0])).all()


def test_cameras_of_the_ring_look_at_its_middle(ring):
    for camera in ring:
        assert np.allclose(camera.project([0, 0, 0.6]), [639.5, 359.5])
        assert np.hypot(*camera.centre[:2]) == pytest.approx(7)
        assert camera.centre[2] == pytest.approx(2.8)
        up = camera.project([0, 0, 1.6]) - camera.project([0, 0, 0.6])
        assert up[1] < 0 and abs(up[0]) < 1e-9
    even = c.camera_ring(4)
    assert np.allclose(even[1].centre, [0, 7, 2.8])


def test_epipolar_constraint_and_epipole(ring):
    points = np.random.default_rng(1).uniform(-1, 1, (20, 3))
    a, b = ring[:2]
    matrix = c.fundamental(a, b)
    residual = np.einsum("ni,ij,nj->n", hom(b.project(points)), matrix, hom(a.project(points)))
    assert np.abs(residual).max() < 1e-10
    assert np.linalg.matrix_rank(matrix, tol=1e-9) == 2
    epipole = a.matrix @ np.append(b.centre, 1)
    assert np.abs(matrix @ epipole).max() < 1e-9 * np.abs(epipole).max()


def test_ground_homography_moves_ground_points_only(ring):
    a, b = ring[0], ring[2]
    ground = np.column_stack([np.random.default_rng(2).uniform(-2, 2, (10, 2)), np.zeros(10)])
    moved = c.apply_homography(c.ground_homography(a, b), b.project(ground))
    assert np.allclose(moved, a.project(ground), atol=1e-8)
    raised = ground + np.array([0, 0, 1])
    moved = c.apply_homography(c.ground_homography(a, b), b.project(raised))
    assert np.abs(moved - a.project(raised)).min(axis=1).max() > 1
    back = c.apply_homography(np.linalg.inv(b.ground), b.project(ground))
    assert np.allclose(back, ground[:, :2])


def test_homography_from_points_agrees_with_the_calibrated_one(ring):
    ground = np.array([[-2, -2, 0], [2, -2, 0], [2, 2, 0], [-1, 2, 0], [0, 0, 0.0]])
    a, b = ring[:2]
    fitted = c.fit_homography(b.project(ground), a.project(ground))
    exact = c.ground_homography(a, b)
    assert np.allclose(fitted / fitted[2, 2], exact / exact[2, 2], atol=1e-6)


def test_degenerate_homographies_are_refused(ring):
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    with pytest.raises(DataError, match="at least 4"):
        c.fit_homography(square[:3], square[:3])
    line = np.column_stack([np.arange(5.0), 2 * np.arange(5.0)])
    with pytest.raises(DataError, match="one line"):
        c.fit_homography(line, line)
    with pytest.raises(DataError, match="one line"):
        c.fit_homography(np.vstack([square, [2, 2]]), line)
    low = c.look_at((5, 0, 0), (0, 0, 0), 500, (640, 480), name="low")
    with pytest.raises(DataError, match="'low' is degenerate"):
        c.ground_homography(ring[0], low)
    with pytest.raises(DataError, match="3 x 3"):
        c.invert_homography(np.zeros((2, 3)))


def test_horizon_goes_to_infinity():
    matrix = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0.0]])
    assert np.isinf(c.apply_homography(matrix, [[1.0, 0.0]])).all()
    assert np.isinf(c.apply_homography(matrix, [[0.0, 0.0]])).all()


def test_cameras_in_one_place_have_no_epipolar_lines(ring):
    twin = c.Camera(
        ring[0].intrinsics, ring[1].rotation, -ring[1].rotation @ ring[0].centre, (9, 9)
    )
    with pytest.raises(EccvkitError, match="one place"):
        c.fundamental(ring[0], twin)


def test_a_camera_that_looks_straight_down_is_refused():
    with pytest.raises(EccvkitError, match="straight above"):
        c.look_at((0, 0, 5), (0, 0, 0), 100, (64, 48))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rotation": np.diag([1, 1, -1.0])}, "no rotation"),
        ({"rotation": 2 * np.eye(3)}, "no rotation"),
        ({"intrinsics": np.zeros((3, 3))}, "no inverse"),
        ({"translation": np.array([0, 0, np.nan])}, "translation"),
        ({"intrinsics": np.eye(4)}, "intrinsics of shape"),
    ],
)
def test_malformed_cameras_are_named(change, says):
    good = {"intrinsics": np.eye(3), "rotation": np.eye(3), "translation": np.zeros(3)}
    with pytest.raises(DataError, match=says) as error:
        c.Camera(**(good | change), size=(4, 4), name="C3")
    assert "'C3'" in str(error.value)


def test_undistortion_undoes_the_lens():
    intrinsics = np.array([[900, 0, 640], [0, 880, 360], [0, 0, 1.0]])
    lens = (-0.25, 0.08, 1e-3, -5e-4, 0.01)
    points = np.random.default_rng(0).uniform(-0.6, 0.6, (30, 2))
    ideal = points @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    seen = c.distort(points, lens) @ intrinsics[:2, :2].T + intrinsics[:2, 2]
    assert np.abs(seen - ideal).max() > 5
    assert np.allclose(c.undistort_pixels(seen, intrinsics, lens), ideal, atol=1e-6)
    assert np.allclose(c.distort(np.array([[0.5, 0.0]]), (0.4, 0, 0, 0, 0)), [[0.55, 0]])
