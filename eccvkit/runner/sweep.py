"""A sweep: what is asked for, what is there already, and the rest done.

The same function serves ``eccvkit run`` (everything is done again, under plain names) and
``eccvkit sweep`` (a finished run is never repeated).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from eccvkit.errors import EccvkitError
from eccvkit.runner.devices import accelerators
from eccvkit.runner.grid import MAX_RUNS
from eccvkit.runner.notebook import Notebook, inspect, locate_all
from eccvkit.runner.record import ForeignFormat, Record
from eccvkit.runner.spec import RunSpec, plan
from eccvkit.runner.store import SOURCES, Store
from eccvkit.runner.sweepfile import Block

#: Attempts after the first, unless asked otherwise.
RETRIES = 2


@dataclass(frozen=True)
class Terms:
    """How runs are done.

    Attributes
    ----------
    jobs : int
        Kernels at once on this machine.
    timeout, memory : float or None
        Limits of a run in seconds and megabytes.
    retries : int
        Attempts after the first that faults may cost.
    force : bool
        Repeat what is there.
    scheduler : str
        Address of a running Dask scheduler; "" for this machine.
    dashboard : str
        ``HOST:PORT`` for the dashboard of the cluster on this machine; "" for none.
    """

    jobs: int = 1
    timeout: float | None = None
    memory: float | None = None
    retries: int = 0
    force: bool = False
    scheduler: str = ""
    dashboard: str = ""


@dataclass
class Outcome:
    """What a sweep comes to.

    Attributes
    ----------
    found : list of Record
        Good runs that were there.
    records : list of Record
        Runs of this call, good and failed.
    lost : list of (RunSpec, str)
        Runs that could not be stored, with the cause.
    """

    found: list[Record] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    lost: list[tuple[RunSpec, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is now a good record of every run."""
        return not self.lost and all(r.status == "ok" for r in self.records)


def plan_blocks(
    blocks: Sequence[Block], *, yes: bool = False
) -> tuple[list[RunSpec], dict[str, Notebook]]:
    """Every run of a sweep, and the notebooks by their path.

    Parameters
    ----------
    blocks : sequence of Block
    yes : bool
        More than :data:`~eccvkit.runner.grid.MAX_RUNS` runs are meant.

    Raises
    ------
    EccvkitError
        Too many runs, or what :func:`eccvkit.runner.spec.plan` refuses.
    """
    specs: dict[str, RunSpec] = {}
    notebooks: dict[str, Notebook] = {}
    for block in blocks:
        chosen = [inspect(path) for path in locate_all(block.papers)]
        notebooks |= {str(n.path): n for n in chosen}
        count = len(specs) + len(chosen) * _points(block.grid)
        if count > MAX_RUNS and not yes:
            raise EccvkitError(
                f"the sweep has {count} runs, more than {MAX_RUNS}: shorten a list, or say --yes"
            )
        specs |= {s.label: s for s in plan(chosen, block.grid, keyed=True, limit=None)}
    return list(specs.values()), notebooks


def _points(grid: Mapping[str, Sequence[Any]]) -> int:
    count = 1
    for values in grid.values():
        count *= len(values)
    return count


def shard(specs: Sequence[RunSpec], text: str) -> list[RunSpec]:
    """Take every N-th run, from the I-th on, for ``"I/N"``; all shards together are the sweep.

    Raises
    ------
    EccvkitError
        Not of this form, or I is not among 1 to N.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts:
        raise EccvkitError(f"cannot read shard {text!r}: write I/N with I from 1 to N, as in 2/5")
    return list(specs[part - 1 :: parts])


def look(store: Store, specs: Sequence[RunSpec]) -> dict[str, Record]:
    """Return the good runs among ``specs`` that the store holds, by label.

    Raises
    ------
    ForeignFormat
        The store holds records of another version of this package.
    """
    records, problems = store.records()
    for problem in problems:
        if isinstance(problem, ForeignFormat):
            raise problem
    wanted = {spec.label for spec in specs}
    return {r.label: r for r in records if r.label in wanted and r.status == "ok"}


def store_sources(
    store: Store, specs: Sequence[RunSpec], notebooks: Mapping[str, Notebook]
) -> list[RunSpec]:
    """Put the notebooks into the store, so that workers run what was planned, wherever they are."""
    places: dict[str, str] = {}
    for path in {spec.notebook for spec in specs}:
        notebook = notebooks[path]
        name = f"{SOURCES}/{notebook.stem}-{notebook.digest[:12]}.ipynb"
        places[path] = store.put(name, notebook.text)
    return [replace(spec, notebook=places[spec.notebook]) for spec in specs]


def carry_out(
    specs: Sequence[RunSpec],
    store: Store,
    terms: Terms,
    follow: Callable[[Any], AbstractContextManager],
    *,
    exact: bool = False,
) -> Outcome:
    """Do runs on the cluster that the terms name.

    Parameters
    ----------
    specs : sequence of RunSpec
    store : Store
    terms : Terms
    follow : callable
        Given the cluster, returns a context with the :class:`~eccvkit.runner.pool.Listener`.
    exact : bool
        The code must be what the keys of the runs say.

    Raises
    ------
    EccvkitError
        The cluster cannot be used.
    """
    from eccvkit.runner.pool import run_all
    from eccvkit.runner.work import Job

    with _cluster(specs, terms) as cluster, follow(cluster) as listener:
        sweep = uuid.uuid4().hex[:8]
        share = None if terms.scheduler else _share(terms.jobs, len(specs))
        jobs = [
            Job(
                spec=spec,
                out=store.root,
                sweep=sweep,
                retries=terms.retries,
                timeout=terms.timeout,
                memory=terms.memory,
                threads=share,
                force=terms.force,
                exact=exact,
            )
            for spec in specs
        ]
        result = run_all(jobs, cluster, listener)
    return Outcome(records=result.records, lost=result.lost)


def _share(jobs: int, runs: int) -> int:
    from eccvkit.runner import process

    return process.thread_share(min(jobs, runs) or 1)


@contextmanager
def _cluster(specs: Sequence[RunSpec], terms: Terms) -> Iterator[Any]:
    # Dask takes half a second to import: not for a sweep of which everything is there.
    from eccvkit.runner.cluster import connect, local, visible_gpus

    if terms.scheduler:
        imports = sorted({module for spec in specs for module in spec.imports})
        with connect(terms.scheduler, imports, specs[0].notebook) as cluster:
            yield cluster
        return
    gpus: list[str] = []
    if any(spec.parameters.get("preset") == "gpu" for spec in specs):
        gpus = visible_gpus(len(accelerators().cuda))
    with local(min(terms.jobs, len(specs)) or 1, dashboard=terms.dashboard, gpus=gpus) as cluster:
        yield cluster
