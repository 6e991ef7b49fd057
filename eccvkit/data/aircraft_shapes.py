"""Aircraft silhouettes from above: analytic, anti-aliased, thousands of images per second.

A silhouette is a union of simple parts (tapered capsules and convex trapezoids). Each part is a
signed distance evaluated on the pixel grid of all images at once, and a pixel's grey value is its
distance to the outline, cut to half a pixel on either side. Unlike polygon drawing, this stays
anti-aliased at 16x16, where a fuselage is two pixels wide, and needs no loop over images.

Lengths are fractions of the image side. An aircraft points up and is centred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Tail surfaces as (span, chord, sweep): spans relative to the wing's, chords to the wing's chord.
TAILS = {"plain": (0.42, 0.6, 0.0), "swept": (0.46, 0.7, 35.0), "canard": (0.46, 0.5, 20.0)}
#: Tip chord over root chord of wings and tails.
TAPER = 0.45
#: Standard deviation of the pixel noise.
NOISE = 0.1


@dataclass(frozen=True)
class AircraftClass:
    """Shape of one aircraft type.

    Attributes
    ----------
    length, width : float
        Fuselage, in image sides.
    wing_position : float
        Middle of the wing's root, 0 at the nose and 1 at the end of the fuselage.
    sweep : float
        Angle of the leading edge against the lateral axis, in degrees; positive is backwards.
    span, chord : float
        Wing from tip to tip and its depth at the root, in image sides.
    tail : str
        "plain", "swept", "canard" (the surface sits at the nose) or "none".
    engines : int
        0 (none visible), 2 or 4, on the wing's leading edge.
    """

    length: float
    width: float
    wing_position: float
    sweep: float
    span: float
    chord: float
    tail: str
    engines: int

    @property
    def tip_behind_root(self) -> float:
        """How far the end of the wing tip lies behind the middle of the root, in image sides."""
        return 0.5 * self.span * _slope(self.sweep) + (TAPER - 0.5) * self.chord

    @property
    def role(self) -> str:
        """Super-class, by the first rule that applies.

        ==============  ====================================================
        bomber          no tail surface
        airliner        four engines, sweep of 20 degrees or more
        transport       four engines
        business jet    two engines, sweep of 20 degrees or more
        commuter        two engines
        fighter         sweep of 25 degrees or more
        glider          wing span larger than the fuselage length
        trainer         all others
        ==============  ====================================================
        """
        if self.tail == "none":
            return "bomber"
        if self.engines == 4:
            return "airliner" if self.sweep >= 20 else "transport"
        if self.engines == 2:
            return "business jet" if self.sweep >= 20 else "commuter"
        if self.sweep >= 25:
            return "fighter"
        return "glider" if self.span > self.length else "trainer"


@dataclass(frozen=True)
class Views:
    """How N images look at their aircraft.

    Attributes
    ----------
    angle : Tensor (N,)
        Rotation in radians, clockwise on the screen.
    scale : Tensor (N,)
    shift : Tensor (N, 2)
        Displacement right and down, in pixels.
    """

    angle: Tensor
    scale: Tensor
    shift: Tensor


def sample_views(n: int, generator: torch.Generator) -> Views:
    """Random views: rotation within 20 degrees, scale .8 to 1.2, shift up to a pixel per axis."""
    u = 2 * torch.rand(n, 4, generator=generator) - 1
    return Views(angle=math.radians(20) * u[:, 0], scale=1 + 0.2 * u[:, 1], shift=u[:, 2:])


def render(
    classes: Sequence[AircraftClass],
    labels: Tensor,
    size: int,
    generator: torch.Generator,
    noise: float = NOISE,
) -> Tensor:
    """Noisy images of aircraft in random views.

    Parameters
    ----------
    classes : sequence of AircraftClass
    labels : Tensor (N,), int64
        Which class each image shows.
    size : int
        Side of the images in pixels.
    generator : torch.Generator
        Source of the views and the noise.
    noise : float
        Standard deviation of Gaussian noise on every pixel; the sum is cut to [0, 1].

    Returns
    -------
    Tensor (N, 1, size, size), float32 in [0, 1]
    """
    images = silhouettes(classes, labels, size, sample_views(len(labels), generator))
    return (images + noise * torch.randn(images.shape, generator=generator)).clamp_(0, 1)


def silhouettes(
    classes: Sequence[AircraftClass], labels: Tensor, size: int, views: Views | None = None
) -> Tensor:
    """Clean anti-aliased images: 1 inside the aircraft, 0 outside.

    Parameters
    ----------
    classes, labels, size
        As in :func:`render`.
    views : Views or None
        None shows every aircraft upright, centred, at scale 1.

    Returns
    -------
    Tensor (N, 1, size, size), float32 in [0, 1]
    """
    n = len(labels)
    if views is None:
        views = Views(torch.zeros(n), torch.ones(n), torch.zeros(n, 2))
    shapes = _shape_table(classes)[labels]
    images = torch.empty(n, 1, size, size)
    # Chunks keep the intermediate masks in the processor's cache.
    for part in torch.arange(n).split(256):
        x, y = _aircraft_coordinates(views, part, size)
        scale = views.scale[part, None, None]
        distance = scale * _distance_to_aircraft(x, y, shapes[part].T[..., None, None])
        images[part, 0] = (0.5 - size * distance).clamp_(0, 1)
    return images


def _aircraft_coordinates(views: Views, part: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Where each pixel lies in its aircraft's own frame: right and backward, (n, size, size)."""
    pixel = (torch.arange(size) + 0.5) / size - 0.5
    shift = views.shift[part] / size
    right = pixel[None, None, :] - shift[:, 0, None, None]
    down = pixel[None, :, None] - shift[:, 1, None, None]
    cos = (views.angle[part].cos() / views.scale[part])[:, None, None]
    sin = (views.angle[part].sin() / views.scale[part])[:, None, None]
    return cos * right + sin * down, cos * down - sin * right


