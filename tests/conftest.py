"""Fixtures of more than one folder of tests."""

from __future__ import annotations

import signal
import sys

import pytest

from eccvkit import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process; returns (status, stdout, stderr)."""
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["eccvkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return stop.value.code or 0, *capsys.readouterr()

    yield call
    signal.signal(signal.SIGTERM, handler)
