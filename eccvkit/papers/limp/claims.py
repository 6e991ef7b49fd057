"""What paper 2 claims, with its own figures, and the comparison that decides each claim."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from eccvkit.claims import Claim, Difference
from eccvkit.study import Study


@dataclass(frozen=True)
class AtMostShareOf:
    """An error of one arm is at most a given share of another arm's, seed by seed.

    Table 1 reports reductions by factors, so a bound on the ratio is what can fail. The effect is
    the bound minus the ratio.

    Parameters
    ----------
    metric : str
    arm, of : str
        Variants whose errors are divided.
    share : float
        Fixed before the arms are judged.
    """

    metric: str
    arm: str
    of: str
    share: float

    def per_seed(self, study: Study) -> pd.Series:
        """Bound minus ratio."""
        ratio = study.values(self.metric, self.arm) / study.values(self.metric, self.of)
        return self.share - ratio

    def describe(self, study: Study, scale: float = 1.0) -> str:
        """The mean ratio beside its bound."""
        ratio = self.share - float(self.per_seed(study).mean())
        return f"{scale * ratio:.0f} % of {self.of}, bound {scale * self.share:.0f} %"


#: Table 1, FAUST: interpolation error times 100, disentanglement error as printed.
PAPER_TABLE1 = {
    "VAE": {"interp": 3.89, "disent": 7.16},
    "Euc": {"interp": 0.508, "disent": 4.04},
    "Geo": {"interp": 0.382, "disent": 3.48},
}

#: Interpolation error of the four data sets of Table 1, as printed.
PAPER_INTERPOLATION = {
    "FAUST": {"VAE": 3.89e-2, "Euc": 5.08e-3, "Geo": 3.82e-3},
    "DFAUST": {"VAE": 9.82e-2, "Euc": 3.43e-3, "Geo": 2.89e-4},
    "COMA": {"VAE": 1.32e-3, "Euc": 1.03e-3, "Geo": 7.51e-4},
    "HANDS": {"VAE": 6.01e-3, "Euc": 8.12e-4, "Geo": 4.62e-4},
}

#: Largest error, as a share of the VAE's, that still counts. The weakest reduction of the
#: interpolation error by the full loss in Table 1 is to 57 % (COMA), and of the disentanglement
#: error to 79 % (COMA).
INTERPOLATION_BOUND, DISENTANGLEMENT_BOUND = 0.75, 0.8

_SHARE = {"unit": "% of the VAE's error below the bound", "scale": 100.0}
_POINTS = {"unit": "points of accuracy", "scale": 100.0}

#: Judged on the main study, several subjects.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1a",
        "The Euclidean metric terms cut the VAE's interpolation error to at most 75 %.",
        AtMostShareOf("interp", "Euc", "VAE", INTERPOLATION_BOUND),
        paper="13 % of the VAE's on FAUST, 3 % on DFAUST, 78 % on COMA, 14 % on HANDS",
        source="Table 1",
        **_SHARE,
    ),
    Claim(
        "C1b",
        "With the geodesic terms it is at most 75 % of the VAE's.",
        AtMostShareOf("interp", "Geo", "VAE", INTERPOLATION_BOUND),
        paper="10 % of the VAE's on FAUST, 0.3 % on DFAUST, 57 % on COMA, 8 % on HANDS",
        source="Table 1",
        **_SHARE,
    ),
    Claim(
        "C1c",
        "The geodesic terms interpolate better than the Euclidean ones alone.",
        Difference("interp", "Geo", "Euc", direction="lower"),
        paper="3.82e-3 against 5.08e-3 on FAUST, 7.51e-4 against 1.03e-3 on COMA",
        source="Table 1",
        unit="% of the mean geodesic distance",
        scale=100.0,
    ),
    Claim(
        "C2a",
        "The full loss cuts the VAE's disentanglement error by at least 20 %.",
        AtMostShareOf("disent", "Geo", "VAE", DISENTANGLEMENT_BOUND),
        paper="3.48 against 7.16 on FAUST, 4.11 against 6.15 on DFAUST, 1.22 against 1.55 on COMA",
        source="Table 1",
        **_SHARE,
    ),
    Claim(
        "C2b",
        "The geodesic terms disentangle better than the Euclidean ones alone.",
        Difference("disent", "Geo", "Euc", direction="lower"),
        paper="3.48 against 4.04 on FAUST, 4.11 against 4.90 on DFAUST, 1.22 against 1.30 on COMA",
        source="Table 1",
        unit="% of the mean length of a strip",
        scale=100.0,
    ),
    Claim(
        "C3a",
        "With the full loss, identity is read off the intrinsic code better than off the "
        "extrinsic one.",
        Difference("identity gap", "Geo", 0.0),
        paper="clusters of one colour in the left plot, no number",
        source="Fig. 6",
        **_POINTS,
    ),
    Claim(
        "C3b",
        "With the full loss, pose is read off the extrinsic code better than off the intrinsic "
        "one.",
        Difference("pose gap", "Geo", 0.0),
        paper="clusters of one colour in the right plot, no number",
        source="Fig. 6",
        **_POINTS,
    ),
    Claim(
        "C3c",
        "The intrinsic code shows identity better with the full loss than without it.",
        Difference("identity int", "Geo", "VAE"),
        paper="said of the whole method, no number",
        source="Sect. 4.3",
        **_POINTS,
    ),
    Claim(
        "C3d",
        "With the full loss, the intrinsic code shows identity better than it shows pose.",
        Difference("intrinsic gap", "Geo", 0.0),
        paper="clusters of one colour in the left plot, no number",
        source="Fig. 6",
        **_POINTS,
    ),
)

#: Judged on five shapes of one subject.
FEW_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C4a",
        "Five shapes: the Euclidean terms cut the interpolation error to at most 75 %.",
        AtMostShareOf("interp", "Euc", "VAE", INTERPOLATION_BOUND),
        paper="14 % of the VAE's on HANDS, 5 shapes; pictures for 5 and 11 shapes",
        source="Table 1, Figs. 3 and 5",
        **_SHARE,
    ),
    Claim(
        "C4b",
        "Five shapes: with the geodesic terms it is at most 75 % of the VAE's.",
        AtMostShareOf("interp", "Geo", "VAE", INTERPOLATION_BOUND),
        paper="8 % of the VAE's on HANDS, 5 shapes; pictures for 5 and 11 shapes",
        source="Table 1, Figs. 3 and 5",
        **_SHARE,
    ),
    Claim(
        "C4c",
        "Five shapes: the geodesic terms interpolate better than the Euclidean ones alone.",
        Difference("interp", "Geo", "Euc", direction="lower"),
        paper="4.62e-4 against 8.12e-4 on HANDS, 5 shapes",
        source="Table 1",
        unit="% of the mean geodesic distance",
        scale=100.0,
    ),
)
