"""The experiment of paper 40: training, evaluation, quantisation and variants."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from eccvkit.errors import unknown
from eccvkit.nn.count import count_parameters
from eccvkit.nn.macs import count_macs
from eccvkit.papers.mobilenext.blocks import SandglassBlock
from eccvkit.papers.mobilenext.config import Config
from eccvkit.papers.mobilenext.micro import build
from eccvkit.papers.mobilenext.networks import MobileNet
from eccvkit.papers.mobilenext.quantize import calibrate, fold_batchnorm, quantize
from eccvkit.papers.mobilenext.tasks import Task, load
from eccvkit.runtime import seed_everything
from eccvkit.training import History, fit

#: Variants that are quantised (Table 4), and the bits of their weights and activations. The paper
#: has 8 only; networks this small hardly notice it.
QUANTIZED, BITS = ("MobileNetV2", "MobileNeXt"), (8, 6, 5, 4, 3)


@dataclass(frozen=True)
class Variant:
    """One row of the table: an arm of :data:`eccvkit.papers.mobilenext.micro.ARMS`, and its width.

    A ``width`` of None is the configuration's. ``rate`` is a factor on its learning rate; 1/2, 1
    and 2 were tried on pilot seeds.
    """

    arm: str
    width: float | None = None
    rate: float = 1.0


#: Arms that learned better with another learning rate, by more than the 5 points that single runs
#: differ by anyway.
RATES = {"thin shortcuts": 2.0}
#: Sects. 3.2 and 4.4 and Tables 5 and 7, all at the same width. The control without any identity
#: (alpha = 0) shows what there is to lose.
ABLATIONS: dict[str, Variant] = {
    name: Variant(name, rate=RATES.get(name, 1.0))
    for name in (
        "MobileNetV2",
        "MobileNetV2, two depthwise",
        "MobileNeXt",
        "depthwise in bottleneck",
        "thin shortcuts",
        "ReLU6 end",
        "alpha=1/2",
        "alpha=1/3",
        "alpha=1/6",
        "alpha=0",
    )
}
#: Table 3: both networks at other widths.
WIDTHS: dict[str, Variant] = {
    f"{arm}, width {width:g}": Variant(arm, width)
    for width in (0.35, 1.0)
    for arm in ("MobileNetV2", "MobileNeXt")
}
VARIANTS: dict[str, Variant] = ABLATIONS | WIDTHS
#: What the claims compare, and the control; the presets smoke and lab run no more than these.
CORE: tuple[str, ...] = tuple(
    name for name in VARIANTS if name not in ("alpha=1/3", "alpha=1/6") and "0.35" not in name
)


def train(config: Config, net: MobileNet, task: Task, seed: int, *, label: str = "") -> History:
    """Train a network on a task; the seed fixes the order of the batches."""
    images, labels = task.train
    net.to(images.device, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
    )

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), y)

    return fit(
        net,
        loss,
        (images, labels),
        epochs=config.epochs,
        batch_size=config.batch_size,
        optimizer=optimizer,
        schedule=lambda t: warm_cosine(t, config.warmup),
        amp=config.amp,
        seed=seed,
        label=label,
    )


def warm_cosine(t: float, warmup: float) -> float:
    """Factor on the learning rate when the share t of the training is over.

    It rises linearly up to ``warmup`` and falls along half a cosine after it.

    Examples
    --------
    >>> [warm_cosine(t, 0.2) for t in (0.1, 0.2)], round(warm_cosine(0.6, 0.2), 6)
    ([0.5, 1.0], 0.5)
    """
    if t < warmup:
        return t / warmup
    return 0.5 * (1 + math.cos(math.pi * (t - warmup) / (1 - warmup)))


@torch.no_grad()
def predict(net: MobileNet, images: Tensor, batch: int = 1000) -> Tensor:
    """Logits (n, classes) in evaluation mode."""
    net.eval()
    return torch.cat([net(part) for part in images.split(batch)])


def evaluate(net: MobileNet, task: Task) -> dict[str, float]:
    """Top-1 accuracy; for pairs of factors also that of each factor, the other summed out.

    Returns
    -------
    dict of float
        ``accuracy``, and on TinyShapes-100 ``shape accuracy`` and ``texture accuracy``.
    """
    images, labels = task.test
    logits = predict(net, images)
    metrics = {"accuracy": _share(logits, labels)}
    if task.factors:
        table = logits.float().softmax(dim=1).unflatten(1, (10, 10))
        metrics["shape accuracy"] = _share(table.sum(dim=2), labels // 10)
        metrics["texture accuracy"] = _share(table.sum(dim=1), labels % 10)
    return metrics


def _share(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(dim=1) == labels).double().mean().item()


def quantized_accuracy(
    net: MobileNet, task: Task, calibration: int, bits: tuple[int, ...] = BITS
) -> dict[int, float]:
    """Top-1 accuracy of a trained network after quantisation, by the number of bits.

    Parameters
    ----------
    net : MobileNet
    task : Task
    calibration : int
        How many training images set the ranges of the activations.
    bits : tuple of int
    """
    folded = fold_batchnorm(net)
    ranges = calibrate(folded, task.train[0][:calibration])
    return {k: evaluate(quantize(folded, ranges, k), task)["accuracy"] for k in bits}


def run(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
    block: type[SandglassBlock] = SandglassBlock,
) -> dict[str, float]:
    """Train, evaluate and quantise one variant with one seed: one row of the table.

    Parameters
    ----------
    config : Config
        Shared by all variants.
    variant : str
        A name in :data:`VARIANTS`.
    seed : int
        Fixes images, initial weights and batches.
    keep : dict, optional
        Filled with "net", "task" and "history" for the pictures.
    block : type
        The sandglass block of the arms that have one; a student's own goes here.

    Returns
    -------
    dict of float
        See :func:`evaluate`; for the variants of Table 4 ``int5``, the accuracy with 5 bits, and
        ``kept5``, its share of the accuracy without quantisation, and so on; ``parameters``,
        ``macs``, ``seconds``.

    Raises
    ------
    UnknownName
        No such variant.
    """
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    chosen = VARIANTS[variant]
    config = replace(config, lr=chosen.rate * config.lr)
    task = load(config, seed, device)
    seed_everything(seed)
    net = build(chosen.arm, chosen.width or config.width, config.classes, block)
    history = train(config, net, task, seed, label=variant)
    if keep is not None:
        keep.update(net=net, task=task, history=history)
    metrics = evaluate(net, task)
    if variant in QUANTIZED:
        for bits, accuracy in quantized_accuracy(net, task, config.calibration).items():
            metrics[f"int{bits}"] = accuracy
            # One correct image stands in for none.
            metrics[f"kept{bits}"] = accuracy / max(metrics["accuracy"], 1 / len(task.test[1]))
    side = config.image_size
    return metrics | {
        "parameters": count_parameters(net),
        "macs": count_macs(net, (3, side, side)),
        "seconds": history.seconds,
    }
