"""What decides a run of paper 28: one frozen configuration, and its presets."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from eccvkit.data.floor_plans import CONFUSION
from eccvkit.errors import EccvkitError, unknown
from eccvkit.study import choose, overrides

#: What the planner sees of the links: E; the true adjacency; or both, one of them masked.
LINKS = ("probabilities", "truth", "mod-drop")


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    nodes : int
        Number N of nodes per map.
    rows, columns, palette : int
        Rooms of a floor plan, and colours to tell them apart.
    confusion : float
        Noise of the link probabilities, see :func:`eccvkit.data.floor_plans.uncertain_links`.
    train, validation, test : int
        Number of maps. Validation maps choose theta and lambda of the symbolic baselines.
    vision_size : int
        Length K of the vision features; 0 stands for ``palette``.
    hidden, rounds, layers : int
        Width of messages and states, k, and stacked layers of the GRU.
    aggregate : str
        "gru" or "mean", see :data:`eccvkit.papers.topological_planning.planner.AGGREGATIONS`.
    vision : bool
        Whether the planner sees V; otherwise it reads zeros.
    links : str
        A name in :data:`LINKS`.
    taper : float
        Share of the training over which mod-drop goes from masking the true adjacency half of the
        time to masking it always.
    steps, batch_size, lr, clip
        Training: Adam with a short warm-up, then half a cosine; largest norm of the gradient.
    looks, watched : int
        How many times during training accuracy and H-SPL are measured for the curves, and on how
        many validation maps.
    episodes : int
        Episodes per test map with the local controller.
    seeds, extra_seeds : int
        Seeds that the main study runs, and how many of them the further arms run.
    """

    nodes: int = 8
    rows: int = 2
    columns: int = 2
    palette: int = 6
    confusion: float = CONFUSION
    train: int = 4096
    validation: int = 400
    test: int = 500
    vision_size: int = 0
    hidden: int = 32
    rounds: int = 3
    layers: int = 1
    aggregate: str = "gru"
    vision: bool = True
    links: str = "probabilities"
    taper: float = 0.2
    steps: int = 2048
    batch_size: int = 32
    lr: float = 1e-2
    clip: float = 2.0
    looks: int = 4
    watched: int = 400
    episodes: int = 2
    seeds: int = 5
    extra_seeds: int = 3

    def __post_init__(self) -> None:
        counts = (
            "train",
            "validation",
            "test",
            "hidden",
            "rounds",
            "layers",
            "steps",
            "seeds",
            "extra_seeds",
        )
        for name in (*counts, "nodes", "batch_size", "looks", "watched", "episodes"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        if not self.lr > 0 or not 0 < self.taper <= 1 or not self.confusion >= 0:
            raise EccvkitError(
                f"lr={self.lr}, taper={self.taper}, confusion={self.confusion}: lr is above 0, "
                "taper a share above 0, confusion 0 or more"
            )
        if self.links not in LINKS:
            raise unknown("kind of links", self.links, LINKS)

    @property
    def input_size(self) -> int:
        """Length of x: vision, one or two rows of links, target, distances, identity."""
        rows = 4 if self.links == "mod-drop" else 3
        return (self.vision_size or self.palette) + rows * self.nodes + 1

    @property
    def epochs(self) -> int:
        """Passes over the training maps that take about ``steps`` steps."""
        return max(1, round(self.steps / math.ceil(self.train / self.batch_size)))


PRESETS: dict[str, Config] = {
    "smoke": Config(
        nodes=6,
        train=256,
        validation=60,
        test=60,
        hidden=24,
        steps=64,
        looks=3,
        watched=30,
        seeds=1,
    ),
    "lab": Config(),
    "gpu": Config(
        nodes=16,
        rows=3,
        columns=3,
        palette=12,
        train=20_000,
        validation=1000,
        test=1000,
        hidden=128,
        rounds=5,
        layers=2,
        steps=20_000,
        lr=2e-3,
        looks=10,
        seeds=3,
    ),
}

#: Sects. 3 and 4, as far as text and released code say: built in the notebook for its counts.
PAPER = Config(
    nodes=32,
    train=74_000,
    vision_size=512,
    hidden=256,
    rounds=6,
    layers=2,
    batch_size=32,
    lr=1e-3,
)


def configure(
    preset: str,
    *,
    n_seeds: int = 0,
    steps: int = 0,
    confusion: float = CONFUSION,
) -> Config:
    """The configuration of the notebook.

    Parameters
    ----------
    preset : str
    n_seeds, steps : int
        Override the preset; 0 keeps it.
    confusion : float
        Noise of the link probabilities.

    Raises
    ------
    UnknownName
        No such preset.
    EccvkitError
        A value no run can have.
    """
    changes = {"confusion": confusion, **overrides(n_seeds=n_seeds, steps=steps)}
    return replace(choose(PRESETS, preset), **changes)
