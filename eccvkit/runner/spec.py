"""What one run is: a notebook and the value of each of its parameters.

:func:`plan` turns what a person asked for into specs and refuses, before anything starts, whatever
cannot work. A spec is a value: it can be compared, sent to another process, and named.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from eccvkit.errors import EccvkitError, unknown
from eccvkit.runner.devices import accelerators
from eccvkit.runner.fingerprint import code_digest, run_key
from eccvkit.runner.grid import MAX_RUNS, expand
from eccvkit.runner.notebook import COMPUTED, Notebook
from eccvkit.volume import PRESETS

DEVICES = ("auto", "cpu", "cuda", "cuda:N", "mps")
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")

_KINDS = {
    bool: "true or false",
    int: "a whole number (several: 0,1,2 or 0..2)",
    float: "a number",
    str: "text",
    list: "a list such as [1,2]",
    dict: 'a mapping such as {"a": 1}',
}


@dataclass(frozen=True)
class RunSpec:
    """One notebook with one value for every parameter.

    Attributes
    ----------
    notebook : str
        Absolute path of the notebook file.
    slug, stem, title : str
        Names of the chapter.
    name : str
        Readable name of the run, the same for the same parameters: ``smoke-seed0-lam0.1``.
    overrides : dict
        The parameters that were given; papermill injects them.
    parameters : dict
        All parameters: the overrides over the notebook's defaults.
    imports : tuple of str
        Modules of this package that the notebook imports.
    source, code, key : str
        Hashes of the notebook's code, of the package's code that it uses, and of everything the
        run depends on, see :mod:`eccvkit.runner.fingerprint`.
    """

    notebook: str
    slug: str
    stem: str
    title: str
    name: str
    overrides: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    imports: tuple[str, ...] = ()
    source: str = ""
    code: str = ""
    key: str = ""

    @property
    def label(self) -> str:
        """Chapter and run: its folder in the output, and its name in progress and messages."""
        return f"{self.stem}/{self.name}"

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary; ``RunSpec(**spec.to_json()) == spec``."""
        return asdict(self)


def plan(
    notebooks: Iterable[Notebook],
    grid: Mapping[str, Sequence[Any]],
    *,
    keyed: bool = False,
    limit: int | None = MAX_RUNS,
) -> list[RunSpec]:
    """Every run of every notebook over the grid, notebooks outermost, checked.

    Parameters
    ----------
    notebooks : iterable of Notebook
    grid : mapping of str to sequence
        Values per parameter, as :func:`eccvkit.runner.grid.parse_grid` returns them.
    keyed : bool
        End the names with the key, so that a run of changed code gets a folder of its own.
    limit : int or None
        Most points of the grid.

    Returns
    -------
    list of RunSpec
        Without repetitions (``seed=0,0`` is one run). Devices are not looked for, see
        :func:`check_devices`.

    Raises
    ------
    UnknownName
        A parameter, preset or device that does not exist.
    EccvkitError
        A value of the wrong type, a negative seed, or two notebooks that would write into the same
        folder.
    """
    points = expand(grid, limit)
    specs: dict[str, RunSpec] = {}
    for notebook in notebooks:
        code = code_digest(notebook.imports)
        for point in points:
            spec = _spec(notebook, point, code, keyed)
            twin = specs.setdefault(spec.label, spec)
            if twin.notebook != spec.notebook:
                raise EccvkitError(
                    f"{twin.notebook} and {spec.notebook} would share the folder {spec.stem}: "
                    "rename one or run them into different folders"
                )
    return list(specs.values())


def _spec(notebook: Notebook, point: Mapping[str, Any], code: str, keyed: bool) -> RunSpec:
    for name in point:
        if name not in notebook.parameters:
            raise unknown(f"parameter of {notebook.stem}", name, notebook.parameters)
    defaults = {p.name: p.default for p in notebook.parameters.values()}
    overrides = {
        name: _absolute(name, _coerce(name, value, defaults[name])) for name, value in point.items()
    }
    _check_contract(overrides)
    shown = {n: p.source if p.default is COMPUTED else p.default
             for n, p in notebook.parameters.items()}  # fmt: skip
    parameters = {**shown, **overrides}
    key = run_key(notebook.digest, code, parameters)
    name = run_name(overrides, defaults)
    return RunSpec(
        notebook=str(notebook.path),
        slug=notebook.slug,
        stem=notebook.stem,
        title=notebook.title,
        name=f"{name}-{key[:8]}" if keyed else name,
        overrides=overrides,
        parameters=parameters,
        imports=notebook.imports,
        source=notebook.digest,
        code=code,
        key=key,
    )


