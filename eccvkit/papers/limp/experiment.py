"""The experiment of paper 2: the arms of Table 1, their metric terms, training."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from eccvkit.errors import unknown
from eccvkit.papers.limp.config import Config
from eccvkit.papers.limp.evaluation import (
    evaluate,
    interpolation_metrics,
    latent_blend,
    vertex_blend,
)
from eccvkit.papers.limp.heat import heat_geodesics
from eccvkit.papers.limp.losses import (
    absolute_error,
    euclidean_distances,
    interpolate_extrinsic,
    interpolate_intrinsic,
    interpolation_target,
    kl_to_normal,
    local_mask,
    mix,
    reconstruction_loss,
    relative_error,
)
from eccvkit.papers.limp.network import ShapeVAE
from eccvkit.papers.limp.tasks import Task, draw_pairs, load
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit

#: ``geodesics(vertices (B, n, 3), faces (f, 3)) -> (B, n, n)``, differentiable.
Geodesics = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Arm:
    """Which metric terms an arm adds to reconstruction and divergence.

    ``euclidean``: Eq. 3 with local Euclidean distances, and Eq. 5. ``geodesic``: Eq. 3 with
    geodesic distances, and Eq. 6.
    """

    euclidean: bool = False
    geodesic: bool = False


#: The columns of Table 1.
ARMS: dict[str, Arm] = {
    "VAE": Arm(),
    "Euc": Arm(euclidean=True),
    "Geo": Arm(euclidean=True, geodesic=True),
}

#: Interpolation without a network: vertices move along straight lines.
BLEND = "vertex blend"

VARIANTS = (BLEND, *ARMS)


# --------------------------------------------------------------------------------------
# Metric terms
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pairs:
    """Isometric pairs, then non-isometric pairs of training shapes, with an alpha for each.

    ``first`` and ``second`` are positions (P,), ``alpha`` is (P,), ``n_iso`` counts the isometric.
    """

    first: Tensor
    second: Tensor
    alpha: Tensor
    n_iso: int

    @classmethod
    def draw(cls, subject: Tensor, count: int, generator: torch.Generator) -> Pairs:
        """``count`` pairs of each kind, as far as there are any; alpha is uniform on (0, 1)."""
        device, subject = subject.device, subject.cpu()
        iso = draw_pairs(subject, count, True, generator)
        other = draw_pairs(subject, count, False, generator)
        first, second = (torch.cat(ends) for ends in zip(iso, other))
        alpha = torch.rand(len(first), generator=generator)
        return cls(first.to(device), second.to(device), alpha.to(device), len(iso[0]))


def metric_terms(
    net: ShapeVAE,
    task: Task,
    pairs: Pairs,
    arm: Arm,
    target: str = "input",
    geodesics: Geodesics = heat_geodesics,
) -> dict[str, Tensor]:
    """Eqs. 3, 5 and 6 on some pairs: one scalar for each term of the arm.

    Parameters
    ----------
    net : ShapeVAE
        Codes are means.
    target : {"input", "decoded"}
        See :func:`~eccvkit.papers.limp.losses.interpolation_target`.
    geodesics : callable
        A reader's own goes here.

    Returns
    -------
    dict of Tensor
        Of "interp local", "interp geodesic" (Eq. 3), "int" (Eq. 5) and "ext" (Eq. 6).
    """
    i, j, alpha, n_iso = pairs.first, pairs.second, pairs.alpha, pairs.n_iso
    faces, shapes = task.train.faces, task.train.vertices
    codes, _ = net.encode(shapes[torch.cat([i, j])])
    z_i, z_j = codes.chunk(2)
    iso, other = slice(0, n_iso), slice(n_iso, None)
    mixtures = [
        mix(z_i, z_j, alpha),
        interpolate_intrinsic(z_i[iso], z_j[iso], alpha[iso], net.extrinsic),
        interpolate_extrinsic(z_i[other], z_j[other], alpha[other], net.extrinsic),
    ]
    between, inner, outer = net.decode(torch.cat(mixtures)).split([len(m) for m in mixtures])
    ends = net.decode(codes).chunk(2) if target == "decoded" else None

    def aim(inputs: tuple[Tensor, Tensor], distances: Callable[[Tensor], Tensor]) -> Tensor:
        decoded = tuple(distances(end) for end in ends) if ends else inputs
        return interpolation_target(inputs, decoded, alpha, target)

    terms = {}
    geodesic_i, geodesic_j = task.geodesics[i], task.geodesics[j]
    if arm.euclidean:
        local = local_mask(mix(geodesic_i, geodesic_j, alpha))
        inputs = euclidean_distances(shapes[i]), euclidean_distances(shapes[j])
        true = aim(inputs, euclidean_distances)
        terms["interp local"] = relative_error(true, euclidean_distances(between), local).mean()
        if n_iso:
            terms["int"] = reconstruction_loss(shapes[i[iso]], inner).mean()
    if arm.geodesic:
        # One batch for both terms: that is what makes the heat method quick.
        measured = geodesics(torch.cat([between, outer]), faces)
        true = aim((geodesic_i, geodesic_j), lambda x: geodesics(x, faces))
        terms["interp geodesic"] = absolute_error(true, measured[: len(i)]).mean()
        if n_iso < len(i):
            terms["ext"] = absolute_error(geodesic_i[other], measured[len(i) :]).mean()
    return terms


def term_weights(config: Config) -> dict[str, float]:
    """Weight of every term in the total loss (Eq. 1), by the names of the history."""
    return {
        "recon": 1.0,
        "coordinates": config.coordinate_weight,
        "kl": config.kl_weight,
        "interp local": config.interp_weight,
        "interp geodesic": config.interp_weight * config.geodesic_weight,
        "int": config.disent_weight,
        "ext": config.disent_weight * config.geodesic_weight,
    }


# --------------------------------------------------------------------------------------
# Training
# --------------------------------------------------------------------------------------


def jitter(shapes: Tensor, size: float) -> Tensor:
    """Small random rotations and shifts of (B, n, 3); no loss sees them, and no code should."""
    axis, shift = size * torch.randn(2, len(shapes), 1, 3, device=shapes.device)
    # To first order a rotation adds the cross product with its axis.
    return shapes + torch.linalg.cross(axis.expand_as(shapes), shapes) + shift


def _optimise(
    config: Config,
    net: ShapeVAE,
    task: Task,
    seed: int,
    arm: Arm | None = None,
    geodesics: Geodesics = heat_geodesics,
) -> History:
    """One stage of training: reconstruction alone (no arm), or all terms of an arm.

    Distances alone leave the network in local minima, where one part of a shape is folded the wrong
    way; therefore all arms also compare coordinates.
    """
    weights = term_weights(config)
    draw = torch.Generator().manual_seed(seed)

    def loss(shapes: Tensor) -> dict[str, Tensor]:
        # After the first stage no arm updates the statistics: pairs are no batch, and all arms are
        # then trained with the very network that is evaluated.
        with contextlib.nullcontext() if arm is None else net.frozen_statistics():
            decoded, mean, logvar = net(jitter(shapes, config.jitter))
            terms = {
                "recon": reconstruction_loss(shapes, decoded).mean(),
                "coordinates": (decoded - shapes).square().sum(-1).mean(),
                "kl": kl_to_normal(mean, logvar).mean(),
            }
            if arm is not None and arm.euclidean:
                pairs = Pairs.draw(task.train.subject, config.pairs, draw)
                terms |= metric_terms(net, task, pairs, arm, config.target, geodesics)
        return {"loss": sum(weights[name] * value for name, value in terms.items())} | terms

    return fit(
        net,
        loss,
        (task.train.vertices,),
        epochs=config.recon_epochs if arm is None else config.epochs,
        batch_size=config.batch_size,
        lr=config.lr,
        schedule="constant" if arm is None else "cosine",
        seed=seed,
        label="reconstruction" if arm is None else "all terms",
    )


@lru_cache(maxsize=1)
def first_stage(config: Config, seed: int, device: str) -> tuple[Task, ShapeVAE, History]:
    """Task, and the network after the epochs of reconstruction alone: the same for all arms."""
    seed_everything(seed)
    task = load(config, seed, device)
    net = ShapeVAE(config, task.train.vertices.shape[1]).to(task.train.vertices.device)
    return task, net, _optimise(config, net, task, seed)


def train(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    geodesics: Geodesics = heat_geodesics,
) -> tuple[ShapeVAE, Task, History]:
    """Train one arm of :data:`ARMS`; the seed fixes shapes, initial weights, batches and noise."""
    task, start, _ = first_stage(config, seed, str(device))
    net = deepcopy(start)
    seed_everything(seed)
    return net, task, _optimise(config, net, task, seed, ARMS[variant], geodesics)


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    geodesics: Geodesics = heat_geodesics,
) -> dict[str, float]:
    """Train and evaluate one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all variants.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes shapes, initial weights, batches, noise and pairs.
    keep : dict, optional
        Filled with "net", "task", "history" and "between" for the pictures; for the blend of
        vertices with "task" and "between".
    geodesics : callable
        Differentiable geodesic distances; a reader's own heat method goes here.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    if variant == BLEND:
        task = first_stage(config, seed, str(device))[0]
        if keep is not None:
            keep.update(task=task, between=vertex_blend(task))
        return interpolation_metrics(config, task, seed, vertex_blend(task))
    net, task, history = train(config, variant, seed, device, geodesics=geodesics)
    if keep is not None:
        keep.update(net=net, task=task, history=history, between=latent_blend(net, task))
    return evaluate(config, net, task, seed) | {"seconds": history.seconds}
