from __future__ import annotations

import dataclasses

import pytest

from eccvkit.errors import EccvkitError
from eccvkit.runner import probe
from eccvkit.runner.probe import Expected, expected
from eccvkit.volume import find


def test_the_probe_finds_a_speed():
    # A machine that is a hundred times slower or faster than ours would be news.
    assert 0.01 < probe.speed() < 100


def test_minutes_are_carried_over():
    paper = dataclasses.replace(find("rpl"), minutes={"lab": 6.0, "smoke": 0.5, "gpu": 4.0})
    bare = dataclasses.replace(find("sizer"), minutes={})
    assert expected([bare, paper], speed=2.0) == [
        Expected(paper, "smoke", 0.25, True),
        Expected(paper, "lab", 3.0, True),
        Expected(paper, "gpu", 4.0, False),  # what a processor can do says nothing about a GPU
    ]


def test_without_torch(monkeypatch):
    monkeypatch.setattr(probe, "_PROBE", "import nosuchtorch")
    with pytest.raises(EccvkitError, match="torch does not run: ModuleNotFoundError"):
        probe.speed()
