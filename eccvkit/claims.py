"""What a paper claims, and the verdict of a study.

A claim boils each seed down to one number that is **positive when the claim holds** (its effect).
The verdict looks at the mean effect and its 95% interval over seeds (DESIGN, section 5):

=================  ============================================================================
reproduced         mean in the claimed direction, interval excludes zero
leaning            mean in the claimed direction, interval includes zero
not reproduced     mean at zero or against the claim, interval includes zero
contradicted       interval excludes zero on the other side
not judged         fewer than three seeds
=================  ============================================================================

A claim about an exact algorithm needs no seeds: see :class:`Claim`, ``exact``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from eccvkit.errors import EccvkitError
from eccvkit.metrics.stats import Interval, mean_interval
from eccvkit.study import Study

REPRODUCED = "reproduced"
LEANING = "leaning"
NOT_REPRODUCED = "not reproduced"
CONTRADICTED = "contradicted"
NOT_JUDGED = "not judged"
VERDICTS = (REPRODUCED, LEANING, NOT_REPRODUCED, CONTRADICTED, NOT_JUDGED)


class Effect(Protocol):
    """Turns a study into one number per seed, positive when the claim holds."""

    metric: str

    def per_seed(self, study: Study) -> pd.Series:
        """Effect of each seed, indexed by seed."""
        ...

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """Our numbers in words, for the verdict table; ``scale`` is the claim's."""
        ...


_SIGN = {"higher": 1.0, "lower": -1.0}


def _mean(study: Study, metric: str, variant: str, scale: float) -> str:
    value = scale * float(study.values(metric, variant).mean())
    return f"{value:.1f}" if scale == 100 else f"{value:.2f}"


def _by_arm(study: Study, metric: str, arms: Sequence[str]) -> pd.DataFrame:
    """One row per seed, one column per arm in the given order."""
    return pd.DataFrame({arm: study.values(metric, arm) for arm in arms})


@dataclass(frozen=True)
class Difference:
    """One arm against another arm, or against a bound, seed by seed.

    Parameters
    ----------
    metric : str
    arm : str
        The variant the claim is about.
    than : str or float
        The other variant, or a bound.
    direction : {"higher", "lower"}
        Where the claim puts ``arm``.
    tolerance : float
        For claims of the kind "not worse": a loss of up to this much still counts as agreement.
    """

    metric: str
    arm: str
    than: str | float
    direction: str = "higher"
    tolerance: float = 0.0

    def per_seed(self, study: Study) -> pd.Series:
        """Signed paired difference plus the tolerance."""
        ours = study.values(self.metric, self.arm)
        other = study.values(self.metric, self.than) if isinstance(self.than, str) else self.than
        return _SIGN[self.direction] * (ours - other) + self.tolerance

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """Both means."""
        than = (
            _mean(study, self.metric, self.than, scale)
            if isinstance(self.than, str)
            else f"the bound {scale * self.than:g}"
        )
        slack = f", tolerated loss {scale * self.tolerance:g}" if self.tolerance else ""
        return f"{_mean(study, self.metric, self.arm, scale)} against {than}{slack}"


@dataclass(frozen=True)
class Monotone:
    """A metric that rises (or falls) strictly along an ordered list of arms.

    The effect of a seed is its **smallest** step in the claimed direction: positive only if every
    step goes the right way.
    """

    metric: str
    arms: tuple[str, ...]
    direction: str = "higher"

    def per_seed(self, study: Study) -> pd.Series:
        """Smallest signed step."""
        steps = _SIGN[self.direction] * _by_arm(study, self.metric, self.arms).diff(axis=1)
        return steps.iloc[:, 1:].min(axis=1, skipna=False)

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """The means in order."""
        return ", ".join(_mean(study, self.metric, arm, scale) for arm in self.arms)


@dataclass(frozen=True)
class Spread:
    """A metric that hardly changes over some arms: the largest minus the smallest is below a bound.

    ``below`` is fixed before the arms are judged.
    """

    metric: str
    arms: tuple[str, ...]
    below: float

    def per_seed(self, study: Study) -> pd.Series:
        """Bound minus spread."""
        values = _by_arm(study, self.metric, self.arms)
        return self.below - (values.max(axis=1, skipna=False) - values.min(axis=1, skipna=False))

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """The means and the mean spread."""
        means = ", ".join(_mean(study, self.metric, arm, scale) for arm in self.arms)
        spread = scale * (self.below - float(self.per_seed(study).mean()))
        return f"{means}; mean spread {spread:.2g}, bound {scale * self.below:g}"


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, the comparison that decides it, and the paper's own figures.

    Attributes
    ----------
    id : str
        "C1", "C2a", ...
    text : str
        The claim in one sentence.
    effect : Effect
        The comparison on our study.
    paper : str
        The paper's numbers, in words a reader can compare with ours.
    source : str
        Where they stand: "Table 1", "Fig. 5a".
    unit : str
        Unit of the effect, for example "points of AUROC".
    scale : float
        Factor on our values, so that they stand in the paper's unit (100 for percent).
    exact : bool
        The claim is about a deterministic algorithm: one value decides.
    """

    id: str
    text: str
    effect: Effect
    paper: str
    source: str
    unit: str = ""
    scale: float = 1.0
    exact: bool = False


@dataclass(frozen=True)
class Verdict:
    """A judged claim: effect, interval, verdict, and our numbers in words."""

    claim: Claim
    ours: str
    interval: Interval
    verdict: str

    def record(self) -> dict[str, Any]:
        """JSON-serialisable form, the ``claims`` entry of :data:`eccvkit.outputs.CLAIMS`."""

        def number(x: float) -> float | None:
            return round(float(x), 6) if np.isfinite(x) else None

        return {
            "id": self.claim.id,
            "text": self.claim.text,
            "paper": self.claim.paper,
            "source": self.claim.source,
            "unit": self.claim.unit,
            "ours": self.ours,
            "effect": number(self.interval.mean),
            "low": number(self.interval.low),
            "high": number(self.interval.high),
            "n": self.interval.n,
            "verdict": self.verdict,
        }


def verdict_of(interval: Interval, *, exact: bool = False) -> str:
    """The verdict that an effect's interval earns; the table in the module's docstring.

    Examples
    --------
    >>> verdict_of(Interval(0.05, 0.01, 0.09, 5)), verdict_of(Interval(0.05, -0.01, 0.11, 5))
    ('reproduced', 'leaning')
    """
    if interval.n and not np.isfinite(interval.mean):
        raise EccvkitError("claim: the effect is NaN; a metric of the study is not a number")
    if exact and interval.n:
        return REPRODUCED if interval.mean > 0 else CONTRADICTED
    if interval.n < 3:
        return NOT_JUDGED
    if interval.mean > 0:
        return REPRODUCED if interval.low > 0 else LEANING
    return CONTRADICTED if interval.high < 0 else NOT_REPRODUCED


def judge(claims: Sequence[Claim], study: Study) -> list[Verdict]:
    """Judge every claim on a study.

    Raises
    ------
    UnknownName
        A claim names a variant or metric that the study does not have.
    EccvkitError
        An effect is not a number.
    """
    verdicts = []
    for claim in claims:
        effects = claim.scale * claim.effect.per_seed(study)
        # An exact claim must hold in every case, so its worst one decides.
        interval = mean_interval([effects.min()] if claim.exact else effects)
        verdict = verdict_of(interval, exact=claim.exact)
        ours = claim.effect.describe(study, claim.scale)
        verdicts.append(Verdict(claim, ours, interval, verdict))
    return verdicts
