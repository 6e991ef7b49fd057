"""Paper 37: correlating before upsampling, against upsampling before correlating (S2DHM).

Both orders give the same maps with the same channels (3 x 128, strides 1, 4, 16) and search the
best pixel of the same keypoints, eight at a time. Upsampling first is done once for all keypoints
and into one buffer, as lean as it can be. Each order runs in a process of its own, which reports
its time and by how much its peak of resident memory exceeds what it held before: torch's memory is
invisible to tracemalloc.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.bench import Figure

#: Runs in the child. Threads are limited to one, so that a busy second core matters less.
MEASURE = """
import json, sys, time, torch
from pathlib import Path
from eccvkit.papers.s2dnet import (
    EARLY, best_pixel, correspondence_map, sample_descriptors, upsample)

torch.set_num_threads(1)
torch.manual_seed(0)
HEIGHT, WIDTH, KEYPOINTS, AT_ONCE, STRIDES = 480, 640, 64, 8, (1, 4, 16)

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(l for l in lines if l.startswith(field)).split()[1]) * 1024

def features():
    return [torch.randn(1, 128, HEIGHT // s, WIDTH // s) for s in STRIDES]

def late_maps(part):
    return correspondence_map(a, b, part, STRIDES, (HEIGHT, WIDTH))

def upsample_first():
    dense = torch.empty(1, 3 * 128, HEIGHT, WIDTH)
    for k, (level, stride) in enumerate(zip(b, STRIDES)):
        dense[:, 128 * k : 128 * (k + 1)] = upsample(level, stride, (HEIGHT, WIDTH))

    def maps(part):
        own = [sample_descriptors(level, part, stride) for level, stride in zip(a, STRIDES)]
        return torch.einsum("bnd,bdhw->bnhw", torch.cat(own, dim=-1), dense)

    return maps

def match():
    maps = upsample_first() if sys.argv[1] == EARLY else late_maps
    return torch.cat([best_pixel(maps(part)).points for part in points.split(AT_ONCE, dim=1)], 1)

with torch.no_grad():
    a, b = features(), features()
    points = (torch.rand(1, KEYPOINTS, 2) * torch.tensor([WIDTH, HEIGHT])).floor()
    before, peak_before = resident("VmRSS"), resident("VmHWM")
    seconds = []
    for _ in range(3):
        started = time.perf_counter()
        found = match()
        seconds.append(time.perf_counter() - started)
    peak = resident("VmHWM")
    assert peak > peak_before, "the peak was reached before the measurement"
    print(json.dumps({"seconds": min(seconds), "bytes": peak - before,
                      "found": found[0].long().tolist()}))
"""


def _measure(order: str) -> dict:
    done = subprocess.run([sys.executable, "-c", MEASURE, order], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"measuring {order!r} failed:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def s2dnet() -> Iterator[Figure]:
    """Time and peak memory of S2DHM's order over those of S2DNet's."""
    if not sys.platform.startswith("linux"):
        sys.exit("the bench s2dnet reads /proc/self/status, so it needs Linux")
    from eccvkit.papers.s2dnet import EARLY, LATE

    rounds = [{order: _measure(order) for order in (LATE, EARLY)} for _ in range(3)]
    late, early = (
        {key: min(r[order][key] for r in rounds) for key in ("seconds", "bytes")}
        for order in (LATE, EARLY)
    )
    same = [x == y for x, y in zip(*(rounds[0][order]["found"] for order in (LATE, EARLY)))]
    # Rounding may swap two pixels of equal score now and then.
    if sum(same) < 0.95 * len(same):
        sys.exit("the two orders of S2DNet found different pixels: they should be the same map")
    yield Figure(
        "S2DNet: upsample first over correlate first, time",
        early["seconds"] / late["seconds"],
        at_least=1.2,
        note=f"{early['seconds']:.2f} s over {late['seconds']:.2f} s, 64 keypoints, 480 x 640",
    )
    yield Figure(
        "S2DNet: upsample first over correlate first, peak memory",
        early["bytes"] / late["bytes"],
        at_least=2.0,
        note=f"{early['bytes'] / 1e6:.0f} MB over {late['bytes'] / 1e6:.0f} MB",
    )
