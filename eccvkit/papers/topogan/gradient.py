"""Section 3.3 of paper 08: which pixels to change so that the births of a mask move as matched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import EccvkitError, unknown
from eccvkit.papers.topogan.matching import SetMatching, birth_targets, match_sets
from eccvkit.papers.topogan.persistence import THRESHOLD, Diagram, diagrams, framed

#: "pixel": change the few pixels at the boundary point nearest to the saddle. "segment": draw the
#: missing piece of wall as a whole.
MODES = ("pixel", "segment")
#: Births that differ by less than this (in pixels) agree: no smaller step can be drawn.
TOLERANCE = 0.5
#: Radius in pixels of what counts as "the few pixels near r" in mode "pixel".
REACH = 1.5
#: Thickness in pixels of a drawn segment; the published code uses 4 at 64 pixels.
THICKNESS = 2.0


def _grid(shape: tuple[int, int]) -> np.ndarray:
    """(H, W, 2) row and column of every pixel."""
    return np.stack(np.mgrid[: shape[0], : shape[1]], axis=-1)


def boundary_point(mask: np.ndarray, saddle: np.ndarray) -> np.ndarray:
    """The structure pixel r nearest to the saddle, in the coordinates of the mask.

    Points of the frame count: they have row or column -1, or the side of the mask.
    """
    points = np.argwhere(framed(mask)) - 1
    return points[np.square(points - saddle).sum(axis=1).argmin()]


def opposite_point(mask: np.ndarray, saddle: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The structure pixel nearest to the saddle on the other side of it than ``r``.

    Raises
    ------
    EccvkitError
        ``r`` is the saddle: a closed loop has no other side.
    """
    direction = r - saddle
    if not direction.any():
        raise EccvkitError("opposite_point: the saddle lies on structure, its loop is closed")
    points = np.argwhere(framed(mask)) - 1
    # The frame surrounds the mask, so there is structure on every side.
    points = points[(points - saddle) @ direction < 0]
    return points[np.square(points - saddle).sum(axis=1).argmin()]


