"""TinyShapes: coloured, textured shapes on cluttered ground, with exact labels.

Ten outlines times ten textures. One picture shows one shape in a random place, size and rotation,
filled with a texture of two colours, before a smooth background with two blobs, under pixel noise.

TinyShapes-10
    The label is the outline; the texture is a nuisance.
TinyShapes-100
    The label is the pair of outline and texture. Shapes turn by 10 degrees at most instead of 30,
    so that horizontal, vertical and diagonal stripes stay apart. Meant for 24 pixels or more.

Both labellings have the same kind of picture, so that a network trained on the first can be tried
on the second. Image ``i`` does not depend on how many are drawn, training and test sets come from
separate streams of random numbers, and the classes are as balanced as their number allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.data.shape_outlines import OUTLINES
from eccvkit.errors import EccvkitError, unknown

SHAPES = tuple(OUTLINES)
TEXTURES = (
    "solid",
    "horizontal stripes",
    "vertical stripes",
    "diagonal stripes",
    "checker",
    "dots",
    "gradient",
    "rings",
    "speckle",
    "two-tone",
)
#: Sets that never share an image.
PARTS = ("train", "test")
#: Largest rotation in degrees, by the number of classes.
ROTATION = {10: 30.0, 100: 10.0}
#: Displacement of the centre, radius of the shape and period of its texture, in image sides.
JITTER, RADIUS, PERIOD = 0.15, (0.22, 0.40), (0.18, 0.25)
#: Smallest difference in luminance of any two of background, first and second colour.
CONTRAST = 0.2
#: Weights of red, green and blue in the luminance (Rec. 601).
LUMINANCE = (0.299, 0.587, 0.114)
#: Standard deviations of the smooth background and of the pixel noise.
CLUTTER, NOISE = 0.1, 0.12
#: Radius of the blobs behind the shape, in image sides.
BLOBS, BLOB_RADIUS = 2, (0.05, 0.10)
#: Images rendered at once: bounds the memory.
_CHUNK = 1024


@dataclass(frozen=True)
class TinyShapes:
    """Images with their labels.

    Attributes
    ----------
    images : Tensor
        (n, 3, S, S) float32 in [0, 1].
    labels : Tensor
        (n,) int64: index in :data:`SHAPES`, or ten times that plus index in :data:`TEXTURES`.
    shapes, textures : Tensor
        (n,) int64, both known whatever the label is.
    names : tuple of str
        Names of the classes.
    """

    images: Tensor
    labels: Tensor
    shapes: Tensor
    textures: Tensor
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Scenes:
    """Everything that n pictures show, apart from pixel noise; lengths are in image sides.

    Attributes
    ----------
    shapes, textures : Tensor
        (n,) int64.
    centre : Tensor
        (n, 2), right and down of the middle of the image.
    radius, angle, period : Tensor
        (n,); the angle in radians, clockwise; the period is the texture's.
    phase : Tensor
        (n, 2) in [0, 1): where the texture starts.
    colours : Tensor
        (n, 3, 3): background, first and second colour of the texture, each RGB.
    clutter : Tensor
        (n, 3, 4, 4): coarse grid of the smooth background, to be added to its colour.
    blobs : Tensor
        (n, BLOBS, 6): position, radius and colour of the blobs.
    """

    shapes: Tensor
    textures: Tensor
    centre: Tensor
    radius: Tensor
    angle: Tensor
    period: Tensor
    phase: Tensor
    colours: Tensor
    clutter: Tensor
    blobs: Tensor

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: slice | Tensor) -> Scenes:
        return Scenes(*(getattr(self, field.name)[index] for field in fields(self)))


def tinyshapes(
    n: int,
    size: int = 24,
    *,
    classes: int = 100,
    part: str = "train",
    seed: int = 0,
    rotation: float | None = None,
    noise: float = NOISE,
) -> TinyShapes:
    """Draw TinyShapes-10 or TinyShapes-100.

    Parameters
    ----------
    n : int
        Number of images.
    size : int
        Side S in pixels, at least 8.
    classes : {10, 100}
    part : {"train", "test"}
        Which stream of random numbers.
    seed : int
        Same arguments, same images; a larger ``n`` only appends.
    rotation : float, optional
        Largest rotation in degrees; :data:`ROTATION` if not given.
    noise : float
        Standard deviation of Gaussian noise on every pixel; the sum is cut to [0, 1].

    Raises
    ------
    EccvkitError
        An argument out of range.
    UnknownName
        ``part`` is none of the two.

    Examples
    --------
    >>> data = tinyshapes(200, classes=100)
    >>> data.images.shape, torch.bincount(data.labels).unique()
    (torch.Size([200, 3, 24, 24]), tensor([2]))
    """
    if size < 8 or not noise >= 0 or seed < 0:
        raise EccvkitError(
            f"tinyshapes: size={size}, noise={noise}, seed={seed}; use at least 8 pixels, and no "
            "noise or seed below 0"
        )
    scenes = sample_scenes(n, classes=classes, part=part, seed=seed, rotation=rotation)
    images = render(scenes, size)
    if noise:
        rng = _stream(seed, part, "noise")
        for some in images.split(_CHUNK):
            some += noise * torch.from_numpy(rng.standard_normal(some.shape, dtype=np.float32))
    labels, names = scenes.shapes, SHAPES
    if classes == 100:
        labels = 10 * scenes.shapes + scenes.textures
        names = tuple(f"{shape}, {texture}" for shape in SHAPES for texture in TEXTURES)
    return TinyShapes(images.clamp_(0, 1), labels, scenes.shapes, scenes.textures, names)


def sample_scenes(
    n: int,
    *,
    classes: int = 100,
    part: str = "train",
    seed: int = 0,
    rotation: float | None = None,
) -> Scenes:
    """Draw what the pictures of :func:`tinyshapes` show; same parameters, same errors."""
    if n < 1 or classes not in ROTATION:
        raise EccvkitError(f"tinyshapes: n={n}, classes={classes}; use n of 1 or more, 10 or 100")
    if part not in PARTS:
        raise unknown("part", part, PARTS)

    def uniform(name: str, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        values = _stream(seed, part, name).random((n, *shape))
        return torch.from_numpy(low + (high - low) * values).float()

    # Every run of ``classes`` images shows each class once, in random order.
    rounds = math.ceil(n / classes)
    order = _stream(seed, part, "labels").random((rounds, classes)).argsort(axis=1)
    labels = torch.from_numpy(order.reshape(-1)[:n])
    free = (uniform("textures") * len(TEXTURES)).long()
    turn = math.radians(ROTATION[classes] if rotation is None else rotation)
    blobs = torch.cat(
        [
            uniform("blob places", BLOBS, 2, low=-0.5, high=0.5),
            uniform("blob radii", BLOBS, 1, low=BLOB_RADIUS[0], high=BLOB_RADIUS[1]),
            uniform("blob colours", BLOBS, 3),
        ],
        dim=2,
    )
    clutter = _stream(seed, part, "clutter").standard_normal((n, 3, 4, 4))
    return Scenes(
        shapes=labels // 10 if classes == 100 else labels,
        textures=labels % 10 if classes == 100 else free,
        centre=uniform("centre", 2, low=-JITTER, high=JITTER),
        radius=uniform("radius", low=RADIUS[0], high=RADIUS[1]),
        angle=uniform("angle", low=-turn, high=turn),
        period=uniform("period", low=PERIOD[0], high=PERIOD[1]),
        phase=uniform("phase", 2),
        colours=_colours(uniform("luminance", 3), uniform("order", 3), uniform("hues", 3, 3)),
        clutter=CLUTTER * torch.from_numpy(clutter).float(),
        blobs=blobs,
    )


def specimens(size: int = 48) -> Tensor:
    """All 100 combinations, clean and upright: (100, 3, size, size), in the order of the labels."""
    classes = torch.arange(100)
    scenes = sample_scenes(100)
    plain = torch.tensor([[0.93, 0.93, 0.93], [0.0, 0.45, 0.70], [0.95, 0.75, 0.25]])
    zeros = torch.zeros(100)
    scenes = replace(
        scenes,
        shapes=classes // 10,
        textures=classes % 10,
        centre=torch.zeros(100, 2),
        radius=zeros + 0.42,
        angle=zeros,
        period=zeros + 0.21,
        phase=torch.zeros(100, 2) + 0.25,
        colours=plain.expand(100, 3, 3),
        clutter=torch.zeros(100, 3, 4, 4),
        blobs=torch.zeros(100, BLOBS, 6) - 1.0,  # A negative radius shows nothing.
    )
    return render(scenes, size)


def render(scenes: Scenes, size: int) -> Tensor:
    """Pictures (n, 3, size, size) of scenes, float32, without noise and not yet cut to [0, 1]."""
    middle = (torch.arange(size) + 0.5) / size - 0.5
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    parts = [
        _render(scenes[start : start + _CHUNK], x, y, size)
        for start in range(0, len(scenes), _CHUNK)
    ]
    return torch.cat(parts)


def _render(scenes: Scenes, x: Tensor, y: Tensor, size: int) -> Tensor:
    background, first, second = scenes.colours[..., None, None].unbind(1)
    smooth = F.interpolate(scenes.clutter, size=(size, size), mode="bilinear", align_corners=False)
    image = background + smooth
    for blob in scenes.blobs[..., None, None].unbind(1):
        distance = torch.hypot(x - blob[:, 0], y - blob[:, 1]) - blob[:, 2]
        image = image.lerp(blob[:, 3:], _coverage(distance * size).unsqueeze(1))

    # Coordinates that move and turn with the shape.
    dx, dy = (x - scenes.centre[:, 0, None, None], y - scenes.centre[:, 1, None, None])
    cos, sin = (f(scenes.angle)[:, None, None] for f in (torch.cos, torch.sin))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    inside, tone = torch.empty_like(u), torch.empty_like(u)
    for k, outline in enumerate(OUTLINES.values()):
        own = (scenes.shapes == k).nonzero().squeeze(1)
        radius = scenes.radius[own, None, None]
        inside[own] = _coverage(outline(u[own] / radius, v[own] / radius) * radius * size)
    for k, texture in enumerate(TEXTURES):
        own = (scenes.textures == k).nonzero().squeeze(1)
        tone[own] = _tone(texture, scenes[own], u[own], v[own], 1 / size)
    fill = first.lerp(second, tone.unsqueeze(1))
    return image.lerp(fill, inside.unsqueeze(1))


def _coverage(distance: Tensor) -> Tensor:
    """How much of a pixel lies inside, from its signed distance in pixels."""
    return (0.5 - distance).clamp(0, 1)


def _tone(texture: str, scenes: Scenes, u: Tensor, v: Tensor, pixel: float) -> Tensor:
    """Share of the second colour, 0 to 1, at positions (n, S, S) of the shape's own frame.

    ``pixel`` is the side of a pixel: edges between the colours are that wide.
    """
    period = scenes.period[:, None, None]
    phase_u, phase_v = (period * p[:, None, None] for p in scenes.phase.unbind(1))

    def stripes(position: Tensor) -> Tensor:
        slope = period / (2 * math.pi * pixel)
        return (0.5 + slope * torch.sin(2 * math.pi * position / period)).clamp(0, 1)

    if texture == "solid":
        return torch.zeros_like(u)
    if texture == "horizontal stripes":
        return stripes(v + phase_v)
    if texture == "vertical stripes":
        return stripes(u + phase_u)
    if texture == "diagonal stripes":
        return stripes((u + v) / math.sqrt(2) + phase_u)
    if texture == "checker":
        a, b = stripes(u + phase_u), stripes(v + phase_v)
        return a + b - 2 * a * b
    if texture == "dots":
        a, b = ((p + shift) / period for p, shift in ((u, phase_u), (v, phase_v)))
        nearest = torch.hypot(a - a.round(), b - b.round())
        return _coverage((nearest - 0.32) * period / pixel)
    if texture == "gradient":
        return (torch.hypot(u, v) / scenes.radius[:, None, None]).clamp(0, 1)
    if texture == "rings":
        return stripes(torch.hypot(u, v) + phase_u)
    if texture == "speckle":
        cell_u, cell_v = (
            torch.floor(2 * (p + shift) / period) for p, shift in ((u, phase_u), (v, phase_v))
        )
        return _coin(cell_u, cell_v, scenes.phase[:, :1, None])
    return _coverage(u / pixel)  # two-tone


def _coin(a: Tensor, b: Tensor, salt: Tensor) -> Tensor:
    """A fair coin, 0 or 1, for each pair of whole numbers: always the same for the same pair."""
    key = a.long() * 73_856_093 + b.long() * 19_349_663 + (salt * 1e6).long() * 83_492_791
    for _ in range(2):
        key = (key ^ (key >> 15)) * 0x45D9F3B & 0xFFFFFFFF
    return (key >> 16 & 1).float()


def _colours(spread: Tensor, order: Tensor, hues: Tensor) -> Tensor:
    """Three colours (n, 3, RGB) whose luminances differ by at least :data:`CONTRAST`.

    Parameters
    ----------
    spread, order : Tensor
        (n, 3) uniform numbers: they place the luminances, and decide which colour gets which.
    hues : Tensor
        (n, 3, 3) uniform numbers.
    """
    room = 0.9 - 2 * CONTRAST
    steps = CONTRAST * torch.arange(3)
    luminance = (0.05 + room * spread.sort(dim=1).values + steps).gather(1, order.argsort(dim=1))
    luminance = luminance.unsqueeze(2)
    chroma = hues - (hues * torch.tensor(LUMINANCE)).sum(dim=2, keepdim=True)
    # Keep as much of the hue as fits between black and white.
    room = torch.where(chroma > 0, (1 - luminance) / chroma, -luminance / chroma)
    return (luminance + chroma * room.amin(dim=2, keepdim=True).clamp(max=1)).clamp(0, 1)


def _stream(seed: int, part: str, name: str) -> np.random.Generator:
    """One independent stream of random numbers per seed, part and quantity."""
    return np.random.default_rng([seed, PARTS.index(part), *name.encode()])
