"""A made-up chapter, and two sites, each built once (``made_up`` and ``built`` say how)."""

from __future__ import annotations

import pytest
from nbformat import v4

from eccvkit.volume import notebooks_dir

from .built import Site, build
from .made_up import chapters, write


@pytest.fixture
def chapter(tmp_path):
    write(tmp_path, "08_topogan.ipynb")
    return chapters.read_chapters(tmp_path)[0]


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Site:
    """All pages but the API, with two made-up chapters."""
    root = tmp_path_factory.mktemp("site")
    write(root / "notebooks", "08_topogan.ipynb")
    start = v4.new_notebook(cells=[v4.new_markdown_cell("# Start here")])
    write(root / "notebooks", "00_start_here.ipynb", start)
    return build(root, root / "notebooks", api=False)


@pytest.fixture(scope="session")
def whole_site(tmp_path_factory) -> Site:
    """The site of this checkout as ``make docs`` builds it."""
    return build(tmp_path_factory.mktemp("whole"), notebooks_dir(), api=True)


@pytest.fixture(params=["site", "whole_site"])
def any_site(request) -> Site:
    return request.getfixturevalue(request.param)
