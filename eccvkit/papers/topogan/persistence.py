"""Section 3.1 of paper 08: from a mask to the diagram of its holes and almost-holes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from eccvkit.errors import DataError

#: Points that live shorter than this are discretisation noise: dropped in the loss and the metrics.
MIN_PERSISTENCE = 1.0
#: Value from which on a pixel is structure.
THRESHOLD = 0.5
#: Birth in pixels from which on a rate counts an almost-hole: a gap of about four. Smaller births
#: come from the pixel grid.
LEAST_BIRTH = 2.0


@dataclass(frozen=True)
class Diagram:
    """One-dimensional persistence diagram of a mask, its points sorted by birth.

    Attributes
    ----------
    births : (k,) float array
        Distance in pixels at which the loop closes: 0 for a hole, about half the gap for an
        almost-hole.
    deaths : (k,) float array
        Distance in pixels at which the loop is filled: the radius of the hole.
    saddles : (k, 2) int array
        Row and column of the critical pixel where the loop closes, in the mask without its frame;
        -1 and the side of the mask are in the frame.
    """

    births: np.ndarray
    deaths: np.ndarray
    saddles: np.ndarray

    def __len__(self) -> int:
        return len(self.births)

    @property
    def betti(self) -> int:
        """Number of holes of the mask itself."""
        return int((self.births == 0).sum())


def framed(mask: ArrayLike) -> np.ndarray:
    """Pad a mask (H, W) by one pixel of structure, so that branches at the border bound holes.

    Raises
    ------
    DataError
        Not a non-empty matrix.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2 or mask.size == 0:
        raise DataError(f"a mask of shape {mask.shape}: expected a matrix (H, W) of pixels")
    return np.pad(mask, 1, constant_values=True)


def distance_transform(mask: ArrayLike) -> np.ndarray:
    """Definition 1 on the framed mask: distance to the nearest structure pixel.

    The paper writes structure as ``I = 0``; here it is ``True``.

    Returns
    -------
    (H + 2, W + 2) float array
        In pixels; 0 on structure and frame.
    """
    return distance_transform_edt(~framed(mask))


def persistence_diagram(mask: ArrayLike, min_persistence: float = MIN_PERSISTENCE) -> Diagram:
    """Diagram of the sublevel sets of the distance transform, in dimension 1.

    Pixels are the top cells of a cubical complex, so structure is 8-connected.

    Parameters
    ----------
    mask : (H, W) bool array
        True is structure. A mask of background alone has one hole, the inside of the frame; a mask
        of structure alone has none, and its diagram is empty.
    min_persistence : float
        Drop points with a shorter life than this.
    """
    import gudhi

    distance = distance_transform(mask)
    complex_ = gudhi.CubicalComplex(top_dimensional_cells=distance)
    complex_.compute_persistence(homology_coeff_field=2)
    paired, _ = complex_.cofaces_of_persistence_pairs()
    pairs = paired[1] if len(paired) > 1 else np.empty((0, 2), dtype=int)
    # The library numbers pixels column by column.
    values = distance.ravel(order="F")
    births, deaths = values[pairs[:, 0]], values[pairs[:, 1]]
    saddles = np.stack(np.unravel_index(pairs[:, 0], distance.shape, order="F"), axis=1) - 1
    kept = np.flatnonzero(deaths - births >= min_persistence)
    kept = kept[np.lexsort((deaths[kept], births[kept]))]
    return Diagram(births[kept], deaths[kept], saddles[kept])


def binarise(images: Tensor | np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Boolean masks (n, H, W) of images (n, 1, H, W) or (n, H, W) with values in [0, 1].

    Raises
    ------
    DataError
        Another shape, or pixels that are not numbers.
    """
    array = images.detach().cpu().numpy() if isinstance(images, Tensor) else np.asarray(images)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3:
        raise DataError(f"masks of shape {array.shape}: expected (n, 1, H, W) or (n, H, W)")
    if not np.isfinite(array).all():
        raise DataError(
            f"{int((~np.isfinite(array)).sum())} pixel(s) are NaN or infinite: "
            "a mask needs numbers; check the file or the generator that made it"
        )
    return array >= threshold


def diagrams(
    images: Tensor | np.ndarray,
    threshold: float = THRESHOLD,
    min_persistence: float = MIN_PERSISTENCE,
) -> list[Diagram]:
    """Diagrams of a batch of images, see :func:`binarise` and :func:`persistence_diagram`."""
    return [persistence_diagram(mask, min_persistence) for mask in binarise(images, threshold)]


def almost_holes(diagram: Diagram, gap: float = LEAST_BIRTH) -> int:
    """Number of almost-holes whose gap has half-width of at least ``gap`` pixels."""
    return int((diagram.births >= gap).sum())


def almost_hole_rate(many: Iterable[Diagram], gap: float = LEAST_BIRTH) -> float:
    """Share of diagrams with at least one almost-hole.

    Raises
    ------
    DataError
        No diagram at all.
    """
    found = [almost_holes(diagram, gap) > 0 for diagram in many]
    if not found:
        raise DataError("almost_hole_rate: no diagram given; pass those of at least one mask")
    return float(np.mean(found))
