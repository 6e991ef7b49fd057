"""Weights of errors in points of mAP: isolated (Eq. 2), progressive (Eq. 4), split, restricted.

Weights are reported as they are. A negative one (rare: repairing an error can empty a category, or
move a detection into one where it does harm) is not clipped to 0, unlike in the published code;
:func:`eccvkit.papers.tide.report.clipped` does that where it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

import numpy as np
import pandas as pd

from eccvkit.data.detections import Detections, GroundTruth, areas
from eccvkit.errors import EccvkitError
from eccvkit.metrics.detection import COCO_THRESHOLDS
from eccvkit.papers.tide.analysis import Analysis, mean_ap
from eccvkit.papers.tide.bins import TYPES
from eccvkit.papers.tide.oracles import ORACLES, SPECIAL, Selection

#: Size bins of Sect. 3.2: area in square pixels, from (included) and to (excluded).
SIZES: dict[str, tuple[float, float]] = {
    "XS": (0, 16**2),
    "S": (16**2, 32**2),
    "M": (32**2, 96**2),
    "L": (96**2, 288**2),
    "XL": (288**2, np.inf),
}


def isolated(analysis: Analysis) -> dict[str, float]:
    """Eq. 2: mAP gained when one oracle alone acts on the unmodified detections."""
    return {name: analysis.ap([name]) - analysis.ap() for name in TYPES}


def special(analysis: Analysis) -> dict[str, float]:
    """The alternative split: mAP gained by the oracles of false positives and false negatives."""
    return {name: analysis.ap([name]) - analysis.ap() for name in SPECIAL}


def progressive(analysis: Analysis, order: Sequence[str] = TYPES) -> dict[str, float]:
    """Eq. 4 along an order: mAP gained by each oracle when all earlier ones have already acted.

    The weights add up to 100 - mAP. What they say depends on the order, so the paper advises
    against them.

    Raises
    ------
    EccvkitError
        ``order`` is not a permutation of the six types.
    """
    if sorted(order) != sorted(TYPES):
        raise EccvkitError(f"order is {tuple(order)}: name each of {', '.join(TYPES)} once")
    return {
        name: analysis.ap(order[: i + 1]) - analysis.ap(order[:i]) for i, name in enumerate(order)
    }


def by_position(analysis: Analysis) -> pd.DataFrame:
    """Mean progressive weight of each type at each place of the order, over all 720 orders.

    Only 64 evaluations are needed: one per set of oracles.

    Returns
    -------
    pandas.DataFrame
        Rows: the types; columns: places 1 to 6. Column 1 holds the isolated weights.
    """
    total = np.zeros((len(TYPES), len(TYPES)))
    orders = list(permutations(TYPES))
    for order in orders:
        for place, weight in enumerate(progressive(analysis, order).items()):
            name, value = weight
            total[TYPES.index(name), place] += value
    places = range(1, len(TYPES) + 1)
    return pd.DataFrame(len(TYPES) * total / len(orders), index=list(TYPES), columns=list(places))


def restricted(
    analysis: Analysis, groups: Mapping[str, Selection], oracles: Iterable[str] = TYPES
) -> pd.DataFrame:
    """Weights when an oracle repairs only the errors of one group (Sect. 3.2).

    The detections stay as they are; only the repairs are filtered.

    Parameters
    ----------
    analysis : Analysis
    groups : mapping of str to Selection
        For example :func:`size_groups`.
    oracles : iterable of str
        Some of the six types.

    Returns
    -------
    pandas.DataFrame
        Rows: oracles; columns: groups.
    """
    base = analysis.ap()
    return pd.DataFrame(
        {
            group: {
                name: mean_ap(analysis.ap_per_class([name], selection)) - base for name in oracles
            }
            for group, selection in groups.items()
        }
    )


def size_groups(
    analysis: Analysis, sizes: Mapping[str, tuple[float, float]] = SIZES
) -> dict[str, Selection]:
    """Select by area: a detection or an object in the bin (area of the mask in mode "mask").

    Parameters
    ----------
    analysis : Analysis
    sizes : mapping of str to (float, float)
        Bins of area in square pixels, lower end included and upper end excluded.
    """

    def within(table: GroundTruth | Detections, low: float, high: float) -> np.ndarray:
        area = areas(table, analysis.mode)
        return (low <= area) & (area < high)

    dataset, rows = analysis.dataset, analysis.pairs.rows
    return {
        name: Selection(det=within(dataset.det, *ends)[rows], gt=within(dataset.gt, *ends))
        for name, ends in sizes.items()
    }


def per_class(analysis: Analysis) -> pd.DataFrame:
    """Average precision and weights of each category.

    Returns
    -------
    pandas.DataFrame
        One row per category: "objects", "detections" (counted ones), "AP" and a column per oracle.
        A weight is NaN where the category is empty before or after the repair.
    """
    before = analysis.before
    names = list(analysis.dataset.categories)
    ap = analysis.ap_per_class()
    columns = {
        "objects": before.n_gt,
        "detections": np.bincount(before.category[before.counted], minlength=len(names)),
        "AP": ap,
    }
    columns |= {name: analysis.ap_per_class([name]) - ap for name in ORACLES}
    return pd.DataFrame(columns, index=pd.Index(names, name="category"))


def sweep(analysis: Analysis, thresholds: Iterable[float] = COCO_THRESHOLDS) -> pd.DataFrame:
    """MAP and weights at each foreground threshold; the mean of column "mAP" is COCO's mAP.

    Returns
    -------
    pandas.DataFrame
        One row per threshold: "mAP" and a column per oracle.
    """
    rows = {}
    for t_f in thresholds:
        there = analysis if t_f == analysis.t_f else analysis.at(t_f)
        rows[t_f] = {"mAP": there.ap(), **isolated(there), **special(there)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("t_f")
