"""`shapes_det`: small scenes of simple shapes with exact boxes, masks and classes.

A scene is smoothed noise with a few shapes on it. Disk and ring, square and diamond are easily
confused; unlabelled half discs and crosses look like objects. Shapes are drawn from signed
distances on the pixel grid of many images at once, so outlines are anti-aliased and masks exact.

A scene is drawn in two steps: :func:`sample_layout` decides what stands where (arrays, instant),
:func:`render` paints it. Chapters that need other scenes use the pieces: :func:`shape_distance`,
:func:`smooth_noise`, :func:`mosaic`.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.data.detections import GroundTruth
from eccvkit.errors import EccvkitError, unknown
from eccvkit.runtime import check_seed

CLASSES = ("disk", "ring", "square", "diamond", "triangle")
DISTRACTORS = ("half disc", "cross")
#: Random streams of one seed: no two of them share a number.
SPLITS = ("train", "val", "test")
#: Radius of a ring's hole, relative to the ring's.
HOLE = 0.55
#: How often a place is proposed for an object before the scene does without it.
_TRIES = 40


@dataclass(frozen=True)
class Layout:
    """What stands where: N scenes of at most M shapes, the largest first.

    Attributes
    ----------
    side : int
        Side of the square images in pixels.
    classes : tuple of str
        Names of the labels.
    box : (N, M, 4) float array
        x, y, width, height in pixels, tight around the whole shape; 0 in unused slots.
    kind : (N, M) int array
        Position in ``classes + DISTRACTORS``; -1 in unused slots.
    annotated : (N, M) bool array
        Objects with an annotation: no distractors, and none of the dropped ones.
    hue : (N, M) float array
        In [0, 1).
    """

    side: int
    classes: tuple[str, ...]
    box: np.ndarray
    kind: np.ndarray
    annotated: np.ndarray
    hue: np.ndarray

    def __len__(self) -> int:
        return len(self.box)

    def table(self) -> GroundTruth:
        """The annotated objects, without masks."""
        image, slot = np.nonzero(self.annotated)
        return GroundTruth(image, self.kind[image, slot], self.box[image, slot])


@dataclass(frozen=True)
class Scenes:
    """Rendered scenes.

    Attributes
    ----------
    images : Tensor (N, 3, side, side)
        float32 in [0, 1].
    instance : Tensor (N, side, side), uint8
        1 + slot of the annotated object that is visible at each pixel, 0 elsewhere.
    boxes : Tensor (N, M, 4)
        x, y, width, height in pixels; 0 in slots without an annotation.
    labels : Tensor (N, M), int64
        Position in ``classes``; -1 in slots without an annotation.
    classes : tuple of str
    """

    images: Tensor
    instance: Tensor
    boxes: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)

    def masks(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Visible masks (n, M, side, side), bool, of some scenes."""
        slots = torch.arange(1, self.labels.shape[1] + 1, device=self.instance.device)
        return self.instance[rows].unsqueeze(1) == slots[:, None, None]

    def table(self, masks: bool = False) -> GroundTruth:
        """The annotations as a table; with ``masks`` also the visible masks as run-length codes."""
        labels = self.labels.cpu().numpy()
        image, slot = np.nonzero(labels >= 0)
        codes = None
        if masks:
            instance = self.instance.cpu().numpy()
            codes = encode_masks(instance[i] == s + 1 for i, s in zip(image, slot))
        box = self.boxes.cpu().numpy()[image, slot].astype(np.float64)
        return GroundTruth(image, labels[image, slot], box, mask=codes)


def encode_masks(masks) -> list[dict]:
    """Run-length codes of an iterable of bool arrays (h, w)."""
    from pycocotools import mask as coco_mask

    return [coco_mask.encode(np.asfortranarray(m, np.uint8)) for m in masks]


