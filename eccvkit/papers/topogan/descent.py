"""Figure 4 of paper 08: descent on the topological loss alone, on the pixels of a single mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy import ndimage

from eccvkit.data.masks import voronoi_membranes
from eccvkit.errors import EccvkitError
from eccvkit.papers.topogan.gradient import THICKNESS, topological_loss
from eccvkit.papers.topogan.persistence import (
    THRESHOLD,
    Diagram,
    distance_transform,
    persistence_diagram,
)
from eccvkit.study import Study


@dataclass(frozen=True)
class Frame:
    """One iteration: the image (H, W) in [0, 1], its diagram, and the loss."""

    image: np.ndarray
    diagram: Diagram
    distance: float


def closed_partner(diagram: Diagram) -> Diagram:
    """The diagram of a mask with the same loops, all of them closed."""
    return Diagram(np.zeros_like(diagram.births), diagram.deaths, diagram.saddles)


def descend(
    image: np.ndarray,
    partner: Diagram,
    steps: int = 60,
    rate: float = 0.3,
    mode: str = "pixel",
    match: str = "uniform",
    thickness: float = THICKNESS,
) -> list[Frame]:
    """Follow minus the gradient of Eq. 4 from an image towards a real diagram.

    Parameters
    ----------
    image : (H, W) array in [0, 1]
    partner : Diagram
    steps : int
        At most so many; ends before when the gradient vanishes.
    rate : float
        Step size; the image stays within [0, 1].

    Returns
    -------
    list of Frame
        The first is the image itself.
    """
    if steps < 1 or not rate > 0:
        raise EccvkitError(f"descend: steps={steps} and rate={rate} must be positive")
    pixels = torch.as_tensor(np.asarray(image), dtype=torch.float64)[None, None].clone()
    frames = []
    for _ in range(steps + 1):
        pixels.requires_grad_()
        result = topological_loss(pixels, [partner], mode, match, thickness)
        now = pixels.detach()[0, 0].numpy().copy()
        frames.append(Frame(now, persistence_diagram(now >= THRESHOLD), result.distance))
        (gradient,) = torch.autograd.grad(result.loss, pixels)
        if not gradient.any():
            break
        pixels = (pixels.detach() - rate * gradient).clamp(0, 1)
    return frames


def holes_lost(before: np.ndarray, after: np.ndarray) -> int:
    """Number of holes of a mask that another one has no longer.

    A hole is there if its centre (the pixel farthest from any structure) is still background, in a
    hole that contains no other centre.

    Parameters
    ----------
    before, after : (H, W) bool array
    """
    holes, count = ndimage.label(~before)
    depth = distance_transform(before)[1:-1, 1:-1]
    centres = ndimage.maximum_position(depth, holes, range(1, count + 1))
    now, _ = ndimage.label(~after)
    found = {int(now[centre]) for centre in centres} - {0}
    return count - len(found)


def descent_study(seeds: Sequence[int], size: int = 32, per_seed: int = 8) -> Study:
    """Close the gaps of membranes by descent, and count what happens to their loops.

    Every mask with a gap is moved towards the closed version of its own diagram.

    Returns
    -------
    Study
        Variants "start" and "end" with metrics ``birth`` (the largest of all masks of a seed, in
        pixels), ``holes`` and ``masks``; for "end" also ``holes lost`` (see :func:`holes_lost`) and
        ``extra holes``, beyond the holes and almost-holes of the start.
    """
    rows = []
    for seed in seeds:
        masks = voronoi_membranes(4 * per_seed, size, cut=1.0, seed=seed)
        images = masks.images[masks.cuts > 0][:per_seed, 0].numpy()
        paths = [descend(i, closed_partner(persistence_diagram(i >= THRESHOLD))) for i in images]
        measured = {"start": _count([path[0] for path in paths])}
        measured["end"] = _count([path[-1] for path in paths]) | {
            "holes lost": sum(
                holes_lost(path[0].image >= THRESHOLD, path[-1].image >= THRESHOLD)
                for path in paths
            ),
            "extra holes": sum(path[-1].diagram.betti - len(path[0].diagram) for path in paths),
        }
        rows += [
            {"variant": variant, "seed": seed, "metric": name, "value": float(value)}
            for variant, metrics in measured.items()
            for name, value in metrics.items()
        ]
    return Study(pd.DataFrame(rows))


def _count(frames: Sequence[Frame]) -> dict[str, float]:
    """Largest birth, number of holes and number of masks."""
    return {
        "birth": max(frame.diagram.births.max(initial=0.0) for frame in frames),
        "holes": sum(frame.diagram.betti for frame in frames),
        "masks": len(frames),
    }
