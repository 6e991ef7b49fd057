"""From instances to the bag: attentive multi-modal MIL pooling (Eqs. 7-9) and its two baselines.

An instance is one snippet of one modality. All poolings take the instance probabilities P and the
logits of both attentions, all (B, T, 2, C) with audio first, and return :class:`Pooled`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

AUDIO, VISUAL = 0, 1


class Pooled(NamedTuple):
    """Probabilities of whole videos, (B, C): of the video, of its sound, and of its pictures.

    ``video`` of the attentive pooling can exceed 1, see :func:`attentive_pooling`.
    """

    video: Tensor
    audio: Tensor
    visual: Tensor


#: ``pooling(P, F_tp, F_av) -> Pooled``.
Pooling = Callable[[Tensor, Tensor, Tensor], Pooled]


def attention_tensors(f_tp: Tensor, f_av: Tensor) -> tuple[Tensor, Tensor]:
    """Eqs. 8 and 9: W_tp is a softmax over time, W_av a softmax over the two modalities.

    Both tensors are (B, T, 2, C). Classes never compete with each other.
    """
    return f_tp.softmax(dim=1), f_av.softmax(dim=2)


def attentive_pooling(p: Tensor, f_tp: Tensor, f_av: Tensor) -> Pooled:
    r"""Eq. 7, :math:`\bar p=\sum_{t,m} W_{tp}\odot W_{av}\odot P`, and the sums of Eq. 10.

    Audio and visual probabilities use :math:`W_{tp}` alone. Each modality has temporal weights that
    sum to 1, so the weights of the bag need not: they sum to something between 0 and 2, and so
    does :math:`\bar p`. Nothing is renormalised here.
    """
    w_tp, w_av = attention_tensors(f_tp, f_av)
    by_modality = (w_tp * p).sum(dim=1)
    video = (w_tp * w_av * p).sum(dim=(1, 2))
    return Pooled(video, by_modality[:, AUDIO], by_modality[:, VISUAL])


def max_pooling(p: Tensor, f_tp: Tensor, f_av: Tensor) -> Pooled:
    """The most certain instance speaks for its modality, and for the video; logits are unused."""
    by_modality = p.amax(dim=1)
    return Pooled(by_modality.amax(dim=1), by_modality[:, AUDIO], by_modality[:, VISUAL])


def mean_pooling(p: Tensor, f_tp: Tensor, f_av: Tensor) -> Pooled:
    """All instances count alike; logits are unused."""
    by_modality = p.mean(dim=1)
    return Pooled(by_modality.mean(dim=1), by_modality[:, AUDIO], by_modality[:, VISUAL])


#: Poolings of Table 2 by name.
POOLINGS: dict[str, Pooling] = {
    "attentive": attentive_pooling,
    "max": max_pooling,
    "mean": mean_pooling,
}
