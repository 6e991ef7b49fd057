"""What decides a run of paper 30: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data : {"digits", "aircraft"}
        Real digits (Table 1's task) or long-tailed silhouettes (Table 2's task).
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
    image_size, tail_max, tail_min, tail_test : int
        Silhouettes: side in pixels, training images of the largest and of the smallest class, test
        images per class.
    """

    data: str = "digits"
    encoder: str = "mlp"
    known: int = 6
    dim: int = 16
    points: int = 1
    gamma: float = 1.0
    lam: float = 0.1
    prototype_weight: float = 1.0
    normalise: bool = False
    epochs: int = 80
    batch_size: int = 64
    lr: float = 1e-3
    margin_lr: float = 2e-2
    schedule: str = "constant"
    amp: bool = False
    seeds: int = 5
    image_size: int = 32
    tail_max: int = 200
    tail_min: int = 10
    tail_test: int = 50


#: Open set identification on real digits (Table 1, Figs. 4 and 5).
PRESETS: dict[str, Config] = {
    "smoke": Config(epochs=15, seeds=3),
    "lab": Config(),
    "gpu": Config(encoder="neal", epochs=80, amp=True),
}

_TAIL = Config(data="aircraft", encoder="conv", known=12, epochs=40)

#: Open long-tailed recognition on procedural aircraft (Table 2).
TAIL_PRESETS: dict[str, Config] = {
    "smoke": replace(_TAIL, epochs=6, seeds=3, image_size=16, tail_max=60),
    "lab": _TAIL,
    "gpu": replace(_TAIL, encoder="wrn-16-4", tail_max=2000, amp=True),
}

#: RPL-WRN of Table 1 with six known CIFAR10 classes: built in the notebook, too large to train here.
PAPER = Config(data="cifar10", encoder="wrn-40-4", known=6, dim=256)
