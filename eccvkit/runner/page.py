"""The HTML page of a run: the executed notebook, readable anywhere, without network or kernel.

nbconvert renders it with a small template of ours. Formulas become MathML, figures keep their
alternative text, and interactive widgets, dead without a kernel, are left out.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbconvert.preprocessors import Preprocessor
from nbformat import NotebookNode

from eccvkit.outputs import RECORDS, WIDGET_TEXT, WIDGET_VIEW
from eccvkit.runner.mathml import to_mathml
from eccvkit.runner.record import Record
from eccvkit.runner.templating import TEMPLATES


class _MathMLRenderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML (the parser already told them from code)."""

    def block_math(self, body: str) -> str:
        return to_mathml(body, block=True)

    def inline_math(self, body: str) -> str:
        return to_mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return to_mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", block=True)


def is_for_people(output: NotebookNode) -> bool:
    """Whether an output shows something without a kernel: no widget, not only JSON."""
    data = output.get("data")
    if data is None:
        return True
    if set(data) == {"text/plain"} and WIDGET_TEXT.match(data["text/plain"]):
        return False
    # Where emit() was given nothing to show, the text names the MIME type.
    mute = any(mime in data and f"<{mime}>" == data.get("text/plain") for mime in RECORDS)
    return WIDGET_VIEW not in data and not (mute and "text/html" not in data)


class _DropWidgets(Preprocessor):
    """Remove widgets, view and state, and outputs for machines only."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        nb.metadata.pop("widgets", None)
        return super().preprocess(nb, resources)

    def preprocess_cell(
        self, cell: NotebookNode, resources: dict, index: int
    ) -> tuple[NotebookNode, dict]:
        if cell.cell_type == "code":
            cell.outputs = [o for o in cell.outputs if is_for_people(o)]
        return cell, resources


class OfflineExporter(HTMLExporter):
    """HTML exporter with a template of ours and without anything from the network."""

    def __init__(self, template_file: str = "page.html.j2", **kwargs: Any):
        super().__init__(
            template_file=template_file, extra_template_paths=[str(TEMPLATES)], **kwargs
        )
        self.register_preprocessor(_DropWidgets, enabled=True)
        self.register_filter("latex2mathml", lambda s: to_mathml(s.strip("$ \n"), block=True))

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Render Markdown, formulas included."""
        attachments = context.get("cell", {}).get("attachments", {})
        return markdown_to_html(source, attachments=attachments, **self.lexer_options)


def markdown_to_html(source: str, **options: Any) -> str:
    """Render Markdown with formulas as MathML; options are those of nbconvert's renderer."""
    renderer = _MathMLRenderer(escape=False, exclude_anchor_links=True, **options)
    return MarkdownWithMath(renderer=renderer).render(source)


#: One exporter (its templates take longer to compile than a page to render), one user at a time.
_LOCK = threading.Lock()


@cache
def _exporter() -> OfflineExporter:
    return OfflineExporter()


def render_page(notebook: NotebookNode, record: Record) -> str:
    """Render an executed notebook as one self-contained HTML file.

    Parameters
    ----------
    notebook : NotebookNode
        Executed, complete or up to the cell that failed; it is not changed.
    record : Record
        What the header shows.
    """
    failed_cell = None
    if record.error and record.error.cell is not None:
        failed_cell = notebook.cells[record.error.cell].get("id")
    resources = {
        "metadata": {"name": f"{record.title}, {record.run}"},
        "run": record,
        "failed_cell": failed_cell,
    }
    with _LOCK:
        html, _ = _exporter().from_notebook_node(notebook, resources=resources)
    return html
