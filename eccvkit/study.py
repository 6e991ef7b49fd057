"""Studies: variants times seeds, one tidy table.

Seeds pair the arms: with the same seed every variant sees the same data, the same partition and,
where shapes agree, the same initial weights. What differs is the variant alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pandas as pd
import torch

from eccvkit.errors import EccvkitError, unknown
from eccvkit.metrics.stats import mean_interval
from eccvkit.runtime import Clock, check_seed, progress

C = TypeVar("C")


def choose(presets: Mapping[str, C], name: str) -> C:
    """Return the configuration of a preset.

    Raises
    ------
    UnknownName
        The preset does not exist; the message lists the valid ones.
    """
    if name not in presets:
        raise unknown("preset", name, presets)
    return presets[name]


def overrides(**given: float) -> dict[str, Any]:
    """Values of notebook parameters that replace a preset's; 0 keeps the preset's value.

    Parameters
    ----------
    **given : int or float
        By field of the configuration. ``n_seeds``, the notebooks' name, becomes ``seeds``.

    Raises
    ------
    EccvkitError
        A value is negative.

    Examples
    --------
    >>> overrides(epochs=0, n_seeds=3)
    {'seeds': 3}
    """
    for name, value in given.items():
        if value < 0:
            raise EccvkitError(f"{name} is {value}: use 0 for the preset's value, or more")
    return {"seeds" if n == "n_seeds" else n: value for n, value in given.items() if value}


@dataclass
class Study:
    """The result of :func:`run_study`.

    Attributes
    ----------
    table : pandas.DataFrame
        Tidy: columns ``variant``, ``seed``, ``metric``, ``value``.
    artefacts : dict of str to dict
        What each variant's run kept of the first seed (models, features), for the pictures.
    seconds, memory_mb : float
        Wall time and peak memory of the whole study.
    """

    table: pd.DataFrame
    artefacts: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0
    memory_mb: float = 0.0

    @property
    def variants(self) -> list[str]:
        """Variant names in the order they were run."""
        return list(dict.fromkeys(self.table["variant"]))

    @property
    def seeds(self) -> list[int]:
        """Seeds in the order they were run."""
        return list(dict.fromkeys(self.table["seed"].tolist()))

    def values(self, metric: str, variant: str) -> pd.Series:
        """One metric of one variant, indexed by seed.

        Raises
        ------
        UnknownName
            The study has no such variant or metric.
        """
        if variant not in self.variants:
            raise unknown("variant", variant, self.variants)
        own = self.table[self.table["variant"] == variant]
        rows = own[own["metric"] == metric]
        if rows.empty:
            raise unknown(f"metric of {variant!r}", metric, dict.fromkeys(own["metric"]))
        return rows.set_index("seed")["value"]

    def summary(self) -> pd.DataFrame:
        """Mean and 95% interval over seeds per variant and metric.

        Returns
        -------
        pandas.DataFrame
            Columns ``variant``, ``metric``, ``mean``, ``low``, ``high``, ``n``.
        """
        groups = self.table.groupby(["variant", "metric"], sort=False)["value"]
        return pd.DataFrame(
            [
                {"variant": variant, "metric": metric, **mean_interval(values)._asdict()}
                for (variant, metric), values in groups
            ]
        )

    def select(self, variants: Iterable[str]) -> Study:
        """The same study restricted to some variants, in the given order."""
        variants = list(variants)
        for variant in variants:
            if variant not in self.variants:
                raise unknown("variant", variant, self.variants)
        parts = [self.table[self.table["variant"] == v] for v in variants]
        return Study(
            pd.concat(parts, ignore_index=True),
            {v: self.artefacts[v] for v in variants if v in self.artefacts},
            self.seconds,
            self.memory_mb,
        )


def run_study(
    run: Callable[..., Mapping[str, float]],
    config: Any,
    variants: Iterable[str],
    seeds: Sequence[int],
    device: torch.device | str = "cpu",
    *,
    label: str = "study",
) -> Study:
    """Run every variant with every seed.

    Parameters
    ----------
    run : callable
        A paper module's ``run(config, variant, seed, device, keep=None)``, which returns metrics as
        numbers. With the first seed ``keep`` is a dict that the run fills with what the pictures
        need.
    config : object
        Passed on unchanged: all arms share it.
    variants : iterable of str
        Names of the arms.
    seeds : sequence of int
        Distinct seeds; the outer loop, so that an interrupted study has whole pairs.
    label : str
        Text of the progress bar.

    Raises
    ------
    EccvkitError
        No variants, no seeds, or a seed twice.
    """
    variants, seeds = list(variants), [check_seed(s) for s in seeds]
    if not variants or not seeds or len(set(seeds)) < len(seeds):
        raise EccvkitError(
            f"{label}: {len(variants)} variant(s) and seeds {seeds}; give at least one variant "
            "and at least one seed, each seed once"
        )
    rows: list[dict[str, Any]] = []
    artefacts: dict[str, dict[str, Any]] = {}
    pairs = [(seed, variant) for seed in seeds for variant in variants]
    with Clock(torch.device(device)) as clock:
        for seed, variant in (bar := progress(pairs, desc=label)):
            bar.set_postfix_str(f"{variant}, seed {seed}")
            keep = artefacts.setdefault(variant, {}) if seed == seeds[0] else None
            metrics = run(config, variant, seed, device, keep=keep)
            rows += [
                {"variant": variant, "seed": seed, "metric": name, "value": float(value)}
                for name, value in metrics.items()
            ]
    return Study(pd.DataFrame(rows), artefacts, clock.seconds, clock.memory_mb)
