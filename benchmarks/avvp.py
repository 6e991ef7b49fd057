"""Event F-scores of a whole test set, beside a loop over videos and classes as one would write it.

The loop is what a first version looks like: intervals, IoU and counts for one video and one class
at a time. Both must count the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.bench import Figure

#: The size of LLP's test set.
VIDEOS, SNIPPETS, CLASSES = 1200, 10, 25


def by_loop(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """True positives, false positives, false negatives of events, (3, N, C)."""
    from eccvkit.metrics.events import intervals, temporal_iou

    n, _, c = truth.shape
    counts = np.zeros((3, n, c), dtype=int)
    for i in range(n):
        for k in range(c):
            wanted, got = intervals(truth[i, :, k]), intervals(found[i, :, k])
            right = int((temporal_iou(wanted, got) >= 0.5).any(axis=1).sum())
            counts[:, i, k] = right, len(got) - right, len(wanted) - right
    return counts


def avvp() -> Iterator[Figure]:
    """Speed over the loop, and whether both agree."""
    from eccvkit.metrics.events import event_counts

    rng = np.random.default_rng(0)
    truth, found = (rng.random((VIDEOS, SNIPPETS, CLASSES)) < share for share in (0.1, 0.12))
    times: dict[str, list[float]] = {"loop": [], "ours": []}
    for _ in range(3):
        for name, count in (("loop", by_loop), ("ours", event_counts)):
            started = time.perf_counter()
            counts = np.stack(count(truth, found))
            times[name].append(time.perf_counter() - started)
            if name == "loop":
                expected = counts
    loop, ours = min(times["loop"]), min(times["ours"])
    yield Figure(
        "event counts, 1,200 videos x 25 classes: speed over a loop",
        loop / ours,
        unit="times",
        at_least=10,
        note=f"{loop:.2f} s over {1e3 * ours:.0f} ms",
    )
    yield Figure(
        "event counts: differences from the loop",
        int((counts != expected).sum()),
        at_most=0,
        note=f"{expected.size:,} counts",
    )
