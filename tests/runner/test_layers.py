"""The runner and the command line stay light: no torch, no paper module."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import pkgutil, sys
import eccvkit.cli, eccvkit.runner
light = [m for m in ("rich", "papermill", "nbformat", "numpy", "psutil") if m in sys.modules]
assert not light, f"the command line imports {light}"
for module in pkgutil.iter_modules(eccvkit.runner.__path__, "eccvkit.runner."):
    __import__(module.name)
heavy = [m for m in sys.modules if m.split(".")[0] == "torch" or m.startswith("eccvkit.papers")]
assert not heavy, f"the runner imports {heavy}"
"""


def test_no_torch_and_no_paper():
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)
