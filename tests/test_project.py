"""The files around the package agree with each other: pins, conda, make, README."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from PIL import Image

from eccvkit.errors import EccvkitError
from eccvkit.volume import find, papers

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def pins() -> dict[str, str]:
    lines = [line for line in text("constraints.txt").splitlines() if not line.startswith("#")]
    found = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    assert all(found), "constraints.txt holds nothing but name==version, without a local version"
    assert len({canonicalize_name(m[1]) for m in found}) == len(found)
    return {canonicalize_name(m[1]): m[2] for m in found}


def declared() -> list[Requirement]:
    every = [*PROJECT["dependencies"], *(name for extra in EXTRAS.values() for name in extra)]
    return [Requirement(name) for name in every]


# --- pins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
def test_every_dependency_is_pinned_within_its_bounds(requirement):
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_torch_pin_fits_every_build():
    assert pins()["torch"] == "2.13.0"


def required() -> set[str]:
    """Names of everything that installing the package with all extras brings here."""
    seen: set[tuple[str, str]] = set()
    todo = [("eccvkit", extra) for extra in ("", *EXTRAS)]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in metadata.requires(name) or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                child = canonicalize_name(requirement.name)
                todo += [(child, wanted) for wanted in ("", *requirement.extras)]
    return {name for name, _ in seen} - {"eccvkit"}


@pytest.mark.skipif(
    (sys.platform, sys.version_info[:2]) != ("linux", (3, 11))
    or not metadata.version("torch").endswith("+cpu"),
    reason="the pins are complete for Python 3.11 on Linux and torch without CUDA",
)
def test_pins_are_what_gets_installed_no_more_no_less():
    assert set(pins()) == required()


def test_what_the_package_imports_is_declared():
    providers = metadata.packages_distributions()
    names = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    imported = set()
    for path in (ROOT / "eccvkit").rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.M)
        imported |= set(found) - sys.stdlib_module_names - {"eccvkit"}
    known = {name for name in imported if name in providers}
    assert {"torch", "PIL", "sklearn"} <= known
    undeclared = {
        name for name in known if not names & {canonicalize_name(d) for d in providers[name]}
    }
    assert not undeclared


# --- conda ----------------------------------------------------------------------------------


def test_conda_environment_installs_what_make_installs():
    environment = yaml.safe_load(text("environment.yml"))
    assert environment["name"] == PROJECT["name"]
    *conda, pip = environment["dependencies"]
    python = next(entry for entry in conda if entry.startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.partition("=")[2])
    assert "pip" in conda
    constraint, package = pip["pip"]
    assert constraint == "-c constraints.txt"
    extras = re.fullmatch(r"-e \.\[([\w,]+)\]", package)[1].split(",")
    assert set(extras) == set(EXTRAS)
    assert f'-c constraints.txt -e ".[{",".join(extras)}]"' in MAKEFILE


# --- make -----------------------------------------------------------------------------------


def make(*arguments: str, **environment: str) -> str:
    """What make would do, if everything were installed."""
    ours = {"MAKEFLAGS", "MAKEFILES", "PAPERS", "PRESET", "OUT", "WORKERS", "PYTHON"}
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    done = subprocess.run(
        ["make", "--no-print-directory", "-n", *arguments],
        cwd=ROOT,
        env=clean | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["run"], "eccvkit run rpl --preset smoke --out runs"),
        (
            ["run", "PAPERS=limp topogan", "PRESET=lab", "OUT=x"],
            "eccvkit run limp topogan --preset lab --out x",
        ),
        (["run", "PAPERS=all"], "eccvkit run all --preset smoke --out runs"),
        (["notebooks"], "eccvkit store all"),
        (["notebooks", "PAPERS=rpl"], "eccvkit store rpl"),
        (["notebooks"], "eccvkit store notebooks/00_start_here.ipynb"),
        (["lab"], "root_dir=notebooks --LabApp.default_url=/lab/tree/00_start_here.ipynb"),
        (["lab", "NOTEBOOKS=x", "LAB_OPTIONS=--port 9"], "root_dir=x --port 9"),
    ],
)
def test_make_passes_its_variables_on(arguments, command):
    assert command in make(*arguments)


def test_make_takes_papers_from_the_environment():
    assert "eccvkit run all" in make("run", PAPERS="all")


def test_make_test_runs_every_part_and_pytest_last():
    parts = ["ruff check", "ruff format --check", "sphinx -W", "-m notebook", '-m "not notebook"']
    plan = make("test")
    places = [plan.index(part) for part in parts]
    assert places == sorted(places)
    last = plan.strip().splitlines()[-1]
    assert "pytest" in last
    assert last.endswith("--doctest-modules tests eccvkit")


def test_make_alone_lists_the_targets():
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split()
    assert {line.split()[1] for line in listed.splitlines()} == set(phony)


def test_old_python_is_refused_in_one_line(tmp_path):
    (tmp_path / "Makefile").write_text(MAKEFILE)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text("")
    done = subprocess.run(
        ["make", "lint", "PYTHON=false"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "needs Python 3.11 or newer" in done.stderr.splitlines()[0]


def test_ci_runs_make_test_in_a_fresh_environment():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    lines = text(".ci/run").splitlines()
    assert lines[-2:] == ["rm -rf .venv", "exec make test"]
    assert "export CI=1" in lines
    assert "set -euo pipefail" in lines


INSTALL = "apt-get install -qq -y --no-install-recommends chromium"


@pytest.mark.parametrize(
    ("present", "user", "said"),
    [
        ("chromium", 0, "make test\n"),
        ("chromium-browser", 0, "make test\n"),
        ("", 0, f"apt-get update -qq\n{INSTALL}\nmake test\n"),
        ("", 1000, "make test\n"),
    ],
)
def test_ci_installs_chromium_where_it_may(tmp_path, present, user, said):
    checkout, tools = tmp_path / "checkout", tmp_path / "bin"
    (checkout / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "run", checkout / ".ci")
    tools.mkdir()
    fakes = {name: f'echo "{name} $*"' for name in ("apt-get", "make", present) if name}
    for name, body in (fakes | {"id": f"echo {user}"}).items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    for name in ("bash", "sh", "dirname", "rm", "env"):
        (tools / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [checkout / ".ci" / "run"], env={"PATH": str(tools)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, said)
    assert ("apt-get install chromium" in done.stderr) == (not present and user != 0)


# --- README and CONTRIBUTING ----------------------------------------------------------------


def readme_table():
    spec = importlib.util.spec_from_file_location("readme_table", ROOT / "tools/readme_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_table_of_papers_is_up_to_date():
    readme = text("README.md")
    assert readme_table().updated(readme, papers()) == readme, "run `make readme`"


def test_table_has_a_row_per_paper():
    rows = readme_table().table([find("revise"), find("rpl")]).splitlines()[2:]
    revise = find("revise")
    assert rows[0] == f"| 43 | {revise.title} | {', '.join(revise.topics)} | planned |"
    assert rows[1].startswith("| 30 | **[Learning Open Set Network")
    assert "](notebooks/30_rpl.ipynb)** | open set | " in rows[1]


def test_table_needs_its_markers():
    with pytest.raises(EccvkitError, match="papers:begin"):
        readme_table().updated("no markers", papers())


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text(name))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_picture_of_the_readme_can_be_seen_and_read():
    ((alt, path),) = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text("README.md"))
    assert len(alt.split()) >= 10
    with Image.open(ROOT / path) as picture:
        assert picture.width >= 600


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_commands_in_the_text_exist(name):
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.M)[1].split()
    named = re.findall(r"(?:^|`)make\s+([a-z-]+)", text(name), re.M)
    assert set(named) <= set(phony)
    assert {"test"} <= set(named)


def test_python_in_the_readme_runs():
    (block,) = re.findall(r"```python\n(.*?)```", text("README.md"), re.S)
    names: dict = {}
    exec(block, names)
    assert names["terms"]["loss"].ndim == 0
