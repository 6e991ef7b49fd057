"""Crops of images around boxes, and points between the image and a crop.

A box is (x, y, width, height) in pixels whose centres are whole numbers. Pixel u of a crop that is
W pixels wide looks at x + (u + 0.5) * width / W in the image; the same holds for a heatmap of
another size over the same box.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.errors import DataError


def fit_boxes(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4), enlarged around their centres to the proportions of ``size`` = (H, W).

    Examples
    --------
    >>> fit_boxes(torch.tensor([0.0, 0.0, 4.0, 10.0]), (20, 10)).tolist()
    [-0.5, 0.0, 5.0, 10.0]
    """
    low, extent = boxes[..., :2], boxes[..., 2:]
    if not bool((extent > 0).all()):
        raise DataError("fit_boxes: a box has no width or no height; leave it out")
    proportions = extent.new_tensor([size[1], size[0]])
    scale = (extent / proportions).amax(dim=-1, keepdim=True)
    wanted = scale * proportions
    return torch.cat([low + (extent - wanted) / 2, wanted], dim=-1)


def to_crop(points: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Points (n, ..., 2) of the image, in pixels of crops of ``size`` = (H, W) of boxes (n, 4)."""
    low, extent = _per_point(points, boxes)
    return (points - low) / extent * extent.new_tensor([size[1], size[0]]) - 0.5


def from_crop(points: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Points (n, ..., 2) of crops or heatmaps of ``size``, in pixels of the image."""
    low, extent = _per_point(points, boxes)
    return low + (points + 0.5) * extent / extent.new_tensor([size[1], size[0]])


def _per_point(points: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    shape = (len(boxes),) + (1,) * (points.ndim - 2) + (2,)
    return boxes[:, :2].reshape(shape), boxes[:, 2:].reshape(shape)


def crop_images(image: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Crops (n, C, H, W) of one image (C, H', W'), read bilinearly, grey outside of it."""
    height, width = image.shape[-2:]
    u = torch.arange(size[1], dtype=boxes.dtype, device=boxes.device)
    v = torch.arange(size[0], dtype=boxes.dtype, device=boxes.device)
    grid = torch.stack(torch.meshgrid(u, v, indexing="xy"), dim=-1)
    places = from_crop(grid.expand(len(boxes), *grid.shape), boxes, size)
    extent = places.new_tensor([width, height])
    normal = (2 * (places + 0.5) / extent - 1).to(image.dtype)
    # One tall grid over one image, so that the image is not copied for every box. Zero is read
    # outside, so 0.5 is grey there.
    tall = normal.reshape(1, -1, size[1], 2)
    crops = 0.5 + F.grid_sample(image[None] - 0.5, tall, align_corners=False)[0]
    return crops.view(len(image), len(boxes), *size).transpose(0, 1).contiguous()
