"""The neural planner (Sect. 3.1): gated messages on all pairs, read one by one by a GRU."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

from eccvkit.errors import unknown
from eccvkit.nn.graphs import masked_mean
from eccvkit.papers.topological_planning.config import Config


def node_inputs(
    vision: Tensor, links: Tensor, target: Tensor, distances: Tensor, truth: Tensor | None = None
) -> Tensor:
    """The fixed part x of every node: ``[v, e, t, d, s]``, with the true links behind e if given.

    Parameters
    ----------
    vision : (B, N, K) Tensor
        V.
    links : (B, N, N) Tensor
        E; row i belongs to node i.
    target : (B,) int Tensor
        Target node of each graph.
    distances : (B, N, N) Tensor
        D, divided by the largest distance of its graph.
    truth : (B, N, N) Tensor, optional
        True adjacency, only with mod-drop and only in training; zeros at test.

    Returns
    -------
    Tensor
        (B, N, K + 3 N + 1), or K + 4 N + 1 with ``truth``.
    """
    b, n, _ = vision.shape
    identity = torch.eye(n, dtype=vision.dtype, device=vision.device)
    is_target = identity[target].unsqueeze(-1)
    both = [links] if truth is None else [links, truth]
    return torch.cat([vision, *both, is_target, distances, identity.expand(b, n, n)], dim=-1)


def gated_messages(nodes: Tensor, w1: Tensor, w2: Tensor) -> Tensor:
    r"""Eq. 1: :math:`m_{ij}=W_1[n_i,n_j]\odot\sigma(W_2[n_i,n_j])` for all pairs.

    A matrix on a pair is a matrix on its first plus one on its second node,
    :math:`W[n_i,n_j]=An_i+Bn_j`: 2 N small products take the place of N^2 of twice the length.

    Parameters
    ----------
    nodes : (B, N, F) Tensor
        n.
    w1, w2 : (hidden, 2 F) Tensor

    Returns
    -------
    Tensor
        (j, B, i, hidden): first the sender j, in the order in which node i reads its messages.
    """

    def on_pairs(weight: Tensor) -> Tensor:
        first, second = weight.chunk(2, dim=1)
        receiver, sender = nodes @ first.T, nodes @ second.T
        return receiver.unsqueeze(0) + sender.transpose(0, 1).unsqueeze(2)

    return on_pairs(w1) * torch.sigmoid(on_pairs(w2))


class GatedMessages(nn.Module):
    """The two matrices of Eq. 1, without bias.

    Parameters
    ----------
    node_size : int
        Length F of n.
    hidden : int
        Length of m.
    rule : callable
        :func:`gated_messages`, or a function of your own with its arguments.
    """

    def __init__(
        self, node_size: int, hidden: int, rule: Callable[..., Tensor] = gated_messages
    ) -> None:
        super().__init__()
        self.w1 = nn.Linear(2 * node_size, hidden, bias=False)
        self.w2 = nn.Linear(2 * node_size, hidden, bias=False)
        self.rule = rule

    def forward(self, nodes: Tensor) -> Tensor:
        """Messages (j, B, i, hidden) of nodes (B, N, node_size)."""
        return self.rule(nodes, self.w1.weight, self.w2.weight)


class RecurrentAggregation(nn.Module):
    """Eqs. 2 and 3: a GRU reads the messages j = 1..N of node i, from the state that i has kept.

    Parameters
    ----------
    hidden, layers : int
        Width, and number of stacked GRU layers (the paper: 2).
    """

    def __init__(self, hidden: int, layers: int) -> None:
        super().__init__()
        self.gru = nn.GRU(hidden, hidden, layers)

    def forward(
        self, messages: Tensor, mask: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Read the messages.

        Parameters
        ----------
        messages : (N, B, N, hidden) Tensor
            See :class:`GatedMessages`.
        mask : (B, N) bool Tensor, optional
            Real nodes; padded ones stand at the end and are not read.
        state : (layers, B * N, hidden) Tensor, optional
            h of every node; zeros if not given.

        Returns
        -------
        Tensor
            (B, N, hidden): h after the last message, of the last layer.
        Tensor
            (layers, B * N, hidden): h for the next round.
        """
        n, b, _, width = messages.shape
        sequence = messages.reshape(n, b * n, width)
        if mask is not None:
            counts = mask.sum(dim=1).repeat_interleave(n).cpu()
            sequence = pack_padded_sequence(sequence, counts, enforce_sorted=False)
        _, state = self.gru(sequence, state)
        return state[-1].view(b, n, width), state


class MeanAggregation(nn.Module):
    """The ablation of Sect. 5.3: the same messages, averaged as graph convolutions do."""

    def forward(
        self, messages: Tensor, mask: Tensor | None, state: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """As :class:`RecurrentAggregation`; there is no state."""
        if mask is None:
            return messages.mean(dim=0), None
        real = mask.T.unsqueeze(-1).expand(messages.shape[:-1])
        return masked_mean(messages, real, dim=0), None


#: How a node reads its messages.
AGGREGATIONS = ("gru", "mean")


class Planner(nn.Module):
    """Graph network in the shape of Bellman-Ford: k rounds, then a linear map to N logits.

    Parameters
    ----------
    config : Config
    rule : callable
        Eq. 1; a function of your own goes here.
    """

    def __init__(self, config: Config, rule: Callable[..., Tensor] = gated_messages) -> None:
        super().__init__()
        if config.aggregate not in AGGREGATIONS:
            raise unknown("aggregation", config.aggregate, AGGREGATIONS)
        hidden = config.hidden
        self.rounds, self.hidden = config.rounds, hidden
        self.messages = GatedMessages(config.input_size + hidden, hidden, rule)
        self.mlp = nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU())
        self.head = nn.Linear(hidden, config.nodes)
        # Last, so that what the arms share starts from the same numbers.
        self.aggregate = (
            RecurrentAggregation(hidden, config.layers)
            if config.aggregate == "gru"
            else MeanAggregation()
        )

    def forward(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (B, N, N): for each node, which node comes next on the way to the target.

        Parameters
        ----------
        inputs : (B, N, input_size) Tensor
            x, see :func:`node_inputs`.
        mask : (B, N) bool Tensor, optional
            Real nodes, if graphs are padded; a padded node is never the next one.
        """
        logits = self.head(self.states(inputs, mask)[-1])
        return logits if mask is None else logits.masked_fill(~mask.unsqueeze(1), -torch.inf)

    def states(self, inputs: Tensor, mask: Tensor | None = None) -> list[Tensor]:
        """The latent r (B, N, hidden) of every node after each round."""
        latent = inputs.new_zeros(*inputs.shape[:2], self.hidden)
        memory, trace = None, []
        for _ in range(self.rounds):
            messages = self.messages(torch.cat([inputs, latent], dim=-1))
            read, memory = self.aggregate(messages, mask, memory)
            latent = self.mlp(read)
            trace.append(latent)
        return trace
