r"""Frechet distance between two sets of features, and the floor that finite sets leave under it.

Heusel et al. (*GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium*,
NeurIPS 2017) fit a Gaussian to each set and take the Frechet (2-Wasserstein) distance of the two:

.. math:: \|m_a - m_b\|^2 + \operatorname{tr}\bigl(C_a + C_b - 2 (C_a C_b)^{1/2}\bigr)

It is a *squared* distance. With Inception features it is the FID; here the features are those of
whatever judge the caller trained. It is biased upwards in small sets: two halves of the *same* data
do not come out at zero. :func:`frechet_floor` measures by how much; compare only values of equal
sample sizes, and read them against the floor of these sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from eccvkit.errors import DataError


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    r"""Squared Frechet distance of the Gaussians fitted to two sets of features.

    Parameters
    ----------
    a, b : array_like
        Features (N, d) and (M, d), one row per sample.

    Raises
    ------
    DataError
        Not two-dimensional, d differs, fewer than two rows, or a feature is not finite.

    Notes
    -----
    Computed in float64. With covariances :math:`C_a = R_a^\top R_a` from a QR decomposition of the
    centred features, :math:`\operatorname{tr}(C_a C_b)^{1/2}` is the sum of the singular values of
    :math:`R_a R_b^\top`. No covariance is formed and no root of one is taken, so singular
    covariances (fewer samples than features, dead features) need no regularisation.

    Examples
    --------
    >>> a = [[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]]
    >>> round(frechet_distance(a, [[x + 3, y + 4] for x, y in a]), 6)
    25.0
    """
    a, b = _features(a), _features(b)
    if a.shape[1] != b.shape[1]:
        raise DataError(
            f"frechet_distance: {a.shape[1]} features per sample against {b.shape[1]}; use the "
            "same judge for both sets"
        )
    mean_a, root_a = _mean_and_root(a)
    mean_b, root_b = _mean_and_root(b)
    cross = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    value = ((mean_a - mean_b) ** 2).sum() + (root_a**2).sum() + (root_b**2).sum() - 2 * cross
    # Equal sets leave a rounding error of either sign.
    return max(0.0, float(value))


@dataclass(frozen=True)
class FrechetFloor:
    """Frechet distances of real samples to other real samples.

    Attributes
    ----------
    mean : float
        Mean over the repeats.
    std : float
        Standard deviation over the repeats, with ``repeats - 1``; NaN for a single one. Splits of
        one set overlap, so this is not the error of the mean.
    values : tuple of float
        One distance per repeat.
    sizes : tuple of int
        Samples on either side.
    """

    mean: float
    std: float
    values: tuple[float, ...]
    sizes: tuple[int, int]

    def __str__(self) -> str:
        return (
            f"{self.mean:.4g} ± {self.std:.2g} ({self.sizes[0]} against {self.sizes[1]} real "
            f"samples, {len(self.values)} splits)"
        )


def frechet_floor(
    features: ArrayLike,
    sizes: tuple[int, int] | None = None,
    repeats: int = 10,
    seed: int = 0,
) -> FrechetFloor:
    """Distance of disjoint random parts of one set: what a perfect generator would get.

    Parameters
    ----------
    features : array_like
        Features of real samples, (N, d).
    sizes : (int, int), optional
        Samples in the two parts, the ones used for the generator's value; two halves by default.
    repeats : int
        Random splits.
    seed : int
        Seeds the splits.

    Raises
    ------
    DataError
        As :func:`frechet_distance`; parts of fewer than two samples, or larger than the set; no
        repeats.

    Examples
    --------
    >>> real = np.random.default_rng(0).normal(size=(400, 2))
    >>> print(frechet_floor(real, sizes=(100, 200)))
    0.04913 ± 0.029 (100 against 200 real samples, 10 splits)
    """
    features = _features(features)
    first, second = sizes = sizes or (len(features) // 2,) * 2
    if first < 2 or second < 2 or first + second > len(features) or repeats < 1:
        raise DataError(
            f"frechet_floor: {repeats} splits of {len(features)} samples into {first} and {second};"
            " needed are a split or more, two samples or more on either side, and no overlap"
        )
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        order = rng.permutation(len(features))
        part, other = features[order[:first]], features[order[first : first + second]]
        values.append(frechet_distance(part, other))
    std = float(np.std(values, ddof=1)) if repeats > 1 else float("nan")
    return FrechetFloor(float(np.mean(values)), std, tuple(values), sizes)


def _mean_and_root(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,), and a matrix R with R'R = the covariance (divisor N - 1)."""
    mean = features.mean(axis=0)
    root = np.linalg.qr(features - mean, mode="r") / np.sqrt(len(features) - 1)
    return mean, root


def _features(features: ArrayLike) -> np.ndarray:
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or features.shape[0] < 2 or features.shape[1] < 1:
        raise DataError(
            f"Frechet distance: features of shape {features.shape}; needed is (samples, features) "
            "with at least 2 samples"
        )
    if not np.isfinite(features).all():
        raise DataError("Frechet distance: a feature is NaN or infinite; check the judge's output")
    return features
