"""Attention as a read from a memory: weights from similarity, then a weighted mean of what is kept.

A query is compared with the keys of a memory by inner products; the softmax of the similarities
weighs the values. Video parsing reads other seconds, object segmentation reads other frames,
prediction reads prototypes: all are :func:`attention_read`. The weights are returned, because they
are what one wants to look at.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from eccvkit.errors import EccvkitError


class Read(NamedTuple):
    """What was read, (..., q, e), and the weights (..., q, k): rows that sum to 1."""

    values: Tensor
    weights: Tensor


def attention_read(
    query: Tensor,
    keys: Tensor,
    values: Tensor | None = None,
    *,
    scale: float | None = None,
    mask: Tensor | None = None,
) -> Read:
    r"""Scaled dot-product attention :math:`\mathrm{softmax}(s\,QK^\top)\,V`, without projections.

    Parameters
    ----------
    query : (..., q, d) Tensor
    keys : (..., k, d) Tensor
    values : (..., k, e) Tensor, optional
        What is kept under the keys; the keys themselves if not given.
    scale : float, optional
        Factor s on the similarities; :math:`1/\sqrt d` if not given.
    mask : bool Tensor, optional
        Broadcastable to (..., q, k); True where a query may read. A query that may read nothing
        has zero weights and reads zeros.

    Returns
    -------
    Read

    Raises
    ------
    EccvkitError
        Shapes that do not fit, or an empty memory.

    Examples
    --------
    >>> memory = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> read = attention_read(torch.tensor([[9.0, 0.0]]), memory, scale=1.0)
    >>> read.weights.round(decimals=3)
    tensor([[1., 0.]])
    """
    values = keys if values is None else values
    if query.shape[-1] != keys.shape[-1] or keys.shape[-2] != values.shape[-2]:
        raise EccvkitError(
            f"attention_read: query {tuple(query.shape)}, keys {tuple(keys.shape)} and values "
            f"{tuple(values.shape)} do not fit; give (..., q, d), (..., k, d) and (..., k, e)"
        )
    if keys.shape[-2] == 0:
        raise EccvkitError("attention_read: the memory is empty; give at least one key")
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    similarity = scale * query @ keys.transpose(-1, -2)
    if mask is not None:
        similarity = similarity.masked_fill(~mask, -torch.inf)
        # A row of -inf only would become NaN; start it from zeros and empty it afterwards.
        similarity = similarity.masked_fill(~mask.any(dim=-1, keepdim=True), 0.0)
    weights = similarity.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return Read(weights @ values, weights)
