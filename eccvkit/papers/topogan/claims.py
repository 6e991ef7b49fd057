"""What paper 08 claims, with its own figures, and the comparison that decides each claim."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eccvkit.claims import Claim, Difference
from eccvkit.study import Study

#: Table 1 by data set: arm -> measure -> value. The MMD stands with our squared one: with the
#: paper's kernel a norm cannot exceed the root of 2, and it prints 1.735.
PAPER_TABLE1 = {
    "CREMI": {
        "WGAN-GP": {"frechet": 21.64, "mmd squared": 0.142, "betti score": 0.236},
        "WGAN-SN": {"frechet": 34.15, "mmd squared": 0.326, "betti score": 0.125},
        "TopoGAN": {"frechet": 20.96, "mmd squared": 0.134, "betti score": 0.015},
    },
    "ISBI12": {
        "WGAN-GP": {"frechet": 83.90, "mmd squared": 0.558, "betti score": 0.908},
        "WGAN-SN": {"frechet": 78.61, "mmd squared": 0.602, "betti score": 1.775},
        "TopoGAN": {"frechet": 31.90, "mmd squared": 0.405, "betti score": 0.802},
    },
    "Retina": {
        "WGAN-GP": {"frechet": 179.69, "mmd squared": 1.735, "betti score": 0.541},
        "WGAN-SN": {"frechet": 269.12},
        "TopoGAN": {"frechet": 169.21, "mmd squared": 1.602, "betti score": 0.457},
    },
    "Maps": {
        "WGAN-GP": {"frechet": 72.00, "mmd squared": 0.482, "betti score": 0.223},
        "WGAN-SN": {"frechet": 175.52, "mmd squared": 0.724, "betti score": 0.255},
        "TopoGAN": {"frechet": 60.48, "mmd squared": 0.471, "betti score": 0.177},
    },
    "Facade": {
        "WGAN-GP": {"frechet": 122.13, "mmd squared": 0.137, "betti score": 0.176},
        "WGAN-SN": {"frechet": 126.10, "mmd squared": 0.166, "betti score": 0.142},
        "TopoGAN": {"frechet": 119.11, "mmd squared": 0.080, "betti score": 0.124},
    },
}

#: Loss in Frechet distance, relative to WGAN-GP, that still counts as "not worse".
FRECHET_TOLERANCE = 0.10
#: If the pretrained generator leaves fewer almost-holes beyond the real ones than this (share of
#: the masks), there is nothing to repair, and the comparison of arms says nothing.
LEAST_EXCESS = 0.1
#: Largest error of the matched rate: two standard errors of a share of 0.35 among 80 masks.
RATE_BOUND = 0.1


@dataclass(frozen=True)
class RelativeLoss:
    """An arm is not worse than another by more than a share of the other's value.

    The effect of a seed is ``tolerance - (arm - other) / other`` for a metric that should be small.
    """

    metric: str
    arm: str
    than: str
    tolerance: float

    def per_seed(self, study: Study) -> pd.Series:
        """Tolerated share minus relative loss."""
        ours, other = (study.values(self.metric, arm) for arm in (self.arm, self.than))
        return self.tolerance - (ours - other) / other

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """Both means, and the mean relative change."""
        ours, other = (study.values(self.metric, arm) for arm in (self.arm, self.than))
        change = scale * float(((ours - other) / other).mean())
        return (
            f"{ours.mean():.1f} against {other.mean():.1f} ({change:+.0f}%), "
            f"tolerated loss {scale * self.tolerance:g}%"
        )


def _table1(metric: str, *sets: str) -> str:
    """Both arms of Table 1 for some data sets, in words."""
    values = {name: PAPER_TABLE1[name] for name in sets}
    return ", ".join(
        f"{v['TopoGAN'][metric]:g} against {v['WGAN-GP'][metric]:g} on {name}"
        for name, v in values.items()
    )


_MEMBRANES = ("CREMI", "ISBI12", "Maps", "Facade")
_LOWER = {"direction": "lower"}


def _of_table1(suffix: str, data: str, *sets: str) -> tuple[Claim, ...]:
    """C1 to C3 on one of our data sets."""
    return (
        Claim(
            f"C1{suffix}",
            f"Topology lowers the Betti score ({data}).",
            Difference("betti score", "TopoGAN", "WGAN-GP", **_LOWER),
            paper=_table1("betti score", *sets),
            source="Table 1",
            unit="Betti score, WGAN-GP minus TopoGAN",
        ),
        Claim(
            f"C2{suffix}",
            f"Topology lowers the unbiased MMD of the diagrams ({data}).",
            Difference("mmd squared", "TopoGAN", "WGAN-GP", **_LOWER),
            paper=_table1("mmd squared", *sets),
            source="Table 1",
            unit="squared MMD, WGAN-GP minus TopoGAN",
        ),
        Claim(
            f"C3{suffix}",
            f"Topology costs at most 10% in Frechet distance ({data}); the paper has it lower.",
            RelativeLoss("frechet", "TopoGAN", "WGAN-GP", FRECHET_TOLERANCE),
            paper=_table1("frechet", *sets),
            source="Table 1",
            unit="% below the tolerated loss of Frechet distance",
            scale=100.0,
        ),
    )


#: Judged on the study of membranes.
CLAIMS: tuple[Claim, ...] = (
    *_of_table1("a", "membranes", *_MEMBRANES),
    Claim(
        "C5b",
        "A generator trained with matching comes closer to the real rate of open loops than one "
        "that closes every loop (extension).",
        Difference("rate error", "TopoGAN", "blind", **_LOWER),
        paper="stated, no numbers",
        source="Sects. 1 and 2",
        unit="share of masks, blind minus matched",
    ),
)

#: Judged on the study of the retina.
RETINA_CLAIMS: tuple[Claim, ...] = _of_table1("b", "retina", "Retina")

#: Judged on :func:`~eccvkit.papers.topogan.descent.descent_study`.
DESCENT_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C4a",
        "Descent on the topological loss alone closes an almost-hole: its birth goes to 0.",
        Difference("birth", "end", 0.5, **_LOWER),
        paper="the dot moves to the left until birth 0",
        source="Fig. 4",
        unit="pixels below the bound",
        exact=True,
    ),
    Claim(
        "C4b",
        "Meanwhile the true holes stay.",
        Difference("holes lost", "end", 0.5, **_LOWER),
        paper="the other dots stay",
        source="Fig. 4",
        unit="holes below the bound",
        exact=True,
    ),
)

#: Judged on :func:`~eccvkit.papers.topogan.sets.repair_study`.
REPAIR_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C5a",
        "Matching sets ends nearer to the real rate of open loops than closing every loop "
        "(extension, masks without a generator).",
        Difference("rate error", "matched", "blind", **_LOWER),
        paper="stated, no numbers",
        source="Sects. 1 and 2",
        unit="share of masks, blind minus matched",
    ),
    Claim(
        "C5c",
        "Matching ends within 10 points of the real rate (extension, masks without a generator).",
        Difference("rate error", "matched", RATE_BOUND, **_LOWER),
        paper="stated, no numbers",
        source="Sects. 1 and 2",
        unit="share of masks below the bound",
    ),
)
