"""Looking inside a planner: the latents of each round, and what its GRU holds while it reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.papers.topological_planning.config import Config
from eccvkit.papers.topological_planning.experiment import Inputs
from eccvkit.papers.topological_planning.planner import Planner, RecurrentAggregation
from eccvkit.papers.topological_planning.tasks import Maps


@torch.no_grad()
def latents(net: Planner, config: Config, maps: Maps, target: np.ndarray) -> Tensor:
    """Latents r (rounds, M, N, hidden) on the CPU, for one target per map."""
    return torch.stack(net.states(_inputs(net, config, maps, target))).cpu()


@torch.no_grad()
def reading_trace(net: Planner, config: Config, maps: Maps, target: np.ndarray) -> Tensor:
    """What node i holds after each message: (rounds, j, M, i, hidden) on the CPU.

    Raises
    ------
    EccvkitError
        The planner reads its messages without a GRU.
    """
    if not isinstance(net.aggregate, RecurrentAggregation):
        raise EccvkitError("reading_trace: this planner has no GRU; pass one that has")
    inputs = _inputs(net, config, maps, target)
    m, n, _ = inputs.shape
    latent, memory, trace = inputs.new_zeros(m, n, net.hidden), None, []
    for _ in range(net.rounds):
        messages = net.messages(torch.cat([inputs, latent], dim=-1))
        after_each, memory = net.aggregate.gru(messages.reshape(n, m * n, -1), memory)
        latent = net.mlp(memory[-1]).view(m, n, -1)
        trace.append(after_each.view(n, m, n, -1))
    return torch.stack(trace).cpu()


def running_minima(maps: Maps, target: np.ndarray, rounds: int) -> np.ndarray:
    """Eq. 4 step by step on the true graph: bounds (rounds, j, M, i) after each neighbour j.

    Bounds are in units of the largest distance of a map, as the planner reads distances; ``inf``
    as long as no way is known.
    """
    m, n = maps.visible.shape[:2]
    unit = maps.distances.max(axis=(1, 2), keepdims=True)
    costs = np.where(maps.visible, maps.distances / unit, np.inf)
    bounds = np.full((m, n), np.inf)
    bounds[np.arange(m), target] = 0.0
    steps = np.empty((rounds, n, m, n))
    for k in range(rounds):
        new = bounds
        for j in range(n):
            new = np.minimum(new, bounds[:, j, None] + costs[:, :, j])
            steps[k, j] = new
        bounds = new
    return steps


def distance_inputs(maps: Maps, target: np.ndarray, rounds: int) -> Tensor:
    """A control for the probe: two inputs of a node, in the shape of a trace.

    Node i is told from the start whether it is the target, and its straight-line distance to the
    target. What a linear map reads from these two needs no reading of messages.

    Returns
    -------
    Tensor
        (rounds, j, M, i, 2), the same for all rounds and messages j; distances in the unit of
        :func:`running_minima`.
    """
    m, n = maps.visible.shape[:2]
    each = np.arange(m)
    flag = np.arange(n) == target[:, None]
    away = maps.distances[each, :, target] / maps.distances.max(axis=(1, 2))[:, None]
    return torch.from_numpy(np.stack([flag, away], axis=-1)).expand(rounds, n, m, n, 2)


class Probe(NamedTuple):
    """How well a linear map reads the running minimum from the state of the GRU.

    Attributes
    ----------
    r2 : list of float
        Per round, on maps that the probe was not fitted on.
    read : ndarray
        (rounds, j, M, i) what the probe reads, for all maps.
    """

    r2: list[float]
    read: np.ndarray


def probe(trace: Tensor, minima: np.ndarray) -> Probe:
    """Fit a ridge regression per round on the first half of the maps; judge it on the second.

    Parameters
    ----------
    trace : (rounds, j, M, i, hidden) Tensor
        See :func:`reading_trace`; for a control :func:`distance_inputs`.
    minima : (rounds, j, M, i) array
        See :func:`running_minima`; infinite ones are left out.
    """
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score

    half = trace.shape[2] // 2
    scores, read = [], np.empty(minima.shape)
    for k, (states, bounds) in enumerate(zip(trace.double().numpy(), minima)):
        finite = np.isfinite(bounds)
        fitted = finite.copy()
        fitted[:, half:] = False
        held_out = finite & ~fitted
        if not fitted.any() or not held_out.any():
            raise EccvkitError("probe: too few maps to fit on one half and judge on the other")
        model = Ridge(1e-3).fit(states[fitted], bounds[fitted])
        read[k] = model.predict(states.reshape(-1, states.shape[-1])).reshape(bounds.shape)
        scores.append(float(r2_score(bounds[held_out], read[k][held_out])))
    return Probe(scores, read)


def _inputs(net: Planner, config: Config, maps: Maps, target: np.ndarray) -> Tensor:
    device = next(net.parameters()).device
    vision, links, truth, distances, _, _ = maps.tensors(device)
    return Inputs(config)(vision, links, truth, distances, torch.as_tensor(target, device=device))
