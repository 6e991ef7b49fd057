"""Paper 08: how long a diagram with its critical pixels takes, and the matching of two sets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from benchmarks.bench import Figure


def topogan() -> Iterator[Figure]:
    """Milliseconds per 32 x 32 mask on one core, and of one topological loss."""
    import torch

    from eccvkit.data.masks import voronoi_membranes
    from eccvkit.papers.topogan import diagrams, pairwise_w1, topological_loss

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        images = voronoi_membranes(200, seed=500).images
        found = diagrams(images[:2])  # loads the library
        per_mask = _best(lambda: diagrams(images)) / len(images)
        yield Figure(
            "topogan: diagram and critical pixels of a mask",
            1e3 * per_mask,
            "ms",
            at_most=5.0,
            note=f"{len(images)} masks of 32 x 32, one core",
        )
        found = diagrams(images)
        for match in ("uniform", "slice"):
            seconds = _best(lambda match=match: pairwise_w1(found, found, match))
            pairs = len(found) ** 2
            yield Figure(
                f"topogan: distances of {pairs} pairs of diagrams, {match}", 1e3 * seconds, "ms"
            )
        seconds = _best(lambda: topological_loss(images[:32], found[:64]))
        yield Figure("topogan: topological loss of 32 masks, 64 real diagrams", 1e3 * seconds, "ms")
    finally:
        torch.set_num_threads(threads)


def _best(work: Callable[[], object], rounds: int = 3) -> float:
    """Seconds of the fastest of a few rounds: the one that was disturbed least."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
