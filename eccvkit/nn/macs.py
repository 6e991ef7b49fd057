"""What a network costs: multiply-adds and parameters, in total and layer by layer.

Conventions, those of the papers on mobile networks:

* One multiply-add (MAdd, MAC) is one product of a weight with an activation, summed up. A
  convolution costs ``out_height * out_width * kernel area * in_channels / groups * out_channels``;
  padding counts like any other pixel. A product of two matrices counts too, so that attention does.
* Biases, normalisation, activations, pooling and additions are free: they are not products, or they
  disappear when a network is deployed.
* One image passes in evaluation mode.

The counting is :class:`torch.utils.flop_counter.FlopCounterMode`, which sees the operations that
run and not the modules that ask for them; it counts a multiply-add as two operations, so we halve.
Works on the ``meta`` device: a full-size network is counted without allocating or computing
anything (``with torch.device("meta"): net = ...``).
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from eccvkit.errors import EccvkitError


def count_macs(module: nn.Module, *shapes: Sequence[int]) -> int:
    """Multiply-adds of one pass in evaluation mode.

    Parameters
    ----------
    module : nn.Module
        Takes one float tensor per shape; on any device, ``meta`` included.
    *shapes : sequence of int
        Shape of each input without the batch axis, for example ``(3, 224, 224)``.

    Raises
    ------
    EccvkitError
        No shape was given.

    Examples
    --------
    >>> count_macs(nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 32, 32))
    55296
    """
    return _pass(module, shapes).get_total_flops() // 2


def layer_costs(module: nn.Module, *shapes: Sequence[int]) -> pd.DataFrame:
    """Cost of every layer that owns parameters, in the order of execution.

    Parameters
    ----------
    module, *shapes
        As in :func:`count_macs`.

    Returns
    -------
    pandas.DataFrame
        Columns ``layer`` (name inside ``module``), ``kind`` (class), ``input`` and ``output``
        (shapes without the batch axis), ``parameters`` and ``macs``. A layer that runs twice has
        one row with its last shapes and the sum of its multiply-adds.
    """
    rows: dict[str, dict] = {}
    handles = []

    def watch(name: str, layer: nn.Module) -> None:
        def record(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            rows[name] = {
                "layer": name,
                "kind": type(layer).__name__,
                "input": tuple(inputs[0].shape[1:]),
                "output": tuple(output.shape[1:]),
                "parameters": sum(p.numel() for p in layer.parameters(recurse=False)),
            }

        handles.append(layer.register_forward_hook(record))

    for name, layer in module.named_modules():
        if next(layer.parameters(recurse=False), None) is not None:
            watch(name, layer)
    try:
        counts = _pass(module, shapes).get_flop_counts()
    finally:
        for handle in handles:
            handle.remove()
    root = type(module).__name__
    for name, row in rows.items():
        own = counts.get(f"{root}.{name}" if name else root, {})
        row["macs"] = sum(own.values()) // 2
    columns = ("layer", "kind", "input", "output", "parameters", "macs")
    return pd.DataFrame(list(rows.values()), columns=columns)


def _pass(module: nn.Module, shapes: Sequence[Sequence[int]]) -> FlopCounterMode:
    """Count one pass of a batch of one image, and leave the module's mode as it was."""
    if not shapes:
        raise EccvkitError("count_macs needs the shape of the input, for example (3, 224, 224)")
    parameter = next(module.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    inputs = [torch.zeros(1, *shape, device=device) for shape in shapes]
    training = [m for m in module.modules() if m.training]
    module.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*inputs)
    finally:
        for m in training:
            m.training = True
    return counter
