"""Crowds and detections."""

import numpy as np
import pytest

from eccvkit.data import crowd as w
from eccvkit.data.cameras import camera_ring
from eccvkit.data.people import BODY, random_people
from eccvkit.errors import DataError, EccvkitError


@pytest.fixture(scope="module")
def crowd():
    return w.draw_crowd(10, 2.0, np.random.default_rng(0))


def by_person(found, count):
    rows = np.full(count, -1)
    rows[found.person] = np.arange(len(found))
    return rows


def test_people_keep_their_distance_and_do_not_overfill():
    places = w.draw_positions(16, 2.0, np.random.default_rng(1))
    gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert gaps[~np.eye(16, dtype=bool)].min() >= w.SPACING and np.abs(places).max() <= 2
    with pytest.raises(EccvkitError, match="do not fit"):
        w.draw_positions(100, 1.0, np.random.default_rng(1))
    assert w.draw_positions(0, 1.0, np.random.default_rng(1)).shape == (0, 2)


def test_crowd_is_what_the_cameras_see(crowd):
    for v, camera in enumerate(crowd.cameras):
        assert np.allclose(camera.project(crowd.joints), crowd.pixels[v])
    low, extent = crowd.boxes[..., :2], crowd.boxes[..., 2:]
    assert (crowd.pixels > low[:, :, None]).all()
    assert (crowd.pixels < (low + extent)[:, :, None]).all()


def test_somebody_behind_a_camera_is_an_error():
    joints = random_people(np.array([[9.0, 0.0]]), np.random.default_rng(0))
    with pytest.raises(EccvkitError, match="behind camera 1"):
        w.observe(joints, camera_ring(4))


def test_visible_joints_have_noise_in_proportion_to_the_box(crowd):
    noise = w.Noise(6, occlusion=False, miss=0)
    ratios = []
    for seed in range(10):
        for v, found in enumerate(w.detect(crowd, noise, np.random.default_rng(seed))):
            error = found.joints - crowd.pixels[v, found.person]
            ratios.append(error / found.boxes[:, None, 3:] * w.REFERENCE_HEIGHT)
    assert np.concatenate(ratios).std() == pytest.approx(6, rel=0.03)


def test_occluded_joints_are_worse_or_on_the_occluder(crowd):
    noise = w.Noise(2, occluded=40, jump=1.0, miss=0)
    found = w.detect(crowd, noise, np.random.default_rng(0))
    for v, view in enumerate(found):
        hidden = crowd.occluder[v, view.person]
        n, j = np.nonzero(hidden >= 0)
        taken = crowd.pixels[v, hidden[n, j], j]
        assert np.linalg.norm(view.joints[n, j] - taken, axis=-1).max() < 25
        assert view.peaks[n, j].mean() < 0.5 * view.peaks[hidden < 0].mean()
    never = w.detect(crowd, w.Noise(2, occluded=40, jump=0.0, miss=0), np.random.default_rng(0))
    hidden = np.concatenate([crowd.occluder[v, d.person] >= 0 for v, d in enumerate(never)])
    error = np.concatenate([
        (d.joints - crowd.pixels[v, d.person]) / d.boxes[:, None, 3:] * 200
        for v, d in enumerate(never)
    ])  # fmt: skip
    assert error[hidden].std() == pytest.approx(40, rel=0.1)
    assert error[~hidden].std() == pytest.approx(2, rel=0.1)


def test_feet_may_have_noise_of_their_own(crowd):
    plain = w.detect(crowd, w.Noise(4, occlusion=False), np.random.default_rng(3))
    feet = w.detect(crowd, w.Noise(4, 12, occlusion=False), np.random.default_rng(3))
    for v, (a, b) in enumerate(zip(plain, feet)):
        assert np.array_equal(a.person, b.person)
        assert np.allclose(a.joints[:, :BODY], b.joints[:, :BODY])
        true = crowd.pixels[v, a.person][:, BODY:]
        assert np.allclose(b.joints[:, BODY:] - true, 3 * (a.joints[:, BODY:] - true))


def test_peaks_tell_of_the_noise_but_do_not_give_it_away(crowd):
    found = w.detect(crowd, w.Noise(5, miss=0), np.random.default_rng(0))
    peaks = np.concatenate([d.peaks for d in found])
    hidden = np.concatenate([crowd.occluder[v, d.person] >= 0 for v, d in enumerate(found)])
    assert ((peaks >= 0) & (peaks <= 1)).all()
    assert np.log(peaks[hidden]).std() == pytest.approx(0.3, rel=0.15)
    assert np.median(peaks[hidden]) == pytest.approx(0.1, rel=0.1)


def test_order_is_shuffled_in_every_view_and_some_are_missed(crowd):
    orders = [d.person for d in w.detect(crowd, w.Noise(5, miss=0), np.random.default_rng(0))]
    assert all(sorted(order) == list(range(10)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert not any(np.array_equal(order, np.arange(10)) for order in orders)
    rngs = [np.random.default_rng(s) for s in range(40)]
    found = [len(d) for rng in rngs for d in w.detect(crowd, w.Noise(miss=0.2), rng)]
    assert np.mean(found) == pytest.approx(8, abs=0.4)
    none = w.detect(crowd, w.Noise(miss=1.0), np.random.default_rng(0))
    assert all(len(d) == 0 and d.joints.shape == (0, 23, 2) for d in none)


def test_malformed_detections_and_noise_are_named():
    parts = [np.zeros((2, 23, 2)), np.zeros((2, 23)), np.zeros((2, 4)), np.zeros(2, int)]
    w.ViewDetections(*parts)
    with pytest.raises(DataError, match="shapes"):
        w.ViewDetections(parts[0], parts[1][:1], *parts[2:])
    with pytest.raises(DataError, match="peak"):
        w.ViewDetections(parts[0], parts[1] + 1.5, *parts[2:])
    with pytest.raises(EccvkitError, match="miss is 2"):
        w.Noise(miss=2)
    with pytest.raises(EccvkitError, match="feet is -1"):
        w.Noise(feet=-1)
    with pytest.raises(EccvkitError, match="body is nan"):
        w.Noise(body=float("nan"))


def test_joints_that_nobody_annotated_are_not_detected_and_do_no_harm(crowd):
    joints = crowd.joints.copy()
    joints[:, BODY:] = np.nan  # as in CMU Panoptic
    without = w.observe(joints, crowd.cameras)
    assert np.array_equal(without.pixels[:, :, :BODY], crowd.pixels[:, :, :BODY])
    assert np.isnan(without.pixels[:, :, BODY:]).all() and np.isfinite(without.boxes).all()
    # Heads and trunks still hide: only what hangs on a foot is gone.
    changed = without.occluder[:, :, :BODY] != crowd.occluder[:, :, :BODY]
    assert changed.mean() < 0.02 and (without.occluder[:, :, :BODY] >= 0).any()
    found = w.detect(without, w.Noise(5), np.random.default_rng(0))
    assert all(np.isnan(d.joints[:, BODY:]).all() for d in found)
    joints[1] = np.nan
    with pytest.raises(DataError, match="person 1 has no known joint"):
        w.observe(joints, crowd.cameras)
