from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from eccvkit.errors import DataError, UnknownName
from eccvkit.papers.topogan import matching, scores
from eccvkit.papers.topogan.persistence import Diagram


def diagram(*points):
    """A diagram from (birth, death) pairs."""
    points = np.array(sorted(points), dtype=float).reshape(-1, 2)
    return Diagram(points[:, 0], points[:, 1], np.zeros((len(points), 2), dtype=int))


def random_diagrams(n, seed, most=6, fewest=0):
    rng = np.random.default_rng(seed)
    result = []
    for _ in range(n):
        births = np.where(
            rng.random(k := rng.integers(fewest, most + 1)) < 0.5, 0, 4 * rng.random(k)
        )
        result.append(diagram(*zip(births, births + 1 + 5 * rng.random(k))))
    return result


def brute_force(ours, theirs):
    """Smallest total difference over all one-to-one correspondences."""
    return min(np.abs(np.array(ours) - np.array(p)).sum() for p in permutations(theirs))


# --- Eq. 3 ----------------------------------------------------------------------------------


def test_an_almost_hole_beside_two_holes():
    synthetic, real = diagram((0, 6), (0, 6), (3.2, 5)), diagram((0, 6), (0, 6), (0, 6))
    assert matching.birth_w1(synthetic, real) == pytest.approx(3.2 / 3)
    # With the diagonal, 3.2 goes to 4.1, its own middle, and the gradient would open the gap.
    targets, slopes = matching.birth_targets(synthetic, real, "slice")
    assert targets == pytest.approx([0, 0, 4.1]) and slopes.tolist() == [0, 0, -1]
    targets, slopes = matching.birth_targets(synthetic, real)
    assert targets.tolist() == [0, 0, 0] and slopes.tolist() == [0, 0, 1]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 5))
def test_uniform_is_the_best_assignment_of_equal_sizes(seed, k):
    a, b = (random_diagrams(1, seed + i, most=k, fewest=k)[0] for i in (0, 1))
    assert matching.birth_w1(a, b) == pytest.approx(brute_force(a.births, b.births) / k)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 3), m=st.integers(1, 3))
def test_uniform_is_the_best_assignment_of_copies(seed, n, m):
    # n points of mass 1/n are m n points of mass 1/(m n): sizes are equal after copying.
    a = random_diagrams(1, seed, most=n, fewest=n)[0]
    b = random_diagrams(1, seed + 1, most=m, fewest=m)[0]
    left, right = np.repeat(a.births, m), np.repeat(b.births, n)
    rows, columns = linear_sum_assignment(cost := np.abs(left[:, None] - right))
    assert matching.birth_w1(a, b) == pytest.approx(cost[rows, columns].mean())


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_slice_is_the_best_assignment_with_the_diagonal(seed):
    a, b = random_diagrams(2, seed, most=3)
    ours = [*a.births, *((b.births + b.deaths) / 2)]
    theirs = [*b.births, *((a.births + a.deaths) / 2)]
    assert matching.birth_w1(a, b, "slice") == pytest.approx(brute_force(ours, theirs))


@pytest.mark.parametrize("match", matching.CONVENTIONS)
def test_distance_of_equal_diagrams_and_symmetry(match):
    for a, b in zip(random_diagrams(10, 1), random_diagrams(10, 2)):
        assert matching.birth_w1(a, a, match) == 0
        assert matching.birth_w1(a, b, match) == pytest.approx(matching.birth_w1(b, a, match))


def test_empty_diagrams():
    none, open_one = diagram(), diagram((2, 5), (0, 4))
    assert matching.birth_w1(none, none) == matching.birth_w1(none, none, "slice") == 0
    # "uniform": nothing is open, like one hole. "slice": every point goes to the diagonal.
    assert matching.birth_w1(none, open_one) == 1.0
    assert matching.birth_w1(none, open_one, "slice") == 1.5 + 2.0
    targets, slopes = matching.birth_targets(none, open_one)
    assert targets.shape == slopes.shape == (0,)


def test_only_slice_sees_the_number_of_holes():
    three, five = diagram(*[(0, 4)] * 3), diagram(*[(0, 4)] * 5)
    assert matching.birth_w1(three, five) == 0
    assert matching.birth_w1(three, five, "slice") == 2 * 2.0


@pytest.mark.parametrize("match", matching.CONVENTIONS)
def test_pairwise_equals_the_loop(match):
    first, second = random_diagrams(17, 3), random_diagrams(12, 4)
    loop = [[matching.birth_w1(a, b, match) for b in second] for a in first]
    assert matching.pairwise_w1(first, second, match) == pytest.approx(np.array(loop))


def test_unknown_convention_and_empty_sets():
    with pytest.raises(UnknownName, match="uniform, slice"):
        matching.birth_w1(diagram(), diagram(), "diagonal")
    with pytest.raises(DataError, match="sets of 0 and 1"):
        matching.pairwise_w1([], [diagram()])


# --- Eqs. 4 and 5 ---------------------------------------------------------------------------


