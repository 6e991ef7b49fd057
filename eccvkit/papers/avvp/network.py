"""The parsing network of paper 26: inputs, temporal network, and the heads of every instance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError
from eccvkit.papers.avvp.config import Config
from eccvkit.papers.avvp.temporal import TemporalNet


class Instances(NamedTuple):
    """All instances of a batch of videos; dimension 2 is the modality, audio first.

    ``p`` are probabilities (Eqs. 5 and 6), ``f_tp`` and ``f_av`` the logits of the attentions, all
    (B, T, 2, C); ``features`` are what the heads see, (B, T, 2, d).
    """

    p: Tensor
    f_tp: Tensor
    f_av: Tensor
    features: Tensor


class Projection(nn.Module):
    """Linear maps of one or more concatenated feature vectors to one of a given width.

    The released model projects features of single frames and averages eight of them per second.
    Averaging first, as our reader does, is the same, because the map is linear.

    Parameters
    ----------
    dims : sequence of int
        Lengths of the vectors that lie side by side in the input.
    width : int
    """

    def __init__(self, dims: Sequence[int], width: int):
        super().__init__()
        self.dims = tuple(dims)
        self.parts = nn.ModuleList([nn.Linear(dim, width) for dim in dims])
        self.fuse = nn.Linear(len(dims) * width, width) if len(dims) > 1 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, sum of dims) to (B, T, width)."""
        if x.shape[-1] != sum(self.dims):
            raise EccvkitError(
                f"features have {x.shape[-1]} entries, the network expects {self.dims}: set "
                "audio_dim and visual_dims to those of the data"
            )
        parts = [f(part) for f, part in zip(self.parts, x.split(self.dims, dim=-1))]
        return self.fuse(torch.cat(parts, dim=-1))


class AVVPNet(nn.Module):
    """Features of snippets in, instances out; what turns instances into a loss is not in here.

    Parameters
    ----------
    config : Config
        Decides widths, classes and the temporal network.

    Examples
    --------
    >>> net = AVVPNet(Config())
    >>> net(torch.zeros(3, 10, 24), torch.zeros(3, 10, 24)).p.shape
    torch.Size([3, 10, 2, 8])
    """

    def __init__(self, config: Config):
        super().__init__()
        d, c = config.width, config.classes
        self.audio_input = Projection((config.audio_dim,), d)
        self.visual_input = Projection(config.visual_dims, d)
        self.temporal = TemporalNet(config.temporal, d, config.dropout, config.shared)
        self.classify = nn.Linear(d, c)
        self.attend_time = nn.Linear(d, c)
        self.attend_modality = nn.Linear(d, c)

    def forward(self, audio: Tensor, visual: Tensor) -> Instances:
        """(B, T, D_a) and (B, T, D_v) to :class:`Instances`."""
        audio, visual = self.temporal(self.audio_input(audio), self.visual_input(visual))
        x = torch.stack([audio, visual], dim=2)
        return Instances(
            self.classify(x).sigmoid(), self.attend_time(x), self.attend_modality(x), x
        )

    def cross_weights(self, audio: Tensor, visual: Tensor) -> tuple[Tensor, Tensor]:
        """Attention of HAN across modalities, see :meth:`TemporalNet.cross_weights`."""
        return self.temporal.cross_weights(self.audio_input(audio), self.visual_input(visual))
