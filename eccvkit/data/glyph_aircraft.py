"""Procedural aircraft classes: a small long-tailed, fine-grained open-set task.

Stands in for Air-300 (chapter 30), which has few large classes, many small ones, and unknown
classes of the same kind as the known ones. A class is a tuple of shape parameters, its super-class
(*role*) follows from them, and its images are noisy views of one silhouette, drawn by
:mod:`eccvkit.data.aircraft_shapes`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.aircraft_shapes import NOISE, TAILS, AircraftClass, render
from eccvkit.data.splits import long_tail_sizes
from eccvkit.errors import EccvkitError
from eccvkit.runtime import check_seed

#: Range of every continuous parameter of a class.
RANGES = {
    "length": (0.50, 0.76),
    "width": (0.07, 0.14),
    "wing_position": (0.35, 0.65),
    "sweep": (0.0, 45.0),
    "span": (0.40, 0.78),
    "chord": (0.10, 0.22),
}
ENGINES = (0, 2, 4)
TAIL_TYPES = (*TAILS, "none")

#: Least distance between two classes, in the units of :func:`class_distance`.
MIN_DISTANCE = 0.4
#: How far a variant may move from its airframe, as a share of each parameter's range.
VARIATION = 0.25
#: Random streams of one seed: no two of them share a number.
STREAMS = ("classes", "train", "test", "unknown")


@dataclass(frozen=True)
class AircraftSplit:
    """Long-tailed training set of known classes, balanced tests of known and unknown ones.

    Images are (N, 1, size, size) float32 in [0, 1]; labels (N,) int64 index ``classes``: the known
    classes come first, the most frequent one is 0, unknown labels start at ``n_known``.

    Attributes
    ----------
    train_images, train_labels : Tensor
    test_images, test_labels : Tensor
        Known classes, equally often.
    unknown_images, unknown_labels : Tensor
        Classes that training never saw, equally often.
    classes : tuple of AircraftClass
    n_known : int
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    unknown_images: Tensor
    unknown_labels: Tensor
    classes: tuple[AircraftClass, ...]
    n_known: int

    @property
    def roles(self) -> tuple[str, ...]:
        """Role of every class, in the order of ``classes``."""
        return tuple(c.role for c in self.classes)


def glyph_aircraft(
    n_classes: int = 20,
    n_known: int = 12,
    n_max: int = 200,
    n_min: int = 10,
    n_test: int = 50,
    size: int = 32,
    seed: int = 0,
    min_distance: float = MIN_DISTANCE,
    relatives: int = 1,
    noise: float = NOISE,
) -> AircraftSplit:
    """Draw classes and images of a long-tailed open-set task.

    Parameters
    ----------
    n_classes, n_known : int
        All classes, and how many of them are trained on.
    n_max, n_min : int
        Training images of the most frequent and at least of the rarest class.
    n_test : int
        Test images of every class, known or unknown.
    size : int
        Side of the images in pixels; made for 16 and 32.
    seed : int
        Decides everything: the same seed gives the same tensors. Classes, training views and test
        views come from separate random streams.
    min_distance : float
        Least distance of two classes, see :func:`class_distance`; larger is easier.
    relatives : int
        How many classes share an airframe on average, see :func:`aircraft_classes`; more is harder.
    noise : float
        Standard deviation of the pixel noise.

    Raises
    ------
    EccvkitError
        ``n_known`` is not between 1 and ``n_classes``; see also :func:`aircraft_classes` and
        :func:`long_tail_sizes`.
    """
    if not 1 <= n_known <= n_classes:
        raise EccvkitError(f"n_known={n_known} must be between 1 and n_classes={n_classes}")
    classes = tuple(aircraft_classes(n_classes, seed, min_distance, relatives))
    known = torch.arange(n_known).repeat_interleave(
        torch.tensor(long_tail_sizes(n_known, n_max, n_min))
    )
    test = torch.arange(n_known).repeat_interleave(n_test)
    unknown = torch.arange(n_known, n_classes).repeat_interleave(n_test)

    def images(labels: Tensor, stream: str) -> Tensor:
        return render(classes, labels, size, _generator(seed, stream), noise)

    return AircraftSplit(
        train_images=images(known, "train"),
        train_labels=known,
        test_images=images(test, "test"),
        test_labels=test,
        unknown_images=images(unknown, "unknown"),
        unknown_labels=unknown,
        classes=classes,
        n_known=n_known,
    )


