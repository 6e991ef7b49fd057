"""Boxes in networks: conversions, overlap, non-maximum suppression of a batch, RoIAlign.

Boxes are (x1, y1, x2, y2) in pixels; pixel i of an image covers i to i + 1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def corners(boxes: Tensor) -> Tensor:
    """(x, y, width, height) to (x1, y1, x2, y2), last dimension 4."""
    return torch.cat([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], dim=-1)


def corner_and_size(boxes: Tensor) -> Tensor:
    """(x1, y1, x2, y2) to (x, y, width, height), last dimension 4."""
    return torch.cat([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], dim=-1)


def area(boxes: Tensor) -> Tensor:
    """Area (...) of boxes (..., 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of all pairs of boxes, (..., n, 4) and (..., m, 4).

    Returns
    -------
    Tensor (..., n, m)
        0 where both boxes have no area.

    Examples
    --------
    >>> box_iou(torch.tensor([[0.0, 0, 2, 2]]), torch.tensor([[1.0, 0, 3, 2], [5, 5, 6, 6]]))
    tensor([[0.3333, 0.0000]])
    """
    a, b = a.unsqueeze(-2), b.unsqueeze(-3)
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    both = (high - low).clamp(min=0).prod(dim=-1)
    union = area(a) + area(b) - both
    return torch.where(union > 0, both / union, torch.zeros_like(union))


def giou_loss(a: Tensor, b: Tensor) -> Tensor:
    """One minus the generalised IoU of boxes row by row, (n, 4) and (n, 4) to (n,) in [0, 2]."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    both = (high - low).clamp(min=0).prod(dim=-1)
    union = area(a) + area(b) - both
    hull = torch.cat([torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])], -1)
    around = area(hull).clamp(min=1e-6)
    return 1 - both / union.clamp(min=1e-6) + (around - union) / around


def nms(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression within each class, for all images of a batch at once.

    Parameters
    ----------
    boxes : Tensor (B, K, 4)
    scores : Tensor (B, K)
        Entries that are not positive are empty slots: they neither stay nor suppress.
    labels : Tensor (B, K)
    threshold : float
        A box is dropped if it overlaps a kept one of its class by more than this.

    Returns
    -------
    Tensor (B, K), bool
        The boxes to keep.
    """
    order = scores.argsort(dim=1, descending=True, stable=True)
    sorted_boxes = boxes.gather(1, order.unsqueeze(-1).expand(-1, -1, 4))
    sorted_labels = labels.gather(1, order)
    rivals = box_iou(sorted_boxes, sorted_boxes) > threshold
    rivals &= sorted_labels.unsqueeze(1) == sorted_labels.unsqueeze(2)
    alive = scores.gather(1, order) > 0
    for k in range(boxes.shape[1]):
        hit = rivals[:, k] & alive[:, k, None]
        hit[:, : k + 1] = False
        alive &= ~hit
    return torch.zeros_like(alive).scatter(1, order, alive)


def roi_align(
    features: Tensor, boxes: Tensor, image: Tensor, size: int, stride: float, samples: int = 2
) -> Tensor:
    """Crop boxes from feature maps by bilinear interpolation, averaged over samples per bin.

    Parameters
    ----------
    features : Tensor (B, C, h, w)
        Cell i is centred at ``stride * (i + 0.5)`` pixels. Outside the map its border continues.
    boxes : Tensor (n, 4)
        In pixels of the image.
    image : Tensor (n,), int64
        Which image each box lies in.
    size : int
        Side of the crops.
    stride : float
        Pixels per cell.
    samples : int
        Sampling points per bin and axis.

    Returns
    -------
    Tensor (n, C, size, size)
    """
    h, w = features.shape[-2:]
    if not len(boxes):
        return features.new_zeros(0, features.shape[1], size, size)
    points = (torch.arange(size * samples, device=boxes.device) + 0.5) / (size * samples)
    x = boxes[:, None, 0] + points * (boxes[:, 2] - boxes[:, 0])[:, None]
    y = boxes[:, None, 1] + points * (boxes[:, 3] - boxes[:, 1])[:, None]
    # grid_sample wants -1 and 1 at the outer edges of the map.
    x, y = 2 * x / (stride * w) - 1, 2 * y / (stride * h) - 1
    n, k = x.shape
    grid = torch.stack([x[:, None].expand(n, k, k), y[:, :, None].expand(n, k, k)], dim=-1)
    crops = features.new_zeros(n, features.shape[1], k, k)
    # One call per image: a call per box would copy its whole feature map.
    for b in image.unique().tolist():
        mine = (image == b).nonzero().squeeze(1)
        tall = grid[mine].reshape(1, len(mine) * k, k, 2)
        crop = F.grid_sample(
            features[b : b + 1], tall.to(features.dtype), padding_mode="border", align_corners=False
        )
        own = crop[0].unflatten(1, (len(mine), k)).transpose(0, 1)
        crops = crops.index_copy(0, mine, own)
    return F.avg_pool2d(crops, samples)
