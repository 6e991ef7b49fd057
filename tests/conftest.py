"""Fixtures of more than one folder of tests."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from eccvkit import cli

#: Names under which systems install Chromium, and how to get it.
CHROMIUM = ("chromium", "chromium-browser")
MISSING = "no Chromium for the tests in a browser: install it (Debian: apt-get install chromium)"


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


@pytest.fixture
def artefacts() -> Path:
    """Folder for what a person may want to look at after the tests, such as screenshots."""
    default = Path(__file__).resolve().parent.parent / "build" / "test-artefacts"
    folder = Path(os.environ.get("ECCVKIT_ARTEFACTS", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def chromium() -> str:
    """Path of the system's Chromium; without one a test is skipped, but in CI it fails."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    return found


@pytest.fixture
def open_page(chromium):
    """Open a page in a headless Chromium: ``open_page(viewport=...)``; it ends with the test."""
    from playwright.sync_api import sync_playwright

    # Root may not use the sandbox; nothing is to be fetched from anywhere.
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    arguments = ["--no-sandbox", "--disable-gpu", *quiet]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=arguments)
        try:
            yield lambda **context: browser.new_context(**context).new_page()
        finally:
            browser.close()
