"""``AVScenes``: videos as features of one-second snippets, with a sound track and a picture track.

Every video holds one to three classes of events. A class may be heard, seen, or both, and the two
senses have their own times: a dog may bark before it comes into view. What a snippet contains adds
up in its feature vector, under noise. Videos come with the list of their classes and nothing else
(:class:`Bags`); which second holds what is returned separately (:class:`SnippetLabels`), so that
training code cannot reach it. :mod:`eccvkit.data.av_render` makes such a video visible and audible.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eccvkit.errors import DataError, EccvkitError


@dataclass(frozen=True)
class Bags:
    """What training may see: snippet features and, for each whole video, its classes.

    Attributes
    ----------
    audio, visual : Tensor
        (N, T, D_a) and (N, T, D_v) float32.
    labels : Tensor
        (N, C) float32, 1 for every class that is heard or seen anywhere in the video.
    """

    audio: Tensor
    visual: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        n, t = self.audio.shape[:2]
        if self.visual.shape[:2] != (n, t) or len(self.labels) != n:
            raise DataError(
                f"bags of audio {tuple(self.audio.shape)}, visual {tuple(self.visual.shape)} and "
                f"labels {tuple(self.labels.shape)}: give (N, T, ...) twice and (N, C)"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> Bags:
        """Some of the videos."""
        return Bags(self.audio[index], self.visual[index], self.labels[index])

    def to(self, device: torch.device | str) -> Bags:
        """The same on a device."""
        return Bags(self.audio.to(device), self.visual.to(device), self.labels.to(device))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Audio, visual, labels: what :func:`eccvkit.training.fit` takes."""
        return self.audio, self.visual, self.labels


@dataclass(frozen=True)
class SnippetLabels:
    """What only evaluation may see: boolean (N, T, C), True where a class is heard, or seen."""

    audio: np.ndarray
    visual: np.ndarray

    @property
    def audio_visual(self) -> np.ndarray:
        """Heard and seen in the same snippet."""
        return self.audio & self.visual

    @property
    def bag(self) -> np.ndarray:
        """Classes of whole videos, (N, C) bool."""
        return self.audio.any(axis=1) | self.visual.any(axis=1)

    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Audio and visual labels, as :func:`eccvkit.metrics.events.parsing_scores` takes them."""
        return self.audio, self.visual


#: How a class can occur: heard only, seen only, both.
KINDS = ("audio", "visual", "audio-visual")


@dataclass(frozen=True)
class AVScenes:
    """A world of event classes, from which videos are drawn.

    Attributes
    ----------
    classes, snippets, dim : int
        Classes C, snippets T per video, and length of either feature vector.
    noise : tuple of float
        Standard deviation of the noise on audio and on visual features, per entry and snippet. A
        class adds a vector of length :attr:`length`.
    kinds : tuple of float
        Shares of :data:`KINDS` among the classes of a video.
    how_many : tuple of float
        Probability of 1, 2, 3, ... classes in a video.
    synchrony : float
        Probability that a class in both modalities has the same times in both; otherwise the times
        of the two are independent.
    twice : float
        Probability that a class comes twice, not once, in a modality where it is present.
    spans : tuple of int
        Shortest and longest interval, in snippets.
    length : float
        Norm of the class vectors, whose directions are random and unrelated between modalities.
    seed : int
        Decides the class vectors, nothing else.

    Examples
    --------
    >>> bags, truth = AVScenes().draw(4, seed=0)
    >>> bags.audio.shape, bags.labels.shape, truth.visual.shape
    (torch.Size([4, 10, 24]), torch.Size([4, 8]), (4, 10, 8))
    """

    classes: int = 8
    snippets: int = 10
    dim: int = 24
    noise: tuple[float, float] = (0.4, 0.8)
    kinds: tuple[float, float, float] = (0.45, 0.10, 0.45)
    how_many: tuple[float, ...] = (0.45, 0.40, 0.15)
    synchrony: float = 0.0
    twice: float = 0.4
    spans: tuple[int, int] = (2, 6)
    length: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("kinds", "how_many"):
            shares = getattr(self, name)
            if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
                raise EccvkitError(f"{name} is {shares}: use shares of 0 or more that sum to 1")
        if not 1 <= self.spans[0] <= self.spans[1] <= self.snippets:
            raise EccvkitError(
                f"spans is {self.spans} in {self.snippets} snippets: use 1 <= shortest <= longest "
                "<= snippets"
            )
        if len(self.how_many) > self.classes:
            raise EccvkitError(
                f"up to {len(self.how_many)} classes in a video but {self.classes} in all: use "
                "more classes"
            )
        if min(self.noise) < 0 or not 0 <= self.twice <= 1 or not 0 <= self.synchrony <= 1:
            raise EccvkitError(
                f"noise is {self.noise}, twice is {self.twice} and synchrony is {self.synchrony}: "
                "noise is 0 or more, the others are probabilities"
            )

    def prototypes(self) -> np.ndarray:
        """Class vectors (2, C, dim): what a class adds to an audio and to a visual snippet."""
        rng = np.random.default_rng([self.seed, 0])
        vectors = rng.normal(size=(2, self.classes, self.dim))
        return self.length * vectors / np.linalg.norm(vectors, axis=2, keepdims=True)

    def draw(self, count: int, seed: int) -> tuple[Bags, SnippetLabels]:
        """Draw videos; different seeds give independent videos of the same world.

        The same seed gives the same labels and the same noise, up to its size, whatever
        :attr:`noise` is.

        Raises
        ------
        EccvkitError
            ``count`` is not positive.
        """
        if count < 1:
            raise EccvkitError(f"count is {count}: draw at least one video")
        rng = np.random.default_rng([self.seed, 1, seed])
        active = np.zeros((2, count, self.snippets, self.classes), dtype=bool)
        for video in range(count):
            self._fill(active[:, video], rng)
        clean = np.einsum("mntc,mcd->mntd", active, self.prototypes())
        noise = rng.normal(size=clean.shape) * np.reshape(self.noise, (2, 1, 1, 1))
        audio, visual = torch.from_numpy((clean + noise).astype(np.float32))
        truth = SnippetLabels(*active)
        return Bags(audio, visual, torch.from_numpy(truth.bag.astype(np.float32))), truth

    def _fill(self, active: np.ndarray, rng: np.random.Generator) -> None:
        """Mark the events of one video in ``active`` (2, T, C)."""
        n = 1 + rng.choice(len(self.how_many), p=self.how_many)
        for c in rng.choice(self.classes, size=n, replace=False):
            kind = KINDS[rng.choice(len(KINDS), p=self.kinds)]
            heard, seen = self._times(rng), self._times(rng)
            if rng.random() < self.synchrony:
                seen = heard
            active[0, :, c] = heard & ("audio" in kind)
            active[1, :, c] = seen & ("visual" in kind)

    def _times(self, rng: np.random.Generator) -> np.ndarray:
        """One or two random intervals, as (T,) bool."""
        times = np.zeros(self.snippets, dtype=bool)
        for _ in range(2 if rng.random() < self.twice else 1):
            span = rng.integers(self.spans[0], self.spans[1] + 1)
            onset = rng.integers(0, self.snippets - span + 1)
            times[onset : onset + span] = True
        return times
