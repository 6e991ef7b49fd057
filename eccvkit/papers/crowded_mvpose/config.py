"""What decides a run of paper 32: one frozen configuration, its presets, and the paper's facts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from eccvkit.errors import EccvkitError
from eccvkit.study import choose, overrides


@dataclass(frozen=True)
class Config:
    """Everything that decides a run, apart from the variant and the seed.

    Attributes
    ----------
    people, half_side : int, float
        People per scene of the pose studies, and half the side of their square in metres.
    cameras : int
        On a circle of 7 m.
    scenes, val_scenes : int
        Scenes on which poses are judged, and others on which sigma_0 is calibrated.
    noise : float
        Pixels, see :class:`eccvkit.data.crowd.Noise`.
    gate : float
        Cost above which two detections are not one person, where poses are estimated.
    stage : int
        Evaluations of the residuals in one stage of the arms with a budget.
    densities, match_scenes : tuple of int, int
        People per scene, and scenes per density, of the matching study.
    trials : int
        Hypotheses of RANSAC.
    crop : (int, int)
        Height and width of the network's crops.
    widths, deconv : tuple of int
        Channels of the network.
    train_scenes, test_scenes : int
        Rendered scenes; every person in every view is a crop.
    factor : float
        By which rendered views are smaller than the cameras' images.
    epochs, batch_size, lr
        Training.
    foot_weight : float
        lambda of Eq. 1 in the runs from pixels to poses.
    amp : bool
        bfloat16 autocast on CUDA.
    seeds, net_seeds : int
        Seeds of the studies without and with a network.
    """

    people: int = 12
    half_side: float = 2.5
    cameras: int = 4
    scenes: int = 10
    val_scenes: int = 4
    noise: float = 5.0
    gate: float = 0.8
    stage: int = 3
    densities: tuple[int, ...] = (4, 8, 12, 16)
    match_scenes: int = 16
    trials: int = 100
    crop: tuple[int, int] = (64, 48)
    widths: tuple[int, ...] = (16, 32, 48, 64)
    deconv: tuple[int, ...] = (48, 48)
    train_scenes: int = 50
    test_scenes: int = 8
    factor: float = 3.0
    epochs: int = 14
    batch_size: int = 16
    lr: float = 3e-3
    foot_weight: float = 2.0
    amp: bool = False
    seeds: int = 5
    net_seeds: int = 3

    def __post_init__(self) -> None:
        for name in (
            "people", "scenes", "val_scenes", "stage", "match_scenes", "trials", "train_scenes",
            "test_scenes", "epochs", "batch_size", "seeds", "net_seeds",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a whole number above 0")
        for name in ("half_side", "noise", "gate", "factor", "lr", "foot_weight"):
            if not getattr(self, name) > 0:
                raise EccvkitError(f"{name} is {getattr(self, name)}: use a number above 0")
        if self.cameras < 2:
            raise EccvkitError(f"cameras is {self.cameras}: a joint in space needs at least 2")
        if not self.densities or list(self.densities) != sorted(set(self.densities)):
            raise EccvkitError(f"densities are {self.densities}: give rising numbers of people")
        if len(self.deconv) >= len(self.widths) or self.crop[0] % 2 ** len(self.widths):
            raise EccvkitError(
                f"crops of {self.crop} do not go through {len(self.widths)} halvings and "
                f"{len(self.deconv)} doublings: use sides that are multiples of "
                f"{2 ** len(self.widths)}, and fewer doublings than halvings"
            )


PRESETS: dict[str, Config] = {
    "smoke": Config(
        people=6, scenes=2, val_scenes=1, densities=(4, 8), match_scenes=2, trials=20,
        train_scenes=4, test_scenes=2, widths=(8, 16, 16, 16), deconv=(16, 16), epochs=25,
        batch_size=16, seeds=2, net_seeds=1,
    ),
    "lab": Config(),
    "gpu": Config(
        scenes=40, val_scenes=10, densities=(4, 8, 12, 16, 20), match_scenes=40, trials=400,
        crop=(128, 96), widths=(64, 128, 256, 512), deconv=(256, 256), train_scenes=640,
        test_scenes=20, factor=2.0, epochs=20, batch_size=128, lr=1e-3, amp=True,
    ),
}  # fmt: skip

#: What the paper states about its full-size runs.
PAPER = {
    "body joints": 17,
    "foot joints": 6,
    "heatmaps": 23,
    "attention mu": 0.5,
    "views": {"Wildtrack": 7, "Panoptic": 4, "LOEWENPLATZ": 2},
    "people per image": 30,
}
#: Table 1: AP of the reprojected joints.
PAPER_TABLE1 = {
    "Chariot Mk I": {"LS": 60.0, "MAP": 89.8},
    "LOEWENPLATZ": {"LS": 66.7, "MAP": 81.8},
    "Wildtrack": {"LS": 55.3, "MAP": 70.0},
}
#: Table 3: MPJPE in mm on Panoptic; the printed average is 50.0.
PAPER_TABLE3 = {
    "head": 45.1, "shoulder": 43.6, "elbow": 55.6, "wrist": 60.7, "hip": 25.3, "knee": 53.2,
    "foot": 66.0,
}  # fmt: skip
#: Table 5: reprojection error in pixels on Wildtrack.
PAPER_TABLE5 = {
    "without MLE": {"px mean": 64.75, "px min": 18.06, "px max": 316.7, "px var": 50.69},
    "with MLE": {"px mean": 38.55, "px min": 2.18, "px max": 219.29, "px var": 27.52},
}
#: Table 6: feet on the COCO foot validation set.
PAPER_TABLE6 = {
    "Cao et al.": {"AP": 77.9, "AR": 82.5, "AP75": 82.1, "AR75": 85.6},
    "ours": {"AP": 80.1, "AR": 82.0, "AP75": 85.5, "AR75": 87.4},
}
#: Table 7: precision of the correspondences on Panoptic.
PAPER_TABLE7 = {"RANSAC": 46.0, "epipolar": 86.5, "feet": 93.7}


def configure(
    preset: str,
    *,
    people: int = 0,
    noise: float = 0.0,
    epochs: int = 0,
    n_seeds: int = 0,
    gate: float = 0.8,
    foot_weight: float = 2.0,
) -> Config:
    """The configuration of the notebook.

    Parameters
    ----------
    preset : str
    people, noise, epochs, n_seeds
        Override the preset; 0 keeps it. ``n_seeds`` counts for all studies.
    gate, foot_weight : float
        See :class:`Config`.

    Raises
    ------
    UnknownName
        No such preset.
    EccvkitError
        A value no run can have.
    """
    changes = overrides(people=people, noise=noise, epochs=epochs, n_seeds=n_seeds)
    if n_seeds:
        changes["net_seeds"] = n_seeds
    return replace(choose(PRESETS, preset), gate=gate, foot_weight=foot_weight, **changes)
