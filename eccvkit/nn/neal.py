"""The ten-layer encoder on which the open-set literature compares methods.

Neal et al. (*Open Set Learning with Counterfactual Images*, ECCV 2018, "OSRCI") introduced it;
later papers reuse it so that only the method differs.

Stated in sources, for 32x32 colour images: ten convolutions without bias, four of them with
stride 2, 1,144,512 weights; the feature has 512 numbers (128 channels of 2x2 pixels); a last layer
maps them to 100, which Zhang et al. (ECCV 2020, chapter 7 of the volume) count to the classifier.

Chosen by us: 3x3 kernels with 64, 64 and eight times 128 channels, the only non-decreasing powers
of two that give this count; stride 2 at layers 3, 6, 9 and 10, so that resolution halves at the
end of each group; batch normalisation and LeakyReLU(0.2) after every convolution; dropout of whole
channels before the first three groups.
"""

from __future__ import annotations

from torch import Tensor, nn

from eccvkit.errors import EccvkitError

#: (channels, stride) of the ten convolutions, in groups that each halve the resolution.
LAYERS = (
    ((64, 1), (64, 1), (128, 2)),
    ((128, 1), (128, 1), (128, 2)),
    ((128, 1), (128, 1), (128, 2)),
    ((128, 2),),
)


class NealEncoder(nn.Module):
    """Images (B, in_channels, S, S) to features (B, out_features).

    Parameters
    ----------
    in_channels : int
    image_size : int
        Side S of the square images. It decides ``out_features`` and, with ``dim``, the projection.
    dim : int or None
        Length of a linear projection of the feature map; None returns the flattened map.
    dropout : float
        Probability of dropping a channel before each of the first three groups.

    Attributes
    ----------
    out_features : int
        ``dim``, or 128 * ceil(S / 16)^2 without projection: 512 for S = 32.

    Raises
    ------
    EccvkitError
        ``image_size`` is not positive; in ``forward``, images of another size.

    Examples
    --------
    >>> NealEncoder().out_features
    512
    """

    def __init__(
        self,
        in_channels: int = 3,
        image_size: int = 32,
        dim: int | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if image_size < 1:
            raise EccvkitError(f"image_size {image_size} is not a size: give the side in pixels")
        self.image_size = image_size
        layers: list[nn.Module] = []
        channels, side = in_channels, image_size
        for group in LAYERS:
            if len(group) > 1:
                layers.append(nn.Dropout2d(dropout))
            for out_channels, stride in group:
                layers += _conv_norm_act(channels, out_channels, stride)
                channels, side = out_channels, -(-side // stride)
        self.convs = nn.Sequential(*layers)
        flat = channels * side**2
        self.projection = nn.Identity() if dim is None else nn.Linear(flat, dim)
        self.out_features = flat if dim is None else dim

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, S, S) to features (B, out_features)."""
        if x.shape[-2:] != (self.image_size, self.image_size):
            raise EccvkitError(
                f"NealEncoder was built for image_size={self.image_size} but got images of "
                f"{x.shape[-2]}x{x.shape[-1]}: build it with their size"
            )
        return self.projection(self.convs(x).flatten(1))


def _conv_norm_act(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2),
    ]
