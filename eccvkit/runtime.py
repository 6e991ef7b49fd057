"""Where and how a run executes: device, threads, seeds, clock and peak memory."""

from __future__ import annotations

import os
import platform
import resource
import sys
import time
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import torch

from eccvkit.errors import EccvkitError, unknown
from eccvkit.outputs import RUN, emit
from eccvkit.volume import PRESETS

DEVICES = ("auto", "cpu", "cuda", "mps")


def pick_device(name: str = "auto") -> torch.device:
    """Turn a device name into a device that exists on this machine.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "cuda:N", "mps"}
        "auto" takes cuda, then mps, then cpu.

    Raises
    ------
    UnknownName
        Not a device name.
    EccvkitError
        The device is not present on this machine.
    """
    kind, _, index = str(name).partition(":")
    if kind not in DEVICES or (index and (kind != "cuda" or not index.isdigit())):
        raise unknown("device", name, DEVICES)
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if kind == "auto":
        kind = next(k for k in ("cuda", "mps", "cpu") if present[k])
    if not present[kind]:
        raise EccvkitError(
            f"device {name!r} is not available: torch {torch.__version__} sees none on this "
            "machine; use device 'auto' or 'cpu'"
        )
    if index and int(index) >= torch.cuda.device_count():
        raise EccvkitError(
            f"device {name!r} is not available: this machine has {torch.cuda.device_count()} "
            "CUDA device(s), counted from 0"
        )
    return torch.device(f"{kind}:{index}" if index else kind)


def use_threads(limit: int | None = None) -> int:
    """Give torch this kernel's share of the cores, and return it.

    The runner sets ``ECCVKIT_THREADS`` when it starts several kernels at once; alone, a kernel
    may use every core it is allowed to run on. Too many threads are worse than too few: with two
    kernels of two threads each on two cores, small models ran about five times slower.

    Parameters
    ----------
    limit : int, optional
        At most this many (a notebook whose tensors are tiny is fastest with one).

    Raises
    ------
    EccvkitError
        ``ECCVKIT_THREADS`` is not a positive whole number.
    """
    text = os.environ.get("ECCVKIT_THREADS", "")
    if text and not (text.isdigit() and int(text) > 0):
        raise EccvkitError(f"ECCVKIT_THREADS is {text!r}: set it to a positive whole number")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    share = int(text) if text else (cores or 1)
    share = max(1, min(share, limit or share))
    torch.set_num_threads(share)
    return share


def check_seed(seed: int) -> int:
    """Return ``seed`` if it is a whole number of at least 0.

    Raises
    ------
    EccvkitError
        It is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise EccvkitError(f"seed is {seed!r}: use a whole number of at least 0")
    return int(seed)


#: Seeds below this one are for pilots: designs are chosen on them and no claim is judged on them.
FIRST_JUDGED_SEED = 1000


def study_seeds(seed: int, count: int, used: int = 0) -> list[int]:
    """Return the ``count`` study seeds that belong to a notebook's ``seed``.

    Each notebook seed owns a block of 1000, so that runs with different notebook seeds are
    independent: seed 0 gives 1000, 1001, ...; seed 3 gives 4000, 4001, ... Seeds below 1000 belong
    to nobody: they are for pilots, so that no design is chosen on what it is judged on.

    Parameters
    ----------
    seed, count : int
    used : int
        Seeds at the start of each block on which an earlier design was judged before it was
        changed. They are pilots now and are passed over.

    Examples
    --------
    >>> study_seeds(3, 2)
    [4000, 4001]
    >>> study_seeds(0, 2, used=10)
    [1010, 1011]
    """
    seed = check_seed(seed)
    if count < 1 or used < 0 or used + count > 1000:
        raise EccvkitError(
            f"study seeds: {count} after {used} used ones; a notebook seed owns 1000 of them"
        )
    return [FIRST_JUDGED_SEED * (seed + 1) + used + i for i in range(count)]


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch and numpy, and return a CPU generator of its own for batches and noise."""
    seed = check_seed(seed)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  libraries that use the global state
    return torch.Generator().manual_seed(seed)


def interactive() -> bool:
    """Whether a person watches: a terminal, or a notebook that can ask for input.

    A kernel driven by papermill or nbconvert does not allow standard input; a JupyterLab kernel
    does. Progress bars stay quiet when nobody watches, so that stored outputs are clean.
    """
    try:
        from IPython import get_ipython

        shell = get_ipython()
    except ImportError:
        shell = None
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        return bool(getattr(kernel, "_allow_stdin", False))
    return sys.stderr.isatty()


def progress(iterable, **kwargs):
    """Wrap an iterable in a tqdm bar that is quiet when nobody watches."""
    from tqdm.auto import tqdm

    kwargs.setdefault("leave", False)
    kwargs.setdefault("disable", not interactive())
    return tqdm(iterable, **kwargs)


def peak_memory_mb() -> float:
    """Peak resident memory of this process so far, in MB (10^6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


@dataclass
class Clock:
    """Context manager that measures wall time, and on CUDA the peak memory of the device.

    Attributes
    ----------
    seconds : float
        Wall time; on CUDA the queue is drained first.
    memory_mb : float
        Peak memory in MB: of the device on CUDA, of the process elsewhere.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seconds: float = 0.0
    memory_mb: float = 0.0

    def __enter__(self) -> Clock:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exc) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            self.memory_mb = torch.cuda.max_memory_allocated(self.device) / 1e6
        else:
            self.memory_mb = peak_memory_mb()
        self.seconds = time.perf_counter() - self._start


@dataclass(frozen=True)
class Session:
    """What :func:`start` decided for this notebook run."""

    preset: str
    seed: int
    device: torch.device
    threads: int


def start(preset: str, seed: int, device: str = "auto", *, threads: int | None = None) -> Session:
    """Open a notebook run: check the parameters, set device and threads, and record the facts.

    Parameters
    ----------
    preset : str
        "smoke", "lab" or "gpu".
    seed : int
        The notebook's seed, at least 0.
    device : str
        See :func:`pick_device`.
    threads : int, optional
        Upper limit of torch threads, see :func:`use_threads`.
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    check_seed(seed)
    seed_everything(seed)
    chosen = pick_device(device)
    session = Session(preset, int(seed), chosen, use_threads(threads))
    name = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else chosen.type
    packages = ("eccvkit", "torch", "numpy", "scikit-learn")
    payload = {
        "preset": preset,
        "seed": session.seed,
        "device": name,
        "threads": session.threads,
        "versions": {"python": platform.python_version()} | {p: version(p) for p in packages},
    }
    text = (
        f"preset {preset}, seed {seed}, device {name}, {session.threads} torch thread(s), "
        f"torch {torch.__version__}"
    )
    emit(RUN, payload, text=text)
    return session