def shapes_det(
    n: int,
    seed: int,
    split: str = "train",
    *,
    device: torch.device | str = "cpu",
    **options,
) -> Scenes:
    """``n`` rendered scenes; ``options`` are those of :func:`sample_layout`.

    Examples
    --------
    >>> scenes = shapes_det(8, seed=0)
    >>> tuple(scenes.images.shape), scenes.classes[:2]
    ((8, 3, 96, 96), ('disk', 'ring'))
    """
    layout = sample_layout(n, seed, split, **options)
    return render(layout, _stream(seed, split), device)


def sample_layout(
    n: int,
    seed: int,
    split: str = "train",
    *,
    side: int = 96,
    classes: Sequence[str] = CLASSES,
    density: tuple[int, int] = (3, 6),
    distractors: tuple[int, int] = (0, 3),
    size_range: tuple[float, float] = (8, 40),
    aspect_range: tuple[float, float] = (1, 1),
    same_class: float = 0.0,
    max_iou: float = 0.3,
    drop_ann: float = 0.0,
) -> Layout:
    """Decide what stands where.

    Parameters
    ----------
    n : int
        Scenes.
    seed, split : int, str
        Every pair of them is a random stream of its own; splits are "train", "val", "test".
    side : int
        Side of the images in pixels.
    classes : sequence of str
        Some of :data:`CLASSES`.
    density : (int, int)
        Least and largest number of objects, equally likely in between. A scene too crowded for all
        of them gets fewer.
    distractors : (int, int)
        The same for unlabelled half discs and crosses.
    size_range : (float, float)
        Pixels; the geometric mean of width and height is log-uniform in it.
    aspect_range : (float, float)
        Longer over shorter side, log-uniform; upright or lying with equal chance.
    same_class : float
        Chance that all objects of a scene have one class.
    max_iou : float
        Largest overlap of two boxes.
    drop_ann : float
        Share of the annotations to drop. The scenes stay as they are, so that two calls differ in
        their annotations alone.

    Raises
    ------
    EccvkitError
        An option out of range.
    UnknownName
        No such class or split.
    """
    for name in classes:
        if name not in CLASSES:
            raise unknown("class", name, CLASSES)
    low, high = size_range
    longest = high * math.sqrt(aspect_range[1])
    if not (0 < low <= high and 1 <= aspect_range[0] <= aspect_range[1] and longest <= side):
        raise EccvkitError(
            f"sizes {size_range} px with aspects {aspect_range} do not fit into images of {side} "
            "px: use smaller shapes or a larger side"
        )
    if not (0 <= drop_ann <= 1 and 0 <= same_class <= 1):
        raise EccvkitError(f"drop_ann={drop_ann} and same_class={same_class} are shares: use 0..1")
    rng = np.random.default_rng(_stream(seed, split))
    wanted = _counts(rng, n, density)
    extra = _counts(rng, n, distractors)
    slots = density[1] + distractors[1]
    place = np.arange(slots)
    is_object = place < wanted[:, None]
    is_distractor = (place >= density[1]) & (place < density[1] + extra[:, None])

    kind = rng.integers(0, len(classes), (n, slots))
    alike = rng.random(n) < same_class
    kind[alike] = kind[alike, :1]
    other = len(classes) + rng.integers(0, len(DISTRACTORS), (n, slots))
    kind = np.where(is_object, kind, np.where(is_distractor, other, -1))
    box = _place(rng, kind >= 0, _sizes(rng, (n, slots), size_range, aspect_range), side, max_iou)
    kind[box[..., 2] == 0] = -1
    hue = rng.random((n, slots))
    # The last draw: dropping annotations must not change anything else.
    annotated = (kind >= 0) & is_object & (rng.random((n, slots)) >= drop_ann)

    # Small shapes are drawn on top of large ones, so that all of them stay visible.
    largest_first = np.argsort(-box[..., 2] * box[..., 3], axis=1, kind="stable")

    def sort(a: np.ndarray) -> np.ndarray:
        order = largest_first[..., None] if a.ndim == 3 else largest_first
        return np.take_along_axis(a, order, axis=1)

    return Layout(side, tuple(classes), sort(box), sort(kind), sort(annotated), sort(hue))


