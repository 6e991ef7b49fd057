"""Latents in two dimensions: t-SNE, PCA and MDS (scikit-learn), with a grey unknown class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from eccvkit.errors import EccvkitError, unknown
from eccvkit.viz.style import GREY, PALETTE

METHODS = ("tsne", "pca", "mds")


def project(features: ArrayLike, method: str = "tsne", seed: int = 0, **kwargs) -> np.ndarray:
    """Project features (n, d) to the plane (n, 2).

    Parameters
    ----------
    features : (n, d) array
    method : {"tsne", "pca", "mds"}
        Distances between far clusters mean little in a t-SNE plot; PCA and MDS keep them.
    seed : int
    **kwargs
        Passed to scikit-learn's estimator.

    Raises
    ------
    UnknownName
        Not a method.
    EccvkitError
        Fewer than three samples, or values that are not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 2 or len(features) < 3 or not np.isfinite(features).all():
        raise EccvkitError(
            f"project: need at least three finite feature rows, got shape {features.shape}"
        )
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(features) - 1) / 3)
        options = {"perplexity": perplexity, "init": "pca", "n_jobs": 1} | kwargs
        return TSNE(2, random_state=seed, **options).fit_transform(features)
    if method == "pca":
        from sklearn.decomposition import PCA

        return PCA(2, random_state=seed, **kwargs).fit_transform(features)
    if method == "mds":
        from sklearn.manifold import MDS

        options = {"n_init": 1, "init": "classical_mds"} | kwargs
        return MDS(2, random_state=seed, **options).fit_transform(features)
    raise unknown("projection", method, METHODS)


def scatter_classes(
    ax: Axes,
    points: ArrayLike,
    labels: ArrayLike,
    names: Mapping[int, str] | Sequence[str],
    *,
    unknown_label: int | None = -1,
    size: float = 12,
    legend: bool = True,
) -> Axes:
    """Scatter points in the plane coloured by class; unknowns grey, small, and underneath.

    Parameters
    ----------
    points : (n, 2) array
    labels : (n,) int array
    names : mapping or sequence
        Class label to its name in the legend.
    unknown_label : int, optional
        Label of the samples drawn in grey.
    """
    points, labels = np.asarray(points), np.asarray(labels)
    if unknown_label is not None and (labels == unknown_label).any():
        xy = points[labels == unknown_label]
        ax.scatter(*xy.T, s=size * 0.7, c=GREY, alpha=0.5, lw=0, label="unknown", zorder=1)
    for k in sorted(set(labels.tolist()) - {unknown_label}):
        xy = points[labels == k]
        colour = PALETTE[k % len(PALETTE)]
        ax.scatter(*xy.T, s=size, c=colour, alpha=0.85, lw=0, label=names[k], zorder=2)
    if legend:
        ax.legend(markerscale=2, ncols=2, handletextpad=0.2, columnspacing=0.8)
    return ax


def scatter_values(
    ax: Axes, points: ArrayLike, values: ArrayLike, label: str, *, size: float = 12
) -> Axes:
    """Scatter points in the plane coloured by a number, with a colour bar named ``label``."""
    points = np.asarray(points)
    dots = ax.scatter(*points.T, s=size, c=np.asarray(values), cmap="cividis", lw=0)
    ax.figure.colorbar(dots, ax=ax, label=label)
    return ax


def bare(ax: Axes, title: str = "") -> Axes:
    """Hide ticks and grid: the axes of a t-SNE plot have no unit."""
    ax.set(xticks=[], yticks=[], title=title)
    ax.grid(visible=False)
    return ax
