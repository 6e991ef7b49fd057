"""Pairs of images with exact correspondences: a crop, and the same scene under a homography.

The sources are bundled photographs and procedural textures. **They are split by source image**:
no crop of a photograph that training sees is ever in the test, since crops of one photograph share
its objects, light and grain.

**Pixel centres.** A point is ``(x, y)``, x to the right, and whole numbers are the centres of
pixels: an image of width W covers [-0.5, W - 0.5]. An image that is s times smaller therefore has
the same point at ``(x + 0.5) / s - 0.5``. Homographies act on ``(x, y, 1)``; tensors are indexed
``[row, column] = [y, x]``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.data.bundled import photo
from eccvkit.data.procedural_textures import texture
from eccvkit.errors import EccvkitError, unknown
from eccvkit.runtime import check_seed

#: Photographs by part; "china" and "flower" come from scikit-learn, the others from scikit-image.
PHOTOS = {
    "train": (
        "astronaut", "brick", "chelsea", "china", "coins", "grass", "immunohistochemistry",
        "page", "rocket",
    ),
    "test": ("camera", "coffee", "flower", "gravel", "text"),
}  # fmt: skip
#: Share of the pairs whose source is a photograph, and of those with repeated tiles.
PHOTO_SHARE, TILE_SHARE = 0.5, 0.2
#: What a source is cut to: this many times the side of an image, so that the second image still
#: shows the scene where it looks beyond the first.
CANVAS = 2
#: Ranges of the viewpoint change: corners move by a share of the side, degrees, factor.
JITTER, ROTATION, SCALE = 0.18, 25.0, (0.7, 1.4)
#: Ranges of the change of light on the second image, and how often it is night there.
GAMMA, GAIN, BLUR, NOISE, NIGHT_SHARE = (0.4, 2.5), (0.8, 1.2), (0.0, 1.2), 0.02, 0.3
#: A correspondence counts when it falls at least this many pixels inside the second image.
BORDER = 4.0
KINDS = ("illum", "view")


@dataclass(frozen=True)
class Pairs:
    """Pairs of images related by homographies.

    Attributes
    ----------
    first, second : Tensor
        (N, 3, H, W) in [0, 1]; the second image may have another size than the first.
    homographies : Tensor
        (N, 3, 3) float64, from pixels of the first image to pixels of the second.
    """

    first: Tensor
    second: Tensor
    homographies: Tensor

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, index: slice) -> Pairs:
        return Pairs(self.first[index], self.second[index], self.homographies[index])

    def to(self, device: torch.device | str) -> Pairs:
        """The same pairs on a device; homographies stay on the CPU, in float64."""
        return Pairs(self.first.to(device), self.second.to(device), self.homographies)

    def truth(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Where points (N, K, 2) of the first image lie in the second, and where that is known.

        Returns
        -------
        located : Tensor
            (N, K, 2) of the type and device of ``points``; may lie outside of the second image.
        known : Tensor of bool
            (N, K), all True: a homography says it for every point.
        """
        located = project(self.homographies, points.cpu().double()).to(points)
        return located, torch.ones(points.shape[:-1], dtype=torch.bool, device=points.device)


def homography_pairs(
    n: int, size: int = 64, *, part: str = "train", kind: str = "view", seed: int = 0
) -> Pairs:
    """Draw pairs; the second image always has another light, with "view" another viewpoint too.

    Parameters
    ----------
    n, size : int
        Number of pairs, and side of the square images (at least 16).
    part : {"train", "test"}
        Which photographs; textures of the two parts come from different random streams.
    kind : {"view", "illum"}
        As the ``v_*`` and ``i_*`` sequences of HPatches; "illum" has identity homographies.
    seed : int

    Raises
    ------
    UnknownName
        No such part or kind.
    EccvkitError
        ``n`` or ``size`` is too small.

    Examples
    --------
    >>> pairs = homography_pairs(2, 32, part="test", kind="illum")
    >>> pairs.first.shape, bool((pairs.homographies == torch.eye(3)).all())
    (torch.Size([2, 3, 32, 32]), True)
    """
    if part not in PHOTOS:
        raise unknown("part", part, PHOTOS)
    if kind not in KINDS:
        raise unknown("kind of pairs", kind, KINDS)
    if n < 1 or size < 16:
        raise EccvkitError(f"homography_pairs: n={n}, size={size}; use n >= 1 and size >= 16")
    stream = [check_seed(seed), list(PHOTOS).index(part), KINDS.index(kind)]
    rng = np.random.default_rng(stream)
    draw = torch.Generator().manual_seed(int(rng.integers(2**62)))
    canvases = torch.from_numpy(np.stack([_canvas(CANVAS * size, part, rng) for _ in range(n)]))
    canvases = canvases.permute(0, 3, 1, 2).contiguous()
    offset = (CANVAS - 1) * size // 2
    first = canvases[:, :, offset : offset + size, offset : offset + size].contiguous()
    if kind == "illum":
        homographies = torch.eye(3, dtype=torch.float64).repeat(n, 1, 1)
    else:
        homographies = random_homographies(n, size, draw)
    from_canvas = torch.eye(3, dtype=torch.float64)
    from_canvas[:2, 2] = -offset
    second = change_light(warp(canvases, homographies @ from_canvas, (size, size)), draw)
    return Pairs(first, second, homographies)


