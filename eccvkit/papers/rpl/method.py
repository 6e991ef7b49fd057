"""The contribution of paper 30 in its own notation: Eqs. 4 to 6, 8, 10, 11 as pure functions."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def point_distances(features: Tensor, points: Tensor, normalise: bool = False) -> Tensor:
    r"""Squared distance to every reciprocal point, :math:`\|f - p_i^k\|_2^2`.

    Parameters
    ----------
    features : Tensor
        (B, d)
    points : Tensor
        (N, M, d): M points for each of N known classes.
    normalise : bool
        Divide by d (our addition; see the module's docstring).

    Returns
    -------
    Tensor
        (B, N, M)
    """
    squared = (features[:, None, None, :] - points[None]).square()
    return squared.mean(dim=-1) if normalise else squared.sum(dim=-1)


def class_distances(features: Tensor, points: Tensor, normalise: bool = False) -> Tensor:
    """Eq. 4: the distance to a class is the mean over its M points. Returns (B, N)."""
    return point_distances(features, points, normalise).mean(dim=-1)


def class_log_probabilities(
    features: Tensor, points: Tensor, gamma: float = 1.0, normalise: bool = False
) -> Tensor:
    """Eq. 5 in logarithms: the **farther** the points of a class, the likelier the class (B, N)."""
    return F.log_softmax(gamma * class_distances(features, points, normalise), dim=-1)


def open_space_loss(
    features: Tensor, points: Tensor, margins: Tensor, targets: Tensor, normalise: bool = False
) -> Tensor:
    """Eq. 8: squared gap between margin and distance, per point of the true class, then averaged.

    Parameters
    ----------
    features : Tensor
        (B, d)
    points : Tensor
        (N, M, d)
    margins : Tensor
        (N,) learnable margins R.
    targets : Tensor
        (B,) true class; no other class enters.
    """
    rows = torch.arange(len(targets), device=targets.device)
    to_own = point_distances(features, points, normalise)[rows, targets]
    return (to_own - margins[targets].unsqueeze(1)).square().mean()


def rpl_loss(
    features: Tensor,
    points: Tensor,
    margins: Tensor,
    targets: Tensor,
    gamma: float = 1.0,
    lam: float = 0.1,
    normalise: bool = False,
) -> dict[str, Tensor]:
    """Eq. 10: classification by otherness (Eq. 6) plus lambda times the open-space term (Eq. 8).

    Returns
    -------
    dict of Tensor
        Scalars "loss", "classification", "open space".
    """
    log_p = class_log_probabilities(features, points, gamma, normalise)
    classification = F.nll_loss(log_p, targets)
    open_space = open_space_loss(features, points, margins, targets, normalise)
    return {
        "loss": classification + lam * open_space,
        "classification": classification,
        "open space": open_space,
    }


def known_score(features: Tensor, points: Tensor, normalise: bool = False) -> Tensor:
    """Eq. 11: distance to the farthest class, large for known samples. Returns (B,)."""
    return class_distances(features, points, normalise).amax(dim=-1)
