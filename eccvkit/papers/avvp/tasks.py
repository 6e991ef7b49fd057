"""What paper 26 is trained on and judged on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from eccvkit.data.av_render import class_names
from eccvkit.data.av_scenes import AVScenes, Bags, SnippetLabels
from eccvkit.data.readers.llp import CLASSES, llp, llp_events
from eccvkit.papers.avvp.config import Config


@dataclass(frozen=True)
class Task:
    """Videos on the device. There are no snippet labels for the training videos at all.

    ``truth`` holds those of the test videos, for :func:`~eccvkit.papers.avvp.experiment.evaluate`;
    ``names`` the classes in the order of their labels.
    """

    train: Bags
    test: Bags
    truth: SnippetLabels
    names: tuple[str, ...]


def scenes(config: Config, seed: int) -> AVScenes:
    """The world that belongs to a seed."""
    return AVScenes(
        classes=config.classes,
        dim=config.audio_dim,
        noise=config.noise,
        kinds=config.kinds,
        synchrony=config.synchrony,
        spans=config.spans,
        seed=seed,
    )


def load(config: Config, seed: int, device: torch.device | str = "cpu") -> Task:
    """The videos that belong to a seed; every arm gets the same.

    Raises
    ------
    DataError
        A file of the paper's data is missing or malformed.
    """
    if config.data == "llp":
        return _llp(config.data_dir, torch.device(device))
    world = scenes(config, seed)
    train, _ = world.draw(config.n_train, 0)
    test, truth = world.draw(config.n_test, 1)
    return Task(train.to(device), test.to(device), truth, class_names(config.classes))


@cache
def _llp(data_dir: str, device: torch.device) -> Task:
    """The paper's split: all arms and seeds see the same videos."""
    root = data_dir or None
    test = llp(root, "test")
    truth = llp_events(root, test.names)
    train = llp(root, "train").bags
    return Task(train.to(device), test.bags.to(device), truth, CLASSES)
