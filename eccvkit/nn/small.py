"""Small networks for small images: trained in seconds on a laptop, they carry the lab presets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from eccvkit.errors import EccvkitError


def mlp(
    sizes: Sequence[int],
    activation: Callable[[], nn.Module] = nn.ReLU,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Fully connected layers with an activation between them and none after the last.

    Works on the last axis: (..., sizes[0]) to (..., sizes[-1]).

    Parameters
    ----------
    sizes : sequence of int
        Widths from input to output, at least two.
    activation : callable
        Makes the module placed after every hidden layer.
    dropout : float
        Probability of dropping a hidden value; 0 adds no dropout layers.

    Raises
    ------
    EccvkitError
        Fewer than two sizes.

    Examples
    --------
    >>> mlp([64, 128, 16])
    Sequential(
      (0): Linear(in_features=64, out_features=128, bias=True)
      (1): ReLU()
      (2): Linear(in_features=128, out_features=16, bias=True)
    )
    """
    if len(sizes) < 2:
        raise EccvkitError(f"mlp needs the input and the output size, got {list(sizes)}: add sizes")
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out), activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(sizes[-2], sizes[-1]))
    return nn.Sequential(*layers)


class ConvNet(nn.Module):
    """Blocks of conv3x3-BN-ReLU-maxpool2, global average pooling, optional projection.

    Meant for images of 16x16 to 32x32 pixels. Global pooling makes it independent of the image
    size; the smallest side that survives the pooling is 2 to the number of blocks.

    Parameters
    ----------
    in_channels : int
    channels : sequence of int
        Channels of the blocks.
    dim : int or None
        Length of a linear projection after the pooling; None leaves it out.

    Attributes
    ----------
    out_features : int
        ``dim``, or the channels of the last block.

    Examples
    --------
    >>> ConvNet(dim=16).out_features
    16
    """

    def __init__(
        self,
        in_channels: int = 1,
        channels: Sequence[int] = (32, 64, 128),
        dim: int | None = None,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential(
            *(conv_block(c_in, c_out) for c_in, c_out in pairwise((in_channels, *channels)))
        )
        self.projection = nn.Identity() if dim is None else nn.Linear(channels[-1], dim)
        self.out_features = channels[-1] if dim is None else dim

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to features (B, out_features)."""
        return self.projection(self.blocks(x).mean(dim=(2, 3)))


def conv_block(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution, batch normalisation, ReLU, and max-pooling that halves each side."""
    # The convolution has no bias: the mean that BN subtracts would cancel it.
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
