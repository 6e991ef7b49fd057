"""The experiment of paper 28: planners with and without learning, judged by the same code."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from eccvkit.data.shortest_paths import next_hops
from eccvkit.errors import unknown
from eccvkit.metrics.planning import h_spl, next_hop_accuracy, spl
from eccvkit.papers.topological_planning.config import Config
from eccvkit.papers.topological_planning.control import Episodes, draw_episodes, navigate
from eccvkit.papers.topological_planning.planner import Planner, gated_messages, node_inputs
from eccvkit.papers.topological_planning.symbolic import (
    LAMBDAS,
    THETAS,
    by_colour,
    custom_costs,
    threshold_costs,
    tune,
)
from eccvkit.papers.topological_planning.tasks import Maps, Task, load
from eccvkit.runtime import seed_everything
from eccvkit.study import Study
from eccvkit.training import History, fit


def next_hop_loss(logits: Tensor, hops: Tensor) -> Tensor:
    """Cross-entropy of the next hop, a mean over all nodes of all graphs (Sect. 4).

    Parameters
    ----------
    logits : (B, N, N) Tensor
        For each node, which node comes next.
    hops : (B, N) int Tensor
        The true one for the target of each graph; -1 where there is no way, which does not count.
    """
    return F.cross_entropy(logits.flatten(0, 1), hops.flatten(), ignore_index=-1)


def mask_probability(progress: float, taper: float) -> float:
    """Mod-drop: how often the true adjacency is masked, from 1/2 to always.

    Parameters
    ----------
    progress : float
        Share of the training that is over.
    taper : float
        Share over which the probability grows; the paper: 250 epochs.
    """
    return min(1.0, 0.5 + 0.5 * progress / taper)


class Inputs:
    """Turns maps into node inputs as a configuration wants them: with vision or zeros, and links.

    Parameters
    ----------
    config : Config
    """

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(
        self,
        vision: Tensor,
        links: Tensor,
        truth: Tensor,
        distances: Tensor,
        target: Tensor,
        see_truth: Tensor | None = None,
    ) -> Tensor:
        """Node inputs (B, N, input_size).

        Parameters
        ----------
        vision, links, truth, distances : Tensor
            See :meth:`~eccvkit.papers.topological_planning.tasks.Maps.tensors`.
        target : (B,) int Tensor
        see_truth : (B,) bool Tensor, optional
            Mod-drop in training: graphs that show the true adjacency, and mask E instead. Without
            it, as at test, no graph does.
        """
        config = self.config
        vision = vision if config.vision else torch.zeros_like(vision)
        if config.links == "truth":
            return node_inputs(vision, truth, target, distances)
        if config.links == "probabilities":
            return node_inputs(vision, links, target, distances)
        shown = torch.zeros_like(target, dtype=torch.bool) if see_truth is None else see_truth
        shown = shown.view(-1, 1, 1).to(links.dtype)
        return node_inputs(vision, links * (1 - shown), target, distances, truth * shown)


def train(
    config: Config,
    task: Task,
    seed: int,
    device: torch.device | str = "cpu",
    rule: Callable[..., Tensor] = gated_messages,
) -> tuple[Planner, History, float]:
    """Train one planner; the seed fixes initial weights, order of the batches and targets.

    Returns
    -------
    Planner
    History
        With ``accuracy`` and ``h-spl`` on validation maps, every few epochs.
    float
        Seconds of training, without those looks.
    """
    generator = seed_everything(seed)
    net = Planner(config, rule).to(device)
    inputs, looks = Inputs(config), _looks(config)
    watched = task.validation.take(config.watched)
    padded = task.train.mask is not None
    steps, looking = 0, 0.0

    def loss_of(vision, links, truth, distances, hops, real) -> Tensor:
        nonlocal steps
        drop = mask_probability(steps / config.steps, config.taper)
        steps += 1
        # One random target per graph, and one coin for mod-drop: drawn on the CPU, so that they
        # are the same on every device, and in every arm.
        draws = torch.rand(2, len(vision), generator=generator).to(vision.device)
        target = (draws[0] * real.sum(dim=1)).long()
        x = inputs(vision, links, truth, distances, target, draws[1] >= drop)
        logits = net(x, real if padded else None)
        return next_hop_loss(logits, hops[torch.arange(len(hops)), :, target])

    def look(epoch: int) -> dict[str, float]:
        nonlocal looking
        if epoch not in looks:
            return {}
        started = time.perf_counter()
        measured = evaluate(plan(net, config, watched)[0], watched)
        looking += time.perf_counter() - started
        return measured

    history = fit(
        net,
        loss_of,
        task.train.tensors(device),
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        schedule=warm_cosine,
        clip=config.clip,
        seed=seed,
        label=config.aggregate,
        on_epoch=look,
    )
    return net, history, history.seconds - looking


def warm_cosine(t: float) -> float:
    """Learning-rate factor: up in the first 3% of the training, then half a cosine."""
    return min(1.0, 0.05 + t / 0.03) * 0.5 * (1.0 + math.cos(math.pi * t))


def _looks(config: Config) -> set[int]:
    """Epochs after which a planner is measured: evenly spaced, the last one included."""
    return {math.ceil(config.epochs * k / config.looks) for k in range(1, config.looks + 1)}


@torch.no_grad()
def plan(net: Planner, config: Config, maps: Maps, batch: int = 512) -> tuple[np.ndarray, ...]:
    """Plans of a network for every node and target, from what it may see at test.

    Returns
    -------
    hops : ndarray
        (M, i, t) most probable next node.
    probabilities : ndarray
        (M, i, t, N) float32 of every node to be the next.
    """
    net.eval()
    inputs = Inputs(config)
    device = next(net.parameters()).device
    vision, links, truth, distances, _, real = maps.tensors(device)
    m, n = real.shape
    index = torch.arange(m, device=device).repeat_interleave(n)
    target = torch.arange(n, device=device).repeat(m)
    parts = []
    for own, t in zip(index.split(batch), target.split(batch)):
        x = inputs(vision[own], links[own], truth[own], distances[own], t)
        parts.append(net(x, None if maps.mask is None else real[own]).softmax(dim=-1).cpu())
    probabilities = torch.cat(parts).view(m, n, n, n).transpose(1, 2).numpy()
    return probabilities.argmax(axis=-1), probabilities


def evaluate(hops: np.ndarray, maps: Maps) -> dict[str, float]:
    """Both measures of Table 1, on pairs at two hops or more; does not know the planner."""
    return {
        "accuracy": next_hop_accuracy(hops, maps.hops, maps.pairs),
        "h-spl": h_spl(hops, maps.visible, maps.distances, maps.shortest, maps.pairs),
    }


def evaluate_walks(
    policy: np.ndarray, maps: Maps, episodes: Episodes, rng: np.random.Generator | None = None
) -> dict[str, float]:
    """Both measures of Table 2, see :func:`~eccvkit.papers.topological_planning.control.navigate`.

    SPL compares with the shortest path on the true graph; a walk that is shorter, because it
    changes to a nearer node in passing, counts as that long.
    """
    outcome = navigate(maps.plans, policy, episodes, rng)
    shortest = maps.shortest[episodes]
    return {
        "success": float(outcome.success.mean()),
        "spl": spl(outcome.success, outcome.lengths, shortest),
    }


# --------------------------------------------------------------------------------------
# Variants: the rows of Tables 1 and 2, and the arms of Figs. 5 and 7
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One arm of a table.

    Attributes
    ----------
    kind : str
        "neural", "symbolic", "oracle" or "random".
    about : str
        What it stands for.
    changes : mapping
        What it changes in the shared configuration.
    share : float
        Share of the training maps that it sees.
    longer : int
        Factor on the number of steps.
    """

    kind: str
    about: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    longer: int = 1


