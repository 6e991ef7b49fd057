"""Wide residual networks: few layers, many channels (Zagoruyko & Komodakis, BMVC 2016).

WRN-``depth``-``width`` for images of about 32x32 pixels: one 3x3 convolution, three stages of
``n`` pre-activation basic blocks with ``16k, 32k, 64k`` channels (``k`` is the width), the second
and third stage starting with stride 2, then BN-ReLU, global average pooling and a linear head.
The depth ``6n + 4`` counts the stem, two convolutions per block and three 1x1 shortcuts.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.errors import EccvkitError


class WideBlock(nn.Module):
    """Pre-activation basic block: BN-ReLU-conv3x3, BN-ReLU-dropout-conv3x3, plus the shortcut.

    Where the shape changes, the shortcut is a 1x1 convolution of the *activated* input; elsewhere
    it is the identity of the raw input.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int
        Stride of the first convolution and of the shortcut.
    dropout : float
        Probability of dropping a value between the two convolutions.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.shortcut = None
        if in_channels != out_channels or stride != 1:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H / stride, W / stride)."""
        h = F.relu(self.bn1(x))
        shortcut = x if self.shortcut is None else self.shortcut(h)
        h = self.conv1(h)
        h = self.conv2(self.dropout(F.relu(self.bn2(h))))
        return shortcut + h


class WideResNet(nn.Module):
    """WRN-depth-width, with a linear classifier or as a feature extractor.

    Parameters
    ----------
    depth : int
        ``6n + 4`` for ``n`` blocks per stage: 10, 16, 22, 28, 40, ...
    width : int
        Widening factor k; the stages have 16k, 32k and 64k channels.
    num_classes : int or None
        Classes of the linear head; None leaves the head out, then ``forward`` gives features.
    in_channels : int
        Channels of the image.
    dropout : float
        Dropout inside every block.

    Attributes
    ----------
    out_features : int
        Length of the feature vector, 64k.

    Raises
    ------
    EccvkitError
        ``depth`` is not ``6n + 4`` with n >= 1.

    Notes
    -----
    Weights start as in He et al. (ICCV 2015), with the fan-out.

    Examples
    --------
    >>> WideResNet(16, 4, num_classes=None).out_features
    256
    """

    def __init__(
        self,
        depth: int = 40,
        width: int = 4,
        num_classes: int | None = 10,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 4, 6)
        if rest or blocks < 1:
            raise EccvkitError(
                f"depth {depth} is not a WideResNet: use 6n + 4 with n >= 1 (10, 16, 22, 28, 40)"
            )
        widths = [16, 16 * width, 32 * width, 64 * width]
        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        self.stages = nn.Sequential(
            *(
                _stage(blocks, c_in, c_out, stride, dropout)
                for c_in, c_out, stride in zip(widths, widths[1:], (1, 2, 2))
            )
        )
        self.bn = nn.BatchNorm2d(widths[-1])
        self.out_features = widths[-1]
        self.head = None if num_classes is None else nn.Linear(self.out_features, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        """Pooled features of images (B, in_channels, H, W): (B, out_features), never negative."""
        h = F.relu(self.bn(self.stages(self.stem(x))))
        return h.mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, num_classes); without a head the features (B, out_features)."""
        h = self.features(x)
        return h if self.head is None else self.head(h)


def _stage(
    blocks: int, in_channels: int, out_channels: int, stride: int, dropout: float
) -> nn.Sequential:
    """Chain blocks; only the first of them changes the shape."""
    first = WideBlock(in_channels, out_channels, stride, dropout)
    others = (WideBlock(out_channels, out_channels, 1, dropout) for _ in range(blocks - 1))
    return nn.Sequential(first, *others)
