"""Seeded partitions that every arm of a study, and every chapter, shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from eccvkit.errors import EccvkitError


@dataclass(frozen=True)
class OpenSetSplit:
    """A partition into known and unknown classes.

    Attributes
    ----------
    known : tuple of int
        Original labels of the known classes; position k is the new label k.
    unknown : tuple of int
        Original labels of the classes that training never sees.
    train, test_known, test_unknown : torch.Tensor
        int64 indices into the data set.
    targets : torch.Tensor
        (N,) new label 0..K-1 of every sample, -1 for samples of unknown classes.
    """

    known: tuple[int, ...]
    unknown: tuple[int, ...]
    train: torch.Tensor
    test_known: torch.Tensor
    test_unknown: torch.Tensor
    targets: torch.Tensor


def open_set_split(
    labels: torch.Tensor | np.ndarray,
    known: int | Sequence[int],
    seed: int = 0,
    *,
    train_fraction: float = 0.7,
) -> OpenSetSplit:
    """Draw known and unknown classes, and split the known samples into train and test.

    The protocol of Neal et al. (2018) that papers 07 and 30 follow: unknown classes appear in the
    test set only. The train/test split is stratified by class.

    Parameters
    ----------
    labels : (N,) integer array
        Original class labels.
    known : int or sequence of int
        How many known classes to draw at random, or which ones.
    seed : int
        Seeds both the draw of classes and the split.
    train_fraction : float
        Share of known samples used for training.

    Raises
    ------
    EccvkitError
        Fewer than two known classes, no class left as unknown, or a class that does not exist.

    Examples
    --------
    >>> split = open_set_split(torch.arange(100) % 10, known=6, seed=0)
    >>> len(split.known), len(split.unknown), len(split.train), len(split.test_known)
    (6, 4, 42, 18)
    """
    from sklearn.model_selection import train_test_split

    labels = np.asarray(labels)
    classes = np.unique(labels)
    rng = np.random.default_rng(seed)
    if isinstance(known, (int, np.integer)):
        if not 2 <= known < len(classes):
            raise EccvkitError(
                f"open_set_split: {known} known classes asked of {len(classes)}; use 2 to "
                f"{len(classes) - 1}, so that at least one class stays unknown"
            )
        chosen = np.sort(rng.permutation(classes)[:known])
    else:
        chosen = np.unique(np.asarray(known))
        missing = np.setdiff1d(chosen, classes)
        if len(missing) or not 2 <= len(chosen) < len(classes):
            raise EccvkitError(
                f"open_set_split: known classes {list(known)} must be at least two of "
                f"{classes.tolist()} and leave one out"
            )
    rest = np.setdiff1d(classes, chosen)
    is_known = np.isin(labels, chosen)
    targets = np.full(labels.shape, -1, dtype=np.int64)
    targets[is_known] = np.searchsorted(chosen, labels[is_known])
    train, test = train_test_split(
        np.flatnonzero(is_known),
        train_size=train_fraction,
        stratify=targets[is_known],
        random_state=int(rng.integers(2**31)),
    )
    return OpenSetSplit(
        known=tuple(chosen.tolist()),
        unknown=tuple(rest.tolist()),
        train=torch.as_tensor(np.sort(train)),
        test_known=torch.as_tensor(np.sort(test)),
        test_unknown=torch.as_tensor(np.flatnonzero(~is_known)),
        targets=torch.as_tensor(targets),
    )


def long_tail_sizes(n_classes: int, n_max: int, n_min: int) -> list[int]:
    """Class sizes n_k = max(n_min, round(n_max / k)) for k = 1, ..., n_classes (Zipf's law).

    Raises
    ------
    EccvkitError
        Not 1 <= n_min <= n_max.

    Examples
    --------
    >>> long_tail_sizes(5, 100, 30)
    [100, 50, 33, 30, 30]
    """
    if not 1 <= n_min <= n_max:
        raise EccvkitError(f"need 1 <= n_min <= n_max, got n_min={n_min} and n_max={n_max}")
    return [max(n_min, round(n_max / k)) for k in range(1, n_classes + 1)]
