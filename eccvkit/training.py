"""The one training loop: batches by index on the device, and a history to plot.

Small data sets live on the device as tensors and are sampled by index, so there are no worker
processes and no copies. What differs between papers is the loss, and that is an argument.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from eccvkit.errors import EccvkitError, NonFiniteLoss, unknown
from eccvkit.runtime import Clock, progress

#: Learning-rate factor against the share t in [0, 1) of the training that is over.
SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "cosine": lambda t: 0.5 * (1.0 + math.cos(math.pi * t)),
    "linear": lambda t: 1.0 - t,
    "step": lambda t: 1.0 if t < 0.5 else 0.1 if t < 0.75 else 0.01,
}

#: How many steps may pass between two looks at the loss: a look stalls the queue of a GPU.
_LOOK_EVERY = {"cpu": 1}
_LOOK_EVERY_ACCELERATOR = 50


@dataclass(frozen=True)
class History:
    """What a training run leaves behind.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per epoch: ``epoch`` (from 1), ``step``, ``lr``, the mean of every loss term, and
        whatever ``on_epoch`` returned.
    seconds : float
        Wall time of the whole run.
    memory_mb : float
        Peak memory in MB (of the device on CUDA, of the process elsewhere).
    """

    frame: pd.DataFrame
    seconds: float
    memory_mb: float


def fit(
    model: nn.Module,
    loss: Callable[..., Tensor | Mapping[str, Tensor]],
    data: Sequence[Tensor],
    *,
    epochs: int,
    batch_size: int,
    optimizer: torch.optim.Optimizer | None = None,
    lr: float = 1e-3,
    schedule: str | Callable[[float], float] = "constant",
    clip: float | None = None,
    amp: bool = False,
    seed: int = 0,
    label: str = "training",
    on_epoch: Callable[[int], Mapping[str, float]] | None = None,
) -> History:
    """Train ``model`` by minimising ``loss`` over shuffled batches of ``data``.

    Parameters
    ----------
    model : nn.Module
        Put into training mode here and into evaluation mode at the end.
    loss : callable
        ``loss(*batch)`` gives a scalar, or a mapping of scalars whose entry "loss" is minimised
        and whose other entries are recorded.
    data : sequence of Tensor
        Tensors with equal first dimension, already on the device.
    epochs, batch_size : int
        Passes over the data, and samples per step. A last batch of one sample is dropped: batch
        normalisation cannot use it.
    optimizer : torch.optim.Optimizer, optional
        Adam with rate ``lr`` on all parameters if not given.
    schedule : str or callable
        A name in :data:`SCHEDULES`, or a factor as a function of the share of training done.
    clip : float, optional
        Largest allowed norm of the whole gradient.
    amp : bool
        bfloat16 autocast on CUDA; ignored elsewhere.
    seed : int
        Seeds the order of the batches, nothing else.
    label : str
        Text of the progress bar, and of the error if the loss explodes.
    on_epoch : callable, optional
        ``on_epoch(epoch)`` is called after each epoch; its numbers join the history.

    Raises
    ------
    NonFiniteLoss
        A loss term became NaN or infinite; the message names step and term.
    EccvkitError
        Tensors of unequal length, or nothing to train on.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 64).unsqueeze(1)
    >>> line = nn.Linear(1, 1)
    >>> squared = lambda x, y: ((line(x) - y) ** 2).mean()
    >>> history = fit(line, squared, (x, 3 * x), epochs=200, batch_size=16, lr=0.05)
    >>> round(line.weight.item(), 2)
    3.0
    """
    size = _common_length(data)
    device = data[0].device
    factor = SCHEDULES.get(schedule) if isinstance(schedule, str) else schedule
    if factor is None:
        raise unknown("schedule", schedule, SCHEDULES)
    if epochs < 1 or batch_size < 1:
        raise EccvkitError(f"{label}: epochs={epochs} and batch_size={batch_size} must be positive")
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=lr)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    starts = [s for s in range(0, size, batch_size) if size - s > 1]
    total = epochs * len(starts)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step / total))
    order = torch.Generator().manual_seed(seed)
    halves = amp and device.type == "cuda"
    autocast = torch.autocast("cuda", torch.bfloat16) if halves else contextlib.nullcontext()
    watch = _Watch(label, _LOOK_EVERY.get(device.type, _LOOK_EVERY_ACCELERATOR))

    rows = []
    model.train()
    with Clock(device) as clock:
        for epoch in progress(range(1, epochs + 1), desc=label):
            permutation = torch.randperm(size, generator=order).to(device)
            for start in starts:
                index = permutation[start : start + batch_size]
                optimizer.zero_grad(set_to_none=True)
                with autocast:
                    terms = loss(*(tensor[index] for tensor in data))
                terms = terms if isinstance(terms, Mapping) else {"loss": terms}
                watch.add(terms)
                terms["loss"].backward()
                if clip is not None:
                    nn.utils.clip_grad_norm_(parameters, clip)
                optimizer.step()
                scheduler.step()
            row = {"epoch": epoch, "step": watch.step, "lr": optimizer.param_groups[0]["lr"]}
            row |= watch.epoch_means()
            if on_epoch is not None:
                row |= on_epoch(epoch)
                model.train()
            rows.append(row)
    model.eval()
    return History(pd.DataFrame(rows), clock.seconds, clock.memory_mb)


def _common_length(data: Sequence[Tensor]) -> int:
    lengths = {len(tensor) for tensor in data}
    if len(lengths) != 1:
        raise EccvkitError(
            f"fit: data tensors have different lengths {sorted(lengths)}; pass tensors of one size"
        )
    (size,) = lengths
    if size < 2:
        raise EccvkitError(f"fit: {size} sample(s) to train on; at least two are needed")
    return size


class _Watch:
    """Collects loss terms on the device, and looks at them now and then.

    Looking forces the host to wait for the device, so on an accelerator the values of many steps
    are checked together; the step that failed first is still named exactly.
    """

    def __init__(self, label: str, look_every: int):
        self.label, self.look_every = label, look_every
        self.step = 0
        self._names: tuple[str, ...] = ()
        self._unseen: list[Tensor] = []
        self._seen: list[Tensor] = []

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Record one step; raise NonFiniteLoss when a look finds one."""
        self.step += 1
        self._names = tuple(terms)
        self._unseen.append(torch.stack([t.detach().float() for t in terms.values()]))
        if len(self._unseen) >= self.look_every:
            self._look()

    def _look(self) -> None:
        if not self._unseen:
            return
        values = torch.stack(self._unseen).cpu()
        finite = torch.isfinite(values)
        if not bool(finite.all()):
            row, column = (~finite).nonzero()[0].tolist()
            raise NonFiniteLoss(
                f"{self.label}: term {self._names[column]!r} became {values[row, column].item()} "
                f"at step {self.step - len(self._unseen) + row + 1}; lower the learning rate, "
                "clip the gradient, or check the data for NaN"
            )
        self._seen.append(values)
        self._unseen.clear()

    def epoch_means(self) -> dict[str, float]:
        """Mean of every term since the last call."""
        self._look()
        means = torch.cat(self._seen).mean(dim=0)
        self._seen.clear()
        return dict(zip(self._names, means.tolist()))