def _stream(seed: int, split: str) -> int:
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    return len(SPLITS) * check_seed(seed) + SPLITS.index(split)


def _counts(rng: np.random.Generator, n: int, ends: tuple[int, int]) -> np.ndarray:
    low, high = ends
    if not 0 <= low <= high:
        raise EccvkitError(f"numbers of shapes {ends}: use 0 <= least <= largest")
    return rng.integers(low, high + 1, n)


def _sizes(rng, shape, size_range, aspect_range) -> np.ndarray:
    """Widths and heights (..., 2)."""
    size = np.exp(rng.uniform(*np.log(size_range), shape))
    stretch = np.exp(rng.uniform(*np.log(aspect_range), shape) / 2)
    stretch = np.where(rng.random(shape) < 0.5, stretch, 1 / stretch)
    return np.stack([size * stretch, size / stretch], axis=-1)


def _place(rng, wanted, sizes, side, max_iou) -> np.ndarray:
    """Boxes (N, M, 4) at random places; slot after slot, all scenes at once. 0: found no place."""
    n, slots = wanted.shape
    box = np.zeros((n, slots, 4))
    for slot in range(slots):
        open_ = np.flatnonzero(wanted[:, slot])
        for _ in range(_TRIES):
            size = sizes[open_, slot]
            corner = rng.random((len(open_), 2)) * (side - size)
            proposal = np.concatenate([corner, size], axis=-1)
            fits = (_iou(box[open_, :slot], proposal[:, None]) <= max_iou).all(axis=1)
            box[open_[fits], slot] = proposal[fits]
            open_ = open_[~fits]
            if not len(open_):
                break
    return box


def _iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Overlap of boxes (..., 4), broadcast."""
    low = np.maximum(a[..., :2], b[..., :2])
    high = np.minimum(a[..., :2] + a[..., 2:], b[..., :2] + b[..., 2:])
    both = np.maximum(high - low, 0).prod(axis=-1)
    return both / (a[..., 2:].prod(axis=-1) + b[..., 2:].prod(axis=-1) - both)


def render(layout: Layout, seed: int, device: torch.device | str = "cpu") -> Scenes:
    """Paint a layout; ``seed`` draws the backgrounds."""
    n, slots, side = len(layout), layout.kind.shape[1], layout.side
    generator = torch.Generator().manual_seed(seed)
    names = (*layout.classes, *DISTRACTORS)
    box = torch.as_tensor(layout.box, dtype=torch.float32, device=device)
    kind = torch.as_tensor(layout.kind, device=device)
    annotated = torch.as_tensor(layout.annotated, device=device)
    colour = torch.as_tensor(_colours(layout.hue), dtype=torch.float32, device=device)
    images = torch.empty(n, 3, side, side, device=device)
    instance = torch.zeros(n, side, side, dtype=torch.uint8, device=device)
    pixel = torch.arange(side, device=device) + 0.5
    for part in torch.arange(n).split(256):
        canvas = smooth_noise(len(part), side, generator).to(device)
        visible = torch.zeros(len(part), side, side, dtype=torch.uint8, device=device)
        for slot in range(slots):
            x, y, w, h = (v[:, None, None] for v in box[part, slot].unbind(-1))
            right, down = pixel - x - w / 2, pixel[:, None] - y - h / 2
            distance = torch.full((len(part), side, side), torch.inf, device=device)
            for k, name in enumerate(names):
                mine = kind[part, slot] == k
                own = (v[mine] for v in (right, down, w / 2, h / 2))
                distance[mine] = shape_distance(name, *own)
            cover = (0.5 - distance).clamp(0, 1).unsqueeze(1)
            canvas += cover * (colour[part, slot][:, :, None, None] - canvas)
            value = torch.where(annotated[part, slot], slot + 1, 0).to(torch.uint8)
            visible = torch.where(distance < 0, value[:, None, None], visible)
        images[part], instance[part] = canvas, visible
    shown = annotated.unsqueeze(-1)
    boxes = torch.where(shown, box, 0.0)
    labels = torch.where(annotated, kind, -1)
    return Scenes(images, instance, boxes, labels, layout.classes)


def shape_distance(name: str, x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Signed distance to a shape's outline in pixels, negative inside, exact enough near it.

    Parameters
    ----------
    name : str
        One of :data:`CLASSES` or :data:`DISTRACTORS`.
    x, y : Tensor
        Position right of and below the centre of the shape's box, in pixels.
    a, b : Tensor
        Half of the width and of the height.

    Raises
    ------
    UnknownName
        No such shape.
    """
    if name == "disk":
        return _ellipse(x, y, a, b)
    if name == "ring":
        return torch.maximum(_ellipse(x, y, a, b), -_ellipse(x, y, HOLE * a, HOLE * b))
    if name == "square":
        return _rectangle(x, y, a, b)
    if name == "diamond":
        return (x.abs() / a + y.abs() / b - 1) / (1 / a**2 + 1 / b**2).sqrt()
    if name == "triangle":
        slope = a / (2 * b)
        edge = (x.abs() - slope * (y + b)) / (1 + slope**2).sqrt()
        return torch.maximum(edge, y - b)
    if name == "half disc":
        return torch.maximum(_ellipse(x, y, a, b), y)
    if name == "cross":
        return torch.minimum(_rectangle(x, y, a, b / 3), _rectangle(x, y, a / 3, b))
    raise unknown("shape", name, (*CLASSES, *DISTRACTORS))


