"""Padded batches of graphs, and the convolution over triples against a loop."""

import pytest
import torch

from eccvkit.errors import EccvkitError
from eccvkit.nn.graphs import TripleConv, masked_mean, pad_graphs, pair_mask


def graph(n, seed, f=3, c=2):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, f, generator=g), torch.randn(n, n, c, generator=g)


def test_padding_keeps_what_is_there_and_adds_zeros():
    (a, ea), (b, eb) = graph(2, 0), graph(4, 1)
    batch = pad_graphs([a, b], [ea, eb], size=5)
    assert batch.nodes.shape == (2, 5, 3) and batch.edges.shape == (2, 5, 5, 2)
    assert torch.equal(batch.nodes[0, :2], a) and torch.equal(batch.edges[1, :4, :4], eb)
    assert batch.nodes[0, 2:].abs().sum() == 0 and batch.edges[0, 2:].abs().sum() == 0
    assert batch.edges[0, :, 2:].abs().sum() == 0
    assert batch.mask.tolist() == [[True] * 2 + [False] * 3, [True] * 4 + [False]]


def test_pairs_of_real_nodes():
    mask = torch.tensor([[True, True, False]])
    assert pair_mask(mask)[0].tolist() == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
    ]
    assert pair_mask(mask, loops=True).sum() == 4


def test_masked_mean_by_hand():
    values = torch.tensor([[[1.0], [3.0], [99.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    assert masked_mean(values, mask, dim=1).tolist() == [[2.0], [0.0]]
    assert masked_mean(values, mask, dim=-1).tolist() == [[2.0], [0.0]]
    assert masked_mean(values, mask, dim=0).tolist() == [[1.0], [3.0], [0.0]]


def test_triple_convolution_is_a_loop_over_edges():
    torch.manual_seed(0)
    layer = TripleConv(3, 2, hidden=4, out_nodes=5, out_edges=6)
    nodes, edges = (x.unsqueeze(0) for x in graph(3, 2))
    present = torch.tensor([[[0, 1, 1], [0, 0, 1], [0, 0, 0]]], dtype=torch.bool)
    new_nodes, new_edges = layer(nodes, edges, present)
    assert new_nodes.shape == (1, 3, 5) and new_edges.shape == (1, 3, 3, 6)
    candidates = {k: [] for k in range(3)}
    for i, j in ((0, 1), (0, 2), (1, 2)):
        out = layer.on_triples(torch.cat([nodes[0, i], edges[0, i, j], nodes[0, j]]))
        to_tail, edge, to_head = out.split([4, 6, 4])
        candidates[i].append(to_tail)
        candidates[j].append(to_head)
        torch.testing.assert_close(new_edges[0, i, j], edge)
    for k, own in candidates.items():
        torch.testing.assert_close(new_nodes[0, k], layer.on_nodes(torch.stack(own).mean(0)))
    assert new_edges[0, 1, 0].abs().sum() == 0


def test_padding_changes_nothing():
    torch.manual_seed(0)
    layer = TripleConv(3, 2, hidden=4, out_nodes=3, out_edges=2)
    (a, ea), (b, eb) = graph(2, 3), graph(5, 4)
    batch = pad_graphs([a, b], [ea, eb])
    nodes, edges = layer(batch.nodes, batch.edges, pair_mask(batch.mask))
    for k, (own, links) in enumerate(((a, ea), (b, eb))):
        alone = pad_graphs([own], [links])
        n = len(own)
        expected = layer(alone.nodes, alone.edges, pair_mask(alone.mask))
        torch.testing.assert_close(nodes[k, :n], expected[0][0])
        torch.testing.assert_close(edges[k, :n, :n], expected[1][0])


def test_order_of_the_nodes_does_not_matter():
    torch.manual_seed(1)
    layer = TripleConv(3, 2, hidden=4, out_nodes=5, out_edges=2)
    nodes, edges = (x.unsqueeze(0) for x in graph(4, 5))
    present = torch.rand(1, 4, 4) < 0.6
    order = torch.tensor([2, 0, 3, 1])
    first, _ = layer(nodes, edges, present)
    shuffled = (x[:, order][:, :, order] for x in (edges, present))
    second, _ = layer(nodes[:, order], *shuffled)
    torch.testing.assert_close(first[:, order], second)


@pytest.mark.parametrize(
    ("nodes", "edges", "size", "message"),
    [
        ([], [], None, "0 sets of nodes"),
        ([torch.ones(2, 1)], [], None, "1 sets of nodes and 0 of edges"),
        ([torch.ones(2, 1)], [torch.ones(3, 3, 1)], None, "graph 0 has nodes"),
        ([torch.ones(2, 1)], [torch.ones(2, 2)], None, "graph 0 has nodes"),
        ([torch.ones(4, 1)], [torch.ones(4, 4, 1)], 3, "more than the size of 3"),
    ],
)
def test_bad_graphs_are_named(nodes, edges, size, message):
    with pytest.raises(EccvkitError, match=message):
        pad_graphs(nodes, edges, size)
