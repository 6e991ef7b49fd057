"""Short names in docstrings: every paper has its own ``Config``; link to the one that is meant.

Sphinx finds a bare name in any module and warns when there are several. A module means its own
package's name first, and never that of another paper, since papers do not import each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform

PAPERS = "eccvkit.papers."


def nearest(name: str, module: str, known: Iterable[str]) -> str:
    """Full name that ``name`` means in a module; the name itself where that is not decided.

    Examples
    --------
    >>> known = ["eccvkit.papers.rpl.config.Config", "eccvkit.papers.limp.config.Config"]
    >>> nearest("Config", "eccvkit.papers.limp.experiment", known)
    'eccvkit.papers.limp.config.Config'
    """
    found = [full for full in known if full.endswith(f".{name}") and not _foreign(full, module)]
    shared = {full: _steps_together(full, module) for full in found}
    best = [full for full in found if shared[full] == max(shared.values())]
    return best[0] if len(best) == 1 else name


def _steps_together(full: str, module: str) -> int:
    """How many packages two dotted names have in common."""
    pairs = zip(full.split("."), module.split("."))
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _foreign(full: str, module: str) -> bool:
    """Whether a name belongs to another paper."""
    own, other = (path.removeprefix(PAPERS).split(".")[0] for path in (module, full))
    return full.startswith(PAPERS) and not (module.startswith(PAPERS) and own == other)


class NearestName(SphinxPostTransform):
    """Write the full name into references to bare Python names, before Sphinx resolves them."""

    default_priority = 5

    def run(self, **kwargs) -> None:
        known = self.env.domains["py"].objects
        for node in list(self.document.findall(pending_xref)):
            target, module = node.get("reftarget", ""), node.get("py:module") or ""
            if node.get("refdomain") != "py" or not target.isidentifier():
                continue
            node["reftarget"] = nearest(target, module, known)
            namesakes = [full for full in known if full.endswith(f".{target}")]
            if namesakes and all(_foreign(full, module) for full in namesakes):
                node.replace_self(node.children)  # a word that only other papers' code knows


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_post_transform(NearestName)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
