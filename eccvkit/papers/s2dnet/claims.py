"""What paper 37 claims, with its own figures, and the comparison that decides each claim.

Fig. 3 and Table 1 are pictures without printed numbers in the text we have, so those claims quote
the paper's words. Table 4 is printed.
"""

from __future__ import annotations

from eccvkit.claims import Claim, Difference, Monotone
from eccvkit.papers.s2dnet.cost import EARLY, LATE

#: Arms of the threshold study with their tau.
TAU_AXIS = {
    "S2DNet, tau=0": 0.0,
    "S2DNet, tau=0.05": 0.05,
    "S2DNet, tau=0.1": 0.1,
    "S2DNet, tau=0.2": 0.2,
    "S2DNet, tau=0.4": 0.4,
    "S2DNet, tau=0.6": 0.6,
}
#: Detectors with their sparse-to-sparse and sparse-to-dense arms (Table 1a).
DETECTOR_AXIS = {
    "Harris": ("S2DNet, S2S", "S2DNet, tau=0"),
    "Shi-Tomasi": ("Shi-Tomasi, S2S", "Shi-Tomasi, S2D"),
    "FAST": ("FAST, S2S", "FAST, S2D"),
    "grid": ("grid, S2S", "grid, S2D"),
}
LEVEL_ARMS = ("fine level", "middle level", "coarse level")
#: Thresholds of tau whose order C3 judges: well apart, so that noise does not decide.
_JUDGED_TAUS = ("S2DNet, tau=0", "S2DNet, tau=0.1", "S2DNet, tau=0.2", "S2DNet, tau=0.4")

#: Table 4: seconds of the forward pass, of one keypoint, and in total for 1, 5 and 15 images.
PAPER_TABLE4 = {
    EARLY: {"forward": 0.326, "keypoint": 0.33e-3, "N=1": 0.656, "N=5": 1.976, "N=15": 5.276},
    LATE: {"forward": 0.0282, "keypoint": 0.31e-3, "N=1": 0.338, "N=5": 1.578, "N=15": 4.678},
}

_AT1 = {"unit": "points of MMA at 1 px", "scale": 100.0}
_AT3 = {"unit": "points of MMA at 3 px", "scale": 100.0}
_FIG3 = "above all baselines at every threshold, most at 1 and 2 px (a picture, no numbers)"


def _level_claims() -> tuple[Claim, ...]:
    return tuple(
        Claim(
            f"C4{letter}",
            f"The sum of the three levels is more accurate than the {arm} alone.",
            Difference("mma@3", "S2DNet, tau=0", arm),
            paper="coarse maps are blurred, fine ones ambiguous, their sum is peaked (shown, no "
            "numbers); this table is ours",
            source="Sect. 3.2, Fig. 4",
            **_AT3,
        )
        for letter, arm in zip("abc", LEVEL_ARMS)
    )


#: Judged on the main study.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1a",
        "The loss alone: same network, data and steps, full-map classification is more accurate "
        "than a hardest-negative triplet.",
        Difference("mma@1", "S2DNet, tau=0", "triplet"),
        paper=f"{_FIG3}; it compares whole systems, never the loss alone",
        source="Fig. 3",
        **_AT1,
    ),
    Claim(
        "C1b",
        "The loss alone, with equal seconds of training instead of equal steps.",
        Difference("mma@1", "S2DNet, equal time", "triplet"),
        paper=f"{_FIG3}; it compares whole systems, never the loss alone",
        source="Fig. 3",
        **_AT1,
    ),
    Claim(
        "C1c",
        "The whole system is more accurate at 1 px than a metric-learned single level matched "
        "between detections.",
        Difference("mma@1", "S2DNet", "D2-Net style"),
        paper=_FIG3,
        source="Fig. 3",
        **_AT1,
    ),
    Claim(
        "C2a",
        "With the same features, searching every pixel is more accurate than matching detections.",
        Difference("mma@1", "S2DNet, tau=0", "S2DNet, S2S"),
        paper="sparse-to-sparse damages the results (a picture, no numbers)",
        source="Table 1a",
        **_AT1,
    ),
    Claim(
        "C2b",
        "The same on the real stereo pair.",
        Difference("mma@1 stereo", "S2DNet, tau=0", "S2DNet, S2S"),
        paper="sparse-to-sparse damages the results (a picture, no numbers)",
        source="Table 1a",
        **_AT1,
    ),
    Claim(
        "C3a",
        "A confidence of at least tau = 0.2 raises the accuracy; a pair without matches counts 0.",
        Difference("mma@1", "S2DNet", "S2DNet, tau=0"),
        paper="tau = 0.2 gives the best results (a picture, no numbers)",
        source="Sect. 4.2, Table 1a",
        **_AT1,
    ),
    Claim(
        "C3b",
        "Raising tau from 0 to 0.4 raises the share of right ones among all kept matches at every "
        "step: the softmax is a confidence.",
        Monotone("right@1", _JUDGED_TAUS),
        paper="the probability rejects outliers, which significantly improves the performance",
        source="Sect. 1 (iii), 4.2",
        unit="smallest step in percent of matches within 1 px",
        scale=100.0,
    ),
    Claim(
        "C3c",
        "It lowers the number of matches at every step.",
        Monotone("matches", _JUDGED_TAUS, direction="lower"),
        paper="0.2 is a compromise between rejection and number of matches",
        source="Sect. 4.2, Table 1a",
        unit="smallest step in matches per pair",
    ),
    Claim(
        "C3d",
        "Above 0.2 some pairs keep no match at all.",
        Difference("empty", "S2DNet, tau=0.4", 0.0),
        paper="some sequences obtain very few to no correspondences",
        source="Sect. 4.2",
        unit="percent of the pairs",
        scale=100.0,
    ),
    *_level_claims(),
)

#: Judged on the cost study.
COST_CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C5a",
        "Correlating before upsampling needs fewer multiplications (1000 keypoints, 1200 x 1600).",
        Difference("gmac", LATE, EARLY, direction="lower"),
        paper="28.2 against 326 ms forward, .31 against .33 ms per keypoint, with 3 x 128 against "
        "2048 channels",
        source="Table 4",
        unit="GMAC saved at equal channels",
        exact=True,
    ),
    Claim(
        "C5b",
        "It needs less memory for the features of the searched image.",
        Difference("feature GiB", LATE, EARLY, direction="lower"),
        paper="much more memory efficient (no numbers)",
        source="Sect. 3.6",
        unit="GiB saved at equal channels",
        exact=True,
    ),
    Claim(
        "C5c",
        "It takes less time on this machine (32 keypoints, 240 x 320, equal channels).",
        Difference("seconds", LATE, EARLY, direction="lower"),
        paper=".338 against .656 s in total for one image, 4.678 against 5.276 s for 15",
        source="Table 4",
        unit="ms saved",
        scale=1000.0,
    ),
)
