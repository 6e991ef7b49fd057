"""Sphinx renderer for formulas: LaTeX to MathML, without JavaScript, fonts or network.

The conversion is the runner's (:mod:`eccvkit.runner.mathml`), so the site and the page of a run
show the same formula. This module adds what a site needs: Sphinx's equation labels, and a warning
where a formula would come out wrong.

In ``conf.py``::

    extensions = ["mathml"]
    html_math_renderer = "mathml"
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from eccvkit.runner.mathml import to_mathml as convert

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

_TAG = re.compile(r"\\tag\*?\{[^{}]*\}")


class MathError(ValueError):
    """A formula that cannot be converted; the message says why."""


def to_mathml(latex: str, *, block: bool = False) -> str:
    r"""Convert one formula, or say what is wrong with it.

    Parameters
    ----------
    latex : str
        Without dollar signs.
    block : bool
        Displayed on a line of its own, with its ``\tag`` at the right margin.

    Raises
    ------
    MathError
        The formula is malformed or uses a command that latex2mathml does not know.
    """
    html = convert(latex, block=block)
    if "<code" in html:
        raise MathError("malformed LaTeX")
    # latex2mathml passes unknown commands and stray column marks through as text.
    if unknown := re.search(r"<m[io]>(\\[^<]*|&amp;)</m[io]>", html):
        raise MathError(f"LaTeX command {unknown[1]} is not known to latex2mathml")
    return html


def _render(node: nodes.Element, latex: str, *, block: bool) -> str:
    try:
        return to_mathml(latex, block=block)
    except MathError as error:
        logger.warning("%s: %s", error, latex, location=node, type="mathml")
        return f"<code>{escape(latex)}</code>"


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(f'<span class="math">{_render(node, node.astext(), block=False)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    r"""Write a displayed formula; the number of a label replaces the author's ``\tag``.

    MyST numbers a bare ``align``, Jupyter does not; we do as Jupyter does.
    """
    latex = node.astext()
    labelled = node.get("number") and "amsmath" not in node["classes"]
    if labelled:
        latex = _TAG.sub("", latex)
    self.body.append(self.starttag(node, "div", "", CLASS="math"))
    self.body.append(_render(node, latex, block=True))
    if labelled:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer under the name ``mathml``."""
    app.add_html_math_renderer(
        "mathml",
        inline_renderers=(visit_math, None),
        block_renderers=(visit_math_block, None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
