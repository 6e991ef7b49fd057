"""What paper 37 is trained and tested on here: homography pairs, and one real stereo pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from eccvkit.data.homography_pairs import BORDER, Pairs, homography_pairs, inside, project
from eccvkit.data.stereo import StereoPair, motorcycle
from eccvkit.papers.s2dnet.config import Config
from eccvkit.papers.s2dnet.detectors import detect

#: Test sets, named as the two halves of HPatches, and the real pair.
TESTS = ("illum", "view", "stereo")


@dataclass(frozen=True)
class Task:
    """Training correspondences on the device, and the test sets by name.

    Attributes
    ----------
    train : tuple of Tensor
        First images, second images (n, 3, S, S), keypoints, true points (n, K, 2), and which of
        them count (n, K).
    tests : dict of str to Pairs or StereoPair
    """

    train: tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
    tests: dict[str, Pairs | StereoPair]


@lru_cache(maxsize=1)
def load(config: Config, seed: int, device: torch.device | str = "cpu") -> Task:
    """Draw the task that belongs to a seed; every arm gets the same."""
    pairs = homography_pairs(config.pairs, config.image_size, part="train", seed=seed)
    points = sample_correspondences(pairs, config.keypoints, seed)
    tests: dict[str, Pairs | StereoPair] = {
        kind: homography_pairs(
            config.test_pairs, config.image_size, part="test", kind=kind, seed=seed
        ).to(device)
        for kind in ("illum", "view")
    }
    tests["stereo"] = motorcycle(config.shrink).to(device)
    train = (pairs.first, pairs.second, *points)
    return Task(tuple(tensor.to(device) for tensor in train), tests)


def sample_correspondences(
    pairs: Pairs, count: int, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Training points: up to one half Harris corners, the others uniform, all visible in B.

    Corners alone would never train the places between them, where test keypoints may lie too.

    Parameters
    ----------
    pairs : Pairs
    count : int
        Correspondences per pair.
    seed : int

    Returns
    -------
    keypoints, targets : Tensor
        (N, count, 2) whole pixels of the first image, and their exact places in the second.
    valid : Tensor of bool
        (N, count); False only where a pair has too little overlap. Such a row repeats the centre
        of the image and must not count.
    """
    draw = torch.Generator().manual_seed(seed)
    height, width = pairs.first.shape[-2:]
    border = int(BORDER)
    low = torch.tensor([border, border])
    span = torch.tensor([width, height]) - 2 * border
    rows = []
    for image, homography in zip(pairs.first, pairs.homographies):
        uniform = (torch.rand(16 * count, 2, generator=draw) * span).floor() + low
        corners = detect(image, "Harris", 2 * count)
        corners = corners[torch.randperm(len(corners), generator=draw)]
        corners = corners[_visible(corners, homography, pairs)][: count // 2]
        uniform = uniform[_visible(uniform, homography, pairs)]
        rows.append(torch.cat([corners, uniform])[:count])
    centre = torch.tensor([width // 2, height // 2], dtype=torch.float32)
    keypoints = centre.repeat(len(rows), count, 1)
    valid = torch.zeros(len(rows), count, dtype=torch.bool)
    for k, row in enumerate(rows):
        keypoints[k, : len(row)] = row
        valid[k, : len(row)] = True
    targets, _ = pairs.truth(keypoints)
    # A target outside of B would be no class at all; it is not counted anyway.
    targets = torch.where(valid[..., None], targets, centre)
    return keypoints, targets, valid


def _visible(points: Tensor, homography: Tensor, pairs: Pairs) -> Tensor:
    mapped = project(homography, points.double())
    return inside(mapped, pairs.second.shape[-2:], BORDER)
