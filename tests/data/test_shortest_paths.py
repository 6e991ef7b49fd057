"""Batches of shortest paths against scipy and graphs small enough to check by hand."""

import numpy as np
import pytest
from scipy.sparse import csgraph

from eccvkit.data.shortest_paths import (
    NOWHERE,
    connected,
    hop_counts,
    next_hops,
    shortest_distances,
)
from eccvkit.errors import DataError

INF = np.inf
# 0 - 1 - 2 in a row, the direct way from 0 to 2 is longer; 3 is alone.
CHAIN = np.array([[0, 1, 5, INF], [1, 0, 2, INF], [5, 2, 0, INF], [INF, INF, INF, 0]])


def random_costs(seed, shape=(20, 7, 7), share=0.5):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(shape) < share, rng.uniform(0.1, 5, shape), INF)


def test_by_hand():
    assert shortest_distances(CHAIN)[0].tolist() == [0, 1, 3, INF]
    hops = next_hops(CHAIN)
    assert hops[0].tolist() == [0, 1, 1, NOWHERE]
    assert hops[3].tolist() == [NOWHERE] * 3 + [3]
    assert hop_counts(hops)[0].tolist() == [0, 1, 2, NOWHERE]
    assert hop_counts(hops)[3].tolist() == [NOWHERE, NOWHERE, NOWHERE, 0]


def test_directed_edges_keep_their_direction():
    one_way = np.array([[0, 1.0, INF], [INF, 0, 1.0], [INF, INF, 0]])
    hops = next_hops(one_way)
    assert hops[0, 2] == 1 and hops[2, 0] == NOWHERE  # next_hop[i, t] leads from i to t


def test_distances_and_hops_agree_with_scipy():
    costs = random_costs(0)
    ours, hops = shortest_distances(costs), next_hops(costs)
    for k, graph in enumerate(costs):
        sparse = csgraph.csgraph_from_dense(graph, null_value=INF)
        for method in ("D", "BF"):
            theirs = csgraph.shortest_path(sparse, method=method)
            np.testing.assert_allclose(ours[k], theirs, atol=1e-12)
        # scipy names predecessors from a source; on the reversed graph these are next hops.
        _, before = csgraph.shortest_path(sparse.T, method="D", return_predecessors=True)
        reached = np.isfinite(ours[k]) & ~np.eye(7, dtype=bool)
        assert (hops[k][reached] == before.T[reached]).all()


def test_hops_lead_to_the_target_along_the_shortest_way():
    costs = random_costs(1)
    distances, hops = shortest_distances(costs), next_hops(costs)
    counts = hop_counts(hops)
    for m, i, t in np.argwhere(np.isfinite(distances)):
        here, length, steps = i, 0.0, 0
        while here != t:
            there = hops[m, here, t]
            length, here, steps = length + costs[m, here, there], there, steps + 1
        assert length == pytest.approx(distances[m, i, t]) and steps == counts[m, i, t]


def test_hops_that_go_round_in_circles_have_no_count():
    circle = np.array([[[0, 1, 1], [0, 1, 0], [0, 1, 2]]])  # 0 and 1 send each other to 2
    assert hop_counts(circle)[0, :, 2].tolist() == [NOWHERE, NOWHERE, 0]


def test_costs_given_stay_unchanged_and_the_diagonal_does_not_matter():
    costs = CHAIN.copy()
    np.fill_diagonal(costs, INF)
    before = costs.copy()
    assert shortest_distances(costs)[0, 0] == 0
    assert (next_hops(costs) == next_hops(CHAIN)).all() and (costs == before).all()


def test_connected():
    assert connected(np.isfinite(CHAIN)).item() is False
    assert connected(np.isfinite(CHAIN[:3, :3])).item() is True


@pytest.mark.parametrize(
    ("costs", "message"),
    [
        ([[0, -1.0], [1.0, 0]], "an edge cost is -1"),
        ([[0, np.nan], [1.0, 0]], "NaN"),
        ([[0.0, 1.0]], r"\(1, 2\)"),
    ],
)
def test_bad_costs_are_named(costs, message):
    for function in (shortest_distances, next_hops):
        with pytest.raises(DataError, match=message):
            function(costs)
