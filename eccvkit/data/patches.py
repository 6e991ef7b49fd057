"""Random square patches of binary masks: many training images from a few large ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import EccvkitError
from eccvkit.runtime import check_seed


def mask_patches(
    masks: Sequence[np.ndarray],
    size: int,
    n: int,
    *,
    seed: int = 0,
    least: float = 0.0,
    fields: Sequence[np.ndarray] | None = None,
    turned: bool = True,
) -> Tensor:
    """Draw patches, every possible position in all masks with the same probability.

    Parameters
    ----------
    masks : sequence of ndarray of bool, (H, W)
        Their sizes may differ; those smaller than a patch are passed over.
    size : int
        Side of a patch in pixels.
    n : int
        How many; patches may overlap, and the same position may come twice.
    seed : int
    least : float
        Smallest share of True in a patch.
    fields : sequence of ndarray of bool, optional
        One per mask, of its size: patches lie where it is True.
    turned : bool
        Put every patch into one of the eight positions of a square, chosen at random.

    Returns
    -------
    Tensor of float32, (n, 1, size, size)
        0 or 1.

    Raises
    ------
    EccvkitError
        No position is possible, fields do not fit the masks, or a bad size or seed.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.eye(6, dtype=bool)
    >>> mask_patches([mask], 2, 3, least=0.5).sum(dim=(1, 2, 3))
    tensor([2., 2., 2.])
    """
    rng = np.random.default_rng(check_seed(seed))
    fields = [None] * len(masks) if fields is None else fields
    if len(fields) != len(masks) or any(
        f is not None and f.shape != m.shape for m, f in zip(masks, fields)
    ):
        raise EccvkitError("fields do not fit the masks: give one per mask, of its size")
    if size < 1:
        raise EccvkitError(f"size is {size}: a patch has at least one pixel")
    # Positions are found twice, to count and to choose, so that those of one mask fill the memory.
    ends = np.cumsum([_places(m, f, size, least).sum() for m, f in zip(masks, fields)], dtype=int)
    if not len(ends) or not ends[-1]:
        raise EccvkitError(
            f"no patch of {size} x {size} pixels with a share of at least {least:g} fits into the "
            "masks: use a smaller size or share, or larger masks"
        )
    picks = rng.integers(ends[-1], size=n)
    sources = np.searchsorted(ends, picks, side="right")
    patches = np.empty((n, size, size), dtype=np.float32)
    for k in np.unique(sources):
        chosen = sources == k
        # Counted from the end of this mask's positions: their number is not needed again.
        rows, columns = np.nonzero(_places(masks[k], fields[k], size, least))
        picked = picks[chosen] - ends[k]
        windows = np.lib.stride_tricks.sliding_window_view(masks[k], (size, size))
        patches[chosen] = windows[rows[picked], columns[picked]]
    patches = torch.from_numpy(patches)
    if turned:
        patches = _turned(patches, rng.integers(8, size=n))
    return patches.unsqueeze(1)


def _places(mask: np.ndarray, field: np.ndarray | None, size: int, least: float) -> np.ndarray:
    """Whether a window may start at each pixel: it lies in the field and holds enough mask."""
    if size > min(mask.shape):
        return np.zeros((0, 0), dtype=bool)
    places = _window_sums(mask, size) >= least * size**2
    return places if field is None else places & (_window_sums(field, size) == size**2)


def _window_sums(array: np.ndarray, size: int) -> np.ndarray:
    """Sum over every window of ``size`` x ``size``, by a summed-area table."""
    table = np.pad(array.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    return table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]


def _turned(patches: Tensor, turns: np.ndarray) -> Tensor:
    """Apply one of the eight symmetries of the square to each patch of (n, size, size)."""
    turned = torch.empty_like(patches)
    for turn in range(8):
        chosen = torch.from_numpy(np.flatnonzero(turns == turn))
        view = patches[chosen].rot90(turn % 4, dims=(1, 2))
        turned[chosen] = view.flip(2) if turn >= 4 else view
    return turned
