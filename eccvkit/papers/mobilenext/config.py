"""What decides a run of paper 40: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eccvkit.errors import EccvkitError, unknown
from eccvkit.study import choose, overrides

#: "tinyshapes" is procedural (100 classes); the others are read from disk.
DATA_SETS = ("tinyshapes", "cifar10", "cifar100")


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data, data_dir : str
        One of :data:`DATA_SETS`, and its folder; "" means the environment variable
        ``ECCVKIT_DATA``.
    width : float
        Width multiplier of the arms that do not name one.
    image_size : int
        Side in pixels (CIFAR always has 32).
    noise : float
        Standard deviation of the pixel noise of TinyShapes.
    n_train, n_test : int
        Images; CIFAR is cut to its first so many.
    epochs, batch_size : int
    lr, momentum, weight_decay : float
        Stochastic gradient descent; the rate falls along a cosine.
    warmup : float
        Share of the steps in which the rate rises linearly from 0.
    calibration : int
        Training images that set the ranges of the quantised activations.
    amp : bool
        bfloat16 autocast on CUDA.
    seeds : int
        Seeds that a study runs.
    """

    data: str = "tinyshapes"
    data_dir: str = ""
    width: float = 0.5
    image_size: int = 24
    noise: float = 0.04
    n_train: int = 7200
    n_test: int = 2000
    epochs: int = 4
    batch_size: int = 64
    lr: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 4e-5
    warmup: float = 0.05
    calibration: int = 256
    amp: bool = False
    seeds: int = 3

    def __post_init__(self) -> None:
        for name in ("n_train", "n_test", "epochs", "batch_size", "calibration", "seeds"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        for name in ("width", "lr"):
            if not getattr(self, name) > 0:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a number above 0")
        if self.image_size < 8:
            raise EccvkitError(f"image_size is {self.image_size}: use at least 8 pixels")
        if not self.noise >= 0:
            raise EccvkitError(f"noise is {self.noise}: use 0 or more")
        if not 0 <= self.warmup < 1:
            raise EccvkitError(f"warmup is {self.warmup}: it is a share of the steps, below 1")
        if self.data not in DATA_SETS:
            raise unknown("data set", self.data, DATA_SETS)

    @property
    def classes(self) -> int | tuple[int, int]:
        """Classes of the data set; of TinyShapes-100, outlines and textures."""
        return {"tinyshapes": (10, 10), "cifar10": 10, "cifar100": 100}[self.data]


PRESETS: dict[str, Config] = {
    "smoke": Config(
        image_size=16, n_train=640, n_test=400, epochs=2, calibration=64, seeds=1
    ),
    "lab": Config(),
    "gpu": Config(
        image_size=32, n_train=40_000, n_test=10_000, epochs=20, batch_size=256, amp=True, seeds=5
    ),
}  # fmt: skip


def configure(
    preset: str,
    *,
    data: str = "tinyshapes",
    data_dir: str = "",
    epochs: int = 0,
    n_seeds: int = 0,
    width: float = 0.0,
) -> Config:
    """The configuration of the notebook.

    Parameters
    ----------
    preset : str
    data, data_dir : str
        Data set, and where to find it.
    epochs, n_seeds, width : int, int, float
        Override the preset; 0 keeps it.

    Raises
    ------
    UnknownName
        No such preset or data set.
    EccvkitError
        A value no run can have.
    """
    changes: dict = {"data": data, "data_dir": data_dir}
    changes |= overrides(epochs=epochs, n_seeds=n_seeds, width=width)
    changes |= {"image_size": 32} if data != "tinyshapes" else {}
    return replace(choose(PRESETS, preset), **changes)
