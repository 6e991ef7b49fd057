import numpy as np
import pytest
import torch

from eccvkit.errors import DataError, UnknownName
from eccvkit.metrics.chamfer import (
    chamfer_distance,
    chamfer_kdtree,
    f_score,
    nearest_distances,
)

FLAGS = [(s, r) for s in (False, True) for r in ("sum", "mean")]
X, Y = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 3.0]])


def clouds(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def by_loops(x, y, squared, reduce):
    def one_way(a, b):
        nearest = [min(sum((p - q) ** 2 for p, q in zip(u, v)) for v in b) for u in a]
        return sum(d if squared else d**0.5 for d in nearest) / len(nearest)

    x, y = x.tolist(), y.tolist()
    return (one_way(x, y) + one_way(y, x)) * (1 if reduce == "sum" else 0.5)


@pytest.mark.parametrize(
    ("squared", "reduce", "expected"),
    [
        (False, "sum", (3 + 10**0.5) / 2 + 3),
        (False, "mean", ((3 + 10**0.5) / 2 + 3) / 2),
        (True, "sum", 9.5 + 9),
        (True, "mean", 9.25),
    ],
)
def test_by_hand(squared, reduce, expected):
    assert chamfer_distance(X, Y, squared=squared, reduce=reduce).item() == pytest.approx(expected)
    assert chamfer_kdtree(X, Y, squared=squared, reduce=reduce) == pytest.approx(expected)


@pytest.mark.parametrize(("squared", "reduce"), FLAGS)
def test_agrees_with_loops_and_trees(squared, reduce):
    x, y = clouds(3, 20, 3), clouds(3, 13, 3, seed=1)
    values = chamfer_distance(x, y, squared=squared, reduce=reduce)
    assert values.shape == (3,)
    for i in range(3):
        expected = by_loops(x[i], y[i], squared, reduce)
        assert values[i].item() == pytest.approx(expected, rel=1e-12)
        tree = chamfer_kdtree(x[i], y[i], squared=squared, reduce=reduce)
        assert tree == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("squared", [False, True])
def test_float32_agrees_with_trees_even_for_near_clouds(squared):
    # Distances of 1e-2 at coordinates around 300: by matrix products they would be noise.
    x = clouds(2, 500, 3, dtype=torch.float32) + 300
    y = x + 1e-2 * clouds(2, 500, 3, seed=1, dtype=torch.float32)
    values = chamfer_distance(x, y, squared=squared)
    for i in range(2):
        tree = chamfer_kdtree(x[i], y[i], squared=squared)
        assert values[i].item() == pytest.approx(tree, rel=1e-5, abs=1e-6)
        assert tree > 0


def test_symmetric_zero_for_equal_sets_and_blind_to_order_and_copies():
    x, y = clouds(2, 9, 3), clouds(2, 7, 3, seed=1)
    torch.testing.assert_close(chamfer_distance(x, y), chamfer_distance(y, x))
    assert chamfer_distance(x, x[:, torch.randperm(9)]).tolist() == [0, 0]
    doubled = x.repeat_interleave(2, dim=1)
    torch.testing.assert_close(chamfer_distance(x, y), chamfer_distance(doubled, y))


def test_nearest_distances_are_one_sided():
    whole = clouds(10, 3)
    part_to_whole, whole_to_part = nearest_distances(whole[:4], whole)
    assert part_to_whole.tolist() == [0] * 4
    assert whole_to_part.shape == (10,) and (whole_to_part[4:] > 0).all()
    squares = nearest_distances(whole[:4], whole, squared=True)[1]
    torch.testing.assert_close(squares, whole_to_part.square())


@pytest.mark.parametrize(("squared", "reduce"), FLAGS)
def test_gradient(squared, reduce):
    x, y = clouds(2, 5, 3).requires_grad_(), clouds(2, 4, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, b: chamfer_distance(a, b, squared=squared, reduce=reduce), (x, y)
    )


def test_gradient_of_coinciding_points_is_finite():
    x = X.clone().requires_grad_()
    chamfer_distance(x, X).backward()
    assert x.grad.abs().sum() == 0


def test_nan_passes_through_while_training():
    x = X.clone()
    x[0, 0] = float("nan")
    assert chamfer_distance(x.requires_grad_(), Y).isnan()
    assert chamfer_distance(Y.clone().requires_grad_(), x.detach()).isnan()


def test_f_score_by_hand():
    # Precision 1/2 (only the first point is near), recall 2/3.
    x = torch.tensor([[0.0], [10.0]])
    y = torch.tensor([[0.5], [-0.5], [3.0]])
    assert f_score(x, y, 1.0).item() == pytest.approx(2 * 0.5 * (2 / 3) / (0.5 + 2 / 3))
    assert f_score(x, y, 100.0).item() == 1
    assert f_score(x, y, 0.1).item() == 0
    # Nearer than the threshold: a point exactly at it does not count, on either side.
    pair, one = torch.tensor([[0.0], [0.5]]), torch.tensor([[0.0]])
    for prediction, truth in ((pair, one), (one, pair)):
        assert f_score(prediction, truth, 0.5).item() == pytest.approx(2 / 3)
        assert f_score(prediction, truth, 0.51).item() == 1


def test_f_score_of_batches():
    x, y = clouds(4, 20, 3), clouds(4, 15, 3, seed=1)
    values = f_score(x, y, 0.6)
    assert values.shape == (4,) and 0 < values.min() < values.max() < 1
    assert values[2].item() == pytest.approx(f_score(x[2], y[2], 0.6).item())


def test_bad_input_is_explained():
    for function in (chamfer_distance, chamfer_kdtree, nearest_distances):
        for bad in (X[:, :1], X[:0], X[0]):
            with pytest.raises(DataError, match="needed is"):
                function(X, bad)
        with pytest.raises(DataError, match="NaN or infinite"):
            function(X, Y * float("nan"))
    with pytest.raises(DataError, match="as many clouds"):
        chamfer_distance(X.expand(2, 2, 2), Y.expand(3, 1, 2))
    with pytest.raises(DataError, match="one pair of clouds"):
        chamfer_kdtree(np.zeros((2, 5, 3)), np.zeros((2, 5, 3)))
    with pytest.raises(UnknownName, match="'avg'"):
        chamfer_distance(X, Y, reduce="avg")
    with pytest.raises(UnknownName, match="'avg'"):
        chamfer_kdtree(X, Y, reduce="avg")
    for threshold in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="not positive"):
            f_score(X, Y, threshold)
    with pytest.raises(DataError, match="NaN or infinite"):
        f_score(X.clone().requires_grad_(), Y * float("nan"), 1.0)
