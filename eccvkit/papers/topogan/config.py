"""What decides a run of paper 08: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from eccvkit.errors import EccvkitError, unknown
from eccvkit.papers.topogan.gradient import MODES
from eccvkit.papers.topogan.matching import CONVENTIONS
from eccvkit.study import choose, overrides

#: Bundled or procedural masks, and the paper's own kinds read from a folder.
DATA = ("membranes", "retina", "isbi12", "drive", "folder")


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data : str
        "membranes" (procedural), "retina" (vessels of the bundled photograph), or from
        ``data_dir``: "isbi12", "drive" (these data sets) or "folder" (mask images).
    data_dir : str
        Folder of the paper's data; "" means the environment variable ``ECCVKIT_DATA``.
    size : int
        Side of the masks in pixels.
    cut : float
        Share of membranes with a genuine gap; only for "membranes".
    images, samples : int
        Real masks for training, and masks of every arm and of the held-out set in the evaluation.
    latent, width : int
        Dimension of the noise, and channels of the widest feature map's quarter (the paper: 64).
    batch, critic_steps, lr, betas, penalty
        WGAN-GP: batch size, critic steps per generator step, Adam, weight of the gradient penalty.
    pretrain, steps : int
        Generator steps before the arms part, and of each arm after it.
    lam : float
        Weight lambda of the topological loss, summed over its batch.
    topo_every, topo_batch, topo_real : int
        The loss acts on every so many-th generator step, on so many generated masks, matched with
        so many real diagrams.
    mode, match : str
        See :func:`~eccvkit.papers.topogan.gradient.topological_loss`.
    thickness : float
        Of a drawn segment, in pixels.
    average : float
        Decay of the running mean of the generator's weights that is evaluated, in all arms.
    seeds : int
        Seeds that a study runs.
    """

    data: str = "membranes"
    data_dir: str = ""
    size: int = 32
    cut: float = 0.35
    images: int = 1500
    samples: int = 1000
    latent: int = 32
    width: int = 16
    batch: int = 32
    critic_steps: int = 3
    lr: float = 1e-3
    betas: tuple[float, float] = (0.5, 0.9)
    penalty: float = 10.0
    pretrain: int = 400
    steps: int = 200
    lam: float = 0.003
    topo_every: int = 1
    topo_batch: int = 32
    topo_real: int = 64
    mode: str = "segment"
    match: str = "uniform"
    thickness: float = 1.5
    average: float = 0.98
    seeds: int = 4

    def __post_init__(self) -> None:
        counts = ("images", "samples", "latent", "width", "batch", "critic_steps", "pretrain")
        for name in (*counts, "steps", "topo_every", "topo_batch", "topo_real", "seeds"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        if not self.lam >= 0 or not 0 <= self.cut <= 1 or not 0 <= self.average < 1:
            raise EccvkitError(
                f"lam={self.lam}, cut={self.cut}, average={self.average}: lam is 0 or more, cut a "
                "probability, average at least 0 and below 1"
            )
        for kind, name, valid in (
            ("data set", self.data, DATA),
            ("mode of the topological gradient", self.mode, MODES),
            ("convention of the diagram distance", self.match, CONVENTIONS),
        ):
            if name not in valid:
                raise unknown(kind, name, valid)

    def shared(self) -> Config:
        """The same without what only matters after the arms have parted."""
        own = ("steps", "lam", "topo_every", "topo_batch", "topo_real", "mode", "match")
        defaults = {f.name: f.default for f in fields(self) if f.name in (*own, "thickness")}
        return replace(self, **defaults)


#: Membranes: Table 1 for data whose true holes and gaps are known.
PRESETS: dict[str, Config] = {
    "smoke": Config(images=300, samples=100, size=24, pretrain=25, steps=8, seeds=1),
    "lab": Config(),
    "gpu": Config(
        size=48,
        width=64,
        latent=64,
        batch=64,
        critic_steps=5,
        lr=2e-4,
        pretrain=4000,
        steps=600,
        topo_every=2,
        thickness=2.25,
        average=0.99,
        seeds=3,
    ),
}

#: Vessels of the bundled photograph of a retina, upper half for training, lower for testing.
RETINA_PRESETS: dict[str, Config] = {
    "smoke": replace(PRESETS["smoke"], data="retina"),
    "lab": replace(PRESETS["lab"], data="retina", pretrain=300, steps=150, seeds=3),
    "gpu": replace(PRESETS["gpu"], data="retina", size=32, pretrain=2000, steps=300),
}

#: Sect. 4 at 64 x 64 pixels: built in the notebook, too large to train here. Rates, batch and
#: critic steps are those of the published code.
PAPER = Config(
    data="isbi12",
    size=64,
    latent=128,
    width=64,
    batch=128,
    critic_steps=5,
    lr=2e-4,
    betas=(0.5, 0.999),
    thickness=4.0,
    topo_batch=128,
    topo_real=3750,
)


def configure(
    preset: str,
    *,
    data: str = "membranes",
    data_dir: str = "",
    n_seeds: int = 0,
    pretrain: int = 0,
    lam: float = -1.0,
    cut: float = 0.35,
    match: str = "uniform",
) -> tuple[Config, Config]:
    """The two configurations of the notebook: main study and retina.

    Parameters
    ----------
    preset : str
    data, data_dir : str
        Data of the main study, and where to find it.
    n_seeds, pretrain : int
        Override the preset in both studies; 0 keeps it.
    lam : float
        Weight of the topological loss in both studies; below 0 keeps the preset's.
    cut : float
        Share of membranes with a gap.
    match : str
        Convention of the diagram distance in the loss.

    Raises
    ------
    UnknownName
        No such preset, data set or convention.
    EccvkitError
        A value no run can have.
    """
    changes: dict[str, Any] = {"match": match, **overrides(n_seeds=n_seeds, pretrain=pretrain)}
    changes |= {"lam": lam} if lam >= 0 else {}
    main, retina = (replace(choose(p, preset), **changes) for p in (PRESETS, RETINA_PRESETS))
    return replace(main, data=data, data_dir=data_dir, cut=cut), retina
