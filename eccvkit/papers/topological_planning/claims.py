"""What paper 28 claims, with its own figures, and the comparison that decides each claim."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eccvkit.claims import Claim, Difference
from eccvkit.study import Study

#: Table 1, in percent: arm -> measure -> value.
PAPER_TABLE1 = {
    "threshold": {"accuracy": 11.4, "h-spl": 18.4},
    "custom cost": {"accuracy": 11.5, "h-spl": 26.9},
    "neural, no vision": {"accuracy": 25.1, "h-spl": 46.8},
    "neural": {"accuracy": 26.2, "h-spl": 50.1},
    "neural, true links": {"accuracy": 92.1, "h-spl": 96.5},
    "oracle": {"accuracy": 100.0, "h-spl": 100.0},
}

#: Table 2, in percent. The paper's oracle is its graph planner with true links.
PAPER_TABLE2 = {
    "random": {"success": 15.2, "spl": 11.1},
    "threshold": {"success": 62.1, "spl": 52.7},
    "custom cost": {"success": 70.7, "spl": 58.5},
    "neural": {
        "success": 98.3,
        "spl": 87.7,
        "success sampling": 96.6,
        "spl sampling": 79.6,
    },
    "oracle": {"success": 96.3, "spl": 88.2},
}

#: "Close to optimum" with true links (Table 1b): bounds chosen on pilot seeds, before judging.
NEAR_OPTIMUM = 0.95


@dataclass(frozen=True)
class AboveAll:
    """An arm is above each of several others: the effect of a seed is its lead over the best."""

    metric: str
    arm: str
    others: tuple[str, ...]

    def per_seed(self, study: Study) -> pd.Series:
        """Arm minus the best of the others."""
        rest = pd.DataFrame({other: study.values(self.metric, other) for other in self.others})
        return study.values(self.metric, self.arm) - rest.max(axis=1, skipna=False)

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """All means."""
        ours, *rest = (
            f"{scale * study.values(self.metric, arm).mean():.1f}"
            for arm in (self.arm, *self.others)
        )
        return f"{ours} against {' and '.join(rest)}"


@dataclass(frozen=True)
class OverMetric:
    """One arm measured in two ways: the first measure is above the second."""

    arm: str
    metric: str
    than: str

    def per_seed(self, study: Study) -> pd.Series:
        """First minus second measure."""
        return study.values(self.metric, self.arm) - study.values(self.than, self.arm)

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """Both means."""
        first, second = (
            f"{scale * study.values(metric, self.arm).mean():.1f}"
            for metric in (self.metric, self.than)
        )
        return f"{first} against {second}"


SYMBOLIC = ("threshold", "custom cost")


def _table(table: dict, metric: str, *arms: str) -> str:
    """The paper's numbers of some arms, in words."""
    first, *rest = (f"{table[arm][metric]:g}" for arm in arms)
    return f"{first} against {' and '.join(rest)}"


_POINTS = {"scale": 100.0}

