"""Occlusion by capsules, and the renderer."""

import numpy as np
import pytest

from eccvkit.data import capsules as k
from eccvkit.data.cameras import camera_ring, look_at
from eccvkit.data.people import JOINTS, random_people
from eccvkit.errors import DataError


def person_at(x, y, seed=0):
    return random_people(np.array([[x, y]]), np.random.default_rng(seed))[0]


def distance_by_search(p1, q1, p2, q2, n=400):
    t = np.linspace(0, 1, n)[:, None]
    a, b = p1 + t * (q1 - p1), p2 + t * (q2 - p2)
    return np.linalg.norm(a[:, None] - b[None], axis=-1).min()


@pytest.mark.parametrize(
    ("second", "distance", "share"),
    [
        (((1, 1, 1), (1, -1, 1)), 1, 0.5),  # crosses above the middle
        (((3, 0, 0), (5, 0, 0)), 1, 1),  # beyond the end
        (((-2, 0, 0), (-1, 0, 0)), 1, 0),  # before the start
        (((0, 2, 0), (2, 2, 0)), 2, None),  # parallel
        (((1, 3, 0), (1, 3, 0)), 3, 0.5),  # a point
        (((2.5, 1, 0), (2.5, 4, 0)), np.hypot(0.5, 1), 1),
    ],
)
def test_segment_distance_by_hand(second, distance, share):
    p2, q2 = (np.array(v, float) for v in second)
    found, at = k.segment_distance(np.zeros(3), np.array([2.0, 0, 0]), p2, q2)
    assert found == pytest.approx(distance)
    if share is not None:
        assert at == pytest.approx(share)


def test_segment_distance_against_a_search():
    ends = np.random.default_rng(3).standard_normal((200, 4, 3))
    found, _ = k.segment_distance(*ends.swapaxes(0, 1))
    searched = [distance_by_search(*four) for four in ends]
    assert np.allclose(found, searched, atol=0.01) and (found <= np.array(searched) + 1e-9).all()


def test_who_stands_behind_is_hidden_and_who_stands_in_front_is_not():
    camera = look_at((0, -6, 1.5), (0, 0, 1), 800, (640, 480))
    joints = np.stack([person_at(0, -2), person_at(0, 0, 1), person_at(2.5, 0, 2)])
    hidden = k.find_occluders(camera, joints)
    assert (hidden[0] == -1).all() and (hidden[2] == -1).all()
    assert (hidden[1] == 0).mean() > 0.5 and set(hidden[1]) <= {-1, 0}


def test_the_nearest_of_two_hides():
    camera = look_at((0, -6, 1.5), (0, 0, 1), 800, (640, 480))
    joints = np.stack([person_at(0, -1), person_at(0, -3), person_at(0, 1)])
    hidden = k.find_occluders(camera, joints)[2]
    assert (hidden == 1).sum() > 5
    swapped = k.find_occluders(camera, joints[[1, 0, 2]])[2]
    assert np.array_equal(swapped == 0, hidden == 1)


def test_occlusion_agrees_with_the_picture():
    rng = np.random.default_rng(5)
    camera = k.shrink(camera_ring(4)[0], 2)
    joints = random_people(rng.uniform(-1.5, 1.5, (8, 2)), rng)
    hidden = k.find_occluders(camera, joints)
    picture = k.render(camera, joints, k.dress(8, rng))
    pixels = np.round(camera.project(joints)).astype(int)
    seen = picture.person[pixels[..., 1], pixels[..., 0]]
    visible = hidden < 0
    inner = [JOINTS.index(n) for n in ("left elbow", "right elbow", "left knee", "right knee")]
    own = np.arange(8)[:, None]
    agree = (seen == own)[:, inner] == visible[:, inner]
    assert agree.mean() > 0.85


def test_render_shows_the_near_person_and_the_right_depth():
    camera = look_at((0, -6, 1.5), (0, 0, 1), 400, (320, 240))
    joints = np.stack([person_at(0, 0), person_at(0.1, -2, 3)])
    clothes = np.zeros((2, 10, 3))
    clothes[1] = 1
    picture = k.render(camera, joints, clothes)
    assert picture.image.shape == (240, 320, 3) and picture.image.dtype == np.float32
    x, y = np.round(camera.project(joints[1, [5, 6]].mean(axis=0))).astype(int)
    assert picture.person[y, x] == 1
    assert abs(picture.depth[y, x] - camera.depth(joints[1, [5, 6]].mean(axis=0))) < 0.3
    assert picture.image[y, x].min() > 0.5
    assert picture.person[0, 0] == -1 and np.isinf(picture.depth[0, 0])
    assert set(np.unique(picture.person)) == {-1, 0, 1}


def test_front_and_back_look_different():
    joints = person_at(0, 0)[None]
    forward = joints[0, [17, 20]].mean(axis=0) - joints[0, [19, 22]].mean(axis=0)
    forward /= np.linalg.norm(forward)
    clothes = np.zeros((1, 10, 3))
    clothes[0, k.CLOTHES.index("hair")] = 0.5
    clothes[0, k.CLOTHES.index("front")] = 1
    shares = {}
    for side in (1, -1):
        place = 5 * side * forward + [0, 0, 1.4]
        seen = k.render(look_at(place, (0, 0, 1), 300, (120, 160)), joints, clothes)
        light = seen.image[seen.person == 0].max(axis=-1)
        shares[side] = (light > 0.52).mean(), ((light > 0.27) & (light < 0.51)).mean()
    assert shares[1][0] > 0.03 and shares[-1][0] < 0.005  # the front of the jacket
    assert shares[-1][1] > 1.5 * shares[1][1]  # the hair


def test_people_outside_the_picture_do_no_harm_and_noise_needs_a_generator():
    camera = look_at((0, -6, 1.5), (0, 0, 1), 400, (64, 48))
    far = np.stack([person_at(9, 0), person_at(0, -9)])
    plain = k.render(camera, far, np.ones((2, 10, 3)))
    assert (plain.person == -1).all()
    again = k.render(camera, far[:0], np.ones((0, 10, 3)))
    assert np.array_equal(plain.image, again.image)
    noisy = k.render(camera, far[:0], np.ones((0, 10, 3)), np.random.default_rng(0))
    assert 0.01 < (noisy.image - plain.image).std() < 0.05
    with pytest.raises(DataError, match="clothes for 1"):
        k.render(camera, far, np.ones((1, 10, 3)))


def test_shrunken_camera_sees_the_same_place():
    camera = camera_ring(3)[1]
    point = np.array([0.3, -0.2, 1.1])
    small = k.shrink(camera, 4)
    assert small.size == (320, 180)
    assert np.allclose(small.project(point), (camera.project(point) + 0.5) / 4 - 0.5)
