"""The network of paper 37 (Sect. 3.5): VGG features at three levels and their adaptation layers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.errors import EccvkitError
from eccvkit.papers.s2dnet.config import Config


def vgg_stage(in_channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """3x3 convolutions, each followed by ReLU; no normalisation, as in VGG-16."""
    layers: list[nn.Module] = []
    for width in widths:
        convolution = nn.Conv2d(in_channels, width, 3, padding=1)
        # From scratch, thirteen layers without normalisation need variance-keeping weights.
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        nn.init.zeros_(convolution.bias)
        layers += [convolution, nn.ReLU()]
        in_channels = width
    return nn.Sequential(*layers)


def adaptation(channels: int, hidden: int, dim: int) -> nn.Sequential:
    """Adaptation layer: two convolutions and a final batch normalisation.

    The paper leaves kernel sizes to its supplement; the released model has 1x1 and 5x5.
    """
    return nn.Sequential(
        nn.Conv2d(channels, hidden, 1),
        nn.ReLU(),
        nn.Conv2d(hidden, dim, 5, padding=2),
        nn.BatchNorm2d(dim),
    )


class Hypercolumn(nn.Module):
    r"""Feature maps :math:`\{H^m\}_{m=1}^M` of an image, from fine to coarse.

    Parameters
    ----------
    config : Config
        Stages, taps, and channels.

    Attributes
    ----------
    strides : tuple of int
        Pixels per cell at each level.

    Notes
    -----
    Images whose sides are no multiple of the coarsest stride are continued to the right and below
    by their border. So a cell of stride s always covers s pixels, and image x lies at
    ``(x + 0.5) / s - 0.5`` of its level, whatever the size of the image.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.strides = config.strides
        used = config.stages[: config.taps[-1] + 1]
        inputs = (3, *(stage[-1] for stage in used))
        self.stages = nn.ModuleList(vgg_stage(n, stage) for n, stage in zip(inputs, used))
        self.taps = config.taps
        self.adaptations = nn.ModuleList(
            adaptation(config.stages[tap][-1], config.hidden, config.dim) for tap in config.taps
        )
        # With BN's usual weight of 1 the sum of M dot products of d channels starts with variance
        # M d: a loss far above chance, and slow training. This weight makes it 1.
        for layers in self.adaptations:
            nn.init.constant_(layers[-1].weight, (len(config.taps) * config.dim) ** -0.25)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 3, H, W) to one (B, dim, H_m, W_m) per level, float32.

        ``H_m`` is H / s, rounded up to a multiple of what the coarsest level needs.

        Raises
        ------
        EccvkitError
            Not images of three channels, or one smaller than the coarsest stride.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise EccvkitError(
                f"images have shape {tuple(images.shape)}; pass colour images (B, 3, H, W)"
            )
        coarsest = self.strides[-1]
        height, width = images.shape[-2:]
        if min(height, width) < coarsest:
            raise EccvkitError(
                f"images of {height} x {width} pixels are smaller than the coarsest stride "
                f"{coarsest}: enlarge them, or use a network with fewer stages"
            )
        below, right = -height % coarsest, -width % coarsest
        x = F.pad(images, (0, right, 0, below), mode="replicate") if below or right else images
        # The paper's network expects normalised inputs; the middle of [0, 1] to 0 is enough here.
        x = 4 * (x - 0.5)
        levels = []
        for k, stage in enumerate(self.stages):
            x = stage(F.max_pool2d(x, 2) if k else x)
            if k in self.taps:
                levels.append(self.adaptations[len(levels)](x).float())
        return levels
