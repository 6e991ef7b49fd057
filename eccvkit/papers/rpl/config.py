"""What decides a run of paper 30: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eccvkit.errors import EccvkitError, unknown
from eccvkit.study import choose, overrides


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data : str
        "digits" (bundled, real), "aircraft" (procedural, long-tailed), or one of the paper's own
        sets read from ``data_dir``: "mnist", "svhn", "cifar10".
    data_dir : str
        Folder of the paper's data; "" means the environment variable ``ECCVKIT_DATA``.
    encoder : str
        One of :data:`eccvkit.papers.rpl.arms.ENCODERS`.
    known : int
        Number N of known classes.
    dim, points : int
        Feature dimension d, and reciprocal points M per class.
    gamma, lam : float
        Hardness of Eq. 5, and weight lambda of the open-space term in Eq. 10.
    prototype_weight : float
        Weight of the prototype loss in GCPL and RPL++.
    normalise : bool
        Divide distances by d.
    epochs, batch_size, lr, margin_lr, schedule
        Training; margins have a learning rate of their own.
    amp : bool
        bfloat16 autocast on CUDA.
    seeds : int
        Partitions that a study runs.
    image_size, channels : int
        Side of the images in pixels, and 1 for grey or 3 for colour.
    tail_max, tail_min : int
        Training images of the largest and of the smallest known class; 0 leaves the digits as
        balanced as they are.
    """

    data: str = "digits"
    data_dir: str = ""
    encoder: str = "mlp"
    known: int = 6
    dim: int = 16
    points: int = 1
    gamma: float = 1.0
    lam: float = 0.1
    prototype_weight: float = 3.0
    normalise: bool = False
    epochs: int = 80
    batch_size: int = 64
    lr: float = 1e-3
    margin_lr: float = 2e-2
    schedule: str = "constant"
    amp: bool = False
    seeds: int = 10
    image_size: int = 8
    channels: int = 1
    tail_max: int = 0
    tail_min: int = 10

    def __post_init__(self) -> None:
        for name in ("known", "dim", "points", "epochs", "batch_size", "seeds", "image_size"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        for name in ("gamma", "lr", "margin_lr"):
            if not getattr(self, name) > 0:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a number above 0")
        if not self.lam >= 0:
            raise EccvkitError(f"lam is {self.lam}: the weight of Eq. 10 is 0 or more")


#: Open set identification on real digits (Table 1, Figs. 4 and 5).
PRESETS: dict[str, Config] = {
    "smoke": Config(epochs=10, seeds=3),
    "lab": Config(),
    "gpu": Config(encoder="neal", image_size=32, amp=True),
}

_AIRCRAFT = Config(
    data="aircraft", encoder="conv", known=12, image_size=16, tail_max=200, epochs=100, seeds=5
)

#: Open long-tailed recognition (Table 2) on procedural aircraft, twelve known classes.
AIRCRAFT_PRESETS: dict[str, Config] = {
    "smoke": replace(_AIRCRAFT, epochs=4, seeds=3, tail_max=60),
    "lab": _AIRCRAFT,
    "gpu": replace(_AIRCRAFT, encoder="wrn-16-4", image_size=32, tail_max=2000, amp=True),
}

#: The same on real digits: 120, 60, 40, 30, 24 and 20 training images.
TAIL_PRESETS: dict[str, Config] = {
    name: replace(config, tail_max=120) for name, config in PRESETS.items()
}

#: RPL-WRN of Table 1, six known CIFAR10 classes: built in the notebook, too large to train here.
PAPER = Config(data="cifar10", encoder="wrn-40-4", known=6, dim=256, image_size=32, channels=3)


#: Data sets for the first study: bundled, and the paper's own that can be read from disk.
PUBLISHED = ("mnist", "svhn", "cifar10")


def configure(
    preset: str,
    *,
    data: str = "digits",
    data_dir: str = "",
    epochs: int = 0,
    n_seeds: int = 0,
    gamma: float = 1.0,
    dim: int = 16,
) -> tuple[Config, Config, Config]:
    """The three configurations of the notebook: main study, long-tailed digits, aircraft.

    Parameters
    ----------
    preset : str
    data, data_dir : str
        Data of the main study, and where to find it.
    epochs, n_seeds : int
        Override the preset in all three; 0 keeps it.
    gamma, dim : float, int

    Raises
    ------
    UnknownName
        No such preset or data set.
    EccvkitError
        A value no run can have.
    """
    if data not in ("digits", *PUBLISHED):
        raise unknown("data set", data, ("digits", *PUBLISHED))
    changes = {"gamma": gamma, "dim": dim, **overrides(epochs=epochs, n_seeds=n_seeds)}
    presets = (PRESETS, TAIL_PRESETS, AIRCRAFT_PRESETS)
    main, tail, aircraft = (replace(choose(p, preset), **changes) for p in presets)
    if data != "digits":
        channels = 1 if data == "mnist" else 3
        published = {"data": data, "data_dir": data_dir, "channels": channels}
        main = replace(main, **published, encoder="neal", image_size=32)
    return main, tail, aircraft
