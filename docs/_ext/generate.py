"""Sphinx extension: writes the generated pages before Sphinx looks for sources.

Files are rewritten only when their content changes, so a second build reads only what is new, and
files of notebooks or modules that are gone are removed.
"""

from __future__ import annotations

import base64
from pathlib import Path

import api_pages
import chapters as chapter_pages
import nbformat
import volume_pages
from sphinx.application import Sphinx
from sphinx.util import logging

import eccvkit
from eccvkit.volume import notebooks_dir, papers

logger = logging.getLogger(__name__)


def write_pages(app: Sphinx) -> None:
    """Write everything under ``_generated``, ``chapters`` and ``api`` of the source folder."""
    source = Path(app.srcdir)
    files: dict[Path, bytes] = {}

    def text(name: str, content: str) -> None:
        files[source / name] = content.encode()

    folder = Path(app.config.eccvkit_notebooks or notebooks_dir()).resolve()
    chapters = chapter_pages.read_chapters(folder)
    for chapter in chapters:
        for cell in chapter_pages.figures_without_alt(chapter):
            logger.warning("%s, cell %d: figure without alt text", chapter.path.name, cell)
        notebook = chapter_pages.page(chapter, (source / "chapters").resolve())
        text(f"chapters/{chapter.stem}.ipynb", nbformat.writes(_stable_ids(notebook)))
        if chapter.facts.thumbnail:
            png = base64.b64decode(chapter.facts.thumbnail.png)
            files[source / volume_pages.thumbnail_path(chapter)] = png

    volume = papers()
    text("_generated/gallery.md", volume_pages.gallery(volume, chapters))
    text("_generated/chapters.md", _toctree(f"/chapters/{c.stem}" for c in chapters))
    text("_generated/ledger.md", volume_pages.ledger(chapters))
    text("_generated/questions.md", volume_pages.questions(volume, chapters))
    text("_generated/landing.md", volume_pages.landing(volume, chapters))
    text("_generated/citation.md", volume_pages.citation(volume))
    text("_generated/volume.bib", volume_pages.bibliography(volume))
    text("_generated/contributing.md", _contributing(folder.parent / "CONTRIBUTING.md"))

    found = api_pages.modules(Path(eccvkit.__file__).parent) if app.config.eccvkit_api else []
    text("_generated/api.md", api_pages.index(found) if found else "")
    for module in found:
        text(f"api/{module.name}.rst", api_pages.module_page(module))

    _sync(files, source)


def _stable_ids(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Number the cells: random ids of inserted cells would make every build a change."""
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
    return notebook


def _toctree(names) -> str:
    entries = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n\n{entries}\n```\n" if entries else ""


def _contributing(path: Path) -> str:
    """CONTRIBUTING.md as a literal block: its links lead into the repository, not the site."""
    if not path.is_file():
        return ""
    return f"## CONTRIBUTING.md\n\n````````md\n{path.read_text(encoding='utf-8')}\n````````\n"


def _sync(files: dict[Path, bytes], source: Path) -> None:
    owned = ("_generated/**/*", "chapters/*.ipynb", "api/eccvkit*.rst")
    for pattern in owned:
        for path in source.glob(pattern):
            if path.is_file() and path not in files:
                path.unlink()
    for path, content in files.items():
        if not path.is_file() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the generator and its two settings."""
    app.add_config_value("eccvkit_notebooks", "", "env", [str])  # "": the checkout's notebooks/
    app.add_config_value("eccvkit_api", True, "env", [bool])
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
