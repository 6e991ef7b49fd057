"""Temporal networks of paper 26: hybrid attention (Eqs. 1-4, and as a layer), and its baselines.

All take audio and visual snippet features (B, T, d) and return both, updated. One set of weights
serves both modalities unless ``shared`` is False.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError, unknown
from eccvkit.nn.attention import attention_read


class Hybrid(NamedTuple):
    """Updated features (..., T, d), and the weights (..., T, T) with which each snippet read."""

    audio: Tensor
    visual: Tensor
    self_audio: Tensor
    cross_audio: Tensor
    self_visual: Tensor
    cross_visual: Tensor


def hybrid_attention(audio: Tensor, visual: Tensor) -> Hybrid:
    r"""Eqs. 1-4 as printed: a snippet adds what it reads in its own and in the other modality.

    .. math:: \hat f_a^t = f_a^t + g(f_a^t, f_a) + g(f_a^t, f_v), \qquad
              g(q, K) = \mathrm{softmax}(q K' / \sqrt d)\, K

    and the same for the visual snippets. Nothing is learned here.

    Parameters
    ----------
    audio, visual : (..., T, d) Tensor
    """
    own_a, other_a = attention_read(audio, audio), attention_read(audio, visual)
    own_v, other_v = attention_read(visual, visual), attention_read(visual, audio)
    return Hybrid(
        audio + own_a.values + other_a.values,
        visual + own_v.values + other_v.values,
        own_a.weights,
        other_a.weights,
        own_v.weights,
        other_v.weights,
    )


class HANLayer(nn.Module):
    """Hybrid attention as it is trained: projections, dropout, normalisation and a small network.

    With x the queries and z the other modality,

        y = norm(x + self-attention(x, x) + cross-attention(x, z)),  output = norm(y + mlp(y)).

    Parameters
    ----------
    width : int
        Feature dimension d; one head.
    dropout : float
        On both attention outputs, inside the attention and in the mlp.
    cross : bool
        False leaves out the cross-attention: the Transformer that the paper compares with.
    """

    def __init__(self, width: int, dropout: float = 0.1, cross: bool = True):
        super().__init__()
        self.self_attention = nn.MultiheadAttention(width, 1, dropout, batch_first=True)
        self.cross_attention = (
            nn.MultiheadAttention(width, 1, dropout, batch_first=True) if cross else None
        )
        self.mlp = nn.Sequential(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Update the snippets ``own`` (B, T, d), which also read ``other`` (B, T, d)."""
        read, _ = self.self_attention(own, own, own, need_weights=False)
        mixed = own + self.dropout(read)
        if self.cross_attention is not None:
            read, _ = self.cross_attention(own, other, other, need_weights=False)
            mixed = mixed + self.dropout(read)
        mixed = self.norm1(mixed)
        return self.norm2(mixed + self.mlp(mixed))

    def cross_weights(self, own: Tensor, other: Tensor) -> Tensor:
        """With which weights each snippet of ``own`` reads ``other``, (B, T, T).

        Raises
        ------
        EccvkitError
            The layer has no cross-attention.
        """
        if self.cross_attention is None:
            raise EccvkitError("this layer has no cross-attention: build it with cross=True")
        return self.cross_attention(own, other, other)[1]


class BiGRU(nn.Module):
    """A GRU in both directions, half the width each, with the interface of :class:`HANLayer`."""

    def __init__(self, width: int):
        super().__init__()
        self.gru = nn.GRU(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Update ``own`` (B, T, d); ``other`` is not looked at."""
        return self.gru(own)[0]


#: Temporal networks of Table 2 by name.
TEMPORAL = ("none", "GRU", "Transformer", "HAN")


class TemporalNet(nn.Module):
    """One layer of a temporal network, for both modalities.

    Parameters
    ----------
    kind : str
        A name in :data:`TEMPORAL`.
    width : int
    dropout : float
    shared : bool
        One set of weights for both modalities (as the released code), or one for each (as the text
        says).

    Raises
    ------
    UnknownName
        No such network.
    """

    def __init__(self, kind: str, width: int, dropout: float = 0.1, shared: bool = True):
        super().__init__()
        if kind not in TEMPORAL:
            raise unknown("temporal network", kind, TEMPORAL)
        build = {
            "GRU": lambda: BiGRU(width),
            "Transformer": lambda: HANLayer(width, dropout, cross=False),
            "HAN": lambda: HANLayer(width, dropout),
        }
        self.kind = kind
        copies = 0 if kind == "none" else 1 if shared else 2
        self.layers = nn.ModuleList([build[kind]() for _ in range(copies)])

    def forward(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, d) twice; both are updated from what comes in, not one after the other."""
        if not self.layers:
            return audio, visual
        if len(self.layers) == 1:  # both in one call, which is faster
            own, other = torch.cat([audio, visual]), torch.cat([visual, audio])
            return self.layers[0](own, other).tensor_split(2)
        return self.layers[0](audio, visual), self.layers[1](visual, audio)

    @torch.no_grad()
    def cross_weights(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """How audio snippets read visual ones, and visual ones audio, (B, T, T) twice."""
        if self.kind != "HAN":
            raise EccvkitError(f"a temporal network {self.kind!r} has no cross-attention: use HAN")
        return (
            self.layers[0].cross_weights(audio, visual),
            self.layers[-1].cross_weights(visual, audio),
        )
