"""Batches of small graphs of different size: padding, masks, and a convolution over triples.

Graphs of up to a few dozen nodes are kept dense: nodes (B, N, F), edges (B, N, N, C), and a mask
(B, N) that says which nodes are real. Padding stands at the end; whoever averages, attends or
predicts over nodes uses the mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError
from eccvkit.nn.small import mlp


class GraphBatch(NamedTuple):
    """Graphs padded to equal size.

    Attributes
    ----------
    nodes : Tensor
        (B, N, F), zero where padded.
    edges : Tensor
        (B, N, N, C), from the second index to the third; zero where padded.
    mask : Tensor
        (B, N) bool, true for real nodes.
    """

    nodes: Tensor
    edges: Tensor
    mask: Tensor


def pad_graphs(
    nodes: Sequence[Tensor], edges: Sequence[Tensor], size: int | None = None
) -> GraphBatch:
    """Pad graphs to the size of the largest, or to a given one.

    Parameters
    ----------
    nodes : sequence of (n, F) Tensor
        One per graph, n may differ.
    edges : sequence of (n, n, C) Tensor
    size : int, optional
        Number N of nodes after padding.

    Raises
    ------
    EccvkitError
        No graph, nodes and edges that do not fit, or a graph larger than ``size``.

    Examples
    --------
    >>> batch = pad_graphs(
    ...     [torch.ones(2, 1), torch.ones(3, 1)], [torch.ones(2, 2, 4), torch.ones(3, 3, 4)]
    ... )
    >>> batch.nodes.shape, batch.edges.shape, batch.mask.sum(dim=1).tolist()
    (torch.Size([2, 3, 1]), torch.Size([2, 3, 3, 4]), [2, 3])
    """
    if not len(nodes) or len(nodes) != len(edges):
        raise EccvkitError(
            f"pad_graphs: {len(nodes)} sets of nodes and {len(edges)} of edges; give one of each "
            "for at least one graph"
        )
    for k, (own, links) in enumerate(zip(nodes, edges)):
        if own.ndim != 2 or links.ndim != 3 or links.shape[:2] != (len(own), len(own)):
            raise EccvkitError(
                f"pad_graphs: graph {k} has nodes {tuple(own.shape)} and edges "
                f"{tuple(links.shape)}; needed are (n, F) and (n, n, C)"
            )
    largest = max(len(own) for own in nodes)
    size = largest if size is None else size
    if largest > size:
        raise EccvkitError(f"pad_graphs: a graph has {largest} nodes, more than the size of {size}")
    batch = len(nodes)
    padded = nodes[0].new_zeros(batch, size, nodes[0].shape[1])
    links = edges[0].new_zeros(batch, size, size, edges[0].shape[2])
    mask = torch.zeros(batch, size, dtype=torch.bool, device=nodes[0].device)
    for k, (own, between) in enumerate(zip(nodes, edges)):
        n = len(own)
        padded[k, :n], links[k, :n, :n], mask[k, :n] = own, between, True
    return GraphBatch(padded, links, mask)


def pair_mask(mask: Tensor, *, loops: bool = False) -> Tensor:
    """Pairs (B, N, N) of real nodes; a node and itself only with ``loops``."""
    pairs = mask.unsqueeze(2) & mask.unsqueeze(1)
    return pairs if loops else pairs & ~torch.eye(mask.shape[1], dtype=bool, device=mask.device)


def masked_mean(values: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Mean over ``dim`` of the entries where ``mask`` is true; 0 where there is none.

    Parameters
    ----------
    values : Tensor
        (..., F).
    mask : Tensor
        The shape of ``values`` without its last dimension.
    dim : int
        Counted in ``mask``, from 0 or from the end.
    """
    weight = mask.unsqueeze(-1).to(values.dtype)
    dim = dim % mask.ndim
    return (values * weight).sum(dim) / weight.sum(dim).clamp(min=1)


class TripleConv(nn.Module):
    r"""Graph convolution over triples (node, edge, node), as in sg2im (Johnson et al., 2018).

    For each edge an MLP maps :math:`[v_i,e_{ij},v_j]` to a new edge and to one candidate for each
    end; a node averages its candidates over all its edges, and a second MLP makes its new state.

    Parameters
    ----------
    node_size, edge_size : int
        Channels of the inputs.
    hidden : int
        Channels of the candidates.
    out_nodes, out_edges : int
        Channels of the outputs.
    """

    def __init__(
        self, node_size: int, edge_size: int, hidden: int, out_nodes: int, out_edges: int
    ) -> None:
        super().__init__()
        self.sizes = (hidden, out_edges, hidden)
        self.on_triples = mlp([2 * node_size + edge_size, hidden, sum(self.sizes)])
        self.on_nodes = mlp([hidden, hidden, out_nodes])

    def forward(self, nodes: Tensor, edges: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """New nodes (B, N, out_nodes) and edges (B, N, N, out_edges).

        Parameters
        ----------
        nodes : (B, N, F) Tensor
        edges : (B, N, N, C) Tensor
            From the second index to the third.
        present : (B, N, N) bool Tensor
            Which edges exist; the others send nothing and stay 0.
        """
        n = nodes.shape[1]
        tail = nodes.unsqueeze(2).expand(-1, -1, n, -1)
        head = nodes.unsqueeze(1).expand(-1, n, -1, -1)
        triples = self.on_triples(torch.cat([tail, edges, head], dim=-1))
        to_tail, new_edges, to_head = triples.split(self.sizes, dim=-1)
        # A node is the tail of the edges in its row and the head of those in its column.
        candidates = torch.cat([to_tail, to_head.transpose(1, 2)], dim=2)
        counted = torch.cat([present, present.transpose(1, 2)], dim=2)
        pooled = masked_mean(candidates, counted, dim=2)
        return self.on_nodes(pooled), new_edges * present.unsqueeze(-1)
