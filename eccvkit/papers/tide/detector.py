"""The detector under analysis: FCOSLite with prototype masks and a head that predicts mask IoU.

Masks follow YOLACT (linear combinations of image-wide prototypes, cut at the box), their rescoring
Mask Scoring R-CNN: Table 2 of the paper asks what the latter does to a detector's errors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.nn.boxes import area, box_iou, roi_align
from eccvkit.nn.fcos import (
    STRIDE,
    FCOSLite,
    Output,
    assign,
    cell_centres,
    fcos_loss,
)

#: Pixels per cell of prototypes and masks.
MASK_STRIDE = 2
#: Side of the crops that the mask-IoU head looks at, and of what they show, in sides of the box: to
#: see that a box cuts an object off one must look beyond it.
_CROP, _CONTEXT = 14, 1.5
#: At most this many responsible cells per image teach masks, so that no large object dominates.
_TEACHERS = 6
#: The mask-IoU head learns on some of an image's most confident cells, on an object or near one.
_PUPILS, _CONFIDENT, _ON_OBJECT = 6, 30, 0.1


class MaskBranch(nn.Module):
    """Prototypes of an image, and the coefficients with which each cell combines them.

    Parameters
    ----------
    width : int
        Channels of the trunk.
    prototypes : int
    """

    def __init__(self, width: int, prototypes: int):
        super().__init__()
        self.prototypes = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Upsample(scale_factor=STRIDE // MASK_STRIDE, mode="bilinear", align_corners=False),
            nn.Conv2d(width, prototypes, 3, padding=1),
        )
        self.coefficients = nn.Conv2d(width, prototypes, 3, padding=1)

    def forward(self, output: Output) -> tuple[Tensor, Tensor]:
        """Prototypes (B, k, H/2, W/2) and coefficients (B, P, k) in [-1, 1]."""
        coefficients = self.coefficients(output.tower).flatten(2).transpose(1, 2)
        return self.prototypes(output.features).float(), coefficients.float().tanh()


def assemble(prototypes: Tensor, coefficients: Tensor, image: Tensor) -> Tensor:
    """Mask logits (n, H/2, W/2) of n detections from their images' prototypes.

    Parameters
    ----------
    prototypes : Tensor (B, k, H/2, W/2)
    coefficients : Tensor (n, k)
    image : Tensor (n,), int64
    """
    return torch.einsum("nk,nkhw->nhw", coefficients, prototypes[image])


def inside(boxes: Tensor, height: int, width: int, stride: float = MASK_STRIDE) -> Tensor:
    """Which cells of a map lie in each box: (n, height, width), bool."""
    x = stride * (torch.arange(width, device=boxes.device) + 0.5)
    y = stride * (torch.arange(height, device=boxes.device) + 0.5)
    left, top, right, bottom = (side[:, None] for side in boxes.unbind(-1))
    across, down = (left <= x) & (x < right), (top <= y) & (y < bottom)
    return down[:, :, None] & across[:, None, :]


def mask_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of bool masks (n, h, w) row by row; 0 where both are empty."""
    both = (a & b).flatten(1).sum(1).float()
    either = (a | b).flatten(1).sum(1).float()
    return both / either.clamp(min=1)