#: Table 1, Fig. 7 and Fig. 5 (right), on graphs.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1a",
        "A cost that weighs distance and probability gives better paths than a threshold.",
        Difference("h-spl", "custom cost", "threshold"),
        paper=_table(PAPER_TABLE1, "h-spl", "custom cost", "threshold"),
        source="Table 1a",
        unit="points of H-SPL",
        **_POINTS,
    ),
    Claim(
        "C1b",
        "Without vision, the neural planner names the next hop better than both symbolic ones.",
        AboveAll("accuracy", "neural, no vision", SYMBOLIC),
        paper=_table(PAPER_TABLE1, "accuracy", "neural, no vision", *SYMBOLIC),
        source="Table 1a",
        unit="points of accuracy",
        **_POINTS,
    ),
    Claim(
        "C1c",
        "Without vision, its paths are better than those of both symbolic planners.",
        AboveAll("h-spl", "neural, no vision", SYMBOLIC),
        paper=_table(PAPER_TABLE1, "h-spl", "neural, no vision", *SYMBOLIC),
        source="Table 1a",
        unit="points of H-SPL",
        **_POINTS,
    ),
    Claim(
        "C1d",
        "Vision makes the next hop more accurate.",
        Difference("accuracy", "neural", "neural, no vision"),
        paper=_table(PAPER_TABLE1, "accuracy", "neural", "neural, no vision"),
        source="Table 1a",
        unit="points of accuracy",
        **_POINTS,
    ),
    Claim(
        "C1e",
        "Vision makes the paths better.",
        Difference("h-spl", "neural", "neural, no vision"),
        paper=_table(PAPER_TABLE1, "h-spl", "neural", "neural, no vision"),
        source="Table 1a",
        unit="points of H-SPL",
        **_POINTS,
    ),
    Claim(
        "C3a",
        "Reading the messages with a GRU makes the next hop more accurate than averaging them, "
        "after as many steps.",
        Difference("accuracy", "neural", "neural, no GRU"),
        paper="curves only",
        source="Fig. 7",
        unit="points of accuracy",
        **_POINTS,
    ),
    Claim(
        "C3b",
        "It makes the paths better.",
        Difference("h-spl", "neural", "neural, no GRU"),
        paper="stated, no numbers",
        source="Sect. 5.3",
        unit="points of H-SPL",
        **_POINTS,
    ),
    Claim(
        "C4a",
        "Mod-drop makes the next hop more accurate when half of the training is over.",
        Difference("accuracy half", "neural, mod-drop", "neural"),
        paper="curves only",
        source="Fig. 5, right",
        unit="points of accuracy, validation maps",
        **_POINTS,
    ),
    Claim(
        "C4b",
        "It does so at the end of the training.",
        Difference("accuracy", "neural, mod-drop", "neural"),
        paper="curves only",
        source="Fig. 5, right",
        unit="points of accuracy",
        **_POINTS,
    ),
)

#: Table 2, with a local controller.
CONTROL_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C5a",
        "The custom cost reaches more targets than the threshold.",
        Difference("success", "custom cost", "threshold"),
        paper=_table(PAPER_TABLE2, "success", "custom cost", "threshold"),
        source="Table 2",
        unit="points of success",
        **_POINTS,
    ),
    Claim(
        "C5b",
        "The neural planner reaches more targets than both symbolic ones.",
        AboveAll("success", "neural", SYMBOLIC),
        paper=_table(PAPER_TABLE2, "success", "neural", *SYMBOLIC),
        source="Table 2",
        unit="points of success",
        **_POINTS,
    ),
    Claim(
        "C5c",
        "Its walks are better than those of both symbolic planners.",
        AboveAll("spl", "neural", SYMBOLIC),
        paper=_table(PAPER_TABLE2, "spl", "neural", *SYMBOLIC),
        source="Table 2",
        unit="points of SPL",
        **_POINTS,
    ),
    Claim(
        "C5d",
        "The most probable next node gives better walks than a sampled one.",
        OverMetric("neural", "spl", "spl sampling"),
        paper="87.7 against 79.6",
        source="Table 2",
        unit="points of SPL",
        **_POINTS,
    ),
    Claim(
        "C5e",
        "A sampled next node reaches more targets than the most probable one, since it leaves "
        "loops (so the text; the table prints the opposite).",
        OverMetric("neural", "success sampling", "success"),
        paper="stated; the table prints 96.6 against 98.3",
        source="Sect. 5.2 and Table 2",
        unit="points of success",
        **_POINTS,
    ),
)

#: Table 1b, and the mean with more time; fewer seeds.
EXTRA_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C2",
        "With the true links as input, its paths are close to the optimum: H-SPL above 95.",
        Difference("h-spl", "neural, true links", NEAR_OPTIMUM),
        paper="96.5 (accuracy 92.1)",
        source="Table 1b",
        unit="points of H-SPL above the bound",
        **_POINTS,
    ),
    Claim(
        "C3c",
        "The GRU stays ahead of a mean that trains about as long by the clock, with four times as "
        "many steps (extension).",
        Difference("accuracy", "neural", "neural, no GRU, longer"),
        paper="not tested",
        source="Fig. 7",
        unit="points of accuracy",
        **_POINTS,
    ),
)
