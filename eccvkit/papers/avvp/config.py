"""What decides a run of paper 26: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eccvkit.errors import EccvkitError, unknown
from eccvkit.papers.avvp.pooling import POOLINGS
from eccvkit.papers.avvp.temporal import TEMPORAL
from eccvkit.study import choose, overrides

DATA_SETS = ("scenes", "llp")
LOSSES = ("wsl", "g", "wsl+g")


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data, data_dir : str
        "scenes" (procedural), or "llp" read from a folder; "" means ``ECCVKIT_DATA``.
    classes : int
    audio_dim, visual_dims : int, tuple of int
        Lengths of snippet features; several visual ones lie side by side.
    noise : tuple of float
        Of audio and visual features of the scenes, see
        :class:`~eccvkit.data.av_scenes.AVScenes`.
    kinds : tuple of float
        Shares of classes that are heard only, seen only, both.
    synchrony, spans : float, tuple of int
        Share of the classes in both modalities that have the same times in both, and the shortest
        and longest interval.
    n_train, n_test : int
        Videos of the scenes.
    width : int
        Feature dimension d.
    temporal : str
        A name in :data:`~eccvkit.papers.avvp.temporal.TEMPORAL`.
    shared : bool
        One temporal network for both modalities.
    dropout : float
    pooling : str
        A name in :data:`~eccvkit.papers.avvp.pooling.POOLINGS`.
    losses : {"wsl", "g", "wsl+g"}
    epsilon_audio, epsilon_visual : float
        Label smoothing of the guided loss.
    bootstrap : float
        Weight beta of the given labels against the network's decisions; 1 is no bootstrapping.
    epochs, batch_size, lr : int, int, float
        Adam.
    attention_rate : float
        Factor on the rate for networks with attention, Transformer and HAN.
    pace : float
        Factor on the rate for the pooling of an arm; on the paper's data all arms have 1.
    drop_every : int
        Epochs after which the rate is divided by 10; 0 keeps it.
    threshold : float
        Probability from which an event is reported.
    amp : bool
        bfloat16 autocast on CUDA.
    seeds : int
        Seeds that a study runs.
    """

    data: str = "scenes"
    data_dir: str = ""
    classes: int = 8
    audio_dim: int = 24
    visual_dims: tuple[int, ...] = (24,)
    noise: tuple[float, float] = (0.8, 1.2)
    kinds: tuple[float, float, float] = (0.40, 0.02, 0.58)
    synchrony: float = 0.5
    spans: tuple[int, int] = (3, 8)
    n_train: int = 1500
    n_test: int = 400
    width: int = 64
    temporal: str = "none"
    shared: bool = True
    dropout: float = 0.1
    pooling: str = "attentive"
    losses: str = "wsl+g"
    epsilon_audio: float = 0.0
    epsilon_visual: float = 0.0
    bootstrap: float = 1.0
    epochs: int = 25
    batch_size: int = 64
    lr: float = 1e-3
    attention_rate: float = 0.3
    pace: float = 1.0
    drop_every: int = 0
    threshold: float = 0.5
    amp: bool = False
    seeds: int = 5

    def __post_init__(self) -> None:
        for name in ("classes", "n_train", "n_test", "width", "epochs", "batch_size", "seeds"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        for name, valid in (
            ("data", DATA_SETS),
            ("temporal", TEMPORAL),
            ("pooling", POOLINGS),
            ("losses", LOSSES),
        ):
            if getattr(self, name) not in valid:
                raise unknown(name, getattr(self, name), valid)
        for name in ("epsilon_audio", "epsilon_visual", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a number in [0, 1)")
        if not 0 < self.bootstrap <= 1 or not 0 < self.threshold < 1:
            raise EccvkitError(
                f"bootstrap is {self.bootstrap} and threshold is {self.threshold}: use a weight "
                "above 0 up to 1, and a probability between 0 and 1"
            )
        if not min(self.lr, self.attention_rate, self.pace) > 0 or self.drop_every < 0:
            raise EccvkitError(
                f"lr is {self.lr}, attention_rate is {self.attention_rate}, pace is {self.pace} "
                f"and drop_every is {self.drop_every}: use rates above 0, and epochs of 0 or more"
            )

    @property
    def rate(self) -> float:
        """Learning rate of this network with this pooling."""
        attends = self.temporal in ("Transformer", "HAN")
        rate = self.lr * (self.attention_rate if attends else 1.0)
        return rate * (self.pace if self.data == "scenes" else 1.0)


#: Clear scenes, for networks that look at single snippets: losses and poolings (Table 2, above).
PRESETS: dict[str, Config] = {
    "smoke": Config(n_train=200, n_test=100, width=32, epochs=10, seeds=1),
    "lab": Config(),
    "gpu": Config(
        classes=25, n_train=10_000, n_test=1200, width=512, lr=3e-4, attention_rate=1.0, amp=True
    ),
}

#: Noisy scenes, for networks with context (Table 2, below): at twice the noise one snippet says
#: little.
NOISY_PRESETS: dict[str, Config] = {
    name: replace(config, noise=(1.6, 2.4)) for name, config in PRESETS.items()
}

#: The configuration of the released code for LLP.
PAPER = Config(
    data="llp",
    classes=25,
    audio_dim=128,
    visual_dims=(2048, 512),
    n_train=10_000,
    n_test=1200,
    width=512,
    temporal="HAN",
    epsilon_visual=0.1,
    epochs=40,
    batch_size=16,
    lr=3e-4,
    attention_rate=1.0,
    drop_every=10,
)


def configure(
    preset: str,
    *,
    data: str = "scenes",
    data_dir: str = "",
    epochs: int = 0,
    n_seeds: int = 0,
) -> tuple[Config, Config]:
    """The two configurations of the notebook: networks without context, and with it.

    Parameters
    ----------
    preset : str
    data, data_dir : str
        "scenes", or "llp" and its folder; LLP comes with the paper's network and schedule.
    epochs, n_seeds : int
        Override the preset in both; 0 keeps it.

    Raises
    ------
    UnknownName
        No such preset or data set.
    EccvkitError
        A value no run can have.
    """
    if data not in DATA_SETS:
        raise unknown("data set", data, DATA_SETS)
    changes = overrides(epochs=epochs, n_seeds=n_seeds)
    plain, noisy = (replace(choose(p, preset), **changes) for p in (PRESETS, NOISY_PRESETS))
    if data == "llp":
        # The arms set the temporal network and the smoothing themselves.
        base = replace(PAPER, data_dir=data_dir, temporal="none", epsilon_visual=0.0, **changes)
        plain = noisy = replace(base, seeds=plain.seeds)
    return plain, noisy
