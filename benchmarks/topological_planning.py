"""The planner of paper 28 in batches against loops over graphs, nodes and pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.sparse import csgraph

from benchmarks.bench import Figure, best_of
from eccvkit.data.floor_plans import floor_plans
from eccvkit.data.shortest_paths import next_hops, shortest_distances
from eccvkit.papers import topological_planning as tp


def messages_of_pairs(nodes: torch.Tensor, w1: torch.Tensor, w2: torch.Tensor) -> torch.Tensor:
    """Eq. 1 as it is printed: one product with each pair [n_i, n_j]."""
    n = nodes.shape[1]
    pairs = torch.cat(
        [nodes.unsqueeze(1).expand(-1, n, -1, -1), nodes.unsqueeze(2).expand(-1, -1, n, -1)], -1
    )
    return ((pairs @ w1.T) * torch.sigmoid(pairs @ w2.T)).transpose(0, 1)


def read_by_loop(gru: torch.nn.GRU, messages: torch.Tensor) -> torch.Tensor:
    """The GRU graph by graph and node by node."""
    _, batch, n, _ = messages.shape
    states = [[gru(messages[:, b, i])[1][-1] for i in range(n)] for b in range(batch)]
    return torch.stack([torch.stack(row) for row in states])


def paths_by_scipy(costs: np.ndarray) -> None:
    """Distances and predecessors of each graph by scipy."""
    for graph in costs:
        sparse = csgraph.csgraph_from_dense(graph, null_value=np.inf)
        csgraph.shortest_path(sparse, method="D", return_predecessors=True)


def topological_planning() -> Iterator[Figure]:
    """32 graphs of 8 nodes, width 48, forward and backward, one thread; 4,000 shortest paths."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = tp.Config(hidden=48)
    net = tp.Planner(config)
    nodes = torch.randn(32, 8, config.input_size + config.hidden)
    weights = net.messages.w1.weight, net.messages.w2.weight
    messages = net.messages(nodes).detach()

    def with_gradient(call: Callable[[], torch.Tensor]) -> Callable[[], None]:
        return lambda: call().square().mean().backward()

    best = best_of(
        {
            "batch": with_gradient(lambda: net.aggregate(messages, None, None)[0]),
            "loop": with_gradient(lambda: read_by_loop(net.aggregate.gru, messages)),
            "halves": with_gradient(lambda: tp.gated_messages(nodes, *weights)),
            "pairs": with_gradient(lambda: messages_of_pairs(nodes, *weights)),
        },
        rounds=7,
    )
    torch.set_num_threads(threads)
    yield Figure(
        "GRU over messages: loop over nodes against the batch",
        best["loop"] / best["batch"],
        at_least=10,
        note=f"{1000 * best['loop']:.0f} ms over {1000 * best['batch']:.1f} ms",
    )
    yield Figure(
        "messages: products of pairs against products of nodes",
        best["pairs"] / best["halves"],
        at_least=1.2,
        note=f"{1000 * best['pairs']:.1f} ms over {1000 * best['halves']:.1f} ms",
    )
    plans = floor_plans(4000, 8, seed=500)
    costs = tp.true_costs(plans.visible, plans.distances)
    best = best_of(
        {
            "batch": lambda: next_hops(costs, shortest_distances(costs)),
            "scipy": lambda: paths_by_scipy(costs),
        },
        rounds=3,
    )
    yield Figure(
        "shortest paths of 4,000 graphs: scipy one by one against the batch",
        best["scipy"] / best["batch"],
        at_least=2,
        note=f"{best['scipy']:.2f} s over {best['batch']:.3f} s",
    )