@cache
def _photo(name: str) -> np.ndarray:
    if name in ("china", "flower"):
        from sklearn.datasets import load_sample_image

        return load_sample_image(f"{name}.jpg")
    return np.round(255 * photo(name)).astype(np.uint8)


def _canvas(side: int, part: str, rng: np.random.Generator) -> np.ndarray:
    """A square piece of a source (side, side, 3), scaled down with an antialiasing filter."""
    from PIL import Image

    chance = rng.uniform()
    if chance >= PHOTO_SHARE:
        plain = ("noise", "cells", "strokes")
        repeated = chance >= 1 - TILE_SHARE
        return texture("tiles" if repeated else plain[rng.integers(3)], side, rng)
    image = _photo(PHOTOS[part][rng.integers(len(PHOTOS[part]))])
    whole = min(image.shape[:2])
    cut = round(math.exp(rng.uniform(math.log(min(side, whole)), math.log(whole))))
    top, left = (int(rng.integers(s - cut + 1)) for s in image.shape[:2])
    piece = Image.fromarray(image[top : top + cut, left : left + cut])
    piece = piece.resize((side, side), Image.Resampling.BILINEAR)
    return np.rot90(np.asarray(piece, dtype=np.float32) / 255, rng.integers(4)).copy()


# ---- geometry --------------------------------------------------------------------------


def project(homographies: Tensor, points: Tensor) -> Tensor:
    """Map points (..., K, 2) by homographies (..., 3, 3).

    Points on or behind the horizon of a homography have no image; they become infinite.
    """
    ones = torch.ones_like(points[..., :1])
    mapped = torch.cat([points, ones], dim=-1) @ homographies.to(points).mT
    depth = mapped[..., 2:]
    return torch.where(depth > 0, mapped[..., :2] / depth, math.inf)


def inside(points: Tensor, size: tuple[int, int], border: float = 0.0) -> Tensor:
    """Which points (..., 2) lie at least ``border`` pixels inside an image of (height, width)."""
    height, width = size
    far = points.new_tensor([width - 1, height - 1]) - border
    return ((points >= border) & (points <= far)).all(dim=-1)


def random_homographies(
    n: int,
    size: int,
    generator: torch.Generator,
    *,
    jitter: float = JITTER,
    rotation: float = ROTATION,
    scale: tuple[float, float] = SCALE,
) -> Tensor:
    """Homographies (n, 3, 3) of images of side ``size``, float64.

    The corners turn about the centre, are scaled (uniformly in the logarithm), and then each moves
    by up to ``jitter`` of the scaled side in x and in y. Up to 0.25 the corners stay convex.

    Parameters
    ----------
    rotation : float
        Largest angle in degrees, either way.
    """
    if not 0 <= jitter <= 0.25:
        raise EccvkitError(f"random_homographies: jitter is {jitter}; use 0 to 0.25")

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=generator, dtype=torch.float64) - 1

    half = size / 2
    corners = half * torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=torch.float64)
    angle = math.radians(rotation) * uniform(n)
    low, high = math.log(scale[0]), math.log(scale[1])
    factor = torch.exp(low + (high - low) * (uniform(n) + 1) / 2)
    cos, sin = torch.cos(angle), torch.sin(angle)
    turn = torch.stack([cos, -sin, sin, cos], dim=-1).reshape(n, 2, 2)
    moved = corners @ turn.mT + jitter * size * uniform(n, 4, 2)
    centre = (size - 1) / 2
    return homographies_from_corners(
        (corners + centre).expand(n, 4, 2), factor[:, None, None] * moved + centre
    )