#: Planners that do not learn.
REFERENCES: dict[str, Variant] = {
    "random": Variant("random", "any node may be the next"),
    "threshold": Variant("symbolic", "Dijkstra on E > theta"),
    "custom cost": Variant("symbolic", "Dijkstra on D - lambda log E"),
    "custom cost, colours by hand": Variant("symbolic", "the same, E corrected by common colours"),
    "oracle": Variant("oracle", "Dijkstra on the true graph"),
}

_MEAN = {"aggregate": "mean"}

#: Tables 1 and 2 and Fig. 7.
NEURAL: dict[str, Variant] = {
    "neural, no vision": Variant("neural", "E, D", {"vision": False}),
    "neural": Variant("neural", "E, D, V: the paper's planner"),
    "neural, no GRU": Variant("neural", "the mean of the messages", _MEAN),
}

#: Fig. 5 (right).
MOD_DROP: dict[str, Variant] = {
    "neural, mod-drop": Variant("neural", "both in training, E at test", {"links": "mod-drop"}),
}

#: Table 1b, and the mean with about as much time as the GRU.
EXTRA: dict[str, Variant] = {
    "neural, true links": Variant("neural", "adjacency in place of E", {"links": "truth"}),
    "neural, no GRU, longer": Variant("neural", "four times as many steps", _MEAN, longer=4),
}

