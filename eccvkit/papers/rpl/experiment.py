"""The experiment of paper 30: training, evaluation, variants and claims."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from eccvkit.claims import Claim, Difference, Monotone, Spread
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

    def norm_of_knowns(epoch: int) -> dict[str, float]:
        features, _ = embed(net, task.test[0])
        return {"feature norm": features.norm(dim=1).mean().item()}

    history = fit(
        net,
        lambda x, y: net.head.loss(net(x), y),
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
        ``auroc logit`` the largest logit (which for RPL is gamma times Eq. 11).
    """
    known, logits = embed(net, task.test[0])
    outside, outside_logits = embed(net, task.outsiders[0])
    inside_score, outside_score = net.head.score(known).cpu(), net.head.score(outside).cpu()
    correct = (logits.argmax(dim=1) == task.test[1]).cpu()

    norm_in, norm_out = known.norm(dim=1).mean().item(), outside.norm(dim=1).mean().item()
    metrics = {
        "accuracy": correct.double().mean().item(),
        "auroc": openset.auroc(inside_score, outside_score),
        "auroc softmax": openset.auroc(
            max_log_probability(logits).cpu(), max_log_probability(outside_logits).cpu()
        ),
        "auroc logit": openset.auroc(logits.amax(1).cpu(), outside_logits.amax(1).cpu()),
        "aupr known": openset.aupr_known(inside_score, outside_score),
        "aupr unknown": openset.aupr_unknown(inside_score, outside_score),
        "fpr95": openset.fpr_at_tpr(inside_score, outside_score),
        "oscr": openset.oscr(inside_score, correct, outside_score),
        "norm known": norm_in,
        "norm unknown": norm_out,
        "norm ratio": norm_in / norm_out,
    }
    if isinstance(net.head, ReciprocalHead):
        metrics["margin"] = net.head.margins.mean().item()
    return metrics


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

#: The long-tail study of Table 2 runs these.
TAIL_VARIANTS = ("softmax", "GCPL", "RPL, lambda=0", "RPL", "RPL++")

#: Arms in the order of Fig. 5, with the value on the horizontal axis.
LAMBDA_AXIS = {
    "RPL, lambda=0.01": 0.01,
    "RPL, lambda=0.03": 0.03,
    "RPL": 0.1,
    "RPL, lambda=0.3": 0.3,
    "RPL, lambda=1": 1.0,
    "RPL, lambda=3": 3.0,
}
CLASSES_AXIS = {"RPL, N=2": 2, "RPL, N=4": 4, "RPL": 6, "RPL, N=8": 8}
POINTS_AXIS = {"RPL": 1, "RPL, M=2": 2, "RPL, M=4": 4, "RPL, M=8": 8}


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


# --------------------------------------------------------------------------------------
# Claims
# --------------------------------------------------------------------------------------

