"""What paper 40 is trained on here: images and labels on the device, the same for all arms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from eccvkit.data import readers
from eccvkit.data.tinyshapes import tinyshapes
from eccvkit.papers.mobilenext.config import Config


@dataclass(frozen=True)
class Task:
    """Standardised images (n, 3, S, S) with labels (n,), on the device.

    ``factors`` says that label ``10 a + b`` is the pair of an outline ``a`` and a texture ``b``.
    """

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    names: tuple[str, ...]
    factors: bool


def load(config: Config, seed: int, device: torch.device | str = "cpu") -> Task:
    """Draw the images that belong to a seed; every arm gets the same.

    Raises
    ------
    DataError
        A file of CIFAR is missing or malformed.
    """
    return _load(
        config.data, config.data_dir, config.image_size, config.noise, config.n_train,
        config.n_test, seed, torch.device(device),
    )  # fmt: skip


# A study runs all arms of a seed in a row: one task at a time is worth keeping.
@lru_cache(maxsize=1)
def _load(
    data: str,
    folder: str,
    side: int,
    noise: float,
    n_train: int,
    n_test: int,
    seed: int,
    device: torch.device,
) -> Task:
    pairs, names = [], ()
    for part, n in (("train", n_train), ("test", n_test)):
        if data == "tinyshapes":
            drawn = tinyshapes(n, side, classes=100, part=part, seed=seed, noise=noise)
            images, labels, names = drawn.images, drawn.labels, drawn.names
        else:
            read = getattr(readers, data)(folder or None, part)
            images = torch.from_numpy(read.images[:n]).permute(0, 3, 1, 2).float() / 255
            labels, names = torch.from_numpy(read.labels[:n]), read.classes
        pairs.append((standardise(images).to(device), labels.to(device)))
    return Task(*pairs, names, factors=data == "tinyshapes")


def standardise(images: Tensor) -> Tensor:
    """Give every image mean 0 per channel and standard deviation 1 over all; channels last.

    Colour and contrast of a picture say nothing about its class; without this the small networks
    here spend most of a short training on becoming blind to them.
    """
    images = images - images.mean(dim=(2, 3), keepdim=True)
    images = images / images.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-6)
    return images.contiguous(memory_format=torch.channels_last)
