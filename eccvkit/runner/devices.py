"""Which accelerators torch sees, asked in a process of its own: importing torch takes seconds."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

from eccvkit.errors import EccvkitError

_PROBE = """
import json, torch
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
names = [torch.cuda.get_device_name(i) for i in range(count)]
print(json.dumps({"cuda": names, "mps": torch.backends.mps.is_available()}))
"""


@dataclass(frozen=True)
class Accelerators:
    """Names of the CUDA devices in their order, and whether Apple's GPU is there."""

    cuda: tuple[str, ...]
    mps: bool


def accelerators() -> Accelerators:
    """Ask torch.

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
        raise EccvkitError(f"torch does not import: {last}")
    found = json.loads(probe.stdout.splitlines()[-1])
    return Accelerators(tuple(found["cuda"]), found["mps"])
