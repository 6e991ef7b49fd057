r"""Formulas for pages without a network: LaTeX to MathML, which browsers draw themselves.

latex2mathml does the work. What it does not know and notebooks use (``aligned``, ``\tag``,
``\arg\max``, limits below ``\min``) is set right around it; a formula that it cannot read is shown
as source. The site uses the same conversion.
"""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from html import escape, unescape

from latex2mathml.converter import convert_to_element

_TAG = re.compile(r"\\tag\*?\{([^{}]*)\}")
_REWRITES = (
    (re.compile(r"\\label\{[^{}]*\}|\\(nonumber|notag)(?![a-zA-Z])"), ""),
    # The starred form, because latex2mathml would number every line of the plain one.
    (re.compile(r"\\(begin|end)\{(align|aligned|split|gather|gathered)\*?\}"), r"\\\1{align*}"),
    (re.compile(r"\\(begin|end)\{equation\*?\}"), ""),
    (re.compile(r"\\operatorname\*"), r"\\operatorname"),
    (re.compile(r"\\operatorname\{arg\s*(?:\\[,; ])?\s*(max|min)\}"), r"\\arg\1"),
    (re.compile(r"\\arg\s*\\(max|min)(?![a-zA-Z])"), r"\\arg\1"),
    (re.compile(r"\\arg(?![a-zA-Z])"), r"\\operatorname{arg}"),
    (re.compile(r"\\(mathbb|mathbf|mathcal|mathrm)\s+(\w)"), r"\\\1{\2}"),
)
#: Letter styles that browsers take from the character and not from an attribute.
_STYLES = ("bold", "bold-italic", "double-struck")
#: After a size such as ``\bigl`` latex2mathml leaves the name of a fence.
_FENCES = {
    r"\|": "\u2016",
    r"\Vert": "\u2016",
    r"\lVert": "\u2016",
    r"\rVert": "\u2016",
    r"\vert": "|",
    r"\lvert": "|",
    r"\rvert": "|",
    r"\{": "{",
    r"\}": "}",
    r"\langle": "\u27e8",
    r"\rangle": "\u27e9",
}
_LIMITS = {"min", "max", "sup", "inf", "lim", "arg\u2009max", "arg\u2009min"}


def to_mathml(latex: str, *, block: bool = False) -> str:
    r"""Convert one formula to an HTML fragment.

    Parameters
    ----------
    latex : str
        Without the dollar signs.
    block : bool
        A displayed equation, with its number (``\tag{3}``) at the right margin.

    Examples
    --------
    >>> to_mathml("x^2").startswith("<math")
    True
    """
    tags = _TAG.findall(latex)
    body = _TAG.sub("", latex)
    for pattern, replacement in _REWRITES:
        body = pattern.sub(replacement, body)
    try:
        root = convert_to_element(body.strip(), display="block" if block else "inline")
    except Exception:  # latex2mathml has a class of its own for every kind of mistake
        return f'<code class="math">{escape(latex.strip())}</code>'
    _polish(root, block)
    math = ET.tostring(root, encoding="unicode", short_empty_elements=False).replace("\n", " ")
    if not block:
        return math
    number = f'<span class="eq-number">({escape(", ".join(tags))})</span>' if tags else ""
    return f'<div class="equation">{math}{number}</div>'


def _polish(root: ET.Element, block: bool) -> None:
    for element in root.iter():
        # latex2mathml keeps character references as text; as characters they are escaped safely.
        element.text = unescape(element.text) if element.text else element.text
        if (style := element.get("mathvariant")) in _STYLES and len(element.text or "") == 1:
            element.text = _twin(element.text, style)
            del element.attrib["mathvariant"]
        if element.tag == "mo":
            element.text = _FENCES.get(element.text, element.text)
        if element.text in ("\u00b1", "\u2213"):  # \pm, \mp
            element.tag = "mo"
        if element.text == "~":  # \sim
            element.tag, element.text = "mo", "\u223c"
    if not block:
        return
    for element in root.iter():
        if element.tag == "msub" and element[0].text in _LIMITS:
            element.tag = "munder"


def _twin(char: str, style: str) -> str:
    """Unicode's styled twin of a letter: browsers ignore ``mathvariant`` except "normal"."""
    letter = re.fullmatch(
        r"(?:LATIN|GREEK) (SMALL|CAPITAL) LETTER (.+)", unicodedata.name(char, "")
    )
    if letter is None:
        return char
    wanted = f"{style.replace('bold-', 'bold ').upper()} {letter[1]} {letter[2]}"
    for name in (f"MATHEMATICAL {wanted}", wanted):
        try:
            return unicodedata.lookup(name)
        except KeyError:
            continue
    return char
