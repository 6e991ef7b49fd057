"""Skeleton and random poses."""

import numpy as np
import pytest

from eccvkit.data import people as p
from eccvkit.errors import EccvkitError


@pytest.fixture(scope="module")
def crowd():
    rng = np.random.default_rng(0)
    return p.random_people(rng.uniform(-3, 3, (400, 2)), rng)


def test_order_of_joints_is_that_of_coco_and_its_feet():
    assert len(p.JOINTS) == 23 and p.JOINTS[0] == "nose" and p.JOINTS[16] == "right ankle"
    assert [p.JOINTS[i] for i in p.FEET[0]] == ["left big toe", "left small toe", "left heel"]
    assert [p.JOINTS[i] for i in p.FEET[1]] == ["right big toe", "right small toe", "right heel"]
    assert [p.JOINTS[i] for i in p.ANKLES] == ["left ankle", "right ankle"]
    assert sorted(i for part in p.PARTS.values() for i in part) == list(range(23))
    assert p.OKS_SIGMAS.shape == (23,)


def test_bones_are_symmetric_and_connect_everything():
    names = {frozenset((p.JOINTS[a], p.JOINTS[b])) for a, b in p.BONES}
    assert len(names) == len(p.BONES)
    mirrored = {
        frozenset(
            n.replace("left", "?").replace("right", "left").replace("?", "right") for n in bone
        )
        for bone in names
    }
    assert names == mirrored
    reached, grew = {0}, True
    while grew:
        more = {j for bone in p.BONES for j in bone if reached & set(bone)} | reached
        grew, reached = more != reached, more
    assert reached == set(range(23))


def test_people_stand_on_the_ground_where_asked():
    rng = np.random.default_rng(1)
    places = rng.uniform(-3, 3, (300, 2))
    people = p.random_people(places, rng)
    assert np.isfinite(people).all()
    assert np.allclose(people[:, p.ANKLES, :2].mean(axis=1), places)
    soles = people[:, np.array(p.FEET), 2].min(axis=2)
    assert (soles.min(axis=1) < 0.03).all() and (soles.min(axis=1) > 0).all()
    lifted = soles.max(axis=1) - soles.min(axis=1)
    assert lifted.max() < p.MAX_LIFT + 1e-9 and 0.4 < (lifted > 1e-9).mean() < 0.6
    assert 1.5 < people[..., 2].max(axis=1).mean() < 1.75


def test_bones_have_the_length_that_belongs_to_the_persons_size(crowd):
    lengths = p.bone_lengths(crowd)
    shins = [p.BONES.index((p._AT[f"{s} knee"], p._AT[f"{s} ankle"])) for s in ("left", "right")]
    size = lengths[:, shins[0]] / 0.42
    assert np.allclose(lengths[:, shins[0]], lengths[:, shins[1]])
    thigh = p.BONES.index((p._AT["left hip"], p._AT["left knee"]))
    assert np.allclose(lengths[:, thigh], 0.43 * size)
    assert abs(size.mean() - 1) < 0.01 and 0.04 < size.std() < 0.06
    assert (lengths.std(axis=0) / lengths.mean(axis=0)).max() < 0.065


def test_bone_lengths_by_hand():
    person = np.zeros((1, 23, 3))
    person[0, p._AT["left knee"]] = 3, 4, 0
    k = p.BONES.index((p._AT["left hip"], p._AT["left knee"]))
    assert p.bone_lengths(person)[0, k] == 5


def test_knees_bend_forward_and_elbows_do_not_stretch(crowd):
    at = {n: crowd[:, p._AT[f"left {n}"]] for n in ("hip", "knee", "ankle", "big toe", "heel")}
    forward = at["big toe"] - at["heel"]
    leg = at["ankle"] - at["hip"]
    share = ((at["knee"] - at["hip"]) * leg).sum(axis=1) / (leg**2).sum(axis=1)
    on_the_line = at["hip"] + share[:, None] * leg
    assert (((at["knee"] - on_the_line) * forward).sum(axis=1) > 0).all()
    shoulder, elbow, wrist = (crowd[:, p._AT[f"left {n}"]] for n in ("shoulder", "elbow", "wrist"))
    lengths = (np.linalg.norm(a - b, axis=1) for a, b in ((shoulder, elbow), (elbow, wrist)))
    assert (np.linalg.norm(shoulder - wrist, axis=1) < sum(lengths)).all()


def test_inverse_kinematics_by_hand():
    middle = p.bend(
        np.array([[0, 0, 0.0]]), np.array([[6, 0, 0.0]]), np.array([5.0]), np.array([5.0]),
        np.array([[0, 1, 0.0]]),
    )  # fmt: skip
    assert np.allclose(middle, [[3, 4, 0]])
    stretched = p.bend(
        np.array([[0, 0, 0.0]]), np.array([[2, 0, 0.0]]), np.array([1.0]), np.array([1.0]),
        np.array([[0, 1, 0.0]]),
    )  # fmt: skip
    assert np.allclose(stretched, [[1, 0, 0]])


def test_same_generator_same_people_and_average_bones_are_means():
    a, b = (p.random_people(np.zeros((5, 2)), np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(a, b)
    assert not np.allclose(a[0], a[1])
    means = p.average_bones()
    assert means.shape == (len(p.BONES),)
    assert abs(means[p.BONES.index((p._AT["left hip"], p._AT["left knee"]))] - 0.43) < 0.005


def test_positions_of_another_shape_are_refused():
    with pytest.raises(EccvkitError, match=r"\(people, 2\)"):
        p.random_people(np.zeros((3, 3)), np.random.default_rng(0))
    assert p.random_people(np.zeros((0, 2)), np.random.default_rng(0)).shape == (0, 23, 3)
