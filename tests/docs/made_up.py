"""Notebooks made up for the tests of the site, and the modules that build it."""

from __future__ import annotations

import base64
import importlib
import io
import sys
from pathlib import Path

import nbformat
from nbformat import v4
from PIL import Image

from eccvkit.outputs import CLAIMS

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
api_pages, chapters, generate, mathml, nearest, volume_pages = map(
    importlib.import_module,
    ("api_pages", "chapters", "generate", "mathml", "nearest", "volume_pages"),
)


RECORD = {
    "preset": "lab",
    "seeds": [0, 1, 2, 3, 4],
    "claims": [
        {
            "id": "C1",
            "text": "Gaps close with the margin $R^k$ | not_otherwise",
            "paper": "98.9 against 97.8 (MNIST)",
            "source": "Table 1",
            "ours": "0.952 against 0.893",
            "effect": 0.0589,
            "low": 0.03,
            "high": 0.08,
            "n": 5,
            "unit": "AUROC",
            "verdict": "reproduced",
        },
        {
            "id": "C2",
            "text": "Exact",
            "paper": "",
            "source": "",
            "ours": "1",
            "effect": None,
            "low": None,
            "high": None,
            "n": 1,
            "unit": "",
            "verdict": "not judged",
        },
    ],
}


def png(grey: int) -> str:
    """A grey picture, different for each value, as base64 text."""
    stream = io.BytesIO()
    Image.new("L", (8, 8), grey).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def figure(grey: int, alt: str, **metadata):
    return v4.new_output(
        "display_data",
        data={"image/png": png(grey), "text/plain": "<Figure>"},
        metadata={"image/png": {"alt": alt, **metadata}},
    )


def shown(**data):
    return v4.new_output("display_data", data={k.replace("__", "/"): v for k, v in data.items()})


def notebook():
    widget = shown(**{chapters.WIDGET_VIEW: {"model_id": "m"}, "text__plain": "interactive(...)"})
    claims = shown(**{CLAIMS: RECORD, "text__html": "<p>verdicts</p>", "text__plain": "verdicts"})
    solution = {"nbgrader": {"solution": True, "grade": False, "grade_id": "s"}}
    nb = v4.new_notebook(
        cells=[
            v4.new_markdown_cell("# 8. A title\n\nSee [below](#claims) and equation {eq}`one`."),
            v4.new_markdown_cell("Inline $x \\in \\mathbb{R}$ and\n\n$$a = b$$ (one)\n"),
            v4.new_markdown_cell("$$\\begin{aligned}a &= b\\\\c &= d\\end{aligned}\\tag{7}$$"),
            v4.new_code_cell("plot()", outputs=[figure(10, "first"), figure(20, "second")]),
            v4.new_code_cell("plot()", outputs=[figure(30, "the thumbnail", thumbnail=True)]),
            v4.new_code_cell("slide()", outputs=[widget]),
            v4.new_code_cell("answer = 42", metadata=solution),
            v4.new_markdown_cell("## Claims"),
            v4.new_code_cell("judge()", outputs=[claims]),
        ]
    )
    nb.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {}}}
    nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python", "language": "python"}
    return nb


def write(folder: Path, name: str, nb=None) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    nbformat.write(nb or notebook(), path)
    return path
