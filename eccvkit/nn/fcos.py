"""FCOSLite: a one-stage detector without anchors for small images, after FCOS (Tian et al. 2019).

Every cell of a stride-4 map predicts class scores, the distances to the four sides of its box, and
how central it is in it. What several chapters need is here: trunk, heads, targets, losses, and
candidates before non-maximum suppression.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.nn.boxes import area, giou_loss, nms

STRIDE = 4
#: A cell is responsible for an object if it is nearer to its centre than this, in cells.
RADIUS = 1.5
#: Dilations of the last stage: they widen the view of a cell to about 90 pixels.
_DILATIONS = (1, 2, 4, 1)


class Output(NamedTuple):
    """What the detector predicts for B images, on P = h w cells in reading order.

    Attributes
    ----------
    features : Tensor (B, W, h, w)
        The trunk's map.
    tower : Tensor (B, W, h, w)
        The map that boxes are read from.
    logits : Tensor (B, P, C)
    boxes : Tensor (B, P, 4)
        x1, y1, x2, y2 in pixels.
    centreness : Tensor (B, P)
        Logits.
    """

    features: Tensor
    tower: Tensor
    logits: Tensor
    boxes: Tensor
    centreness: Tensor


class Candidates(NamedTuple):
    """The K most confident (cell, class) pairs of each image, by falling score.

    Attributes
    ----------
    boxes : Tensor (B, K, 4)
    scores : Tensor (B, K)
        0 in slots that were suppressed or never filled.
    labels, cells : Tensor (B, K), int64
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    cells: Tensor

    def suppress(self, threshold: float) -> Candidates:
        """Non-maximum suppression within each class."""
        keep = nms(self.boxes, self.scores, self.labels, threshold)
        return self._replace(scores=torch.where(keep, self.scores, 0.0))


