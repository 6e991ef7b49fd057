r"""The planner as Bellman-Ford (Sect. 3.2): Eq. 4, and weights by hand that compute it.

The paper says that a parameterisation of its network corresponds to Bellman-Ford and does not write
it down. Here are weights of Eq. 1, exact up to rounding, and a cell of our own in place of the GRU,
whose state is a bounded average and can only approximate a minimum. Let the state of a node be its
bound :math:`b_i`, a single number, and :math:`n_i=[d_i,s_i,b_i]` with its row of D and its
identity. The sum
:math:`b_j+d_{ij}` is not linear in :math:`[n_i,n_j]`: it must **look up** entry j of :math:`d_i`.
The gate of Eq. 1 does that. With one channel c per node,

.. math:: m_{ij}^{(c)} = (b_j+d_i^{(c)})\;\sigma\bigl(\gamma\,(s_j^{(c)}-\tfrac12)\bigr)

is :math:`b_j+d_{ij}` in channel j and 0 in all others, for a steep gate. A recurrent cell that adds
the channels and keeps the smaller of that and its own state is Eq. 4; with ReLU,
:math:`\min(h,x)=h-\mathrm{relu}(h-x)`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eccvkit.papers.topological_planning.planner import GatedMessages

#: Slope of the gate: sigmoid(50) is 1 in float32, and sigmoid(-50) is 2e-22.
STEEP = 100.0


def bellman_ford_round(bounds: Tensor, distances: Tensor) -> Tensor:
    r"""Eq. 4: :math:`b_i^{[j]}=\min(b_i^{[j-1]},b_j+d_{ij})` for all i, one j after the other.

    Parameters
    ----------
    bounds : (..., N) Tensor
        b: an upper bound on the distance to the target, 0 at the target.
    distances : (..., N, N) Tensor
        d; ``inf`` where there is no edge.

    Returns
    -------
    Tensor
        (..., N) b after the round. All nodes read the bounds of before the round.
    """
    new = bounds
    for j in range(bounds.shape[-1]):
        new = torch.minimum(new, bounds[..., j, None] + distances[..., :, j])
    return new


def min_cell(state: Tensor, message: Tensor) -> Tensor:
    """The recurrent cell by hand: ``min(state, sum of the channels of message)``.

    Parameters
    ----------
    state : (...) Tensor
    message : (..., N) Tensor
    """
    return state - torch.relu(state - message.sum(dim=-1))


def by_hand(nodes: int) -> GatedMessages:
    """Eq. 1 with weights that look up ``b_j + d_ij``: messages with one channel per node.

    Parameters
    ----------
    nodes : int
        N; the layer reads node vectors ``[d_i, s_i, b_i]`` of length 2 N + 1.
    """
    layer = GatedMessages(2 * nodes + 1, nodes).requires_grad_(False)
    receiver, sender = 0, 2 * nodes + 1  # where n_i and n_j start in the pair
    value, gate = layer.w1.weight.zero_(), layer.w2.weight.zero_()
    for c in range(nodes):
        value[c, receiver + c] = 1.0  # d_i in channel c
        value[c, sender + 2 * nodes] = 1.0  # b_j in every channel
        # There is no bias: the entries of s_j sum to 1, so -1/2 of each is a constant.
        gate[c, sender + nodes : sender + 2 * nodes] = -STEEP / 2
        gate[c, sender + nodes + c] = STEEP / 2
    return layer


def planner_round(layer: GatedMessages, bounds: Tensor, distances: Tensor) -> Tensor:
    """One round of the network with weights by hand: messages, then the cell over j.

    Parameters
    ----------
    layer : GatedMessages
        From :func:`by_hand`.
    bounds : (B, N) Tensor
    distances : (B, N, N) Tensor
        Finite: a large number where there is no edge, since a closed gate times infinity is NaN.
    """
    b, n = bounds.shape
    identity = torch.eye(n, dtype=bounds.dtype, device=bounds.device).expand(b, n, n)
    messages = layer(torch.cat([distances, identity, bounds.unsqueeze(-1)], dim=-1))
    for message in messages:  # (B, N, channels) from sender j
        bounds = min_cell(bounds, message)
    return bounds