def distance_to_segment(shape: tuple[int, int], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(H, W) distance of every pixel to the segment from ``start`` to ``end``."""
    offset, line = _grid(shape) - start, np.asarray(end) - start
    squared = float(line @ line)
    share = np.clip(offset @ line / squared, 0, 1) if squared else np.zeros(shape)
    return np.linalg.norm(offset - share[..., None] * line, axis=-1)


def pixel_change(
    mask: np.ndarray, saddle: np.ndarray, closing: bool, reach: float = REACH
) -> np.ndarray:
    """Mode "pixel": background near r on the side of the saddle, or structure near r to erase.

    Parameters
    ----------
    mask : (H, W) bool array
    saddle : (2,) int array
    closing : bool
        Grow the mask; otherwise erase.

    Returns
    -------
    (H, W) bool array
    """
    r = boundary_point(mask, saddle)
    pixels = _grid(mask.shape)
    near = np.square(pixels - r).sum(axis=-1) <= reach**2
    if not closing:
        return near & mask
    closer = np.square(pixels - saddle).sum(axis=-1) < np.square(r - saddle).sum()
    return near & closer & ~mask


def segment_change(
    mask: np.ndarray,
    saddle: np.ndarray,
    birth: float,
    target: float,
    thickness: float = THICKNESS,
) -> np.ndarray:
    """Mode "segment": everything that brings the birth from its value to ``target`` at once.

    Closing draws two segments from the nearest structure on opposite sides of the saddle towards
    it, which stop ``target`` pixels short of it. Opening erases the structure that is nearer to the
    saddle than ``target``.

    Returns
    -------
    (H, W) bool array
        Background to fill if ``target < birth``, structure to erase otherwise.
    """
    if target > birth:
        return mask & (np.square(_grid(mask.shape) - saddle).sum(axis=-1) < target**2)
    r = boundary_point(mask, saddle)
    drawn = np.zeros(mask.shape, dtype=bool)
    for start in (r, opposite_point(mask, saddle, r)):
        length = np.linalg.norm(saddle - start)
        end = saddle + (start - saddle) * min(target / length, 1.0)
        drawn |= distance_to_segment(mask.shape, start, end) <= thickness / 2
    return drawn & ~mask


def wanted_change(
    mask: np.ndarray,
    diagram: Diagram,
    partner: Diagram | None,
    mode: str = "segment",
    match: str = "uniform",
    thickness: float = THICKNESS,
) -> np.ndarray:
    """Pixels of one mask to raise (+1) and to lower (-1), from the matching of its births.

    Parameters
    ----------
    mask : (H, W) bool array
    diagram : Diagram
        Of this mask.
    partner : Diagram or None
        The real diagram it is matched with; None closes every loop (the "blind" rule).
    mode : {"pixel", "segment"}
    match : {"uniform", "slice"}
    thickness : float

    Returns
    -------
    (H, W) float array
        Minus the gradient of Eq. 4 in mode "pixel", where overlaps add up; -1, 0 or 1 in mode
        "segment", where closing wins.
    """
    if mode not in MODES:
        raise unknown("mode of the topological gradient", mode, MODES)
    births = diagram.births
    if partner is None:
        targets, slopes = np.zeros_like(births), np.sign(births)
    else:
        targets, slopes = birth_targets(diagram, partner, match)
    change = np.zeros(mask.shape)
    active = np.flatnonzero((np.abs(births - targets) > TOLERANCE) & (slopes != 0))
    # Erasing first: where both are asked for, the wall stays.
    for x in active[np.argsort(slopes[active], kind="stable")]:
        closing = slopes[x] > 0
        if mode == "pixel":
            change += slopes[x] * pixel_change(mask, diagram.saddles[x], closing)
        else:
            pixels = segment_change(mask, diagram.saddles[x], births[x], targets[x], thickness)
            change[pixels] = 1.0 if closing else -1.0
    return change


class TopologicalLoss(NamedTuple):
    """Result of :func:`topological_loss`.

    Attributes
    ----------
    loss : Tensor
        Scalar whose gradient is to be followed.
    distance : float
        Eq. 4; for the blind rule the sum of all births.
    change : ndarray
        (n, H, W), see :func:`wanted_change`.
    matching : SetMatching or None
        None for the blind rule.
    """

    loss: Tensor
    distance: float
    change: np.ndarray
    matching: SetMatching | None


def topological_loss(
    images: Tensor,
    real: Sequence[Diagram] | None,
    mode: str = "segment",
    match: str = "uniform",
    thickness: float = THICKNESS,
) -> TopologicalLoss:
    r"""Eq. 4 for a batch of generated masks, with a gradient at the output of the generator.

    Parameters
    ----------
    images : Tensor
        (n, 1, H, W) in [0, 1], structure at 1.
    real : sequence of Diagram or None
        Diagrams of real masks; None closes every loop (the "blind" rule).
    mode : {"pixel", "segment"}
        "pixel": the gradient is minus :func:`wanted_change`. "segment": squared error
        :math:`\sum\|G-G^{fix}\|^2` to a copy in which the wanted pixels are changed.
    match, thickness
        See :func:`wanted_change`.

    Raises
    ------
    DataError
        Wrong shape, or pixels that are not numbers.
    """
    own = diagrams(images)
    masks = images.detach().cpu().numpy()[:, 0] >= THRESHOLD
    matching = match_sets(own, real, match) if real is not None else None
    partners = [None] * len(own) if matching is None else [real[j] for j in matching.partner]
    change = np.stack(
        [wanted_change(*each, mode, match, thickness) for each in zip(masks, own, partners)]
    )
    wanted = torch.as_tensor(change, dtype=images.dtype, device=images.device).unsqueeze(1)
    if mode == "pixel":
        loss = -(wanted * images).sum()
    else:
        fixed = torch.where(wanted > 0, 1.0, torch.where(wanted < 0, 0.0, images.detach()))
        loss = (images - fixed).square().sum()
    distance = sum(d.births.sum() for d in own) if matching is None else matching.loss
    return TopologicalLoss(loss, float(distance), change, matching)
