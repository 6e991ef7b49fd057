"""The rules of paper 08 without a generator: repair a set of masks and count what is left."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor

from eccvkit.data.masks import voronoi_membranes
from eccvkit.papers.topogan.gradient import topological_loss
from eccvkit.papers.topogan.persistence import Diagram, almost_hole_rate, diagrams
from eccvkit.study import Study

#: Share of masks with a gap among the real ones, and among those to be repaired.
REAL_CUT, BROKEN_CUT = 0.35, 0.9


def repair(masks: Tensor, real: Sequence[Diagram] | None, rounds: int = 3) -> Tensor:
    """Make the changes of mode "segment" to masks (n, 1, S, S) directly, a few times over.

    Parameters
    ----------
    real : sequence of Diagram or None
        Match with these (Eq. 4), or close every loop.
    """
    for _ in range(rounds):
        change = topological_loss(masks, real).change
        wanted = torch.as_tensor(change, dtype=masks.dtype).unsqueeze(1)
        masks = torch.where(wanted > 0, 1.0, torch.where(wanted < 0, 0.0, masks))
    return masks


def repair_study(seeds: Sequence[int], masks: int = 100, size: int = 32) -> Study:
    """Broken masks repaired with both rules, and the rate of almost-holes that is left.

    The matched rule sees one set of real masks, half as large again; it is judged against another,
    four times as large.

    Returns
    -------
    Study
        Variants "broken", "matched", "blind", "real"; metrics ``almost rate`` and ``rate error``,
        its absolute difference to that of the held-out real masks.
    """
    rows = []
    for seed in seeds:
        real, held_out = (
            diagrams(voronoi_membranes(n, size, cut=REAL_CUT, seed=3 * seed + k).images)
            for k, n in ((0, masks + masks // 2), (2, 4 * masks))
        )
        broken = voronoi_membranes(masks, size, cut=BROKEN_CUT, seed=3 * seed + 1).images
        sets = {
            "broken": diagrams(broken),
            "matched": diagrams(repair(broken, real)),
            "blind": diagrams(repair(broken, None)),
            "real": real,
        }
        goal = almost_hole_rate(held_out)
        for variant, found in sets.items():
            rate = almost_hole_rate(found)
            for metric, value in (("almost rate", rate), ("rate error", abs(rate - goal))):
                rows.append({"variant": variant, "seed": seed, "metric": metric, "value": value})
    return Study(pd.DataFrame(rows))
