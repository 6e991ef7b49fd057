"""What the order of correlating and upsampling costs (Table 4): counted, and measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from eccvkit.errors import unknown
from eccvkit.papers.s2dnet.config import PAPER, Config
from eccvkit.papers.s2dnet.matching import correspondence_map, upsample_then_correlate

LATE, EARLY = "correlate, then upsample", "upsample, then correlate"
#: The two orders by name; both give the same map.
ORDERS: dict[str, Callable] = {LATE: correspondence_map, EARLY: upsample_then_correlate}
#: Size of the images and number of keypoints of Table 4.
PAPER_SIZE, PAPER_KEYPOINTS = (1200, 1600), 1000
#: What is measured here: size, channels, strides and keypoints, at the paper's proportions.
MEASURED_SIZE, MEASURED_KEYPOINTS = (240, 320), 32


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


def measured_seconds(order: str, seed: int, device: torch.device | str = "cpu") -> float:
    """Seconds that one correspondence map of every keypoint takes; the best of three.

    The features are random, with the paper's channels and strides, on an image of
    :data:`MEASURED_SIZE`.
    """
    if order not in ORDERS:
        raise unknown("order", order, ORDERS)
    draw = torch.Generator().manual_seed(seed)
    height, width = MEASURED_SIZE
    shapes = [(1, PAPER.dim, height // s, width // s) for s in PAPER.strides]
    a, b = ([torch.randn(s, generator=draw).to(device) for s in shapes] for _ in range(2))
    points = torch.rand(1, MEASURED_KEYPOINTS, 2, generator=draw)
    points = (points * torch.tensor([width, height])).floor().to(device)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        with torch.no_grad():
            # Reading one number waits for the device.
            ORDERS[order](a, b, points, PAPER.strides, MEASURED_SIZE)[0, 0, 0, 0].item()
        best = min(best, time.perf_counter() - started)
    return best


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
        ``gmac``, ``feature GiB`` (float32), ``seconds``.
    """
    sizes = PAPER_SIZE, PAPER.dim, PAPER.strides
    values = feature_values(variant, *sizes)
    return {
        "gmac": PAPER_KEYPOINTS * values / 1e9,
        "feature GiB": 4 * values / 2**30,
        "seconds": measured_seconds(variant, seed, device),
    }