#: The paper's figures beside ours: AUROC of Table 1 on MNIST, accuracy and AUROC of Table 2.
PAPER_TABLE1 = {"softmax": 97.8, "RPL": 98.9, "RPL++": 99.3}
PAPER_TABLE2 = {
    "softmax": {"accuracy": 85.7, "auroc": 77.1, "aupr known": 85.8, "aupr unknown": 48.0},
    "GCPL": {"accuracy": 84.5, "auroc": 79.1, "aupr known": 88.0, "aupr unknown": 61.3},
    "RPL, lambda=0": {"accuracy": 84.6, "auroc": 64.6, "aupr known": 78.5, "aupr unknown": 43.6},
    "RPL, lambda=0.01": {"accuracy": 87.9, "auroc": 82.5, "aupr known": 89.3, "aupr unknown": 68.9},
    "RPL": {"accuracy": 88.8, "auroc": 83.1, "aupr known": 89.3, "aupr unknown": 70.2},
    "RPL, lambda=1": {"accuracy": 86.7, "auroc": 81.7, "aupr known": 87.5, "aupr unknown": 69.7},
    "RPL++": {"accuracy": 89.0, "auroc": 84.1, "aupr known": 90.1, "aupr unknown": 72.7},
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "C1a",
        "RPL separates known from unknown better than softmax.",
        Difference("auroc", "RPL", "softmax"),
        paper="98.9 against 97.8 on MNIST, 93.4 against 88.6 on SVHN, 82.7 against 67.7 on CIFAR10",
        source="Table 1",
        unit="AUROC",
    ),
    Claim(
        "C1b",
        "RPL does not hurt the accuracy on known classes (a loss of up to 0.01 tolerated).",
        Difference("accuracy", "RPL", "softmax", tolerance=0.01),
        paper="88.8 against 85.7 (Air-300)",
        source="Table 2",
        unit="accuracy, tolerance added",
    ),
    Claim(
        "C1c",
        "Prototypes on top (RPL++) improve RPL further.",
        Difference("auroc", "RPL++", "RPL"),
        paper="99.3 against 98.9 on MNIST, 86.1 against 82.7 on CIFAR10",
        source="Table 1",
        unit="AUROC",
    ),
    Claim(
        "C1d",
        "RPL separates better than prototypes alone (GCPL).",
        Difference("auroc", "RPL", "GCPL"),
        paper="83.1 against 79.1 (Air-300)",
        source="Table 2",
        unit="AUROC",
    ),
    Claim(
        "C2a",
        "The open-space term matters: lambda = 0.1 beats lambda = 0.",
        Difference("auroc", "RPL", "RPL, lambda=0"),
        paper="83.1 against 64.6 (Air-300)",
        source="Table 2",
        unit="AUROC",
    ),
    Claim(
        "C2b",
        "Without the open-space term reciprocal points are no better than softmax.",
        Difference("auroc", "RPL, lambda=0", "softmax", direction="lower"),
        paper="64.6 against 77.1 (Air-300)",
        source="Table 2",
        unit="AUROC",
    ),
    Claim(
        "C3a",
        "The learned margin falls as lambda grows.",
        Monotone("margin", tuple(LAMBDA_AXIS), direction="lower"),
        paper="falling curve, values not printed",
        source="Fig. 5a",
        unit="smallest step of R",
    ),
    Claim(
        "C3b",
        "The learned margin grows with the number of known classes.",
        Monotone("margin", tuple(CLASSES_AXIS)),
        paper="rising curve, values not printed",
        source="Fig. 5a",
        unit="smallest step of R",
    ),
    Claim(
        "C3c",
        "Unknown samples have smaller features than known ones.",
        Difference("norm ratio", "RPL", 1.0),
        paper="knowns at 5 to 8, unknowns at 1 to 6 on the axis of maximum distance",
        source="Fig. 4d",
        unit="norm ratio - 1",
    ),
    Claim(
        "C4",
        "The number of reciprocal points per class, M = 1 to 8, hardly matters.",
        Spread("auroc", tuple(POINTS_AXIS), below=0.05),
        paper="nearly flat curve",
        source="Fig. 5b",
        unit="0.05 - spread of AUROC",
    ),
)

_TAIL_METRICS = (
    ("a", "auroc", "AUROC"),
    ("b", "aupr known", "AUPR-known"),
    ("c", "aupr unknown", "AUPR-unknown"),
)


def _tail_claims(number: str, data: str) -> tuple[Claim, ...]:
    """Table 2 in three metrics, on one data set of ours."""
    ours, base = PAPER_TABLE2["RPL"], PAPER_TABLE2["softmax"]
    return tuple(
        Claim(
            f"{number}{letter}",
            f"Long tail, {data}: RPL is above softmax in {name}.",
            Difference(metric, "RPL", "softmax"),
            paper=f"{ours[metric]} against {base[metric]} (Air-300)",
            source="Table 2",
            unit=name,
        )
        for letter, metric, name in _TAIL_METRICS
    )


#: Judged on the two long-tail studies.
TAIL_CLAIMS = _tail_claims("C5", "real digits")
AIRCRAFT_CLAIMS = _tail_claims("C6", "fine-grained aircraft")
