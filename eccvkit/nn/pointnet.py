"""PointNet: features of point clouds that do not depend on the order of the points.

Qi et al. (*PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation*, CVPR
2017): one small network is applied to every point on its own, and a maximum over the points makes
the result invariant to their order. A spatial transform, itself a PointNet, may first turn the
cloud into a pose of its own choice.

Clouds are tensors (B, n, c): batch, points, coordinates; the number of points is free.

Sizes of the full-size encoder of LIMP (ECCV 2020, chapter 2 of the volume). With the defaults below
the counts are exactly those of its configuration for FAUST; every linear layer has a bias, also
the ones that batch normalisation follows:

- :class:`PointNetEncoder`: points 3-32-128-256-512 and head 512-512-256-128, all with BN and ReLU,
  then a linear layer to 512 = 2 x 256 (mean and log-variance side by side; use ``chunk(2, -1)``):
  665,536.
- :class:`SpatialTransform`: points 3-64-128-512 with BN and ReLU, head 512-256 with ReLU and
  without BN, linear layer to 9: 209,673.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from eccvkit.errors import DataError, EccvkitError
from eccvkit.nn.small import mlp


class SharedMLP(nn.Module):
    """The same fully connected layers for every point: linear, batch normalisation, ReLU.

    Parameters
    ----------
    widths : sequence of int
        Widths from input to output, at least two.
    norm : bool
        Batch normalisation over all points of the batch after every linear layer.
    last_activation : bool
        False leaves normalisation and ReLU out after the last linear layer.

    Attributes
    ----------
    out_features : int
        The last width.

    Raises
    ------
    EccvkitError
        Fewer than two widths.
    DataError
        In ``forward``: not of shape (B, n, widths[0]), or a cloud without points.

    Examples
    --------
    >>> SharedMLP((3, 32, 64))(torch.zeros(2, 100, 3)).shape
    torch.Size([2, 100, 64])
    """

    def __init__(
        self, widths: Sequence[int], norm: bool = True, last_activation: bool = True
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise EccvkitError(
                f"SharedMLP needs the input and the output width, got {list(widths)}: add widths"
            )
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += _linear_norm_relu(n_in, n_out, norm)
        if not last_activation:
            del layers[-2 if norm else -1 :]
        self.layers = nn.Sequential(*layers)
        self.in_features, self.out_features = widths[0], widths[-1]

    def forward(self, points: Tensor) -> Tensor:
        """Map points (B, n, widths[0]) to features (B, n, widths[-1]), each point on its own."""
        if points.ndim != 3 or points.shape[-1] != self.in_features or points.shape[1] == 0:
            raise DataError(
                f"point clouds of shape {tuple(points.shape)}: expected "
                f"(batch, points, {self.in_features}) with at least one point"
            )
        # Points of all clouds in one list: a linear layer and BN need no convolution of width 1.
        return self.layers(points.flatten(0, 1)).unflatten(0, points.shape[:2])


class SpatialTransform(nn.Module):
    """A k x k matrix for every cloud, predicted from it; the identity before training.

    Parameters
    ----------
    k : int
        Coordinates per point.
    point_widths : sequence of int
        Outputs of the shared layers before the maximum, each with BN and ReLU.
    head : sequence of int
        Hidden widths after the maximum, with ReLU and without BN.

    Notes
    -----
    The head predicts the difference to the identity and its last layer starts at zero, as Qi et
    al. recommend: an untrained transform leaves the cloud as it is.

    Examples
    --------
    >>> SpatialTransform()(torch.randn(1, 50, 3))[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        k: int = 3,
        point_widths: Sequence[int] = (64, 128, 512),
        head: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        self.points = SharedMLP((k, *point_widths))
        self.head = mlp((point_widths[-1], *head, k * k))
        nn.init.zeros_(self.head[-1].weight)
        nn.init.zeros_(self.head[-1].bias)
        self.k = k

    def forward(self, points: Tensor) -> Tensor:
        """Map clouds (B, n, k) to matrices (B, k, k); apply them as ``points @ matrices``."""
        difference = self.head(self.points(points).amax(dim=1)).unflatten(-1, (self.k, self.k))
        return difference + torch.eye(self.k, dtype=difference.dtype, device=difference.device)


class PointNetEncoder(nn.Module):
    """Clouds (B, n, c) to vectors (B, out_features), whatever the order of the points.

    Parameters
    ----------
    widths : sequence of int
        Coordinates per point and the outputs of the shared layers, each with BN and ReLU.
    head : sequence of int
        Hidden widths after the maximum, each with BN and ReLU; empty for none.
    out : int or None
        Length of the final linear layer; None leaves it out.
    transform : nn.Module, optional
        Maps clouds (B, n, c) to matrices (B, c, c) that multiply the points first, such as
        :class:`SpatialTransform`.
    dropout : float
        Probability of dropping a value after each hidden layer of the head.

    Attributes
    ----------
    out_features : int
        ``out``, or the last width before it.

    Raises
    ------
    EccvkitError
        Fewer than two ``widths``.
    DataError
        In ``forward``: not of shape (B, n, widths[0]), or a cloud without points.

    Examples
    --------
    >>> encoder = PointNetEncoder((3, 32, 64), head=(32,), out=8, transform=SpatialTransform())
    >>> encoder(torch.randn(4, 100, 3)).shape
    torch.Size([4, 8])
    """

    def __init__(
        self,
        widths: Sequence[int] = (3, 32, 128, 256, 512),
        head: Sequence[int] = (512, 256, 128),
        out: int | None = 512,
        transform: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.transform = transform
        self.points = SharedMLP(widths)
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise((widths[-1], *head)):
            layers += _linear_norm_relu(n_in, n_out, norm=True)
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.out_features = (widths[-1], *head)[-1]
        if out is not None:
            layers.append(nn.Linear(self.out_features, out))
            self.out_features = out
        self.head = nn.Sequential(*layers)

    def features(self, points: Tensor) -> Tensor:
        """Features of every point of (B, n, c) before the maximum: (B, n, widths[-1])."""
        if self.transform is not None:
            points = points @ self.transform(points)
        return self.points(points)

    def forward(self, points: Tensor) -> Tensor:
        """Map clouds (B, n, c) to (B, out_features)."""
        return self.head(self.features(points).amax(dim=1))


def _linear_norm_relu(n_in: int, n_out: int, norm: bool) -> list[nn.Module]:
    linear = nn.Linear(n_in, n_out)
    return [linear, nn.BatchNorm1d(n_out), nn.ReLU()] if norm else [linear, nn.ReLU()]
