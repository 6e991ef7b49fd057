"""The templates of this package: pages, whose values are escaped, and plain texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

#: Where they lie.
TEMPLATES = Path(__file__).parent / "templates"


def render(name: str, filters: Mapping[str, Callable] | None = None, /, **values: Any) -> str:
    """Fill in a template; a value that it needs and does not get is an error.

    Parameters
    ----------
    name : str
        File in the folder of templates; ``.html.j2`` is escaped, anything else is not.
    filters : mapping of str to callable, optional
        Beside those of jinja.
    **values
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name).render(values)
