"""What the cells of a notebook show: paper card, live source, tables, verdicts, one widget.

Tables and verdicts carry their content as JSON for the runner and the ledger
(:mod:`eccvkit.outputs`).
"""

from __future__ import annotations

import html
import inspect
import textwrap
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from eccvkit import claims as claims_module
from eccvkit.claims import Claim, Verdict, judge
from eccvkit.outputs import CLAIMS, TABLE, effect_text, emit
from eccvkit.study import Study
from eccvkit.volume import PRESETS, find

_SYMBOL = {
    claims_module.REPRODUCED: "✔",
    claims_module.LEANING: "◐",
    claims_module.NOT_REPRODUCED: "○",
    claims_module.CONTRADICTED: "✘",
    claims_module.NOT_JUDGED: "–",
}


def paper_card(slug: str, learn: Sequence[str], claims: Iterable[Claim | str] = ()) -> None:
    """Show title, authors, goals, prerequisites, minutes per preset and the claims tested.

    Parameters
    ----------
    slug : str
        Paper in ``volume.toml``.
    learn : sequence of str
        What a reader will be able to do afterwards.
    claims : iterable of Claim or str
        The claims that this notebook judges; strings sum up families of them.
    """
    from IPython.display import HTML, display

    paper = find(slug)
    pages = f", pp. {paper.pages[0]}-{paper.pages[1]}" if paper.pages else ""
    minutes = ", ".join(f"{p} {paper.minutes[p]:g} min" for p in PRESETS if p in paper.minutes)
    related = ", ".join(find(s).stem for s in paper.related)
    rows = {
        "Paper": f"<b>{html.escape(paper.title)}</b>",
        "Authors": html.escape(", ".join(paper.authors)),
        "In": f"Computer Vision - ECCV 2020, Part III, LNCS 12348{pages}; doi {paper.doi}",
        "Idea": html.escape(paper.idea),
        "You will learn": _items(learn),
        "You should know": html.escape(", ".join(paper.prerequisites)),
        "Time": f"{minutes} (two CPU cores; gpu: one GPU)" if minutes else "",
        "Claims tested": _items(c if isinstance(c, str) else f"{c.id}: {c.text}" for c in claims),
        "Related chapters": related,
    }
    body = "".join(
        f'<tr><th style="text-align:left;vertical-align:top;white-space:nowrap">{name}</th>'
        f'<td style="text-align:left">{value}</td></tr>'
        for name, value in rows.items()
        if value
    )
    display(HTML(f"<table>{body}</table>"))