def test_equal_numbers_of_diagrams_are_an_assignment():
    first, second = random_diagrams(15, 5, fewest=1), random_diagrams(15, 6, fewest=1)
    result = matching.match_sets(first, second, "slice")
    rows, columns = linear_sum_assignment(result.cost)
    assert (result.plan * result.cost).sum() == pytest.approx(result.cost[rows, columns].mean())
    assert sorted(result.partner.tolist()) == list(range(15))
    assert result.loss == pytest.approx(result.cost[rows, columns].sum())


def test_plan_has_uniform_marginals():
    result = matching.match_sets(random_diagrams(6, 7), random_diagrams(9, 8))
    assert result.plan.sum(axis=1) == pytest.approx(np.full(6, 1 / 6))
    assert result.plan.sum(axis=0) == pytest.approx(np.full(9, 1 / 9))
    assert result.plan.min() >= 0


def test_matching_spares_as_many_gaps_as_reality_has():
    gap, closed = diagram((0, 6), (3, 5)), diagram((0, 6), (0, 5))
    result = matching.match_sets([gap] * 3 + [closed], [gap] + [closed] * 3)
    # One of the three gaps has a real partner with a gap; the other two are to be closed.
    assert (result.partner[:3] == 0).sum() == 1 and result.partner[3] != 0
    assert result.loss == pytest.approx(2 * 1.5)


# --- the gradient of Eq. 3 ------------------------------------------------------------------


@pytest.mark.parametrize("match", matching.CONVENTIONS)
def test_slopes_are_the_derivative_of_the_distance(match):
    rng = np.random.default_rng(9)
    for n, m in ((1, 1), (3, 3), (2, 5), (4, 3)):
        a = diagram(*zip(births := 4 * rng.random(n), births + 3))
        b = diagram(*zip(births := 4 * rng.random(m), births + 3))
        _, slopes = matching.birth_targets(a, b, match)
        for x in range(n):
            moved = a.births.copy()
            moved[x] += 1e-6
            # Eq. 3 moves births alone; a death that stays put keeps the middle on the diagonal
            # moving at half speed, which the paper's gradient ignores.
            deaths = a.deaths + (a.births - moved)
            change = matching.birth_w1(Diagram(moved, deaths, a.saddles), b, match)
            change -= matching.birth_w1(a, b, match)
            mass = n if match == "uniform" else 1
            assert mass * change / 1e-6 == pytest.approx(slopes[x], abs=1e-4)


def test_targets_with_several_partners():
    # The single point carries the mass of both: half of it goes to 0, half to 3.
    targets, slopes = matching.birth_targets(diagram((2, 6)), diagram((0, 6), (3, 6)))
    assert targets.tolist() == [1.5] and slopes.tolist() == [0.0]
    targets, slopes = matching.birth_targets(diagram((0, 6), (3, 6)), diagram((2, 6)))
    assert targets.tolist() == [2.0, 2.0] and slopes.tolist() == [-1.0, 1.0]


# --- Sect. 3.4 ------------------------------------------------------------------------------


def test_betti_score_by_hand():
    assert scores.betti_score([1, 2], [1, 2]) == 0
    assert scores.betti_score([1, 1], [4, 4, 4]) == 2
    # Shares (1/4, 3/4) against (1/2, 1/2): 1/16 / (3/4) + 1/16 / (5/4).
    assert scores.betti_score([0, 1, 1, 1], [0, 1]) == pytest.approx(1 / 12 + 1 / 20)
    with pytest.raises(DataError, match="two samples"):
        scores.betti_score([], [1])
    with pytest.raises(DataError, match="negative"):
        scores.betti_score([-1], [1])


def test_betti_numbers_count_births_at_zero():
    assert scores.betti_numbers([diagram((0, 3), (0, 2), (1.5, 4)), diagram()]).tolist() == [2, 0]


def test_mmd_is_unbiased():
    # Two halves of one population: the mean over many splits is zero within its error.
    population = random_diagrams(200, 10)
    rng = np.random.default_rng(11)
    values = []
    for _ in range(60):
        order = rng.permutation(200)[:40]
        halves = [[population[i] for i in part] for part in np.split(order, 2)]
        values.append(scores.diagram_mmd(*halves, bandwidth=3.0).squared)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(60)
    assert min(values) < 0 < max(values)


def test_mmd_by_hand():
    closed, gap = diagram((0, 6)), diagram((3, 7))
    result = scores.diagram_mmd([closed, closed], [gap, gap], bandwidth=1.0, match="uniform")
    assert result.squared == pytest.approx(2 - 2 * np.exp(-3))
    assert result.root == pytest.approx(np.sqrt(result.squared))
    same = scores.diagram_mmd([closed, gap], [closed, gap], bandwidth=1.0, match="uniform")
    assert same.squared < 0 and same.root == 0


def test_bandwidth_is_the_median_distance():
    real = [diagram((b, b + 4)) for b in (0, 1, 3)]
    assert scores.median_distance(real, "uniform") == 2.0
    assert scores.diagram_mmd(real, real, match="uniform").bandwidth == 2.0
    with pytest.raises(DataError, match="at least two"):
        scores.median_distance(real[:1])
    with pytest.raises(DataError, match="pass a bandwidth"):
        scores.median_distance([real[0]] * 4)