def aircraft_classes(
    n: int, seed: int = 0, min_distance: float = MIN_DISTANCE, relatives: int = 1
) -> list[AircraftClass]:
    """Draw n classes: variants of a few airframes, none too close to another.

    As with real aircraft, several classes share an airframe and differ in proportions. There are
    n / ``relatives`` airframes, drawn uniformly; a variant keeps tail and engines and moves every
    other parameter by up to :data:`VARIATION` of its range. Chance decides which classes of an
    airframe come early in the list, so known and unknown classes are of one kind.

    Parameters
    ----------
    n : int
    seed : int
    min_distance : float
        Least :func:`class_distance` of any two classes.
    relatives : int
        How many classes share an airframe on average.

    Raises
    ------
    EccvkitError
        So many classes cannot be kept so far apart.
    """
    generator = _generator(seed, "classes")
    airframes = [_random_airframe(generator) for _ in range(math.ceil(n / relatives))]
    classes: list[AircraftClass] = []
    for _ in range(200 * n):
        if len(classes) == n:
            break
        airframe = airframes[_choice(len(airframes), generator)]
        new = _variant(airframe, generator)
        if _plausible(new) and all(class_distance(new, c) >= min_distance for c in classes):
            classes.append(new)
    if len(classes) < n:
        raise EccvkitError(
            f"found only {len(classes)} of {n} aircraft classes at distance {min_distance}: "
            "ask for fewer classes or a smaller min_distance"
        )
    return classes


def class_distance(a: AircraftClass, b: AircraftClass) -> float:
    """Euclidean distance of the parameters, each scaled to [0, 1] by its range.

    Engines count as engines / 4, and different tails as 0.5.
    """
    squares = [
        ((getattr(a, name) - getattr(b, name)) / (high - low)) ** 2
        for name, (low, high) in RANGES.items()
    ]
    squares += [((a.engines - b.engines) / 4) ** 2, 0.25 * (a.tail != b.tail)]
    return math.sqrt(sum(squares))


def _random_airframe(generator: torch.Generator) -> AircraftClass:
    """Every parameter uniform in its range, drawn again until an aircraft comes out."""
    while True:
        u = torch.rand(len(RANGES), generator=generator).tolist()
        new = AircraftClass(
            **{name: low + t * (high - low) for t, (name, (low, high)) in zip(u, RANGES.items())},
            tail=TAIL_TYPES[_choice(len(TAIL_TYPES), generator)],
            engines=ENGINES[_choice(len(ENGINES), generator)],
        )
        if _plausible(new):
            return new


def _variant(airframe: AircraftClass, generator: torch.Generator) -> AircraftClass:
    """Keep tail and engines, change the proportions within the ranges."""
    u = torch.rand(len(RANGES), generator=generator).tolist()
    moved = {}
    for t, (name, (low, high)) in zip(u, RANGES.items()):
        value = getattr(airframe, name) + (2 * t - 1) * VARIATION * (high - low)
        moved[name] = min(max(value, low), high)
    return replace(airframe, **moved)


def _choice(n: int, generator: torch.Generator) -> int:
    return int(torch.randint(n, (), generator=generator))


def _plausible(c: AircraftClass) -> bool:
    """Whether the wing ends before the fuselage, and sits aft where no tail is behind it."""
    tips_fit = c.wing_position * c.length + c.tip_behind_root <= c.length
    return tips_fit and (c.tail in ("plain", "swept") or c.wing_position >= 0.5)


def _generator(seed: int, stream: str) -> torch.Generator:
    """Independent random stream of a seed, by name."""
    mixed = np.random.SeedSequence([check_seed(seed), STREAMS.index(stream)])
    return torch.Generator().manual_seed(int(mixed.generate_state(1)[0]))
