"""The contribution of paper 37 in its own notation: Eqs. 1 to 4, and what they are compared with.

Shapes: features are a list over levels m of (B, d, H_m, W_m); keypoints are (B, N, 2) points
(x, y) of the full image, whole numbers at pixel centres; ``size`` is (height, width) of image B.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.data.homography_pairs import inside
from eccvkit.errors import EccvkitError

Features = Sequence[Tensor]


class Matches(NamedTuple):
    """Where each keypoint of A was found in B.

    Attributes
    ----------
    points : Tensor
        (B, N, 2) as (x, y).
    confidence : Tensor
        (B, N) the probability of Eq. 1 at that point.
    """

    points: Tensor
    confidence: Tensor


# ---- descriptors and correspondence maps -----------------------------------------------


def sample_descriptors(level: Tensor, keypoints: Tensor, stride: int) -> Tensor:
    r"""Descriptors :math:`H^m[p^{n,m}]` of keypoints at one level (B, N, d).

    Image x lies at ``(x + 0.5) / stride - 0.5`` of the level; values between cells are bilinear,
    those beyond the outermost centres are the outermost ones. So sampling equals upsampling the
    level to the image and reading a pixel.
    """
    height, width = level.shape[-2:]
    extent = keypoints.new_tensor([width * stride, height * stride])
    # In the coordinates of grid_sample the edges of the image are -1 and 1, at every stride.
    grid = (2 * keypoints + 1) / extent - 1
    sampled = F.grid_sample(
        level, grid[:, :, None].to(level), padding_mode="border", align_corners=False
    )
    return sampled[..., 0].mT


def upsample(maps: Tensor, stride: int, size: tuple[int, int]) -> Tensor:
    r"""Bilinear upsampling :math:`\mathcal{U}` of (B, C, H_m, W_m) to (B, C, height, width).

    By exactly the stride, and then cut: a network may have continued the image to full cells.
    """
    height, width = size
    if stride > 1:
        maps = F.interpolate(maps, scale_factor=stride, mode="bilinear", align_corners=False)
    if maps.shape[-2] < height or maps.shape[-1] < width:
        raise EccvkitError(
            f"maps of stride {stride} cover {maps.shape[-2]} x {maps.shape[-1]} pixels, fewer than "
            f"the image's {height} x {width}: pass the strides and the size that belong to them"
        )
    return maps[..., :height, :width]


def level_map(
    level_a: Tensor, level_b: Tensor, keypoints: Tensor, stride: int, size: tuple[int, int]
) -> Tensor:
    r"""One summand of Eq. 2, :math:`\mathcal{U}(H_A^m[p_A^{n,m}] * H_B^m)`, (B, N, height, width).

    The 1x1 convolutions of all keypoints are one contraction. Raw dot products: no normalisation.
    """
    descriptors = sample_descriptors(level_a, keypoints, stride)
    return upsample(torch.einsum("bnd,bdhw->bnhw", descriptors, level_b), stride, size)


def correspondence_map(
    features_a: Features,
    features_b: Features,
    keypoints: Tensor,
    strides: Sequence[int],
    size: tuple[int, int],
    levels: Sequence[int] | None = None,
) -> Tensor:
    """Eq. 2: the sum of the levels' correspondence maps, (B, N, height, width).

    Parameters
    ----------
    features_a, features_b : sequence of Tensor
        One map (B, d, H_m, W_m) per level.
    keypoints : Tensor
        (B, N, 2) in image A.
    strides : sequence of int
        Of each level.
    size : (int, int)
        Height and width of image B.
    levels : sequence of int, optional
        Which levels to sum; all of them if not given.
    """
    chosen = range(len(strides)) if levels is None else levels
    total = None
    for m in chosen:
        own = level_map(features_a[m], features_b[m], keypoints, strides[m], size)
        # In place: a second map of all keypoints would double the peak memory.
        total = own if total is None else total.add_(own)
    return total


def check_keypoints(keypoints: Tensor, size: tuple[int, int], name: str = "A") -> None:
    """Refuse keypoints outside of their image: sampling would read the border instead, silently.

    Raises
    ------
    EccvkitError
        Keypoints of the wrong shape, or one outside the image or not a number.
    """
    if keypoints.ndim != 3 or keypoints.shape[-1] != 2:
        raise EccvkitError(
            f"keypoints have shape {tuple(keypoints.shape)}; pass points (x, y) as (B, N, 2)"
        )
    within = inside(keypoints, size, -0.5)
    if not bool(within.all()):
        x, y = keypoints[~within][0].tolist()
        raise EccvkitError(
            f"keypoint ({x:g}, {y:g}) lies outside of image {name} of {size[0]} x {size[1]} "
            "(height x width) pixels: drop it, and check the order (x, y)"
        )


# ---- Eqs. 1, 3, 4 ----------------------------------------------------------------------


def log_probabilities(maps: Tensor) -> Tensor:
    """Eq. 1 in logarithms: softmax over **all** pixels of B; same shape (B, N, H, W)."""
    return F.log_softmax(maps.flatten(2), dim=-1).view_as(maps)


def classification_loss(maps: Tensor, targets: Tensor, valid: Tensor | None = None) -> Tensor:
    """Sect. 3.3: cross-entropy of Eq. 1 at the true pixel, averaged over the keypoints.

    Parameters
    ----------
    maps : Tensor
        (B, N, H, W)
    targets : Tensor
        (B, N, 2) true points in B; the pixel that holds a point is its class.
    valid : Tensor of bool, optional
        (B, N), which keypoints count.
    """
    width = maps.shape[-1]
    pixel = (targets + 0.5).floor().long()
    index = pixel[..., 1] * width + pixel[..., 0]
    # One row per keypoint: a softmax over the last axis needs no copy of the maps.
    rows = F.cross_entropy(maps.flatten(2).flatten(0, 1), index.flatten(), reduction="none")
    losses = rows.view_as(index)
    return losses.mean() if valid is None else losses[valid].mean()


def best_point(maps: Tensor) -> Tensor:
    """Eq. 3: the pixel (B, N, 2) with the largest value of maps (B, N, H, W)."""
    width = maps.shape[-1]
    index = maps.flatten(2).argmax(dim=-1)
    return torch.stack([index % width, index // width], dim=-1).float()


def best_pixel(maps: Tensor) -> Matches:
    """Eq. 3 and Eq. 1: the pixel with the largest value, and its probability."""
    flat = maps.flatten(2)
    return Matches(best_point(maps), torch.exp(flat.amax(dim=-1) - flat.logsumexp(dim=-1)))


def peak_ratio(maps: Tensor, radius: int = 4) -> Tensor:
    """Probability of the second peak over that of the first (B, N): Lowe's ratio on Eq. 1.

    The second peak is the largest value more than ``radius`` pixels (in x or y) from the first;
    nearer ones belong to the same peak. 0 if there is no such pixel.
    """
    points = best_point(maps).long()
    height, width = maps.shape[-2:]
    x, y = torch.arange(width, device=maps.device), torch.arange(height, device=maps.device)
    near_x = (x - points[..., :1]).abs() <= radius
    near_y = (y - points[..., 1:]).abs() <= radius
    near = near_y[..., :, None] & near_x[..., None, :]
    second = maps.masked_fill(near, -torch.inf).flatten(2).amax(dim=-1)
    return torch.exp(second - maps.flatten(2).amax(dim=-1))


def is_confident(confidence: Tensor, tau: float) -> Tensor:
    """Eq. 4: which matches exceed the threshold tau, a mask like ``confidence``."""
    return confidence > tau


def returns_home(keypoints: Tensor, returned: Tensor, tolerance: float = 0.0) -> Tensor:
    """The cyclic check (Sect. 4.2): which matches lead back to the pixel they came from (B, N).

    Parameters
    ----------
    keypoints : Tensor
        (B, N, 2) in A.
    returned : Tensor
        (B, N, 2) points of A that the matches in B find when they search all of A.
    tolerance : float
        Pixels by which they may miss in x and y; the paper gives none, so the same pixel.
    """
    pixel = (keypoints + 0.5).floor()
    return ((returned - pixel).abs() <= tolerance).all(dim=-1)


# ---- the design and the setting it is compared with ------------------------------------


def upsampled_hypercolumn(
    features: Features, strides: Sequence[int], size: tuple[int, int]
) -> Tensor:
    """All levels upsampled to the image and concatenated, (B, M d, height, width): S2DHM [18]."""
    return torch.cat([upsample(f, s, size) for f, s in zip(features, strides)], dim=1)


def upsample_then_correlate(
    features_a: Features,
    features_b: Features,
    keypoints: Tensor,
    strides: Sequence[int],
    size: tuple[int, int],
) -> Tensor:
    """The order of S2DHM [18]: the same map as Eq. 2, since both steps are linear; dearer."""
    descriptors = [sample_descriptors(f, keypoints, s) for f, s in zip(features_a, strides)]
    dense = upsampled_hypercolumn(features_b, strides, size)
    return torch.einsum("bnd,bdhw->bnhw", torch.cat(descriptors, dim=-1), dense)


def read_scores(maps: Tensor, points: Tensor) -> Tensor:
    """Scores (B, N, K) of each keypoint's map (B, N, H, W) at the pixels of points (B, K, 2)."""
    pixel = (points + 0.5).floor().long()
    index = pixel[..., 1] * maps.shape[-1] + pixel[..., 0]
    return maps.flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1))


def mutual_neighbours(scores: Tensor, valid_a: Tensor, valid_b: Tensor) -> tuple[Tensor, Tensor]:
    """Sparse-to-sparse matching: best detection of B for each one of A, and whether both agree.

    Parameters
    ----------
    scores : Tensor
        (B, N, K) similarity of detections of A and B.
    valid_a, valid_b : Tensor of bool
        (B, N) and (B, K): which entries are detections.

    Returns
    -------
    index : Tensor
        (B, N) best detection of B.
    mutual : Tensor of bool
        (B, N): that detection prefers this keypoint too.
    """
    scores = scores.masked_fill(~valid_b[:, None], -torch.inf)
    scores = scores.masked_fill(~valid_a[:, :, None], -torch.inf)
    index = scores.argmax(dim=2)
    back = scores.argmax(dim=1).gather(1, index)
    here = torch.arange(scores.shape[1], device=scores.device)
    return index, (back == here) & valid_a & valid_b.gather(1, index)
