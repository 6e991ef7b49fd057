"""The network of Fig. 2: a VAE with PointNet as encoder and a fully connected decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from eccvkit.nn.pointnet import PointNetEncoder, SpatialTransform
from eccvkit.nn.small import mlp
from eccvkit.papers.limp.config import Config


class ShapeVAE(nn.Module):
    """Registered shapes (B, n, 3) to codes (B, d) and back.

    The code is (intrinsic | extrinsic): the last ``extrinsic`` entries are for the pose. The
    network never sees the faces of the mesh.
    """

    def __init__(self, config: Config, vertices: int):
        super().__init__()
        self.vertices, self.extrinsic = vertices, config.extrinsic
        self.encoder = PointNetEncoder(
            (3, *config.point_widths),
            head=config.head,
            out=2 * config.latent,
            transform=SpatialTransform(3, config.transform_widths, config.transform_head),
        )
        self.decoder = mlp((config.latent, *config.decoder, 3 * vertices), nn.LeakyReLU)

    def encode(self, shapes: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the code, (B, d) each."""
        return self.encoder(shapes).chunk(2, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        """Vertices (B, n, 3) of codes (B, d)."""
        return self.decoder(codes).unflatten(1, (self.vertices, 3))

    def forward(self, shapes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Decoding of a sampled code (of the mean in evaluation mode), mean, log-variance."""
        mean, logvar = self.encode(shapes)
        noise = torch.randn_like(mean) * (logvar / 2).exp() if self.training else 0.0
        return self.decode(mean + noise), mean, logvar

    @contextmanager
    def frozen_statistics(self) -> Iterator[None]:
        """Batch normalisation uses its running statistics: a few pairs are no batch."""
        norms = [m for m in self.modules() if isinstance(m, nn.BatchNorm1d) and m.training]
        for norm in norms:
            norm.eval()
        try:
            yield
        finally:
            for norm in norms:
                norm.train()


def swap_extrinsic(codes: Tensor, identity_of: Tensor, pose_of: Tensor, n_ext: int) -> Tensor:
    """Codes with the intrinsic part of some shapes and the extrinsic part of others, (P, d)."""
    return torch.cat([codes[identity_of, :-n_ext], codes[pose_of, -n_ext:]], dim=1)