def _shape_table(classes: Sequence[AircraftClass]) -> Tensor:
    """One row per class: length, width, engines, then wing and tail as surfaces (n_classes, 11)."""
    rows = []
    for c in classes:
        nose, end = -0.5 * c.length, 0.5 * c.length
        wing = (nose + c.wing_position * c.length, c.span, c.chord, _slope(c.sweep))
        if c.tail == "none":
            tail = (0.0, -1.0, 0.0, 0.0)  # A negative span keeps it out of every pixel's reach.
        else:
            span, chord, sweep = TAILS[c.tail]
            middle = nose + 0.2 * c.length if c.tail == "canard" else end - 0.5 * chord * c.chord
            tail = (middle, span * c.span, chord * c.chord, _slope(sweep))
        rows.append((c.length, c.width, c.engines, *wing, *tail))
    return torch.tensor(rows, dtype=torch.float32)


def _slope(sweep: float) -> float:
    """Backward displacement of the leading edge per unit of lateral distance."""
    return math.tan(math.radians(sweep))


def _distance_to_aircraft(x: Tensor, y: Tensor, shape: Tensor) -> Tensor:
    """Signed distance to the outline, negative inside, in image sides.

    Parameters
    ----------
    x, y : Tensor (n, size, size)
        Position to the right of and behind the aircraft's centre.
    shape : Tensor (11, n, 1, 1)
        Columns of :func:`_shape_table`.
    """
    length, width, engines = shape[:3]
    wing, tail = shape[3:7], shape[7:11]
    side = x.abs()  # The aircraft is its own mirror image.
    nose_radius = 0.5 * width
    end_radius = 0.4 * nose_radius
    distance = _tapered_capsule(
        side, y, nose_radius - 0.5 * length, 0.5 * length - end_radius, nose_radius, end_radius
    )
    for surface in (wing, tail):
        distance = torch.minimum(distance, _surface(side, y, surface))
    middle, span, chord, slope = wing
    radius = torch.full_like(length, 0.03)
    for least, place in ((2, 0.35), (4, 0.65)):
        lateral = 0.5 * place * span
        edge = middle - 0.5 * chord + slope * lateral
        engine = _tapered_capsule(side - lateral, y, edge - 0.04, edge + 0.02, radius, radius)
        distance = torch.minimum(distance, torch.where(engines >= least, engine, torch.inf))
    return distance


def _tapered_capsule(
    side: Tensor, y: Tensor, front: Tensor, back: Tensor, front_radius: Tensor, back_radius: Tensor
) -> Tensor:
    """Distance to a rod along the aircraft's axis whose radius changes linearly."""
    t = ((y - front) / (back - front)).clamp(0, 1)
    radius = front_radius + t * (back_radius - front_radius)
    return torch.hypot(side, y - front - t * (back - front)) - radius


def _surface(side: Tensor, y: Tensor, surface: Tensor) -> Tensor:
    """Distance to a swept trapezoid and its mirror image, exact beside its edges.

    ``surface`` holds middle of the root, span, root chord and slope of the leading edge.
    """
    middle, span, chord, slope = surface
    back_slope = slope - 2 * (1 - TAPER) * chord / span
    ahead = (middle - 0.5 * chord + slope * side - y) / torch.sqrt(1 + slope**2)
    behind = (y - middle - 0.5 * chord - back_slope * side) / torch.sqrt(1 + back_slope**2)
    return torch.maximum(torch.maximum(ahead, behind), side - 0.5 * span)
