"""What decides a run of paper 2: one frozen configuration, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eccvkit.errors import EccvkitError, unknown
from eccvkit.papers.limp.losses import TARGETS
from eccvkit.study import choose, overrides

DATA_SETS = ("strips", "faust")


@dataclass(frozen=True)
class Config:
    """Everything that decides one training run, apart from the variant and the seed.

    Attributes
    ----------
    data, data_dir : str
        "strips" (procedural), or "faust" read from a folder; "" means ``ECCVKIT_DATA``.
    subjects, poses, held_out : int
        Training subjects, poses of each, and further subjects that no arm trains on.
    grid : tuple of int
        Vertices along and across a strip; of FAUST, their product is what decimation leaves.
    latent, extrinsic : int
        Length of the code, and how much of it is for the pose (the paper: 25 %).
    point_widths, head : tuple of int
        Encoder: layers shared by all points, and layers after the maximum.
    transform_widths, transform_head : tuple of int
        The same for the spatial transform.
    decoder : tuple of int
        Hidden widths.
    recon_epochs, epochs : int
        Epochs without metric terms, which all arms share, and epochs with them.
    batch_size, pairs : int
        Shapes per step of Eq. 2; isometric and non-isometric pairs per step, as many of each.
    lr : float
        Rate of Adam.
    coordinate_weight : float
        Weight of the squared distance between decoded and true vertices, beside Eq. 2.
    kl_weight, interp_weight, disent_weight : float
        Weights of the divergence, of Eq. 3 and of Eq. 4.
    geodesic_weight : float
        Further factor of the geodesic parts of Eqs. 3 and 4: they are squared lengths, the
        Euclidean parts are relative.
    target : {"input", "decoded"}
        See :func:`eccvkit.papers.limp.losses.interpolation_target`.
    jitter : float
        Size of random rotations (radians) and shifts of the encoder's inputs.
    seeds : int
        Seeds that a study runs.
    eval_pairs, eval_sources : int
        Pairs of the interpolation error, and source vertices of the exact solver.
    """

    data: str = "strips"
    data_dir: str = ""
    subjects: int = 6
    poses: int = 8
    held_out: int = 2
    grid: tuple[int, int] = (16, 5)
    latent: int = 32
    extrinsic: int = 8
    point_widths: tuple[int, ...] = (32, 64, 128)
    head: tuple[int, ...] = (128,)
    transform_widths: tuple[int, ...] = (32, 64)
    transform_head: tuple[int, ...] = (32,)
    decoder: tuple[int, ...] = (256, 512)
    recon_epochs: int = 300
    epochs: int = 650
    batch_size: int = 16
    pairs: int = 2
    lr: float = 2e-3
    coordinate_weight: float = 10.0
    kl_weight: float = 3e-3
    interp_weight: float = 0.5
    disent_weight: float = 12.0
    geodesic_weight: float = 4.0
    target: str = "input"
    jitter: float = 0.03
    seeds: int = 4
    eval_pairs: int = 30
    eval_sources: int = 20

    def __post_init__(self) -> None:
        for name in ("subjects", "poses", "recon_epochs", "epochs", "batch_size", "pairs", "seeds"):
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        if not 0 < self.extrinsic < self.latent:
            raise EccvkitError(
                f"extrinsic is {self.extrinsic} of {self.latent} latent dimensions: leave at least "
                "one for each part"
            )
        for name in ("coordinate", "kl", "interp", "disent", "geodesic"):
            name = f"{name}_weight"
            if not getattr(self, name) >= 0:
                raise EccvkitError(f"{name} is {getattr(self, name)}: weights are 0 or more")
        if not self.lr > 0:
            raise EccvkitError(f"lr is {self.lr}: use a number above 0")
        if self.target not in TARGETS:
            raise unknown("target", self.target, TARGETS)


#: Table 1 on strips of several subjects.
PRESETS: dict[str, Config] = {
    "smoke": Config(
        subjects=2, poses=4, held_out=1, grid=(8, 4), recon_epochs=20, epochs=20, batch_size=4,
        pairs=1, seeds=3, eval_pairs=6, eval_sources=8,
    ),
    "lab": Config(),
    "gpu": Config(
        grid=(40, 10), latent=128, extrinsic=32, point_widths=(32, 128, 256), head=(256, 128),
        transform_widths=(64, 128), transform_head=(64,), decoder=(512, 1024), lr=1e-3,
        recon_epochs=400, epochs=900, pairs=4, seeds=5,
    ),
}  # fmt: skip

#: Few shots (Figs. 3 and 5): five shapes of one subject.
FEW_PRESETS: dict[str, Config] = {
    name: replace(
        config, subjects=1, poses=5, held_out=0, batch_size=5,
        recon_epochs=config.recon_epochs * 2, epochs=config.epochs + config.epochs // 3,
    )
    for name, config in PRESETS.items()
}  # fmt: skip

#: The configuration of the authors' code for FAUST: 80 meshes of 2500 vertices.
PAPER = Config(
    data="faust", subjects=8, poses=10, held_out=2, grid=(50, 50), latent=256, extrinsic=64,
    point_widths=(32, 128, 256, 512), head=(512, 256, 128), transform_widths=(64, 128, 512),
    transform_head=(256,), decoder=(1024, 2048), lr=1e-4,
)  # fmt: skip


def configure(
    preset: str,
    *,
    data: str = "strips",
    data_dir: str = "",
    epochs: int = 0,
    n_seeds: int = 0,
    target: str = "input",
) -> tuple[Config, Config]:
    """The two configurations of the notebook: main study, and few shots.

    Parameters
    ----------
    preset : str
    data, data_dir : str
        "strips", or "faust" and its folder; FAUST comes with the paper's networks and split.
    epochs, n_seeds : int
        Override the preset in both; 0 keeps it.
    target : {"input", "decoded"}

    Raises
    ------
    UnknownName
        No such preset, data set or target.
    EccvkitError
        A value no run can have.
    """
    if data not in DATA_SETS:
        raise unknown("data set", data, DATA_SETS)
    changes = {"target": target, **overrides(epochs=epochs, n_seeds=n_seeds)}
    main, few = (replace(choose(p, preset), **changes) for p in (PRESETS, FEW_PRESETS))
    if data == "faust":
        main = replace(
            PAPER, data_dir=data_dir, seeds=main.seeds, epochs=main.epochs, target=target,
            recon_epochs=main.recon_epochs, eval_pairs=main.eval_pairs,
        )  # fmt: skip
    return main, few
