"""The experiment of paper 08: arms from one checkpoint, measured against held-out masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import unknown
from eccvkit.metrics.frechet import frechet_distance
from eccvkit.papers.topogan.config import Config
from eccvkit.papers.topogan.gan import GAN, fork, pretrained
from eccvkit.papers.topogan.gradient import TopologicalLoss, topological_loss
from eccvkit.papers.topogan.persistence import THRESHOLD, almost_hole_rate, diagrams
from eccvkit.papers.topogan.scores import betti_numbers, betti_score, diagram_mmd
from eccvkit.papers.topogan.tasks import RealSet, judge_features, load
from eccvkit.runtime import Clock


@dataclass(frozen=True)
class Variant:
    """One arm: its rule (see :func:`~eccvkit.papers.topogan.gan.fork`) and what it stands for."""

    rule: str
    about: str


VARIANTS: dict[str, Variant] = {
    "real": Variant("real", "a second held-out sample: the floor of every score"),
    "pretrained": Variant("checkpoint", "the WGAN-GP from which the arms part"),
    "WGAN-GP": Variant("none", "lambda = 0"),
    "TopoGAN": Variant("matched", "Eq. 4"),
    "blind": Variant("blind", "every loop is to be closed"),
    "WGAN-SN": Variant("spectral", "spectral norm instead of the penalty, lambda = 0"),
}

#: The arms of the main study.
ARMS = ("real", "pretrained", "WGAN-GP", "TopoGAN", "blind")
#: The arms of the retina study.
RETINA_ARMS = ("real", "pretrained", "WGAN-GP", "TopoGAN")


def evaluate(masks: Tensor, real: RealSet) -> dict[str, float]:
    """All measures of generated masks (n, 1, S, S) against real ones; does not know the arm.

    Returns
    -------
    dict of float
        ``betti score`` and ``mmd squared``, ``mmd`` of Sect. 3.4; ``frechet`` in the features of
        the judge; ``almost rate``, the share of masks with an almost-hole, ``excess``, the same
        minus that of the real ones, and ``rate error``, its absolute value; ``mean betti``;
        ``structure``, the share of structure pixels.
    """
    own = diagrams(masks)
    discrepancy = diagram_mmd(own, real.diagrams)
    rate, real_rate = almost_hole_rate(own), almost_hole_rate(real.diagrams)
    return {
        "betti score": betti_score(betti_numbers(own), betti_numbers(real.diagrams)),
        "mmd squared": discrepancy.squared,
        "mmd": discrepancy.root,
        "frechet": float(frechet_distance(judge_features(masks), judge_features(real.images))),
        "almost rate": rate,
        "excess": rate - real_rate,
        "rate error": abs(rate - real_rate),
        "mean betti": float(betti_numbers(own).mean()),
        "structure": float((masks >= THRESHOLD).float().mean()),
    }


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    loss: Callable[..., TopologicalLoss] = topological_loss,
) -> dict[str, float]:
    """Train and evaluate one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes data, initial weights, batches and noise; arms of one seed share the checkpoint.
    keep : dict, optional
        Filled with "masks", "task" and, for trained arms, "gan".
    loss : callable
        Topological loss; a student's own goes here.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    task = load(config, seed)
    with Clock(torch.device(device)) as clock:
        gan = _train(config, VARIANTS[variant].rule, seed, device, loss)
    masks = task.second.images if gan is None else gan.sample(config.samples, 10 * seed + 3)
    if keep is not None:
        keep.update(masks=masks, task=task, gan=gan)
    measured = evaluate(masks, task.held_out)
    if gan is not None and "ratio" in gan.frame():
        measured["ratio"] = float(np.nanmedian(gan.frame()["ratio"]))
    return measured | {"seconds": clock.seconds}


def _train(config: Config, rule: str, seed: int, device, loss: Callable) -> GAN | None:
    if rule == "real":
        return None
    if rule == "checkpoint":
        return pretrained(config, seed, device)
    return fork(config, rule, seed, device, loss)
