"""The losses of paper 26: weak supervision, guidance of each modality, and softer labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.papers.avvp.pooling import Pooled


def bag_loss(p: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of video probabilities (B, C), a mean over videos and classes.

    The paper prints only the positive half of it, which a constant 1 would minimise. Probabilities
    above 1, which Eq. 7 can give, count as 1: then the gradient is zero, so it is worth counting
    them, see :func:`share_above_one`.
    """
    return F.binary_cross_entropy(p.clamp(max=1), labels)


def share_above_one(p: Tensor) -> Tensor:
    """Share of the probabilities that :func:`bag_loss` has to clamp."""
    # A sum of ten float32 weights misses 1 by rounding.
    return (p.detach() > 1 + 1e-6).float().mean()


def smooth_labels(labels: Tensor, epsilon: float, k: int = 2) -> Tensor:
    """Label smoothing of Sect. 5.4: (1 - epsilon) y + epsilon / K; with K = 2 towards one half.

    Raises
    ------
    EccvkitError
        epsilon is not in [0, 1) or K is not above 1.
    """
    if not 0 <= epsilon < 1 or k <= 1:
        raise EccvkitError(f"epsilon is {epsilon} and K is {k}: use 0 <= epsilon < 1 and K > 1")
    return (1 - epsilon) * labels + epsilon / k


def bootstrap_labels(labels: Tensor, p: Tensor, beta: float) -> Tensor:
    """Hard bootstrapping (the paper's reference 42): beta y + (1 - beta) [p >= 1/2].

    The network's own decision corrects the label. Its soft form with p as a constant would change
    nothing: the gradient of the cross-entropy at beta y + (1 - beta) p is beta times that at y.
    """
    return beta * labels + (1 - beta) * (p.detach() >= 0.5).to(labels.dtype)


def guided_loss(pooled: Pooled, audio_labels: Tensor, visual_labels: Tensor) -> Tensor:
    """Eq. 10: each modality alone has to name the classes of the video."""
    return bag_loss(pooled.audio, audio_labels) + bag_loss(pooled.visual, visual_labels)
