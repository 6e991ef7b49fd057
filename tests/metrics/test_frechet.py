import math

import numpy as np
import pytest
import scipy.linalg
import torch

from eccvkit.errors import DataError
from eccvkit.metrics.frechet import FrechetFloor, frechet_distance, frechet_floor


def exact_samples(mean, covariance, n=50, seed=0):
    """Samples whose mean and covariance are the given ones up to rounding."""
    mean, covariance = np.asarray(mean, float), np.asarray(covariance, float)
    raw = np.random.default_rng(seed).normal(size=(n, len(mean)))
    white, _ = np.linalg.qr(raw - raw.mean(axis=0))
    values, vectors = np.linalg.eigh(covariance)
    return mean + math.sqrt(n - 1) * white @ (np.sqrt(values) * vectors).T


def by_matrix_root(a, b):
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(ca @ cb).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(ca + cb - 2 * root)


def test_equal_covariances_leave_the_squared_distance_of_the_means():
    cov = [[2.0, 0.5], [0.5, 1.0]]
    a, b = exact_samples([0, 0], cov), exact_samples([3, -4], cov, n=80, seed=1)
    assert frechet_distance(a, b) == pytest.approx(25)


def test_diagonal_gaussians():
    # tr(A + B - 2 sqrt(AB)) = sum (sqrt a - sqrt b)^2
    a = exact_samples([1, 0, 0], np.diag([4.0, 1.0, 9.0]))
    b = exact_samples([0, 0, 0], np.diag([1.0, 1.0, 25.0]), seed=1)
    assert frechet_distance(a, b) == pytest.approx(1 + (2 - 1) ** 2 + 0 + (3 - 5) ** 2)


def test_one_feature_by_hand():
    # means 1 and 2, variances 2 and 8 (divisor n - 1)
    assert frechet_distance([[0.0], [2.0]], [[0.0], [4.0]]) == pytest.approx(1 + 2)


def test_agrees_with_the_matrix_root():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200, 8)) @ rng.normal(size=(8, 8))
    b = rng.normal(size=(150, 8)) @ rng.normal(size=(8, 8)) + 1
    assert frechet_distance(a, b) == pytest.approx(by_matrix_root(a, b), rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), rel=1e-12)


def test_no_change_under_motions_and_quadratic_in_scale():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(30, 4)), 2 * rng.normal(size=(40, 4)) + 1
    rotation, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    value = frechet_distance(a, b)
    assert frechet_distance(a @ rotation + 7, b @ rotation + 7) == pytest.approx(value)
    assert frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value)


def test_singular_covariances():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(5, 64)), rng.normal(size=(7, 64))
    zero = frechet_distance(a, a)
    assert 0 <= zero < 1e-12
    assert frechet_distance(a, a[::-1] + 1) == pytest.approx(64)
    # Padding with a dead feature changes nothing.
    padded = [np.hstack([x, np.zeros((len(x), 1))]) for x in (a, b)]
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(a, b), rel=1e-12)
    assert frechet_distance(np.ones((3, 2)), np.ones((4, 2))) == 0
    assert frechet_distance(np.zeros((3, 2)), np.ones((4, 2))) == pytest.approx(2)


def test_orthogonal_subspaces_have_no_cross_term():
    a = exact_samples([0, 0], np.diag([4.0, 0.0]))
    b = exact_samples([0, 0], np.diag([0.0, 9.0]))
    assert frechet_distance(a, b) == pytest.approx(13)


def test_takes_tensors_and_computes_in_float64():
    torch.manual_seed(0)
    # Far from the origin, where a float32 covariance would have lost its digits.
    a, b = torch.randn(50, 3) + 1000, torch.randn(50, 3) + 1000
    expected = by_matrix_root(a.double().numpy(), b.double().numpy())
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_floor_is_what_equal_sized_parts_get():
    real = np.random.default_rng(0).normal(size=(60, 3))
    floor = frechet_floor(real, repeats=4, seed=3)
    assert floor.sizes == (30, 30) and len(floor.values) == 4
    assert floor.mean == pytest.approx(np.mean(floor.values))
    assert floor.std == pytest.approx(np.std(floor.values, ddof=1))
    order = np.random.default_rng(3).permutation(60)
    first = frechet_distance(real[order[:30]], real[order[30:]])
    assert floor.values[0] == pytest.approx(first)
    assert floor == frechet_floor(real, repeats=4, seed=3) != frechet_floor(real, repeats=4, seed=4)


def test_floor_falls_with_the_number_of_samples():
    real = np.random.default_rng(0).normal(size=(2000, 4))
    small = frechet_floor(real, sizes=(50, 50)).mean
    large = frechet_floor(real, sizes=(1000, 1000)).mean
    # The bias goes with 1/n: a factor of 20 here.
    assert 10 < small / large < 40


def test_parts_of_the_floor_do_not_overlap():
    # Corners of a simplex: means 1 apart (squared), traces 1 and 1, nothing in common.
    values = frechet_floor(np.eye(4), sizes=(2, 2), repeats=30).values
    assert values == pytest.approx([3.0] * 30)
    odd = frechet_floor(np.random.default_rng(0).normal(size=(9, 2)))
    assert odd.sizes == (4, 4)


def test_floor_states_its_sizes():
    floor = FrechetFloor(0.125, 0.03, (0.1, 0.15), (500, 400))
    assert str(floor) == "0.125 ± 0.03 (500 against 400 real samples, 2 splits)"
    assert math.isnan(frechet_floor(np.eye(6), repeats=1).std)


def test_bad_input_is_explained():
    good = np.eye(4)
    with pytest.raises(DataError, match="4 features per sample against 3"):
        frechet_distance(good, good[:, :3])
    for bad in (good[:1], good[0], np.zeros((3, 0))):
        with pytest.raises(DataError, match="at least 2 samples"):
            frechet_distance(bad, good)
    with pytest.raises(DataError, match="NaN or infinite"):
        frechet_distance(good, np.where(good, np.nan, 0))
    for sizes in [(3, 2), (1, 2)]:
        with pytest.raises(DataError, match=f"into {sizes[0]} and {sizes[1]}"):
            frechet_floor(good, sizes=sizes)
    with pytest.raises(DataError, match="0 splits"):
        frechet_floor(good, repeats=0)