def _items(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{html.escape(t)}</li>" for t in texts)
    return f'<ul style="margin:0;padding-left:1.2em">{items}</ul>' if items else ""


def show_source(*objects: Callable | type, docstrings: bool = False) -> None:
    """Show the source of functions or classes as it runs, so that the text cannot drift from it.

    Parameters
    ----------
    *objects : callable or type
    docstrings : bool
        Keep docstrings; the notebook's own text usually replaces them.
    """
    from IPython.display import Markdown, display

    for thing in objects:
        source = textwrap.dedent(inspect.getsource(thing))
        source = source if docstrings else _without_docstrings(source)
        display(Markdown(f"```python\n{source.rstrip()}\n```"))


def _without_docstrings(source: str) -> str:
    """Cut docstrings by line, so that comments and layout survive."""
    import ast

    lines = source.splitlines()
    drop: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        first = node.body[0]
        if ast.get_docstring(node) is not None and len(node.body) > 1:
            drop |= set(range(first.lineno, node.body[1].lineno))
            drop -= {n for n in drop if lines[n - 1].lstrip().startswith(("@", "#"))}
    return "\n".join(line for n, line in enumerate(lines, 1) if n not in drop)


def ablation_table(
    name: str,
    study: Study,
    metrics: Mapping[str, str],
    *,
    arms: Sequence[str] | None = None,
    paper: Mapping[str, Mapping[str, float]] | None = None,
    paper_source: str = "",
    guessing: Mapping[str, float] | None = None,
    scale: float = 100.0,
    digits: int = 1,
) -> None:
    """Show our means with half widths of their 95% intervals beside the paper's numbers.

    Parameters
    ----------
    name : str
        Name of the table in the run record.
    study : Study
    metrics : mapping of str to str
        Metric to its column title.
    arms : sequence of str, optional
        Which variants, in order; all of them if not given.
    paper : mapping of arm to (mapping of metric to float), optional
        The paper's numbers, in the units of the table.
    paper_source : str
        "Table 2, Air-300": heads the paper's columns.
    guessing : mapping of metric to float, optional
        What an uninformed guess reaches on our data, as a last row.
    scale, digits : float, int
        Factor on our values (100 for percent) and decimals shown.
    """
    arms = list(arms or study.variants)
    summary = study.summary().set_index(["variant", "metric"])
    paper, guessing = paper or {}, guessing or {}

    def ours(arm: str, metric: str) -> str:
        if (arm, metric) not in summary.index:
            return "–"
        mean, low, high, n = summary.loc[(arm, metric)]
        half = f" ± {scale * (high - low) / 2:.{digits}f}" if n > 1 else ""
        return f"{scale * mean:.{digits}f}{half}"

    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    header = f"ours: mean of {len(study.seeds)} seed(s) ± 95%"
    columns = {(header, title): [ours(arm, m) for arm in arms] for m, title in metrics.items()}
    for metric, title in metrics.items():
        theirs = [paper.get(arm, {}).get(metric) for arm in arms]
        if any(value is not None for value in theirs):
            columns[(f"the paper: {paper_source}", title)] = [number(v) for v in theirs]
    rows = [*arms]
    if guessing:
        rows.append("guessing")
        titles = {title: guessing.get(m) for m, title in metrics.items()}
        for (group, title), cells in columns.items():
            cells.append(number(titles[title]) if group == header else "–")
    frame = pd.DataFrame(columns, index=pd.Index(rows, name="arm"))
    table = frame.to_html().replace("<td>", '<td style="white-space:nowrap">')
    shown = study.select(arms).table
    records = shown[shown["metric"].isin(list(metrics))].to_dict("records")
    emit(TABLE, {"name": name, "rows": records}, html=table, text=frame.to_string())


def verdict_table(preset: str, judged: Sequence[tuple[Sequence[Claim], Study]]) -> list[Verdict]:
    """Judge claims, show the verdicts, and store them as JSON in the output.

    Parameters
    ----------
    preset : str
    judged : sequence of (claims, study) pairs
        A notebook with two studies passes two pairs; there is one verdict table per notebook.

    Returns
    -------
    list of Verdict
    """
    verdicts = [verdict for claims, study in judged for verdict in judge(claims, study)]
    seeds = sorted({seed for _, study in judged for seed in study.seeds})
    payload = {"preset": preset, "seeds": seeds, "claims": [v.record() for v in verdicts]}
    rows = "".join(_verdict_row(v) for v in verdicts)
    head = "".join(
        f'<th style="text-align:left">{h}</th>'
        for h in ("claim", "the paper", "ours", "effect [95% interval]", "verdict")
    )
    text = "\n".join(
        f"{v.claim.id}: {v.verdict} ({v.ours}; {effect_text(v.record())})" for v in verdicts
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    emit(CLAIMS, payload, html=table, text=text)
    return verdicts


def _verdict_row(v: Verdict) -> str:
    cells = (
        f"<b>{v.claim.id}</b> {html.escape(v.claim.text)}",
        f"{html.escape(v.claim.paper)} <i>({html.escape(v.claim.source)})</i>",
        html.escape(v.ours),
        html.escape(effect_text(v.record())),
        f"<b>{_SYMBOL[v.verdict]} {v.verdict}</b>",
    )
    return "<tr>" + "".join(f'<td style="text-align:left">{c}</td>' for c in cells) + "</tr>"


def play(draw: Callable[..., Any], alt: str, **controls: Any) -> None:
    """Show a figure that answers a question when the reader moves a control.

    The picture is drawn with the controls' initial values and stays in the stored notebook; with a
    live kernel the controls above it redraw it in its place.

    Parameters
    ----------
    draw : callable
        ``draw(**values)`` returns a matplotlib figure, or a figure and a sentence to print.
    alt : str
        Alternative text of the picture.
    **controls : ipywidgets.Widget
        One per argument of ``draw``.
    """
    import ipywidgets
    from IPython.display import display

    from eccvkit.viz.style import publish, to_png

    def current() -> tuple[Any, str]:
        result = draw(**{name: control.value for name, control in controls.items()})
        return result if isinstance(result, tuple) else (result, "")

    words = ipywidgets.HTML()
    place = uuid.uuid4().hex

    def redraw(change: Any = None) -> None:
        figure, words.value = current()
        publish(*to_png(figure), alt, place=place, again=change is not None)

    display(ipywidgets.VBox([*controls.values(), words]))
    redraw()
    for control in controls.values():
        control.observe(redraw, names="value")
