"""What the guides tell people to type exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from eccvkit import cli
from eccvkit.runner.slides import FEWEST, MOST
from eccvkit.runner.sweepfile import read_sweep

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = {"sweeps": "guides/sweeps.md", "ci": "guides/ci.md", "reading_group": "reading_group.md"}
TEXTS = {name: (DOCS / file).read_text(encoding="utf-8") for name, file in FILES.items()}


def blocks(language: str, *names: str) -> list[str]:
    found = [
        b for n in names or TEXTS for b in re.findall(rf"```{language}\n(.*?)```", TEXTS[n], re.S)
    ]
    assert found
    return found


def commands() -> list[str]:
    """Every call of eccvkit in shell blocks, workflows and the Kubernetes manifest."""
    shell = "\n".join(blocks("bash")).replace("\\\n", " ")
    lines = re.findall(r"(?:^|&& )(eccvkit \w.*?)(?:\s#.*|$| &&)", shell, re.M)
    text = "\n".join(blocks("yaml"))
    lines += re.findall(r"(?:run:|- |&& )\s*(eccvkit .*?)(?:$| &&)", text, re.M)
    lines += [
        " ".join(re.findall(r"[^\s\",\[\]]+", c))
        for c in re.findall(r"\[(eccvkit, .*?)\]", text, re.S)
    ]
    assert len(lines) >= 10
    return lines


@pytest.mark.parametrize("line", commands())
def test_commands_can_be_parsed(line):
    line = re.sub(r"\$\{\{.*?\}\}|\$\w+", "1", line)
    name, *arguments = shlex.split(line)[1:]
    command = get_command(cli.app).commands[name]
    command.make_context(name, arguments)  # raises on an option or argument that does not exist


@pytest.mark.parametrize("text", blocks("toml"))
def test_sweep_files_can_be_read(tmp_path, text):
    (tmp_path / "sweep.toml").write_text(text)
    sweep = read_sweep(tmp_path / "sweep.toml")
    assert sweep.blocks[0].grid["seed"] == list(range(10))


def test_the_guide_knows_how_long_a_deck_is():
    assert f"{FEWEST} to {MOST} slides" in TEXTS["reading_group"]


def test_workflows_and_manifests_are_yaml():
    github, gitlab = blocks("yaml", "ci")
    jobs = yaml.safe_load(github)["jobs"]
    shards = jobs["smoke"]["strategy"]["matrix"]["shard"]
    assert f"/{len(shards)} " in github
    assert jobs["report"]["needs"] == "smoke"
    assert yaml.safe_load(gitlab)["smoke"]["parallel"] == 5
    (manifest,) = blocks("yaml", "sweeps")
    kinds = [document["kind"] for document in yaml.safe_load_all(manifest)]
    assert kinds == ["Service", "Deployment", "Deployment", "Job"]
