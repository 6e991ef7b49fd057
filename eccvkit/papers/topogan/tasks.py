"""What paper 08 is trained on and measured with: real masks, their diagrams, a judge."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from eccvkit.data.masks import voronoi_membranes
from eccvkit.data.readers.masks import read_drive, read_isbi12, read_mask_folder
from eccvkit.data.retina import retina_patches
from eccvkit.errors import DataError
from eccvkit.papers.topogan.config import Config
from eccvkit.papers.topogan.persistence import Diagram, diagrams
from eccvkit.training import fit

#: The judge looks at masks of the generator with this seed, which no study uses.
JUDGE_SEED = 90_000


@dataclass(frozen=True)
class RealSet:
    """Real masks (n, 1, S, S) in [0, 1] and their diagrams."""

    images: Tensor
    diagrams: list[Diagram]


@dataclass(frozen=True)
class Task:
    """Real masks of one seed.

    ``train`` is for the GAN, ``held_out`` to measure against; ``second`` is another held-out
    sample, whose score is the floor that no arm can beat.
    """

    train: RealSet
    held_out: RealSet
    second: RealSet


def load(config: Config, seed: int) -> Task:
    """Real masks that belong to a seed; every arm gets the same.

    Raises
    ------
    DataError
        A file of the paper's data is missing or malformed, or too small.
    """
    return _load(config.shared(), seed)


@lru_cache(maxsize=2)
def _load(config: Config, seed: int) -> Task:
    if config.data == "membranes":
        parts = [
            voronoi_membranes(n, config.size, cut=config.cut, seed=10 * seed + k).images
            for k, n in enumerate((config.images, config.samples, config.samples))
        ]
    elif config.data == "retina":
        parts = [
            retina_patches(config.size, n=n, part=part, seed=10 * seed + k)
            for k, (n, part) in enumerate(
                ((config.images, "train"), (config.samples, "test"), (config.samples, "test"))
            )
        ]
    else:
        parts = _patches_from_files(config, seed)
    return Task(*(RealSet(images, diagrams(images)) for images in parts))


def _patches_from_files(config: Config, seed: int) -> list[Tensor]:
    """Random patches of mask images on disk: the last quarter of the images is held out."""
    folder = config.data_dir or None
    if config.data == "drive":
        masks = list(read_drive(folder).vessels)
    elif config.data == "isbi12":
        masks = list(read_isbi12(folder)[1])
    else:
        masks = read_mask_folder(folder)
    small = [mask.shape for mask in masks if min(mask.shape) < config.size]
    if len(masks) < 2 or small:
        raise DataError(
            f"{len(masks)} mask(s), {len(small)} of them smaller than a patch of {config.size} "
            "pixels: at least two large enough ones are needed, one of them for testing"
        )
    split = max(1, len(masks) * 3 // 4)
    rng = np.random.default_rng(seed)
    return [
        _cut_patches(part, n, config.size, rng)
        for part, n in (
            (masks[:split], config.images),
            (masks[split:], config.samples),
            (masks[split:], config.samples),
        )
    ]


def _cut_patches(masks: list[np.ndarray], n: int, size: int, rng: np.random.Generator) -> Tensor:
    patches = np.empty((n, 1, size, size), dtype=np.float32)
    for patch in patches:
        mask = masks[rng.integers(len(masks))]
        row, column = (rng.integers(side - size + 1) for side in mask.shape)
        patch[0] = mask[row : row + size, column : column + size]
    return torch.from_numpy(patches)


class Judge(nn.Module):
    """A small network that counts the cells of membranes: its features measure the look of masks.

    Its label, the number of Voronoi cells, is independent of gaps and of every arm.
    """

    def __init__(self, size: int, classes: int, width: int = 16):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, width, 4, 2, 1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(2 * width * (size // 4) ** 2, 2 * width),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, 2 width) of masks (n, 1, S, S) in [0, 1]."""
        return self.body(images)


def _jittered(masks: Tensor) -> Tensor:
    """Masks with random contrast, haze and noise.

    A judge of clean masks alone is thrown off by a haze of 2% more than by a gap in every wall.
    """
    contrast, haze = torch.rand(2, len(masks), 1, 1, 1)
    noise = 0.05 * torch.randn_like(masks)
    return ((0.6 + 0.6 * contrast) * masks + 0.15 * haze + noise).clamp(0, 1)


@lru_cache(maxsize=2)
def judge(size: int, images: int = 2000, epochs: int = 8) -> Judge:
    """Train the judge; the same one for every arm, seed and data set of a size."""
    masks = voronoi_membranes(images, size, seed=JUDGE_SEED)
    labels = masks.cells - masks.cells.min()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(JUDGE_SEED)
        net = Judge(size, int(labels.max()) + 1)
        fit(
            net,
            lambda x, y: F.cross_entropy(net.head(net(_jittered(x))), y),
            (masks.images, labels),
            epochs=epochs,
            batch_size=64,
            lr=2e-3,
            seed=JUDGE_SEED,
            label="judge",
        )
    return net.requires_grad_(False)


def judge_features(images: Tensor) -> np.ndarray:
    """(n, d) features of masks (n, 1, S, S) in [0, 1]."""
    return judge(images.shape[-1])(images.cpu().float()).detach().numpy()
