import numpy as np
import pytest
from sklearn.metrics.pairwise import rbf_kernel

from eccvkit.errors import DataError
from eccvkit.metrics.mmd import gaussian_kernel, median_bandwidth, mmd2


def matrices(x, y, bandwidth=1.0):
    return [gaussian_kernel(a, b, bandwidth) for a, b in ((x, x), (y, y), (x, y))]


def by_loops(k_xx, k_yy, k_xy, unbiased):
    n, m = k_xy.shape
    total = 0.0
    for k, size in ((k_xx, n), (k_yy, m)):
        pairs = [(i, j) for i in range(size) for j in range(size) if i != j or not unbiased]
        total += sum(k[i, j] for i, j in pairs) / len(pairs)
    return total - 2 * sum(k_xy[i, j] for i in range(n) for j in range(m)) / (n * m)


@pytest.mark.parametrize("unbiased", [True, False])
def test_agrees_with_loops(unbiased):
    rng = np.random.default_rng(0)
    k = matrices(rng.normal(size=(5, 2)), rng.normal(size=(7, 2)) + 1)
    assert mmd2(*k, unbiased=unbiased) == pytest.approx(by_loops(*k, unbiased))


def test_biased_value_with_a_linear_kernel_is_the_distance_of_the_means():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(4, 3)) + 1
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum()
    assert mmd2(x @ x.T, y @ y.T, x @ y.T, unbiased=False) == pytest.approx(expected)


def test_unbiased_value_is_zero_in_the_mean_and_can_be_negative():
    rng = np.random.default_rng(0)
    pairs = [matrices(*rng.normal(size=(2, 10, 2))) for _ in range(2000)]
    values = np.array([mmd2(*k) for k in pairs])
    error = values.std() / np.sqrt(len(values))
    assert abs(values.mean()) < 4 * error
    assert 0.3 < (values < 0).mean() < 0.8
    biased = np.array([mmd2(*k, unbiased=False) for k in pairs])
    assert biased.min() >= 0 and biased.mean() > 20 * error


def test_sees_a_shift_and_a_change_of_spread():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 200, 2))
    same = mmd2(*matrices(x, y))
    assert mmd2(*matrices(x, y + 0.7)) > 0.05 > 10 * abs(same)
    assert mmd2(*matrices(x, 2 * y)) > 0.02


def test_far_apart_sets_leave_the_inner_terms():
    x = np.array([[0.0], [1.0]])
    k = np.exp(-0.5)
    assert mmd2(*matrices(x, x + 1e6)) == pytest.approx(2 * k)
    assert mmd2(*matrices(x, x + 1e6), unbiased=False) == pytest.approx(1 + k)


def test_gaussian_kernel_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    np.testing.assert_allclose(gaussian_kernel(x, y, 0.7), rbf_kernel(x, y, gamma=1 / (2 * 0.49)))


def test_median_bandwidth_by_hand():
    assert median_bandwidth([[0.0], [1.0], [5.0]]) == 4
    assert median_bandwidth([[0.0, 0.0], [3.0, 4.0]]) == 5
    # Pooled: distances 1, 5, 6 and the four others of {0, 1, 5, 6}: 1 1 4 5 5 6
    assert median_bandwidth([[0.0], [1.0]], [[5.0], [6.0]]) == 4.5


def test_bad_input_is_explained():
    k = np.eye(3)
    for bad in [(k, k, k[:2]), (k[:2], k, k), (k, k[0], k), (np.float64(1), k, k)]:
        with pytest.raises(DataError, match=r"needed are \(N, N\), \(M, M\) and \(N, M\)"):
            mmd2(*bad)
    with pytest.raises(DataError, match="1 and 3 samples"):
        mmd2(k[:1, :1], k, k[:1])
    with pytest.raises(DataError, match="kernel value is NaN"):
        mmd2(k, k, k * np.nan)
    x = np.zeros((2, 3))
    with pytest.raises(DataError, match="3 and 2 numbers"):
        gaussian_kernel(x, x[:, :2], 1.0)
    with pytest.raises(DataError, match="3 and 2 numbers"):
        median_bandwidth(x, x[:, :2])
    for bandwidth in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(DataError, match="not a positive length"):
            gaussian_kernel(x, x, bandwidth)
    for bad in (x[0], np.zeros((0, 3))):
        with pytest.raises(DataError, match=r"needed is \(samples, features\)"):
            gaussian_kernel(x, bad, 1.0)
    with pytest.raises(DataError, match="NaN or infinite"):
        gaussian_kernel(x, x + np.nan, 1.0)
    with pytest.raises(DataError, match=r"1 sample\(s\)"):
        median_bandwidth(x[:1])
    with pytest.raises(DataError, match="choose a bandwidth"):
        median_bandwidth(x)
