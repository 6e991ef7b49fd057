"""The experiment of paper 26: training, parsing, evaluation, and the arms of Table 2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eccvkit.data.av_scenes import Bags, SnippetLabels
from eccvkit.errors import unknown
from eccvkit.metrics.events import parsing_scores
from eccvkit.papers.avvp.config import Config
from eccvkit.papers.avvp.losses import (
    bag_loss,
    bootstrap_labels,
    guided_loss,
    share_above_one,
    smooth_labels,
)
from eccvkit.papers.avvp.network import AVVPNet, Instances
from eccvkit.papers.avvp.pooling import AUDIO, POOLINGS, VISUAL, Pooled, Pooling
from eccvkit.papers.avvp.tasks import Task, load
from eccvkit.papers.avvp.temporal import TEMPORAL
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit


def training_loss(config: Config, pooled: Pooled, labels: Tensor) -> dict[str, Tensor]:
    """The loss of one arm, its terms, and the share of video probabilities above 1."""
    terms = {"above 1": share_above_one(pooled.video)}
    loss = labels.new_zeros(())
    if "wsl" in config.losses:
        terms["wsl"] = bag_loss(pooled.video, labels)
        loss = loss + terms["wsl"]
    if config.losses != "wsl":
        audio, visual = labels, labels
        if config.bootstrap < 1:
            audio = bootstrap_labels(audio, pooled.audio, config.bootstrap)
            visual = bootstrap_labels(visual, pooled.visual, config.bootstrap)
        terms["g"] = guided_loss(
            pooled,
            smooth_labels(audio, config.epsilon_audio),
            smooth_labels(visual, config.epsilon_visual),
        )
        loss = loss + terms["g"]
    return {"loss": loss, **terms}


def train(
    config: Config,
    bags: Bags,
    seed: int,
    *,
    pooling: Pooling | None = None,
    on_epoch: Callable[[AVVPNet], Mapping[str, float]] | None = None,
) -> tuple[AVVPNet, History]:
    """Train one arm on videos with video-level labels; nothing finer enters here.

    Parameters
    ----------
    config : Config
    bags : Bags
        Training videos on the device.
    seed : int
        Fixes initial weights and the order of the batches.
    pooling : callable, optional
        Instead of ``config.pooling``; a student's own function goes here.
    on_epoch : callable, optional
        Called with the network after every epoch; its numbers join the history.
    """
    seed_everything(seed)
    net = AVVPNet(config).to(bags.labels.device)
    pool = pooling or POOLINGS[config.pooling]

    def loss_of(audio: Tensor, visual: Tensor, labels: Tensor) -> dict[str, Tensor]:
        instances = net(audio, visual)
        # Cross-entropy of probabilities needs full precision, whatever the network ran in.
        with torch.autocast(labels.device.type, enabled=False):
            pooled = pool(*(x.float() for x in instances[:3]))
            return training_loss(config, pooled, labels)

    history = fit(
        net,
        loss_of,
        bags.tensors(),
        epochs=config.epochs,
        batch_size=config.batch_size,
        lr=config.rate,
        schedule=_schedule(config),
        amp=config.amp,
        seed=seed,
        label=f"{config.temporal}, {config.pooling}, {config.losses}",
        on_epoch=(lambda epoch: on_epoch(net)) if on_epoch else None,
    )
    return net, history


def _schedule(config: Config) -> str | Callable[[float], float]:
    if not config.drop_every:
        return "constant"
    # 1e-9: the share of an epoch's first step is a rounded quotient.
    return lambda share: 0.1 ** int(share * config.epochs / config.drop_every + 1e-9)


@torch.no_grad()
def instances_of(net: AVVPNet, bags: Bags, batch: int = 512) -> Instances:
    """All instances of some videos, on the CPU, in evaluation mode."""
    net.eval()
    parts = [
        net(a, v) for a, v in zip(bags.audio.split(batch), bags.visual.split(batch), strict=True)
    ]
    return Instances(*(torch.cat(x).float().cpu() for x in zip(*parts)))


def video_probability(config: Config, pooled: Pooled) -> Tensor:
    """Probability that a class is in the video, (B, C): the mask of :func:`parse`.

    Trained with the guided loss alone, the audio-visual attention has no gradient and the video's
    own probability means nothing. Then the larger one of the two modalities stands in.
    """
    if config.losses == "g":
        return torch.maximum(pooled.audio, pooled.visual)
    return pooled.video


def parse(
    p: Tensor, video: Tensor | None = None, threshold: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Report an event where its probability, and that of its class in the video, is high enough.

    Parameters
    ----------
    p : (N, T, 2, C) Tensor
        Instance probabilities.
    video : (N, C) Tensor, optional
        Probabilities of whole videos; without them no event is masked.
    threshold : float
        For both.

    Returns
    -------
    pair of (N, T, C) bool arrays
        Audio and visual events.
    """
    active = p >= threshold
    if video is not None:
        active = active & (video >= threshold)[:, None, None, :]
    return active[:, :, AUDIO].numpy(), active[:, :, VISUAL].numpy()


