from __future__ import annotations

import os
import subprocess
import sys

import psutil

from eccvkit.runner import process

from .conftest import running, wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_child_that_left_the_tree_is_found_by_its_mark():
    environment = {**os.environ, process.MARK: "token-of-this-test"}
    # The shell dies at once: its child belongs to nobody's tree any more.
    quiet = "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    child = f"subprocess.Popen({SLEEP!r}, start_new_session=True, {quiet})"
    script = f"import subprocess; print({child}.pid)"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    orphan = int(done.stdout)
    assert running(orphan)
    process.kill_run("another-token")
    assert running(orphan)
    process.kill_run("token-of-this-test")
    assert not running(orphan)


def test_the_tree_is_killed_whole():
    script = f"import subprocess; subprocess.Popen({SLEEP!r}).wait()"
    # Without a mark: only the tree connects them.
    root = subprocess.Popen([sys.executable, "-c", script])
    wait_for(lambda: len(process.tree(root.pid)) == 2)
    child = process.tree(root.pid)[1].pid
    process.kill_run("no-such-token", root.pid)
    assert not running(root.pid)
    assert not running(child)
    assert root.wait() == -9  # the exit status is still ours to collect


def test_memory_of_the_living_and_the_dead():
    own = psutil.Process()
    assert process.resident_bytes([own]) > 2**20
    assert process.resident_bytes([own, own]) > process.resident_bytes([own])
    assert process.tree(2**22 + 1) == []
    if sys.platform == "linux":
        assert process.high_water_bytes(os.getpid()) >= process.resident_bytes([own]) / 2
    assert process.high_water_bytes(2**22 + 1) == 0


def test_thread_shares(monkeypatch):
    monkeypatch.setattr(process, "cores", lambda: 5)
    assert [process.thread_share(jobs) for jobs in (1, 2, 5, 9)] == [5, 2, 1, 1]