def _coerce(name: str, value: Any, default: Any) -> Any:
    """Return ``value`` in the type of ``default``, or refuse it."""
    kind = type(default)
    if kind not in _KINDS or type(value) is kind:
        return value
    if kind is float and type(value) is int:
        return float(value)
    if kind is int and type(value) is float and value.is_integer():
        return int(value)  # steps=1e3
    raise EccvkitError(
        f"parameter {name!r} takes {_KINDS[kind]} (default {default!r}), not {value!r}"
        + (f": quote it, as in '{name}=\"{value}\"'" if kind is str else "")
    )


def _absolute(name: str, value: Any) -> Any:
    """Make the value of a parameter ``*_dir`` or ``*_path`` absolute.

    The kernel works in a folder of its own, where a path relative to ours would lead nowhere.
    """
    if name.endswith(("_dir", "_path")) and isinstance(value, str) and value:
        return str(Path(value).expanduser().absolute())
    return value


def _check_contract(overrides: Mapping[str, Any]) -> None:
    """Check the three parameters that every notebook of the volume has."""
    preset = overrides.get("preset", PRESETS[0])
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    seed = overrides.get("seed", 0)
    if isinstance(seed, int) and seed < 0:
        raise EccvkitError(f"seed is {seed}: use a whole number of at least 0")
    device = overrides.get("device", "auto")
    if not _DEVICE.fullmatch(str(device)):
        raise unknown("device", device, DEVICES)


def check_devices(specs: Iterable[RunSpec]) -> None:
    """Refuse runs on a device that torch does not see on this machine.

    Torch is imported in a short process of its own, and only if cuda, mps or the preset gpu is
    wanted.

    Raises
    ------
    EccvkitError
        The device is absent.
    """
    devices, gpu = set(), False
    for spec in specs:
        device = str(spec.parameters.get("device", "auto"))
        devices.add(device)
        gpu |= device == "auto" and spec.parameters.get("preset") == "gpu"
    wanted = sorted(d for d in devices if d.startswith(("cuda", "mps")))
    if not wanted and not gpu:
        return
    try:
        seen = accelerators()
    except EccvkitError as error:
        what = f"device {wanted[0]!r}" if wanted else "a GPU"
        raise EccvkitError(f"cannot look for {what}, {error}") from error
    cuda = len(seen.cuda)
    if gpu and not cuda and not seen.mps:
        raise EccvkitError(
            "the preset gpu wants a GPU, and torch sees none on this machine: use --preset lab, or "
            "--device cpu if you mean it"
        )
    for device in wanted:
        index = int(device.partition(":")[2] or 0)
        if (device == "mps" and not seen.mps) or (device.startswith("cuda") and index >= cuda):
            raise EccvkitError(
                f"device {device!r} is not available: torch sees {cuda} CUDA device(s) and "
                f"{'an' if seen.mps else 'no'} MPS device on this machine; use --device auto or cpu"
            )


def run_name(overrides: Mapping[str, Any], defaults: Mapping[str, Any], limit: int = 60) -> str:
    """Name a run by its preset, its seed, and whatever differs from the notebook's defaults.

    The same parameters give the same name, whether a default was left out or typed. Where the
    readable name would be too long or ambiguous, a short hash of the parameters is appended.

    Examples
    --------
    >>> run_name({"seed": 3, "lam": 0.1}, {"preset": "lab", "seed": 0, "lam": 1.0})
    'lab-seed3-lam0.1'
    """
    merged = {**defaults, **overrides}
    parts = [str(merged["preset"])] if "preset" in merged else []
    if "seed" in merged:
        parts.append(f"seed{merged['seed']}")
    changed = {
        k: v for k, v in overrides.items() if k not in ("preset", "seed") and v != defaults.get(k)
    }
    parts += [f"{k}{_text(v)}" for k, v in sorted(changed.items())]
    exact = "-".join(parts) or "defaults"
    readable = re.sub(r"[^\w.+=-]+", "_", exact, flags=re.ASCII).strip("_.")
    if readable == exact and len(readable) <= limit:
        return readable
    digest = hashlib.sha256(json.dumps(changed, sort_keys=True, default=str).encode()).hexdigest()
    return f"{readable[:limit]}-{digest[:8]}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