def evaluate(
    net: AVVPNet, config: Config, bags: Bags, truth: SnippetLabels, pooling: Pooling | None = None
) -> dict[str, float]:
    """F-scores of a network; the only place where snippet labels are read.

    Returns
    -------
    dict of float
        :func:`~eccvkit.metrics.events.parsing_scores`, and

        * "gap": how far segment-level audio and visual lie apart, whichever is ahead;
        * "copied": share of seconds in which the network reports to see a class that is only heard
          in the whole video (0 if there is none such);
        * "shown": the same share for a class that is seen somewhere in the video;
        * "type, no mask", "type, video mask" and "type, modality mask": Type@AV of segments without
          the mask of :func:`parse`, and with one kind of mask for all arms: the probability of the
          video, or the larger one of the two modalities;
        * "type, own names": Type@AV of the classes of the own mask, reported in every second of
          both modalities. What an arm has above it, it knows of *when* and *which sense*.
    """
    found = instances_of(net, bags)
    pooled = (pooling or POOLINGS[config.pooling])(*found[:3])
    own = video_probability(config, pooled)
    parsed = parse(found.p, own, config.threshold)
    scores = parsing_scores(truth.pair(), parsed)
    scores["gap"] = abs(scores["segment audio"] - scores["segment visual"])
    heard_only = truth.audio.any(axis=1) & ~truth.visual.any(axis=1)
    reported = parsed[VISUAL].mean(axis=1)
    for name, where in (("copied", heard_only), ("shown", truth.visual.any(axis=1))):
        scores[name] = float(reported[where].mean()) if where.any() else 0.0
    masks = {
        "no mask": None,
        "video mask": pooled.video,
        "modality mask": torch.maximum(pooled.audio, pooled.visual),
    }
    for name, mask in masks.items():
        masked = parse(found.p, mask, config.threshold)
        scores[f"type, {name}"] = parsing_scores(truth.pair(), masked)["segment type"]
    everywhere = parse(torch.ones_like(found.p), own, config.threshold)
    scores["type, own names"] = parsing_scores(truth.pair(), everywhere)["segment type"]
    return scores


def yardsticks(truth: SnippetLabels) -> dict[str, dict[str, float]]:
    """Scores of reporting nothing, and of reporting the true names in every second of both senses.

    The first is not 0: a video without an event that nobody reports is right. The second knows
    *what* and neither *when* nor *which sense*.
    """
    nothing = np.zeros_like(truth.audio)
    named = np.repeat(truth.bag[:, None], truth.audio.shape[1], axis=1)
    return {
        "nothing": parsing_scores(truth.pair(), (nothing, nothing)),
        "true names everywhere": parsing_scores(truth.pair(), (named, named)),
    }


# --------------------------------------------------------------------------------------
# Variants: the arms of Table 2
# --------------------------------------------------------------------------------------

#: Without a temporal network: losses and poolings. Each pooling has the best of three rates.
PLAIN: dict[str, dict[str, Any]] = {
    "wsl": {"losses": "wsl"},
    "g": {"losses": "g"},
    "wsl+g": {},
    "max": {"pooling": "max", "pace": 3.0},
    "mean": {"pooling": "mean", "pace": 3.0},
}

#: Temporal networks, with both losses and attentive pooling.
TEMPORAL_ARMS: dict[str, dict[str, Any]] = {name: {"temporal": name} for name in TEMPORAL}

#: The same losses and poolings with HAN; each pooling has the best of three rates.
HAN_ARMS: dict[str, dict[str, Any]] = {
    "HAN, wsl": {"temporal": "HAN", "losses": "wsl"},
    "HAN, g": {"temporal": "HAN", "losses": "g"},
    "HAN, max": {"temporal": "HAN", "pooling": "max", "pace": 3.3},
    "HAN, mean": {"temporal": "HAN", "pooling": "mean"},
}

#: Handling of noisy labels. Where the paper is silent: beta of its reference 42.
LABEL_ARMS: dict[str, dict[str, Any]] = {
    "HAN, bootstrap": {"temporal": "HAN", "bootstrap": 0.8},
    "HAN, smoothing": {"temporal": "HAN", "epsilon_visual": 0.1},
    "HAN, smoothing 0.3": {"temporal": "HAN", "epsilon_visual": 0.3},
}

#: The same without context, where nothing can be copied from the other modality.
PLAIN_LABEL_ARMS: dict[str, dict[str, Any]] = {
    "smoothing": {"epsilon_visual": 0.1},
    "smoothing 0.3": {"epsilon_visual": 0.3},
}

#: The arms on clear and on noisy scenes, in the order of the tables.
CLEAR_STUDY = (*PLAIN, *PLAIN_LABEL_ARMS, "HAN, wsl")
NOISY_STUDY = (*TEMPORAL_ARMS, *HAN_ARMS, *LABEL_ARMS)

VARIANTS: dict[str, dict[str, Any]] = (
    PLAIN | PLAIN_LABEL_ARMS | TEMPORAL_ARMS | HAN_ARMS | LABEL_ARMS
)


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    pooling: Pooling | None = None,
) -> dict[str, float]:
    """Train and evaluate one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all variants.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes the world, its videos, initial weights and batches.
    keep : dict, optional
        Filled with "net", "task", "history" and "config" for the pictures. The history then also
        has the scores on the test videos after every epoch.
    pooling : callable, optional
        Instead of the variant's own.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    config = replace(config, **VARIANTS[variant])
    task: Task = load(config, seed, device)

    def score(net: AVVPNet) -> dict[str, float]:
        return evaluate(net, config, task.test, task.truth, pooling)

    net, history = train(
        config, task.train, seed, pooling=pooling, on_epoch=score if keep is not None else None
    )
    if keep is not None:
        keep.update(net=net, task=task, history=history, config=config)
    last = history.frame.iloc[-1]
    return score(net) | {"above 1": float(last["above 1"]), "seconds": history.seconds}
