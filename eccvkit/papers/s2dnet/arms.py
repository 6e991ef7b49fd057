"""The trained networks of the comparison: one network, two losses, and how each one is matched."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from eccvkit.errors import unknown
from eccvkit.papers.s2dnet.config import Config
from eccvkit.papers.s2dnet.matching import (
    Features,
    classification_loss,
    correspondence_map,
    upsampled_hypercolumn,
)
from eccvkit.papers.s2dnet.metric_learning import cosine_map, triplet_loss, unit_hypercolumn
from eccvkit.papers.s2dnet.network import Hypercolumn
from eccvkit.papers.s2dnet.tasks import Task
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    loss : {"classification", "triplet"}
    level : int, optional
        The only level that the network has; all of ``config.taps`` if not given.
    """

    loss: str
    level: int | None = None

    def rate(self, config: Config) -> float:
        """Adam's rate, tuned for each loss, and for the triplet with one level."""
        if self.loss == "classification":
            return config.lr
        return config.triplet_lr if self.level is None else config.level_lr

    def epochs(self, config: Config) -> int:
        """Passes over the training pairs."""
        one_level = self.loss == "triplet" and self.level is not None
        return config.level_epochs if one_level else config.epochs


RECIPES: dict[str, Recipe] = {
    "classification": Recipe("classification"),
    "classification, middle level": Recipe("classification", level=1),
    "triplet": Recipe("triplet"),
    "triplet, middle level": Recipe("triplet", level=1),
}


class Matcher(nn.Module):
    """A hypercolumn network and the similarity that its loss trains.

    Parameters
    ----------
    config : Config
    recipe : Recipe
    """

    def __init__(self, config: Config, recipe: Recipe):
        super().__init__()
        if recipe.level is not None:
            config = replace(config, taps=(config.taps[recipe.level],))
        self.config, self.recipe = config, recipe
        self.network = Hypercolumn(config)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the network's levels."""
        return self.network.strides

    def features(self, first: Tensor, second: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Features of both images; of one size they share a batch, and so the statistics of BN."""
        if first.shape[-2:] != second.shape[-2:]:
            return self.network(first), self.network(second)
        both = self.network(torch.cat([first, second]))
        n = len(first)
        return [level[:n] for level in both], [level[n:] for level in both]

    def loss(
        self,
        first: Tensor,
        second: Tensor,
        keypoints: Tensor,
        targets: Tensor,
        valid: Tensor,
        classification: Callable[..., Tensor] = classification_loss,
    ) -> Tensor:
        """The loss of a batch of pairs; ``classification`` may be a student's own."""
        a, b = self.features(first, second)
        size_a, size_b = first.shape[-2:], second.shape[-2:]
        # Scores and their softmax in full precision, whatever the network runs in.
        with torch.autocast(first.device.type, enabled=False):
            if self.recipe.loss == "classification":
                maps = correspondence_map(a, b, keypoints, self.strides, size_b)
                return classification(maps, targets, valid)
            sizes, c = (size_a, size_b), self.config
            return triplet_loss(
                a, b, keypoints, targets, self.strides, sizes, valid,
                margin=c.margin, radius=c.radius,
            )  # fmt: skip

    def similarity(
        self,
        features_a: Features,
        features_b: Features,
        sizes: tuple[tuple[int, int], tuple[int, int]],
        levels: Sequence[int] | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """A function from keypoints (B, N, 2) of A to their maps (B, N, H, W) over B.

        Parameters
        ----------
        features_a, features_b : sequence of Tensor
        sizes : pair of (int, int)
            Height and width of A and of B.
        levels : sequence of int, optional
            Which levels to use; all if not given.
        """
        if self.recipe.loss == "classification":
            return lambda keypoints: correspondence_map(
                features_a, features_b, keypoints, self.strides, sizes[1], levels
            )
        chosen = range(len(self.strides)) if levels is None else levels
        strides = [self.strides[m] for m in chosen]
        dense_a, dense_b = (
            unit_hypercolumn(upsampled_hypercolumn([f[m] for m in chosen], strides, size))
            for f, size in zip((features_a, features_b), sizes)
        )
        return lambda keypoints: cosine_map(dense_a, dense_b, keypoints)


def train(
    config: Config,
    name: str,
    task: Task,
    seed: int,
    *,
    classification: Callable[..., Tensor] = classification_loss,
) -> tuple[Matcher, History]:
    """Train a network by one of :data:`RECIPES`; the seed fixes weights and order of the batches.

    Parameters
    ----------
    classification : callable
        Replaces :func:`~eccvkit.papers.s2dnet.matching.classification_loss`.

    Raises
    ------
    UnknownName
        No such recipe.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, RECIPES)
    recipe = RECIPES[name]
    seed_everything(seed)
    device = task.train[0].device
    matcher = Matcher(config, recipe).to(device)
    history = fit(
        matcher,
        lambda *batch: matcher.loss(*batch, classification=classification),
        task.train,
        epochs=recipe.epochs(config),
        batch_size=config.batch_size,
        lr=recipe.rate(config),
        schedule=lambda share: lr_factor(share, config.decay),
        amp=config.amp,
        seed=seed,
        label=name,
    )
    return matcher, history


def lr_factor(share: float, decay: float) -> float:
    """Factor on the learning rate after a share of the training, exp(-decay * share).

    The paper multiplies by exp(-0.1) after each of 30 epochs: decay 3.
    """
    return math.exp(-decay * share)