def homographies_from_corners(source: Tensor, target: Tensor) -> Tensor:
    """Homographies (n, 3, 3) that map four points (n, 4, 2) each onto four others, exactly."""
    n = len(source)
    x, y = source.unbind(-1)
    u, v = target.unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    # u (g x + h y + 1) = a x + b y + c, and the same for v: two rows for each point.
    rows_u = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=-1)
    rows_v = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=-1)
    solved = torch.linalg.solve(torch.cat([rows_u, rows_v], dim=1), torch.cat([u, v], dim=1))
    return torch.cat([solved, solved.new_ones(n, 1)], dim=1).reshape(n, 3, 3)


def warp(images: Tensor, homographies: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, C, height, width) whose pixel q shows what the input has at ``H^-1 q``.

    Bilinear; what lies beyond the input is its mirror image.

    Parameters
    ----------
    images : Tensor
        (N, C, H, W)
    homographies : Tensor
        (N, 3, 3), from pixels of the input to pixels of the output.
    size : (int, int)
        Height and width of the output.
    """
    height, width = size
    y, x = torch.meshgrid(
        torch.arange(height, dtype=torch.float64),
        torch.arange(width, dtype=torch.float64),
        indexing="ij",
    )
    pixels = torch.stack([x, y], dim=-1).reshape(1, -1, 2)
    back = torch.linalg.inv(homographies.double().cpu())
    at = project(back, pixels.expand(len(images), -1, 2))
    sides = torch.tensor([images.shape[-1], images.shape[-2]], dtype=torch.float64)
    # With align_corners=False, -1 and 1 are the outer edges of the image, half a pixel outside.
    grid = ((2 * at + 1) / sides - 1).nan_to_num(posinf=2.0).to(images)
    return F.grid_sample(
        images,
        grid.reshape(len(images), height, width, 2),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )


# ---- light -----------------------------------------------------------------------------


def change_light(images: Tensor, generator: torch.Generator) -> Tensor:
    """Another light for every image (N, 3, H, W): gamma, channel gains, night, blur, noise."""
    n = len(images)

    def between(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    gamma = torch.exp(between(*(math.log(g) for g in GAMMA), n, 1, 1, 1))
    images = images.clamp(0, 1)
    dark = torch.rand(n, 1, 1, 1, generator=generator) < NIGHT_SHARE
    # Night has a tone curve of its own: a large gamma on top would leave nothing to see.
    changed = torch.where(dark, _night(images, generator), images**gamma)
    changed = _blur(changed * between(*GAIN, n, 3, 1, 1), between(*BLUR, n))
    noise = NOISE * torch.randn(changed.shape, generator=generator)
    return (changed + noise).clamp(0, 1)


def _night(images: Tensor, generator: torch.Generator) -> Tensor:
    """A dark tone curve, two blobs of shadow, and the glow of one lamp."""
    n, _, height, width = images.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    side = max(height, width)

    def blobs(count: int, radius: float) -> Tensor:
        at = torch.rand(2, n, count, 1, 1, generator=generator)
        squared = (x - at[0] * width) ** 2 + (y - at[1] * height) ** 2
        return torch.exp(-squared / (2 * (radius * side) ** 2))

    toned = 0.5 * images**1.5
    shade = 1 - 0.6 * blobs(2, 0.15).amax(dim=1, keepdim=True)
    lamp = 0.7 * blobs(1, 0.12) * torch.tensor([1.0, 0.9, 0.6]).reshape(3, 1, 1)
    return toned * shade + lamp


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of every image (N, C, H, W) with its own standard deviation (N,) in pixels."""
    n, channels, height, width = images.shape
    reach = math.ceil(3 * BLUR[1])
    offsets = torch.arange(-reach, reach + 1, dtype=images.dtype)
    # A width of 0 is the image itself: the centre keeps the whole weight.
    kernel = torch.exp(-(offsets**2) / (2 * sigma[:, None].clamp(min=1e-3) ** 2))
    kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    flat = F.pad(images.reshape(1, n * channels, height, width), [reach] * 4, mode="reflect")
    flat = F.conv2d(flat, kernel[:, None, :, None], groups=n * channels)
    flat = F.conv2d(flat, kernel[:, None, None, :], groups=n * channels)
    return flat.reshape(images.shape)
