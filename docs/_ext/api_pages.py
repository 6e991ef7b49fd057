"""API reference: one page per module that exists, found on disk without importing anything."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

#: Floors of the house from top to bottom: prefix of the modules and what they are for.
FLOORS = {
    "eccvkit.papers": "Papers: one module per paper",
    "eccvkit.data": "Data: generators, bundled images, readers",
    "eccvkit.nn": "Networks: blocks that several papers use",
    "eccvkit.metrics": "Metrics: measures and statistics",
    "eccvkit.viz": "Pictures",
    "eccvkit.runner": "Runner: notebooks as files",
    "eccvkit": "Experiments, claims and the volume",
}


@dataclass(frozen=True)
class Module:
    """A module of the package and the first line of its docstring."""

    name: str
    summary: str


def modules(package: Path) -> list[Module]:
    """Find the public modules of a package folder, packages before their modules.

    Modules without a docstring (empty ``__init__`` files) have nothing to show and are left out.
    """
    found = []
    for path in package.rglob("*.py"):
        parts = [package.name, *path.relative_to(package).with_suffix("").parts]
        if parts[-1] == "__init__":
            parts.pop()
        if any(part.startswith("_") for part in parts):
            continue
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
        if docstring:
            found.append(Module(".".join(parts), docstring.split("\n", 1)[0]))
    return sorted(found, key=lambda m: m.name)


def module_page(module: Module) -> str:
    """Page of one module (reStructuredText), filled by autodoc.

    What a package re-exports is documented once, where it is defined.
    """
    line = "=" * len(module.name)
    return (
        f"{module.name}\n{line}\n\n"
        f".. automodule:: {module.name}\n"
        "   :members:\n   :ignore-module-all:\n   :show-inheritance:\n   :member-order: bysource\n"
    )


def index(found: list[Module]) -> str:
    """Tables of all modules by floor, and the hidden table of contents (MyST)."""
    parts = []
    remaining = list(found)
    for prefix, title in FLOORS.items():
        here = [m for m in remaining if m.name == prefix or m.name.startswith(prefix + ".")]
        remaining = [m for m in remaining if m not in here]
        if here:
            rows = "\n".join(
                f"* - {{doc}}`{m.name} </api/{m.name}>`\n  - {m.summary}" for m in here
            )
            parts.append(f"## {title}\n\n```{{list-table}}\n:widths: 35 65\n\n{rows}\n```")
    names = "\n".join(f"/api/{m.name}" for m in found)
    parts.append(f"```{{toctree}}\n:hidden:\n\n{names}\n```")
    return "\n\n".join(parts) + "\n"


def _row(module: Module) -> str:
    return f"* - {{doc}}`{module.name} </api/{module.name}>`\n  - {module.summary}"
