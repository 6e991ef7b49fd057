"""Accuracy and SPL of planners on graphs small enough to walk by hand."""

import numpy as np
import pytest

from eccvkit.data.shortest_paths import NOWHERE, next_hops, shortest_distances
from eccvkit.errors import DataError
from eccvkit.metrics.planning import distant_pairs, follow, h_spl, next_hop_accuracy, spl

# A square 0-1-2-3-0 without diagonals; the side from 3 to 0 is long.
VISIBLE = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], dtype=bool)
LENGTHS = np.where(VISIBLE, 1.0, 2.0)
LENGTHS[0, 3] = LENGTHS[3, 0] = 2.0
COSTS = np.where(VISIBLE, LENGTHS, np.inf)
TRUE = next_hops(COSTS)
SHORTEST = shortest_distances(COSTS)


def test_pairs_of_two_hops_or_more():
    assert np.argwhere(distant_pairs(TRUE)).tolist() == [[0, 2], [1, 3], [2, 0], [3, 1]]
    assert distant_pairs(TRUE, least=3).sum() == 0


def test_the_true_planner_is_perfect():
    pairs = distant_pairs(TRUE)
    assert next_hop_accuracy(TRUE, TRUE, pairs) == 1
    assert h_spl(TRUE, VISIBLE, LENGTHS, SHORTEST, pairs) == 1


def test_accuracy_counts_chosen_pairs_only():
    wrong = TRUE.copy()
    wrong[0, 1] = 3  # a pair of one hop
    wrong[1, 3] = 0  # one of the four pairs of two hops
    assert next_hop_accuracy(wrong, TRUE, distant_pairs(TRUE)) == 0.75


def test_detour_false_edge_circle_staying_and_no_way():
    hops = TRUE.copy()
    hops[0, 2] = 3  # over the long side: 2 + 1 instead of 2
    hops[1, 3] = 3  # no such edge
    hops[2, 0], hops[1, 0] = 1, 2  # round in circles
    hops[3, 1] = 3  # stays
    walks = follow(hops, VISIBLE, LENGTHS)
    assert walks.success[0, 2] and walks.lengths[0, 2] == 3
    for i, t in ((1, 3), (2, 0), (3, 1)):
        assert not walks.success[i, t]
    pairs = distant_pairs(TRUE)
    assert h_spl(hops, VISIBLE, LENGTHS, SHORTEST, pairs) == pytest.approx(2 / 3 / 4)
    hops[3, 1] = NOWHERE
    assert not follow(hops, VISIBLE, LENGTHS).success[3, 1]


def test_a_planner_that_names_the_target_fails_beyond_one_hop():
    straight = np.broadcast_to(np.arange(4), (4, 4))
    assert h_spl(straight, VISIBLE, LENGTHS, SHORTEST, distant_pairs(TRUE)) == 0
    assert follow(straight, VISIBLE, LENGTHS).success[0, 1]


def test_next_hops_lead_towards_the_target_and_not_from_it():
    # Three nodes in a row: transposed, the hops of the ends are those of the middle.
    row = np.array([[0, 1, 9], [1, 0, 1], [9, 1, 0.0]])
    visible = row == 1
    hops = next_hops(np.where(visible, row, np.inf))
    assert follow(hops, visible, row).success[0, 2]
    assert not follow(hops.T, visible, row).success[0, 2]


def test_a_batch_is_the_sum_of_its_maps():
    rng = np.random.default_rng(0)
    hops = rng.integers(0, 4, (6, 4, 4))
    batch = follow(hops, np.stack([VISIBLE] * 6), np.stack([LENGTHS] * 6))
    for k in range(6):
        alone = follow(hops[k], VISIBLE, LENGTHS)
        assert (alone.success == batch.success[k]).all()
        np.testing.assert_array_equal(alone.lengths, batch.lengths[k])


def test_spl_by_hand():
    assert spl([True, True], [3.0, 2.0], [3.0, 1.0]) == 0.75
    # A way shorter than the shortest counts as the shortest.
    assert spl([True], [1.0], [2.0]) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spl([True], [1.0], [0.0]), "is 0 or infinite"),
        (lambda: spl([True], [1.0], [np.inf]), "is 0 or infinite"),
        (lambda: spl([True], [1.0, 2.0], [1.0]), "shapes"),
        (lambda: spl([], [], []), "no pair"),
        (lambda: next_hop_accuracy(TRUE, TRUE, np.zeros((4, 4), dtype=bool)), "no pair"),
        (lambda: follow(TRUE, VISIBLE[:3, :3], LENGTHS), "shapes"),
        (lambda: follow(TRUE + 4, VISIBLE, LENGTHS), "in graphs of 4 nodes"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(DataError, match=message):
        call()