def _conv(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class FCOSLite(nn.Module):
    """Three-stage trunk and three heads.

    Parameters
    ----------
    classes : int
    width : int
        Channels of every layer; the first stage, at half resolution, has half as many.
    """

    def __init__(self, classes: int, width: int = 32):
        super().__init__()
        self.trunk = nn.Sequential(
            _conv(3, width // 2, 2),
            _conv(width // 2, width // 2),
            _conv(width // 2, width, 2),
            _conv(width, width),
            *(_conv(width, width, dilation=d) for d in _DILATIONS),
        )
        self.class_tower = nn.Sequential(_conv(width, width), _conv(width, width))
        self.box_tower = nn.Sequential(_conv(width, width), _conv(width, width))
        self.classify = nn.Conv2d(width, classes, 3, padding=1)
        self.distances = nn.Conv2d(width, 4, 3, padding=1)
        self.centre = nn.Conv2d(width, 1, 3, padding=1)
        # Start with a foreground probability of 1 %: the focal loss is stable from the first step.
        nn.init.constant_(self.classify.bias, -math.log(99))

    def forward(self, images: Tensor) -> Output:
        """Predict on images (B, 3, H, W) in [0, 1]; H and W are multiples of 4."""
        features = self.trunk(images - 0.5)
        tower = self.box_tower(features)
        logits = self.classify(self.class_tower(features)).flatten(2).transpose(1, 2).float()
        # Two cells at the start; the exponent is bounded, so that no early step can explode.
        sides = self.distances(tower).flatten(2).transpose(1, 2).float()
        sides = 2 * STRIDE * sides.clamp(max=4).exp()
        point = cell_centres(*features.shape[-2:], images.device)
        boxes = torch.cat([point - sides[..., :2], point + sides[..., 2:]], dim=-1)
        centreness = self.centre(tower).flatten(1).float()
        return Output(features, tower, logits, boxes, centreness)


def cell_centres(h: int, w: int, device: torch.device | str = "cpu") -> Tensor:
    """Centres (h w, 2) of the cells in pixels, in reading order."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return STRIDE * (torch.stack([x, y], dim=-1).reshape(-1, 2).to(device) + 0.5)


def assign(boxes: Tensor, labels: Tensor, points: Tensor) -> Tensor:
    """The object each cell is responsible for.

    A cell qualifies if it lies inside the box and near its centre; of several objects the smallest
    is taken. An object too small to contain a cell's centre takes the cell it lies in.

    Parameters
    ----------
    boxes : Tensor (B, M, 4)
    labels : Tensor (B, M)
        -1 in empty slots.
    points : Tensor (P, 2)
        Centres of the cells.

    Returns
    -------
    Tensor (B, P), int64
        Slot of the object, -1 for none.
    """
    if not boxes.shape[1]:
        return torch.full((len(boxes), len(points)), -1, device=points.device)
    x, y = points[:, 0], points[:, 1]
    left, top, right, bottom = (side.unsqueeze(1) for side in boxes.unbind(-1))
    x, y = x[None, :, None], y[None, :, None]
    inside = (left < x) & (x < right) & (top < y) & (y < bottom)
    away = torch.maximum((x - (left + right) / 2).abs(), (y - (top + bottom) / 2).abs())
    responsible = (inside & (away < RADIUS * STRIDE)) | (away <= STRIDE / 2)
    responsible &= (labels >= 0).unsqueeze(1)
    size = torch.where(responsible, area(boxes).unsqueeze(1), torch.inf)
    smallest, slot = size.min(dim=-1)
    return torch.where(smallest.isfinite(), slot, -1)


def centreness(boxes: Tensor, points: Tensor) -> Tensor:
    """How central points (n, 2) are in boxes (n, 4): 1 in the middle, 0 at a side or outside."""
    near = (points - boxes[:, :2]).clamp(min=0)
    far = (boxes[:, 2:] - points).clamp(min=0)
    ratio = torch.minimum(near, far) / torch.maximum(near, far).clamp(min=1e-6)
    return ratio.prod(dim=-1).sqrt()


def fcos_loss(output: Output, boxes: Tensor, labels: Tensor, slots: Tensor) -> dict[str, Tensor]:
    """Focal loss of the classes, GIoU loss of the boxes, cross-entropy of the centreness.

    Parameters
    ----------
    output : Output
    boxes, labels : Tensor (B, M, 4), (B, M)
        Annotated objects.
    slots : Tensor (B, P)
        Of :func:`assign`.

    Returns
    -------
    dict of Tensor
        "class", "box", "centre"; every one a mean over the responsible cells.
    """
    image, cell = (slots >= 0).nonzero(as_tuple=True)
    slot = slots[image, cell]
    count = max(len(image), 1)
    target = torch.zeros_like(output.logits)
    target[image, cell, labels[image, slot]] = 1
    points = cell_centres(*output.features.shape[-2:], boxes.device)
    true = boxes[image, slot]
    central = centreness(true, points[cell])
    box = (giou_loss(output.boxes[image, cell], true) * central).sum() / central.sum().clamp(min=1)
    found = output.centreness[image, cell]
    centre = F.binary_cross_entropy_with_logits(found, central, reduction="sum") / count
    return {"class": focal_loss(output.logits, target) / count, "box": box, "centre": centre}


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sum of the focal loss (Lin et al. 2017) over all entries."""
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    probability = logits.sigmoid()
    wrong = target * (1 - probability) + (1 - target) * probability
    weight = target * alpha + (1 - target) * (1 - alpha)
    return (weight * wrong**gamma * entropy).sum()


def candidates(output: Output, image_size: tuple[int, int], most: int = 200) -> Candidates:
    """The most confident (cell, class) pairs, before non-maximum suppression.

    A score is the product of class probability and centreness. Boxes are cut at the borders
    of the image.

    Parameters
    ----------
    output : Output
    image_size : (int, int)
        Height and width in pixels.
    most : int
        Pairs kept per image.
    """
    classes = output.logits.shape[-1]
    central = output.centreness.sigmoid().unsqueeze(-1)
    score = (output.logits.sigmoid() * central).flatten(1)
    score, place = score.topk(min(most, score.shape[1]), dim=1)
    cell = place // classes
    boxes = output.boxes.gather(1, cell.unsqueeze(-1).expand(-1, -1, 4))
    height, width = image_size
    limit = torch.tensor([width, height, width, height], device=boxes.device)
    boxes = torch.minimum(boxes.clamp(min=0), limit)
    return Candidates(boxes, score, place % classes, cell)
