"""Ten simple outlines as signed distances: disc, ring, square, triangle, plus, star, L, T, ...

A signed distance is negative inside and positive outside; cut to half a pixel on either side it is
an anti-aliased picture at any size. All functions take positions ``x`` (to the right) and ``y``
(down) of any equal shape, in units of the shape's radius, and work on all pixels of all images at
once. Distances are exact beside edges; near outer corners they are a little too small, as usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def box(x: Tensor, y: Tensor, half_width: float, half_height: float) -> Tensor:
    """Distance to an upright rectangle around the origin."""
    return torch.maximum(x.abs() - half_width, y.abs() - half_height)


def _disc(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.9


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.7).abs() - 0.25


def _square(x: Tensor, y: Tensor) -> Tensor:
    return box(x, y, 0.75, 0.75)


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    """Equilateral, one corner up; its corners are at distance 1."""
    slanted = math.cos(math.pi / 6) * x.abs() - 0.5 * y
    return torch.maximum(slanted, y) - 0.5


def _plus(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(box(x, y, 0.95, 0.3), box(x, y, 0.3, 0.95))


#: Distance of the inner corners of the star from its centre; the outer ones are at 1.
STAR_INNER = 0.45


def _star(x: Tensor, y: Tensor) -> Tensor:
    """Five points, one up: the plane is folded into a tenth, where the outline is one line."""
    sector = 2 * math.pi / 5
    angle = torch.atan2(x, -y)
    angle = (angle - sector * torch.round(angle / sector)).abs()
    radius = torch.hypot(x, y)
    inner_x, inner_y = (STAR_INNER * f(sector / 2) for f in (math.cos, math.sin))
    length = math.hypot(1 - inner_x, inner_y)
    normal_x, normal_y = inner_y / length, (1 - inner_x) / length
    return (radius * torch.cos(angle) - 1) * normal_x + radius * torch.sin(angle) * normal_y


def _letter_l(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(box(x + 0.4, y, 0.24, 0.8), box(x - 0.05, y - 0.56, 0.69, 0.24))


def _letter_t(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(box(x, y + 0.56, 0.8, 0.24), box(x, y, 0.24, 0.8))


#: Shift and radius of the disc that is cut out of the crescent's disc of radius 0.9.
CRESCENT_CUT = (0.45, 0.7)


def _crescent(x: Tensor, y: Tensor) -> Tensor:
    shift, radius = CRESCENT_CUT
    return torch.maximum(torch.hypot(x, y) - 0.9, radius - torch.hypot(x - shift, y))


def _bars(x: Tensor, y: Tensor) -> Tensor:
    return box(x.abs() - 0.5, y, 0.22, 0.8)


#: Outline by name: positions to signed distance, all in units of the radius.
OUTLINES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "disc": _disc,
    "ring": _ring,
    "square": _square,
    "triangle": _triangle,
    "plus": _plus,
    "star": _star,
    "L": _letter_l,
    "T": _letter_t,
    "crescent": _crescent,
    "bars": _bars,
}