#: Fig. 7 along its axis: as many steps on fewer maps.
SIZES: dict[str, Variant] = {
    "neural, 1/8 of the maps": Variant("neural", "fewer maps", share=1 / 8),
    "neural, no GRU, 1/8 of the maps": Variant("neural", "fewer maps", _MEAN, share=1 / 8),
}

VARIANTS: dict[str, Variant] = REFERENCES | NEURAL | MOD_DROP | EXTRA | SIZES


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    rule: Callable[..., Tensor] = gated_messages,
) -> dict[str, float]:
    """Train and evaluate one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all variants.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes maps, initial weights, batches and episodes.
    keep : dict, optional
        Filled with "task", "hops", and "episodes" where there are any; "scores" of symbolic
        planners; "net", "history", "probabilities" and "config" of neural ones.
    rule : callable
        Eq. 1 for the neural arms; a student's own function goes here.

    Returns
    -------
    dict of float
        ``accuracy`` and ``h-spl``; ``success`` and ``spl`` of the local controller on floor plans,
        and the same with ``sampling`` for neural arms; ``accuracy half`` on validation maps when
        half of the training is over; ``seconds`` of training.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    arm, keep = VARIANTS[variant], {} if keep is None else keep
    config = replace(config, **arm.changes, steps=arm.longer * config.steps)
    task = load(config, seed)
    if arm.share < 1:
        config = replace(config, train=max(2, round(arm.share * config.train)))
        task = replace(task, train=task.train.take(config.train))
    rng = np.random.default_rng(seed)
    episodes = draw_episodes(task.test.pairs, config.episodes, rng)
    keep.update(task=task, episodes=episodes, config=config)
    if arm.kind == "neural":
        return _run_neural(config, task, seed, device, rule, episodes, keep)
    if arm.kind == "symbolic":
        return _run_symbolic(variant, task, episodes, keep)
    shape = task.test.hops.shape
    hops = task.test.hops if arm.kind == "oracle" else rng.integers(0, shape[1], shape)
    metrics = evaluate(hops, task.test)
    keep["hops"] = hops
    if arm.kind == "oracle":
        return metrics | evaluate_walks(hops, task.test, episodes)
    uniform = np.ones((*shape, shape[1]), dtype=np.float32)
    return metrics | evaluate_walks(uniform, task.test, episodes, rng)


def joined(extra: Study, main: Study) -> Study:
    """A study of further arms together with the arms of the main study, on the seeds of both."""
    shared = main.table[main.table["seed"].isin(extra.seeds)]
    return replace(extra, table=pd.concat([extra.table, shared], ignore_index=True))


def _run_neural(config, task, seed, device, rule, episodes, keep) -> dict[str, float]:
    net, history, seconds = train(config, task, seed, device, rule)
    hops, probabilities = plan(net, config, task.test)
    sampled = evaluate_walks(probabilities, task.test, episodes, np.random.default_rng(seed))
    keep.update(net=net, history=history, hops=hops, probabilities=probabilities)
    looks = history.frame.dropna(subset="accuracy").set_index("epoch")
    half = looks.index[np.abs(looks.index - config.epochs / 2).argmin()]
    return (
        evaluate(hops, task.test)
        | evaluate_walks(hops, task.test, episodes)
        | {f"{name} sampling": value for name, value in sampled.items()}
        | {"accuracy half": float(looks.loc[half, "accuracy"]), "seconds": seconds}
    )


def symbolic_costs(variant: str, maps: Maps) -> tuple[tuple[float, ...], Callable]:
    """The values a symbolic baseline may take, and the costs (M, N, N) for one of them."""
    if variant == "threshold":
        return THETAS, lambda theta: threshold_costs(maps.probabilities, maps.distances, theta)
    links = maps.probabilities
    if variant == "custom cost, colours by hand":
        links = by_colour(links, maps.vision)
    return LAMBDAS, lambda lam: custom_costs(links, maps.distances, lam)


def _run_symbolic(variant: str, task: Task, episodes, keep) -> dict[str, float]:
    """Each measure with the value that is best for it on the validation maps."""
    measured, keep["scores"] = {}, {}
    for metric in ("accuracy", "h-spl"):
        values, costs = symbolic_costs(variant, task.validation)
        best, keep["scores"][metric] = tune(
            costs, values, lambda hops, metric=metric: evaluate(hops, task.validation)[metric]
        )
        _, costs = symbolic_costs(variant, task.test)
        hops = next_hops(costs(best))
        measured[metric] = evaluate(hops, task.test)[metric]
        measured[f"best for {metric}"] = best
    # The last one is tuned for walking, and so it walks.
    keep["hops"] = hops
    return measured | evaluate_walks(hops, task.test, episodes)
