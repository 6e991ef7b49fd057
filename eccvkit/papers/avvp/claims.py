"""What paper 26 claims, with its own figures, and the comparison that decides each claim."""

from __future__ import annotations

from eccvkit.claims import Claim, Difference


def _row(*values: float) -> dict[str, float]:
    names = ("audio", "visual", "audio-visual", "type", "event")
    return {f"segment {name}": value for name, value in zip(names, values, strict=True)}


#: Table 2, segment level, percent: the arms on clear scenes.
PAPER_PLAIN = {
    "wsl": _row(56.9, 16.4, 17.2, 30.2, 43.3),
    "g": _row(42.3, 43.9, 34.5, 40.3, 42.0),
    "wsl+g": _row(45.1, 51.7, 35.0, 44.0, 48.9),
    "max": _row(31.6, 43.6, 22.5, 32.6, 39.1),
    "mean": _row(40.2, 43.2, 35.0, 39.5, 39.7),
    "HAN, wsl": _row(39.6, 40.5, 20.1, 33.4, 44.9),
}

#: Table 2: the arms on noisy scenes.
PAPER_HAN = {
    "none": PAPER_PLAIN["wsl+g"],
    "GRU": _row(52.0, 49.4, 39.0, 46.8, 51.0),
    "Transformer": _row(53.4, 53.8, 41.8, 49.7, 53.3),
    "HAN": _row(58.4, 52.8, 48.4, 53.2, 54.5),
    "HAN, wsl": PAPER_PLAIN["HAN, wsl"],
    "HAN, g": _row(57.5, 52.5, 47.4, 52.5, 53.8),
    "HAN, max": _row(55.7, 52.0, 48.6, 52.1, 51.8),
    "HAN, mean": _row(56.0, 51.9, 46.3, 51.4, 52.9),
    "HAN, bootstrap": _row(59.0, 52.6, 47.8, 53.1, 55.2),
    "HAN, smoothing": _row(60.1, 52.9, 48.9, 54.0, 55.4),
}

#: Table 1, event level: the paper's full model; Table 2 has no event level.
PAPER_EVENTS = {
    "HAN, smoothing": {
        "event audio": 51.3,
        "event visual": 48.9,
        "event audio-visual": 43.0,
        "event type": 47.7,
        "event event": 48.0,
    }
}

#: Type@AV where every arm masks by the larger one of its two modalities: with the guided loss alone
#: the video's own probability is untrained, and arms would differ by their masks.
SAME_MASK = "type, modality mask"

_POINTS = {"source": "Table 2", "unit": "points of F-score, segments", "scale": 100.0}


def _type(
    name: str, text: str, arm: str, than: str, table: dict, metric: str = "segment type"
) -> Claim:
    """A claim that one arm has the higher Type@AV."""
    ours, theirs = (table[a]["segment type"] for a in (arm, than))
    return Claim(
        name,
        text,
        Difference(metric, arm, than),
        paper=f"{ours:g} against {theirs:g}",
        **_POINTS,
    )


#: Judged on clear scenes: losses and poolings without a temporal network, and HAN with the weakly
#: supervised loss alone.
CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1a",
        "The guided loss raises the visual F-score.",
        Difference("segment visual", "wsl+g", "wsl"),
        paper="51.7 against 16.4",
        **_POINTS,
    ),
    Claim(
        "C1b",
        "The guided loss raises the audio-visual F-score.",
        Difference("segment audio-visual", "wsl+g", "wsl"),
        paper="35.0 against 17.2",
        **_POINTS,
    ),
    _type("C1c", "The guided loss raises Type@AV.", "wsl+g", "wsl", PAPER_PLAIN),
    _type(
        "C1d",
        "Both losses together beat the guided loss alone (the same kind of mask for both).",
        "wsl+g",
        "g",
        PAPER_PLAIN,
        SAME_MASK,
    ),
    Claim(
        "C1e",
        "The guided loss narrows the gap between audio and visual F-score.",
        Difference("gap", "wsl+g", "wsl", direction="lower"),
        paper="6.6 (vision ahead) against 40.5 (audio ahead)",
        **_POINTS,
    ),
    Claim(
        "C1f",
        "Without the guided loss, HAN narrows the gap between audio and visual F-score by itself.",
        Difference("gap", "HAN, wsl", "wsl", direction="lower"),
        paper="0.9 (vision ahead) against 40.5 (audio ahead)",
        **_POINTS,
    ),
    _type("C2a", "Attentive pooling beats max pooling.", "wsl+g", "max", PAPER_PLAIN),
    _type("C2b", "Attentive pooling beats mean pooling.", "wsl+g", "mean", PAPER_PLAIN),
    Claim(
        "C4d",
        "Label smoothing raises Type@AV without context, where no sense can copy the other.",
        Difference("segment type", "smoothing", "wsl+g"),
        paper="no such row: the reason it gives for C4a, by itself",
        **{**_POINTS, "source": "Sect. 5.4"},
    ),
)

#: Judged on noisy scenes, where context helps.
HAN_CLAIMS: tuple[Claim, ...] = (
    _type("C1g", "With HAN, the guided loss raises Type@AV.", "HAN", "HAN, wsl", PAPER_HAN),
    _type(
        "C1h",
        "With HAN, both losses beat the guided loss alone (the same kind of mask for both).",
        "HAN",
        "HAN, g",
        PAPER_HAN,
        SAME_MASK,
    ),
    _type("C2c", "With HAN, attentive pooling beats max pooling.", "HAN", "HAN, max", PAPER_HAN),
    _type("C2d", "With HAN, attentive pooling beats mean pooling.", "HAN", "HAN, mean", PAPER_HAN),
    _type("C3a", "HAN beats no temporal network.", "HAN", "none", PAPER_HAN),
    _type("C3b", "A GRU beats no temporal network.", "GRU", "none", PAPER_HAN),
    _type("C3c", "A Transformer beats a GRU.", "Transformer", "GRU", PAPER_HAN),
    _type("C3d", "HAN beats a Transformer.", "HAN", "Transformer", PAPER_HAN),
    _type("C4a", "Label smoothing raises Type@AV.", "HAN, smoothing", "HAN", PAPER_HAN),
    Claim(
        "C4b",
        "Label smoothing raises Event@AV.",
        Difference("segment event", "HAN, smoothing", "HAN"),
        paper="55.4 against 54.5",
        **_POINTS,
    ),
    _type("C4c", "Label smoothing beats Bootstrap.", "HAN, smoothing", "HAN, bootstrap", PAPER_HAN),
)
