"""How accurate matches are: reprojection errors and mean matching accuracy (MMA).

MMA at a threshold t is the share of a pair's matches whose error is at most t pixels, averaged over
the pairs (Mikolajczyk and Schmid, *A performance evaluation of local descriptors*, PAMI 2005; the
form used on HPatches since Dusmanu et al., *D2-Net*, CVPR 2019). It says nothing about how many
matches there are, so report their number beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from eccvkit.errors import DataError

#: Thresholds in pixels that tables usually show, and those of a curve.
THRESHOLDS = (1, 2, 3, 5, 10)
CURVE = tuple(range(1, 11))


def match_errors(matched: Tensor, truth: Tensor) -> Tensor:
    """Distances in pixels (..., K) between matched and true points, both (..., K, 2).

    A true point at infinity (it has no image) gives an infinite error.

    Raises
    ------
    DataError
        Shapes differ or are not (..., K, 2), or a coordinate is NaN.
    """
    if matched.shape != truth.shape or matched.shape[-1:] != (2,):
        raise DataError(
            f"match_errors: points of shapes {tuple(matched.shape)} and {tuple(truth.shape)}; "
            "give both the shape (..., K, 2)"
        )
    if bool(torch.isnan(matched).any() | torch.isnan(truth).any()):
        raise DataError("match_errors: a coordinate is NaN; leave such points out by the mask kept")
    return (matched - truth).norm(dim=-1)


def matching_accuracy(
    errors: Tensor, kept: Tensor, thresholds: Sequence[float] = THRESHOLDS
) -> Tensor:
    """Share of each pair's kept matches with an error of at most t, (N, T).

    A pair without any kept match counts as 0 at every threshold: a filter must not win by
    rejecting everything.

    Parameters
    ----------
    errors : Tensor
        (N, K) in pixels.
    kept : Tensor of bool
        (N, K), which matches count.
    thresholds : sequence of float
        In pixels; an error of exactly t is a hit.

    Raises
    ------
    DataError
        Shapes differ, or an error of a kept match is NaN.

    Examples
    --------
    >>> errors = torch.tensor([[0.5, 2.0, 9.0]])
    >>> matching_accuracy(errors, torch.tensor([[True, True, False]]), (1, 3)).tolist()
    [[0.5, 1.0]]
    """
    if errors.ndim != 2 or errors.shape != kept.shape or kept.dtype != torch.bool:
        raise DataError(
            f"matching_accuracy: errors {tuple(errors.shape)} and kept {tuple(kept.shape)} "
            f"({kept.dtype}); give (N, K) numbers and a mask of the same shape"
        )
    if bool(torch.isnan(errors[kept]).any()):
        raise DataError("matching_accuracy: the error of a kept match is NaN; check the matches")
    levels = torch.as_tensor(thresholds, dtype=errors.dtype, device=errors.device)
    hits = (errors[..., None] <= levels) & kept[..., None]
    count = kept.sum(dim=1, keepdim=True)
    return hits.sum(dim=1).double() / count.clamp(min=1)


def mean_matching_accuracy(
    errors: Tensor, kept: Tensor, thresholds: Sequence[float] = THRESHOLDS
) -> Tensor:
    """MMA (T,): the mean over pairs of :func:`matching_accuracy`."""
    return matching_accuracy(errors, kept, thresholds).mean(dim=0)
