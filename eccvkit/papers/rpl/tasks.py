"""What paper 30 is trained on: known classes in training and test, unknown ones in the test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.data import readers
from eccvkit.data.aircraft_shapes import NOISE
from eccvkit.data.bundled import digits
from eccvkit.data.glyph_aircraft import glyph_aircraft
from eccvkit.data.splits import long_tail_sizes, open_set_split
from eccvkit.errors import unknown
from eccvkit.papers.rpl.config import PUBLISHED, Config


@dataclass(frozen=True)
class Task:
    """Images on the device: known classes for training and test, unknown classes for test only.

    ``train`` and ``test`` are pairs of images (n, C, H, W) and labels (n,) in 0..N-1;
    ``outsiders`` holds images and original labels of the unknown classes; ``names`` the known
    classes in the order of their labels; ``strangers`` images of another world as a control.
    """

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    outsiders: tuple[Tensor, Tensor]
    names: tuple[str, ...]
    strangers: Tensor | None = None


def load(config: Config, seed: int, device: torch.device | str = "cpu") -> Task:
    """Draw the partition that belongs to a seed; every arm gets the same.

    Raises
    ------
    UnknownName
        ``config.data`` is not one of the data sets of this chapter.
    DataError
        A file of the paper's data is missing or malformed.
    """
    if config.data == "aircraft":
        return _load_aircraft(config, seed, device)
    if config.data == "digits":
        images, labels = _bundled_digits(config.image_size, device)
        return _open_set_task(config, seed, images, labels)
    if config.data in PUBLISHED:
        return _load_published(config, seed, device)
    raise unknown("data set", config.data, ("digits", "aircraft", *PUBLISHED))


@cache
def _bundled_digits(side: int, device: torch.device | str) -> tuple[Tensor, Tensor]:
    images, labels = digits(device)
    return _resize(images, side), labels


def _resize(images: Tensor, side: int) -> Tensor:
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bilinear", align_corners=False)


def _open_set_task(config: Config, seed: int, images: Tensor, labels: Tensor) -> Task:
    """Random known classes, 70/30 split; with ``tail_max`` the known classes become long-tailed.

    Which class is frequent and which samples stay are drawn with the seed.
    """
    split = open_set_split(labels.cpu(), config.known, seed)
    targets = split.targets.to(images.device)
    train = split.train
    if config.tail_max:
        draw = torch.Generator().manual_seed(seed)
        ranks = torch.randperm(config.known, generator=draw).tolist()
        sizes = long_tail_sizes(config.known, config.tail_max, config.tail_min)
        train = train[torch.randperm(len(train), generator=draw)]
        of_train = split.targets[train]
        train = torch.cat([train[of_train == k][: sizes[rank]] for k, rank in enumerate(ranks)])
    return Task(
        train=(images[train], targets[train]),
        test=(images[split.test_known], targets[split.test_known]),
        outsiders=(images[split.test_unknown], labels[split.test_unknown]),
        names=tuple(str(k) for k in split.known),
    )


def _load_aircraft(config: Config, seed: int, device: torch.device | str) -> Task:
    split = glyph_aircraft(
        n_known=config.known,
        n_max=config.tail_max,
        n_min=config.tail_min,
        size=config.image_size,
        seed=seed,
    )

    # A control: digits are nothing like an aircraft, under the same noise.
    digit, _ = _bundled_digits(config.image_size, "cpu")
    noise = torch.randn(digit.shape, generator=torch.Generator().manual_seed(seed))
    strangers = (digit + NOISE * noise).clamp(0, 1)

    def pair(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        return images.to(device), labels.to(device)

    return Task(
        train=pair(split.train_images, split.train_labels),
        test=pair(split.test_images, split.test_labels),
        outsiders=pair(split.unknown_images, split.unknown_labels),
        names=tuple(f"{k} {role}" for k, role in enumerate(split.roles[: config.known])),
        strangers=strangers.to(device),
    )


@cache
def _published(data: str, data_dir: str, side: int, device: torch.device | str) -> dict:
    """Both official parts as (images, labels), resized and on the device, and the class names."""
    read = getattr(readers, data)
    parts: dict = {}
    for name in ("train", "test"):
        part = read(data_dir or None, name)
        images = torch.as_tensor(part.images, device=device).float() / 255
        images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2)
        parts[name] = _resize(images, side), torch.as_tensor(part.labels, device=device)
        parts["classes"] = part.classes
    return parts


def _load_published(config: Config, seed: int, device: torch.device | str) -> Task:
    """The paper's protocol on its own data: official train and test parts, random known classes."""
    parts = _published(config.data, config.data_dir, config.image_size, device)
    x, labels = parts["train"]
    x_test, labels_test = parts["test"]
    known = open_set_split(labels.cpu(), config.known, seed).known
    y, y_test = torch.full_like(labels, -1), torch.full_like(labels_test, -1)
    for k, old in enumerate(known):
        y[labels == old] = k
        y_test[labels_test == old] = k
    return Task(
        train=(x[y >= 0], y[y >= 0]),
        test=(x_test[y_test >= 0], y_test[y_test >= 0]),
        outsiders=(x_test[y_test < 0], labels_test[y_test < 0]),
        names=tuple(parts["classes"][k] for k in known),
    )