class MaskIoUHead(nn.Module):
    """Predicts the IoU of a mask with its object, from the soft mask and the features in the box.

    Four convolutions and one linear layer; the input is detached from the detector, which must not
    change to please its judge.
    """

    def __init__(self, width: int):
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(4):
            # Normalised, because without it the whole head went silent with one pilot seed.
            layers += [
                nn.Conv2d(width + (i == 0), width, 3, 2 if i in (1, 3) else 1, 1, bias=False),
                nn.GroupNorm(4, width),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.out = nn.Linear(width, 1)

    def forward(self, features: Tensor, masks: Tensor, boxes: Tensor, image: Tensor) -> Tensor:
        """Predicted IoU (n,) in [0, 1].

        Parameters
        ----------
        features : Tensor (B, W, h, w)
        masks : Tensor (n, H/2, W/2)
            Soft masks in [0, 1].
        boxes : Tensor (n, 4)
        image : Tensor (n,), int64
        """
        middle = (boxes[:, :2] + boxes[:, 2:]).repeat(1, 2) / 2
        view = (middle + _CONTEXT * (boxes - middle)).detach()
        look = roi_align(features.detach(), view, image, _CROP, STRIDE)
        crop = self.layers(torch.cat([look, _crop_each(masks.detach(), view)], dim=1))
        return self.out(crop.mean(dim=(2, 3))).squeeze(1).float().sigmoid()


def _crop_each(masks: Tensor, boxes: Tensor) -> Tensor:
    """Crops (n, 1, size, size) of masks (n, h, w), each at its own box; empty outside the map."""
    if not len(masks):
        return masks.new_zeros(0, 1, _CROP, _CROP)
    ends = 2 * boxes / (MASK_STRIDE * boxes.new_tensor([*masks.shape[:0:-1]]).repeat(2)) - 1
    low, high = ends[:, :2], ends[:, 2:]
    place = torch.cat([torch.diag_embed((high - low) / 2), (low + high).unsqueeze(2) / 2], dim=2)
    grid = F.affine_grid(place, [len(masks), 1, 2 * _CROP, 2 * _CROP], align_corners=False)
    return F.avg_pool2d(F.grid_sample(masks.unsqueeze(1), grid, align_corners=False), 2)


class Predicted(NamedTuple):
    """Masks of n detections.

    Attributes
    ----------
    soft : Tensor (n, H/2, W/2)
        In [0, 1], 0 outside the box.
    iou : Tensor (n,)
        Predicted IoU.
    """

    soft: Tensor
    iou: Tensor


class Detector(nn.Module):
    """FCOSLite, mask branch and mask-IoU head.

    Parameters
    ----------
    classes, width, prototypes : int
    """

    def __init__(self, classes: int, width: int = 32, prototypes: int = 8):
        super().__init__()
        self.boxes = FCOSLite(classes, width)
        self.masks = MaskBranch(width, prototypes)
        self.judge = MaskIoUHead(width)

    def forward(self, images: Tensor) -> tuple[Output, Tensor, Tensor]:
        """Boxes, prototypes and coefficients of images (B, 3, H, W) in [0, 1]."""
        output = self.boxes(images)
        return output, *self.masks(output)

    def predict_masks(
        self, output: Output, prototypes: Tensor, own: Tensor, boxes: Tensor, image: Tensor
    ) -> Predicted:
        """Masks of n detections from their coefficients ``own`` (n, k), boxes and images."""
        logits = assemble(prototypes, own, image)
        soft = logits.sigmoid() * inside(boxes, *logits.shape[-2:])
        return Predicted(soft, self.judge(output.features, soft, boxes, image))

    def loss(
        self, images: Tensor, instance: Tensor, boxes: Tensor, labels: Tensor
    ) -> dict[str, Tensor]:
        """All losses of a batch.

        Parameters
        ----------
        images : Tensor (B, 3, H, W)
        instance : Tensor (B, H, W)
            1 + slot of the object at each pixel.
        boxes : Tensor (B, M, 4)
            x1, y1, x2, y2.
        labels : Tensor (B, M)
            -1 in empty slots.

        Returns
        -------
        dict of Tensor
            "loss", and its terms "class", "box", "centre", "mask", "judge".
        """
        output, prototypes, coefficients = self(images)
        points = cell_centres(*output.features.shape[-2:], images.device)
        slots = assign(boxes, labels, points)
        terms = fcos_loss(output, boxes, labels, slots)
        terms["mask"] = _mask_loss(prototypes, coefficients, instance, boxes, slots)
        with torch.no_grad():
            image, cell, slot = _own_detections(output, boxes, labels)
            guessed, own = output.boxes[image, cell], coefficients[image, cell]
        found = self.predict_masks(output, prototypes.detach(), own, guessed, image)
        true = mask_iou(found.soft > 0.5, _object_masks(instance, image, slot))
        terms["judge"] = ((found.iou - true) ** 2).sum() / max(len(image), 1)
        return {"loss": sum(terms.values())} | terms


def _mask_loss(
    prototypes: Tensor, coefficients: Tensor, instance: Tensor, boxes: Tensor, slots: Tensor
) -> Tensor:
    """Cross-entropy of masks inside their true box, averaged over cells, then over objects."""
    image, cell = _some_of_each_image(slots >= 0, _TEACHERS)
    slot = slots[image, cell]
    box = boxes[image, slot]
    logits = assemble(prototypes, coefficients[image, cell], image)
    true = _object_masks(instance, image, slot).float()
    entropy = F.binary_cross_entropy_with_logits(logits, true, reduction="none")
    cells = (area(box) / MASK_STRIDE**2).clamp(min=1)
    within = inside(box, *logits.shape[-2:])
    return ((entropy * within).sum(dim=(1, 2)) / cells).sum() / max(len(image), 1)


def _own_detections(output: Output, boxes: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Some of the detector's confident cells on objects: image, cell, and slot of the object (n,).

    Well and badly placed ones alike, as the mask-IoU head will meet them. Background is left out,
    as in Mask Scoring R-CNN: the head shall judge masks, not say again what is an object.
    """
    score = output.logits.amax(dim=-1).sigmoid() * output.centreness.sigmoid()
    top = score.topk(min(_CONFIDENT, score.shape[1]), dim=1).indices
    guessed = output.boxes.gather(1, top.unsqueeze(-1).expand(-1, -1, 4))
    overlap = box_iou(guessed, boxes) * (labels >= 0).unsqueeze(1)
    best, slot = overlap.max(dim=-1)
    image, place = _some_of_each_image(best > _ON_OBJECT, _PUPILS)
    return image, top[image, place], slot[image, place]


def _some_of_each_image(wanted: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Random positions (image, cell) of a bool table (B, P), at most ``most`` of each row."""
    key = torch.rand(wanted.shape, device=wanted.device).masked_fill(~wanted, -1)
    value, cell = key.topk(min(most, wanted.shape[1]), dim=1)
    image, place = (value >= 0).nonzero(as_tuple=True)
    return image, cell[image, place]


def _object_masks(instance: Tensor, image: Tensor, slot: Tensor) -> Tensor:
    """Visible masks of objects at the masks' resolution: (n, H/2, W/2), bool."""
    full = (instance[image] == slot[:, None, None] + 1).float()
    return F.avg_pool2d(full.unsqueeze(1), MASK_STRIDE).squeeze(1) >= 0.5
