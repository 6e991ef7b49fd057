"""The experiment of paper 30: training, evaluation and variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from eccvkit.errors import unknown
from eccvkit.metrics import openset
from eccvkit.papers.rpl.arms import OpenSetNet, ReciprocalHead, build, max_log_probability
from eccvkit.papers.rpl.config import Config
from eccvkit.papers.rpl.method import rpl_loss
from eccvkit.papers.rpl.tasks import Task, load
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit


def train(
    config: Config, arm: str, task: Task, seed: int, *, loss: Callable = rpl_loss
) -> tuple[OpenSetNet, History]:
    """Train one arm on a task; the seed fixes initial weights and the order of the batches."""
    seed_everything(seed)
    images, labels = task.train
    net = build(config, arm, loss=loss).to(images.device)
    margins = [net.head.margins] if isinstance(net.head, ReciprocalHead) else []
    rest = [p for p in net.parameters() if all(p is not m for m in margins)]
    optimizer = torch.optim.Adam([{"params": rest, "lr": config.lr}])
    if margins:
        optimizer.add_param_group({"params": margins, "lr": config.margin_lr})

    def loss_of(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        features = net(x)
        # Heads compare distances: full precision, also where the encoder runs in bfloat16.
        with torch.autocast(features.device.type, enabled=False):
            return net.head.loss(features, y)

    def norm_of_knowns(epoch: int) -> dict[str, float]:
        features, _ = embed(net, task.test[0])
        return {"feature norm": features.norm(dim=1).mean().item()}

    history = fit(
        net,
        loss_of,
        (images, labels),
        epochs=config.epochs,
        batch_size=config.batch_size,
        optimizer=optimizer,
        schedule=config.schedule,
        amp=config.amp,
        seed=seed,
        label=arm,
        on_epoch=norm_of_knowns,
    )
    return net, history


@torch.no_grad()
def embed(net: OpenSetNet, images: Tensor, batch: int = 2048) -> tuple[Tensor, Tensor]:
    """Features (n, d) and logits (n, N) of images, in evaluation mode."""
    net.eval()
    features = torch.cat([net(part) for part in images.split(batch)])
    return features, net.head.logits(features)


@torch.no_grad()
def evaluate(net: OpenSetNet, task: Task) -> dict[str, float]:
    """Closed-set accuracy and every open-set measure; knows the arm only through its score.

    Returns
    -------
    dict of float
        ``auroc`` uses the arm's own score; ``auroc softmax`` the largest class probability and
        ``auroc logit`` the largest logit (which for RPL is gamma times Eq. 11). ``accuracy head``
        and ``accuracy tail`` look at the most and least frequent third of the classes.
    """
    known, logits = embed(net, task.test[0])
    outside, outside_logits = embed(net, task.outsiders[0])
    inside_score, outside_score = net.head.score(known).cpu(), net.head.score(outside).cpu()
    correct = (logits.argmax(dim=1) == task.test[1]).cpu()

    metrics = {
        "accuracy": correct.double().mean().item(),
        "auroc": openset.auroc(inside_score, outside_score),
        "auroc softmax": openset.auroc(
            max_log_probability(logits), max_log_probability(outside_logits)
        ),
        "auroc logit": openset.auroc(logits.amax(1).cpu(), outside_logits.amax(1).cpu()),
        "aupr known": openset.aupr_known(inside_score, outside_score),
        "aupr unknown": openset.aupr_unknown(inside_score, outside_score),
        "fpr95": openset.fpr_at_tpr(inside_score, outside_score),
        "oscr": openset.oscr(inside_score, correct, outside_score),
        "norm known": _mean_norm(known),
        "norm unknown": _mean_norm(outside),
        "norm ratio": _mean_norm(known) / _mean_norm(outside),
    }
    metrics |= _accuracy_by_frequency(correct, task)
    if task.strangers is not None:
        strange, _ = embed(net, task.strangers)
        metrics["auroc strangers"] = openset.auroc(inside_score, net.head.score(strange).cpu())
        metrics["norm ratio strangers"] = _mean_norm(known) / _mean_norm(strange)
    if isinstance(net.head, ReciprocalHead):
        metrics["margin"] = net.head.margins.mean().item()
    return metrics


def _mean_norm(features: Tensor) -> float:
    return features.norm(dim=1).mean().item()


def _accuracy_by_frequency(correct: Tensor, task: Task) -> dict[str, float]:
    """Accuracy on the third of the known classes with most, and with fewest, training images."""
    frequent_first = torch.bincount(task.train[1]).argsort(descending=True).cpu()
    third = max(1, len(frequent_first) // 3)
    labels = task.test[1].cpu()
    groups = {"head": frequent_first[:third], "tail": frequent_first[-third:]}
    return {
        f"accuracy {name}": correct[torch.isin(labels, classes)].double().mean().item()
        for name, classes in groups.items()
    }


# --------------------------------------------------------------------------------------
# Variants: the arms of Tables 1 and 2 and of Fig. 5
# --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """One arm: which head it trains, and what it changes in the shared configuration."""

    arm: str
    changes: Mapping[str, Any] = field(default_factory=dict)


#: Tables 1 and 2: the methods, and the weight of the open-space term.
METHODS: dict[str, Variant] = {
    "softmax": Variant("softmax"),
    "GCPL": Variant("gcpl"),
    "RPL, lambda=0": Variant("rpl", {"lam": 0.0}),
    "RPL, lambda=0.01": Variant("rpl", {"lam": 0.01}),
    "RPL": Variant("rpl"),
    "RPL, lambda=1": Variant("rpl", {"lam": 1.0}),
    "RPL++": Variant("rpl++"),
}

#: Fig. 5a, first axis: the margin against lambda. "RPL" itself is lambda = 0.1.
LAMBDAS: dict[str, Variant] = {
    "RPL, lambda=0.03": Variant("rpl", {"lam": 0.03}),
    "RPL, lambda=0.3": Variant("rpl", {"lam": 0.3}),
    "RPL, lambda=3": Variant("rpl", {"lam": 3.0}),
}

#: Fig. 5a, second axis: the margin against the number of known classes. "RPL" itself has 6.
CLASSES: dict[str, Variant] = {f"RPL, N={n}": Variant("rpl", {"known": n}) for n in (2, 4, 8)}

#: Fig. 5b: several reciprocal points per class. "RPL" itself has one.
POINTS: dict[str, Variant] = {f"RPL, M={m}": Variant("rpl", {"points": m}) for m in (2, 4, 8)}

VARIANTS: dict[str, Variant] = METHODS | LAMBDAS | CLASSES | POINTS

#: The aircraft study, where a run is dear, leaves out two values of lambda.
AIRCRAFT_VARIANTS = ("softmax", "GCPL", "RPL, lambda=0", "RPL", "RPL++")


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    loss: Callable = rpl_loss,
) -> dict[str, float]:
    """Train and evaluate one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all variants.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes partition, initial weights and batches.
    keep : dict, optional
        Filled with "net", "task", "history" and "config" for the pictures.
    loss : callable
        Eq. 10 for the RPL arms; a student's own function goes here.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    arm, changes = VARIANTS[variant].arm, VARIANTS[variant].changes
    config = replace(config, **changes)
    task = load(config, seed, device)
    net, history = train(config, arm, task, seed, loss=loss)
    if keep is not None:
        keep.update(net=net, task=task, history=history, config=config)
    return evaluate(net, task) | {"seconds": history.seconds}
