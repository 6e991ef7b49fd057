"""What paper 2 is trained on: strips with exact ground truth, or the registrations of FAUST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from eccvkit.data.decimate import decimate
from eccvkit.data.meshes import Meshes, check_mesh, strips
from eccvkit.data.readers.meshes import read_faust
from eccvkit.errors import unknown
from eccvkit.papers.limp.config import DATA_SETS, Config
from eccvkit.papers.limp.heat import heat_geodesics


@dataclass(frozen=True)
class Task:
    """Shapes for training, shapes of other subjects, and the truth about both.

    Attributes
    ----------
    train, test : Meshes
        On the device.
    geodesics : Tensor
        (N, n, n) heat-method distances of the training shapes: constants of the losses. Their bias
        is that of the decoded shapes' distances and cancels.
    differing : Tensor
        (N, N) how different two poses are: how many bends have another sign; for FAUST 0 or 1.
    truth : callable
        ``truth(identity_of, pose_of)`` gives the shapes (P, n, 3) that combine the identity of some
        training shapes with the pose of others, positions (P,) each.
    """

    train: Meshes
    test: Meshes
    geodesics: Tensor
    differing: Tensor
    truth: Callable[[Tensor, Tensor], Tensor]


def load(config: Config, seed: int, device: torch.device | str = "cpu") -> Task:
    """Draw the shapes that belong to a seed; every arm gets the same.

    The heat method needs float64, which "mps" does not have: the task then stays on the CPU, and
    training follows it.

    Raises
    ------
    UnknownName
        ``config.data`` is not one of the data sets of this chapter.
    DataError
        A file of FAUST is missing or malformed, or the mesh is no connected surface.
    """
    if config.data == "strips":
        train, test, differing, truth = _strips(config, seed)
    elif config.data == "faust":
        train, test, differing, truth = _faust(config, seed)
    else:
        raise unknown("data set", config.data, DATA_SETS)
    check_mesh(train.faces, train.vertices.shape[1], train.vertices)
    device = torch.device(device)
    device = torch.device("cpu") if device.type == "mps" else device
    train, test = train.to(device), test.to(device)
    geodesics = torch.cat([heat_geodesics(x, train.faces) for x in train.vertices.split(8)])
    return Task(train, test, geodesics, differing, truth)


def _strips(config: Config, seed: int) -> tuple:
    everyone = strips(config.subjects + config.held_out, config.poses, config.grid, seed)
    own = everyone.meshes.subject < config.subjects
    train = everyone[own]
    signs = train.turns.sign()
    differing = (signs.unsqueeze(0) != signs.unsqueeze(1)).sum(-1)
    return train.meshes, everyone[~own].meshes, differing, train.render


@cache
def _registrations(data_dir: str, vertices: int) -> Meshes:
    return decimate(read_faust(data_dir or None), vertices)


def _faust(config: Config, seed: int) -> tuple:
    """The paper's protocol: some subjects train, the others test; which, is drawn with the seed."""
    columns, rows = config.grid
    everyone = _registrations(config.data_dir, columns * rows)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(seed))
    chosen = order[: config.subjects + config.held_out]
    own = torch.isin(everyone.subject, chosen[: config.subjects])
    others = torch.isin(everyone.subject, chosen[config.subjects :])
    kept = everyone.pose < config.poses
    train, test = everyone[own & kept], everyone[others & kept]
    differing = (train.pose.unsqueeze(0) != train.pose.unsqueeze(1)).long()

    def truth(identity_of: Tensor, pose_of: Tensor) -> Tensor:
        # Subjects in the order of the files, each in every pose: subject s, pose p is one row.
        row = identity_of // config.poses * config.poses + pose_of % config.poses
        return train.vertices[row]

    return train, test, differing, truth


def draw_pairs(
    subject: Tensor, count: int, same: bool, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Random ordered pairs of different shapes of one subject, or of different subjects.

    Parameters
    ----------
    subject : Tensor
        (N,) labels, on the CPU.
    count : int
        With repetition.
    same : bool
        Isometric pairs (one subject) or non-isometric ones.

    Returns
    -------
    Tensor, Tensor
        Positions, (count,) each; empty if there is no such pair.
    """
    equal = subject[:, None] == subject[None, :]
    pairs = (equal.fill_diagonal_(False) if same else ~equal).nonzero()
    if not len(pairs):
        return pairs[:, 0], pairs[:, 1]
    return pairs[torch.randint(len(pairs), (count,), generator=generator)].unbind(1)
