"""What the order of correlating and upsampling costs (Table 4): counted, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from eccvkit.errors import unknown
from eccvkit.papers.s2dnet.config import PAPER, Config
from eccvkit.papers.s2dnet.matching import (
    Features,
    best_point,
    correspondence_map,
    sample_descriptors,
    upsample_then_correlate,
    upsampled_hypercolumn,
)

LATE, EARLY = "correlate, then upsample", "upsample, then correlate"
#: The two orders by name; both give the same map.
ORDERS: dict[str, Callable] = {LATE: correspondence_map, EARLY: upsample_then_correlate}
#: Size of the images and number of keypoints of Table 4.
PAPER_SIZE, PAPER_KEYPOINTS = (1200, 1600), 1000
#: What is measured here: a small image, and several numbers of keypoints.
MEASURED_SIZE, MEASURED_KEYPOINTS = (144, 192), (32, 128, 512, 1000)
#: Keypoints searched together: all maps of a thousand would fill the memory.
AT_ONCE = 32


def _cells(size: tuple[int, int], stride: int) -> int:
    return -(-size[0] // stride) * -(-size[1] // stride)


def correlation_macs(
    order: str, size: tuple[int, int], keypoints: int, dim: int, strides: Sequence[int]
) -> int:
    """Multiply-accumulates of all dot products; the upsampling is not counted.

    Raises
    ------
    UnknownName
        Not one of :data:`ORDERS`.

    Examples
    --------
    >>> correlation_macs(EARLY, (4, 4), 1, 2, (1, 2)), correlation_macs(LATE, (4, 4), 1, 2, (1, 2))
    (64, 40)
    """
    return keypoints * feature_values(order, size, dim, strides)


def feature_values(order: str, size: tuple[int, int], dim: int, strides: Sequence[int]) -> int:
    """Numbers that the features of image B consist of when they are correlated.

    Raises
    ------
    UnknownName
        Not one of :data:`ORDERS`.
    """
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    if order == LATE:
        return dim * sum(_cells(size, s) for s in strides)
    return dim * len(strides) * size[0] * size[1]


def seconds_now(device: torch.device | str) -> float:
    """A clock: processor time on a CPU, which other programs share, wall time elsewhere."""
    if torch.device(device).type == "cpu":
        return time.process_time()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def search(
    order: str, features_a: Features, features_b: Features, keypoints: Tensor, size: tuple[int, int]
) -> Tensor:
    """Best pixels (1, K, 2) of keypoints in the paper's levels, :data:`AT_ONCE` at a time.

    Upsampling first is done once for all keypoints, as S2DHM would.

    Raises
    ------
    UnknownName
        Not one of :data:`ORDERS`.
    """
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    strides = PAPER.strides
    dense = upsampled_hypercolumn(features_b, strides, size) if order == EARLY else None
    found = []
    for part in keypoints.split(AT_ONCE, dim=1):
        if dense is None:
            maps = correspondence_map(features_a, features_b, part, strides, size)
        else:
            own = [sample_descriptors(f, part, s) for f, s in zip(features_a, strides)]
            maps = torch.einsum("bnd,bdhw->bnhw", torch.cat(own, dim=-1), dense)
        found.append(best_point(maps))
    return torch.cat(found, dim=1)


@torch.no_grad()
def measured_seconds(
    order: str, keypoints: int, seed: int, device: torch.device | str = "cpu"
) -> float:
    """Seconds that :func:`search` takes; the better of two times.

    The features are random, with the paper's channels and strides, on an image of
    :data:`MEASURED_SIZE`.
    """
    draw = torch.Generator().manual_seed(seed)
    height, width = MEASURED_SIZE
    shapes = [(1, PAPER.dim, height // s, width // s) for s in PAPER.strides]
    a, b = ([torch.randn(s, generator=draw).to(device) for s in shapes] for _ in range(2))
    points = torch.rand(1, keypoints, 2, generator=draw)
    points = (points * torch.tensor([width, height])).floor().to(device)
    times = []
    for _ in range(2):
        started = seconds_now(device)
        search(order, a, b, points, MEASURED_SIZE)
        times.append(seconds_now(device) - started)
    return min(times)


def run_cost(
    config: Config,
    variant: str,
    seed: int,
    device: torch.device | str = "cpu",
    *,
    keep: dict[str, Any] | None = None,
) -> dict[str, float]:
    """One row of the cost study: counts at the paper's size, seconds measured here.

    Parameters
    ----------
    config : Config
        Not used: the counts are the paper's. It is there for
        :func:`eccvkit.study.run_study`, like ``keep``.
    variant : str
        One of :data:`ORDERS`.
    seed : int
        Fixes the random features.

    Returns
    -------
    dict of float
        ``gmac``, ``feature GiB`` (float32), ``seconds K`` for each number of keypoints K in
        :data:`MEASURED_KEYPOINTS`.
    """
    sizes = PAPER_SIZE, PAPER.dim, PAPER.strides
    values = feature_values(variant, *sizes)
    return {"gmac": PAPER_KEYPOINTS * values / 1e9, "feature GiB": 4 * values / 2**30} | {
        f"seconds {k}": measured_seconds(variant, k, seed, device) for k in MEASURED_KEYPOINTS
    }
