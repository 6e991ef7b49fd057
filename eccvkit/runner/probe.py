"""How fast this machine is, measured in two seconds, and how long notebooks will take on it.

``volume.toml`` records how many minutes every notebook took on one machine. The probe trains the
kind of network that the notebooks train; its speed there is :data:`REFERENCE`, so the ratio of
speeds carries the minutes over to any machine.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from eccvkit.errors import EccvkitError
from eccvkit.volume import PRESETS, Paper

#: Training steps of the probe per second of one core, on the machine of the recorded minutes.
REFERENCE = 110.0

#: Trains a small network for two seconds and prints its steps per second of processor time, so
#: that other work on the machine does not count: the best of eight parts.
_PROBE = """
import time, torch
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Sequential(
    torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
    torch.nn.Flatten(), torch.nn.Linear(32 * 49, 10),
)
optimizer = torch.optim.Adam(net.parameters())
x, y = torch.randn(64, 1, 28, 28), torch.randint(10, (64,))
def steps(seconds):
    count, start = 0, time.process_time()
    while time.process_time() < start + seconds:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
        count += 1
    return count / (time.process_time() - start)
steps(0.2)
print(max(steps(0.25) for _ in range(8)))
"""


@dataclass(frozen=True)
class Expected:
    """How long a notebook takes at one preset.

    Attributes
    ----------
    paper : Paper
    preset : str
    minutes : float
    calibrated : bool
        Carried over to this machine; the recorded minutes of a GPU are not.
    """

    paper: Paper
    preset: str
    minutes: float
    calibrated: bool


def speed() -> float:
    """Speed of this machine over that of the recorded minutes: 2.0 is twice as fast.

    Raises
    ------
    EccvkitError
        Torch does not import.
    """
    probe = subprocess.run(
        [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=300, check=False
    )
    if probe.returncode:
        last = (probe.stderr.strip().splitlines() or ["no message"])[-1]
        raise EccvkitError(f"torch does not run: {last}")
    return float(probe.stdout.split()[-1]) / REFERENCE


def expected(papers: Iterable[Paper], speed: float) -> list[Expected]:
    """Expected minutes of every notebook with recorded ones, in the order of papers and presets."""
    return [
        Expected(
            paper,
            preset,
            paper.minutes[preset] / (1 if preset == "gpu" else speed),
            calibrated=preset != "gpu",
        )
        for paper in papers
        for preset in PRESETS
        if preset in paper.minutes
    ]
