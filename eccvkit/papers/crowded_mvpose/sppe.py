"""The 2D network: one person per crop, one map per joint, extra weight on the feet (Sect. 3.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from eccvkit.data.capsules import dress, render, shrink
from eccvkit.data.crops import crop_images, fit_boxes, from_crop, to_crop
from eccvkit.data.crowd import Crowd, ViewDetections
from eccvkit.data.people import BODY, JOINTS
from eccvkit.errors import DataError, EccvkitError
from eccvkit.nn.heatmaps import HeatmapHead, decode_heatmaps, gaussian_targets

#: mu of Eq. 1, as in the paper.
ATTENTION = 0.5
#: Joints of the body and of the feet: I and 6 of Eq. 1.
N_FEET = len(JOINTS) - BODY
#: Crops that the network looks at together when it is not trained.
_BATCH = 256


def foot_weighted_loss(
    maps: Tensor, own: Tensor, others: Tensor, weight: float, attention: float = ATTENTION
) -> Tensor:
    r"""Eq. 1: squared errors of the maps, those of the feet weighted by lambda.

    .. math:: \mathcal L=\frac1{I+6\lambda}\Bigl\{\sum_{i\le I}\mathrm{MSE}[P^i,T^i+\mu C^i]
              +\lambda\sum_{i=I+1}^{I+6}\mathrm{MSE}[P^i,T^i+\mu C^i]\Bigr\}

    The printed second sum ends at I + 7; there are six joints, and the factor in front says so too.

    Parameters
    ----------
    maps : Tensor
        (B, I + 6, H, W), P.
    own, others : Tensor
        The same shape: T, the joints of the person, and C, the same joints of other people inside
        the box.
    weight : float
        lambda; 1 treats all joints alike.
    attention : float
        mu in [0, 1].
    """
    if maps.shape != own.shape or maps.shape != others.shape or maps.shape[1] <= N_FEET:
        raise DataError(
            f"foot_weighted_loss: maps {tuple(maps.shape)}, targets {tuple(own.shape)} and "
            f"{tuple(others.shape)}; give three of the shape (B, joints and {N_FEET} on feet, H, W)"
        )
    if not weight >= 0 or not 0 <= attention <= 1:
        raise EccvkitError(
            f"foot_weighted_loss: weight is {weight} and attention {attention}; use a weight of at "
            "least 0 and an attention in [0, 1]"
        )
    per_joint = (maps - own - attention * others).square().mean(dim=(0, 2, 3))
    body, feet = per_joint[:-N_FEET], per_joint[-N_FEET:]
    return (body.sum() + weight * feet.sum()) / (len(body) + N_FEET * weight)


class SPPE(nn.Module):
    """Single-person pose estimator: convolutions down to 1/16, transposed ones back up to 1/4.

    What comes back up is joined by the features of the same size on the way down. Without these
    skips one map of 4 x 3 pixels would have to tell where 23 joints are, to less than its pixel.

    Parameters
    ----------
    widths : sequence of int
        Channels of the convolutional stages; each halves the sides.
    deconv : sequence of int
        Channels of the transposed convolutions, fewer than stages; each doubles the sides.
    joints : int
    """

    def __init__(self, widths: Sequence[int], deconv: Sequence[int], joints: int = len(JOINTS)):
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(_conv(a, b, 3, stride=2), _conv(b, b, 3)) for a, b in pairwise(widths)
        )
        self.stages.insert(0, _conv(3, widths[0], 5, stride=2))
        skips = widths[-2 : -2 - len(deconv) : -1]
        self.head = HeatmapHead(widths[-1], deconv, joints, skips)
        self.stride = 2 ** (len(widths) - len(deconv))

    def forward(self, crops: Tensor) -> Tensor:
        """Maps (B, joints, H / stride, W / stride) of crops (B, 3, H, W) in [0, 1]."""
        features = [crops - 0.5]
        for stage in self.stages:
            features.append(stage(features[-1]))
        below = features[-2 : -2 - len(self.head.ups) : -1]
        return self.head(features[-1], below)


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and ReLU; a stride takes less time than pooling."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


@dataclass(frozen=True)
class Crops:
    """Crops of people, and what the maps should be.

    Attributes
    ----------
    images : Tensor
        (n, 3, H, W) in [0, 1].
    own, others : Tensor
        (n, 23, h, w): T and C of Eq. 1.
    boxes : Tensor
        (n, 4) what the crops show, in pixels of the view.
    joints : Tensor
        (n, 23, 2) in pixels of the view.
    """

    images: Tensor
    own: Tensor
    others: Tensor
    boxes: Tensor
    joints: Tensor

    def __len__(self) -> int:
        return len(self.images)


def cut_crops(
    crowds: Sequence[Crowd],
    size: tuple[int, int],
    stride: int,
    rng: np.random.Generator,
    *,
    factor: float = 3.0,
    sigma: float = 1.0,
    jitter: float = 0.0,
) -> list[list[Crops]]:
    """Render the views of crowds and cut out every person, in the order of the crowd.

    Parameters
    ----------
    crowds : sequence of Crowd
    size : (int, int)
        Height and width of a crop.
    stride : int
        Of the maps.
    rng : numpy.random.Generator
        Draws clothes, pixel noise and jitter.
    factor : float
        By which the rendered views are smaller than the cameras' images.
    sigma : float
        Of the Gaussians, in pixels of the map.
    jitter : float
        Shift of the boxes relative to their height, standard deviation.

    Returns
    -------
    list of list of Crops
        One list per crowd, one entry per view.
    """
    maps = (size[0] // stride, size[1] // stride)
    found = []
    for crowd in crowds:
        clothes = dress(len(crowd), rng)
        views = []
        for camera, pixels, boxes in zip(crowd.cameras, crowd.pixels, crowd.boxes):
            picture = render(shrink(camera, factor), crowd.joints, clothes, rng)
            image = torch.from_numpy(picture.image).permute(2, 0, 1)
            joints = torch.from_numpy(pixels)
            frames = fit_boxes(torch.from_numpy(boxes), size)
            shift = jitter * torch.from_numpy(rng.standard_normal((len(frames), 2)))
            frames[:, :2] += shift * frames[:, 3:]
            # Boxes in pixels of the smaller picture; edges scale about the corner, not the centre.
            small = torch.cat([(frames[:, :2] + 0.5) / factor - 0.5, frames[:, 2:] / factor], 1)
            own, others = _targets(joints, frames, maps, sigma)
            views.append(Crops(crop_images(image, small, size), own, others, frames, joints))
        found.append(views)
    return found


def _targets(
    joints: Tensor, frames: Tensor, maps: tuple[int, int], sigma: float
) -> tuple[Tensor, Tensor]:
    """T and C (n, 23, h, w) of everybody in one view."""
    count = len(joints)
    own, others = (torch.empty(count, joints.shape[1], *maps) for _ in range(2))
    # Person by person: all pairs at once would take much memory for a moment.
    for k, frame in enumerate(frames):
        places = to_crop(joints, frame.expand(count, 4), maps).float()
        edge = places.new_tensor([maps[1], maps[0]]) - 0.5
        inside = ((places > -0.5) & (places < edge)).all(dim=-1)
        drawn = gaussian_targets(places, maps, sigma, inside)
        own[k] = drawn[k]
        drawn[k] = 0
        others[k] = drawn.amax(dim=0)
    return own, others


def join_crops(parts: Sequence[Crops]) -> Crops:
    """Crops of several views as one set."""
    fields = ("images", "own", "others", "boxes", "joints")
    return Crops(*(torch.cat([getattr(part, name) for part in parts]) for name in fields))


@torch.no_grad()
def predict(net: SPPE, crops: Crops) -> tuple[Tensor, Tensor]:
    """Joints (n, 23, 2) in pixels of the view, and heights of the peaks (n, 23) in [0, 1]."""
    net.eval()
    device = next(net.parameters()).device
    points, peaks = [], []
    for images in crops.images.split(_BATCH):
        maps = net(images.to(device)).float().cpu()
        place, height = decode_heatmaps(maps)
        points.append(place)
        peaks.append(height)
    size = tuple(maps.shape[-2:])
    joints = from_crop(torch.cat(points).double(), crops.boxes, size)
    return joints, torch.cat(peaks).double().clamp(0, 1)


def detect_with(
    net: SPPE, views: Sequence[Crops], rng: np.random.Generator, miss: float
) -> list[ViewDetections]:
    """Detections of one crowd by the network, in shuffled order, some people missed.

    Boxes are given, as those of a perfect person detector that overlooks a share ``miss``.
    """
    found = []
    for crops in views:
        joints, peaks = (part.numpy() for part in predict(net, crops))
        missed, order = rng.random(len(crops)), rng.permutation(len(crops))
        kept = order[missed[order] >= miss]
        boxes = crops.boxes.numpy()[kept]
        found.append(ViewDetections(joints[kept], peaks[kept], boxes, kept))
    return found