def _ellipse(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """First-order distance: the implicit function over the length of its gradient."""
    value = torch.hypot(x / a, y / b)
    return value * (value - 1) / torch.hypot(x / a**2, y / b**2).clamp(min=1e-6)


def _rectangle(x: Tensor, y: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.maximum(x.abs() - a, y.abs() - b)


def smooth_noise(n: int, side: int, generator: torch.Generator, cells: int = 6) -> Tensor:
    """Backgrounds (n, 3, side, side) in [0, 1]: enlarged coarse noise plus a little fine noise."""
    coarse = torch.rand(n, 3, cells, cells, generator=generator)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    fine = 0.04 * torch.randn(n, 3, side, side, generator=generator)
    return (0.25 + 0.5 * smooth + fine).clamp(0, 1)


def _colours(hue: np.ndarray) -> np.ndarray:
    """Saturated colours (..., 3) from hues in [0, 1)."""
    wheel = np.array([colorsys.hsv_to_rgb(h, 0.85, 0.95) for h in np.arange(360) / 360])
    return wheel[(hue * 360).astype(int)]


def mosaic(scenes: Scenes) -> Scenes:
    """Join every four scenes to one of twice the side: more objects, all of them seen before.

    Raises
    ------
    EccvkitError
        The number of scenes is no multiple of four.
    """
    n, side, slots = len(scenes), scenes.images.shape[-1], scenes.labels.shape[1]
    if n % 4:
        raise EccvkitError(f"a mosaic takes four scenes each, {n} are given: use a multiple of 4")

    def join(tiles: Tensor) -> Tensor:
        """(4 n, ..., side, side) to (n, ..., 2 side, 2 side), row by row."""
        tiles = tiles.reshape(-1, 2, 2, *tiles.shape[1:])
        rows = torch.cat(tiles.unbind(2), dim=-1)
        return torch.cat(rows.unbind(1), dim=-2)

    place = torch.arange(n, device=scenes.boxes.device) % 4
    corner = side * torch.stack([place % 2, place // 2], dim=-1)
    shift = F.pad(corner, (0, 2))[:, None] * (scenes.labels >= 0).unsqueeze(-1)
    offset = (place * slots)[:, None, None].to(torch.uint8)
    instance = torch.where(scenes.instance > 0, scenes.instance + offset, 0)
    return replace(
        scenes,
        images=join(scenes.images),
        instance=join(instance),
        boxes=(scenes.boxes + shift).reshape(-1, 4 * slots, 4),
        labels=scenes.labels.reshape(-1, 4 * slots),
    )
