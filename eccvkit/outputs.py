"""What a notebook tells machines: JSON beside its tables, alt text beside its figures.

A notebook shows a table or a figure to its reader. The same cell output carries, under a MIME type
of ours, what the runner, the report and the ledger need. This module is both ends of that wire:
:func:`emit` writes (in the kernel), :func:`collect` reads (from the executed file), so the
two cannot drift. It imports neither torch nor matplotlib.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Verdicts of :mod:`eccvkit.claims`: ``{"preset", "seeds", "claims": [{...}, ...]}``.
CLAIMS = "application/vnd.eccvkit.claims+json"
#: One tidy table: ``{"name", "rows": [{"variant", "seed", "metric", "value"}, ...]}``.
TABLE = "application/vnd.eccvkit.table+json"
#: Facts of the run: ``{"preset", "seed", "device", "threads", "versions": {...}}``.
RUN = "application/vnd.eccvkit.run+json"
#: All of ours: for machines only.
RECORDS = (CLAIMS, TABLE, RUN)
#: Jupyter's own: an interactive widget, which is nothing without a kernel.
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
#: What is left of one in a stored notebook.
WIDGET_TEXT = re.compile(r"(?:\w*Box|interactive)\(children=\(")


@dataclass(frozen=True)
class Figure:
    """One stored picture: PNG as base64 text, alternative text, and the cell it came from."""

    png: str
    alt: str
    cell: int
    thumbnail: bool = False


@dataclass
class Facts:
    """Everything machine-readable that :func:`collect` finds in an executed notebook."""

    claims: dict[str, Any] | None = None
    tables: dict[str, list[dict]] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    figures: list[Figure] = field(default_factory=list)

    @property
    def thumbnail(self) -> Figure | None:
        """The figure marked as thumbnail, else the first one, else None."""
        marked = [f for f in self.figures if f.thumbnail]
        return (marked or self.figures or [None])[0]


def emit(mime: str, payload: Mapping[str, Any], *, html: str = "", text: str = "") -> None:
    """Display ``html`` to the reader and attach ``payload`` for the machines.

    Outside Jupyter (a plain script) IPython prints ``text``.

    Parameters
    ----------
    mime : str
        One of the MIME types of this module.
    payload : mapping
        JSON-serialisable content.
    html, text : str
        What a browser and a terminal show.
    """
    from IPython.display import display

    bundle: dict[str, Any] = {mime: dict(payload), "text/plain": text or f"<{mime}>"}
    if html:
        bundle["text/html"] = html
    display(bundle, raw=True)


def collect(notebook: Mapping[str, Any]) -> Facts:
    """Read claims, tables, run facts and figures from an executed notebook.

    Later outputs win over earlier ones of the same kind (and, for tables, the same name).

    Parameters
    ----------
    notebook : mapping
        A notebook in nbformat 4 (an ``nbformat.NotebookNode`` or parsed JSON).
    """
    facts = Facts()
    for index, cell in enumerate(notebook.get("cells", [])):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if CLAIMS in data:
                facts.claims = data[CLAIMS]
            if TABLE in data:
                facts.tables[data[TABLE]["name"]] = data[TABLE]["rows"]
            if RUN in data:
                facts.run.update(data[RUN])
            if "image/png" in data:
                meta = output.get("metadata", {}).get("image/png", {})
                png = data["image/png"]
                facts.figures.append(
                    Figure(
                        png="".join(png),
                        alt=meta.get("alt", ""),
                        cell=index,
                        thumbnail=bool(meta.get("thumbnail", False)),
                    )
                )
    return facts


def claim_order(name: str) -> tuple[int, str]:
    """Sort key of a claim's name: C2 before C2b before C10.

    Examples
    --------
    >>> sorted(["C10", "C2b", "C2"], key=claim_order)
    ['C2', 'C2b', 'C10']
    """
    found = re.fullmatch(r"\D*(\d+)(.*)", name)
    return (int(found[1]), found[2]) if found else (0, name)


def effect_text(claim: Mapping[str, Any]) -> str:
    """Effect of a judged claim with its 95% interval; "" where there is none.

    Examples
    --------
    >>> effect_text({"effect": 0.031, "low": 0.012, "high": 0.05, "unit": "AUROC"})
    '+0.031 [+0.012, +0.05] AUROC'
    """
    effect, low, high = (claim.get(key) for key in ("effect", "low", "high"))
    if effect is None:
        return ""
    text = f"{effect:+.3g}"
    if low is not None and high is not None:
        text += f" [{low:+.3g}, {high:+.3g}]"
    return f"{text} {claim.get('unit') or ''}".strip()
