"""The helper that ends the runs of a process that died."""

from __future__ import annotations

import os
import subprocess
import sys

from eccvkit.runner import keeper, process

from .conftest import running, wait_for

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def sleeper(token):
    environment = {**os.environ, process.MARK: token}
    return subprocess.Popen(SLEEP, env=environment, start_new_session=True)


def test_what_was_begun_and_not_ended_is_killed(tmp_path):
    begun, ended, strange = (sleeper(token) for token in ("begun", "ended", "strange"))
    for name in ("begun", "ended"):
        (tmp_path / name).mkdir()
    helper = subprocess.Popen(
        [sys.executable, "-m", "eccvkit.runner.keeper"], stdin=subprocess.PIPE, text=True
    )
    helper.stdin.write(f"+begun {tmp_path}/begun\n+ended {tmp_path}/ended\n-ended\n")
    helper.stdin.close()  # as the system does for a process that dies
    assert helper.wait(timeout=30) == 0
    assert not running(begun.pid)
    assert running(ended.pid)
    assert running(strange.pid)
    assert [p.name for p in tmp_path.iterdir()] == ["ended"]
    for left in (begun, ended, strange):
        left.kill()
        left.wait()


def test_a_helper_that_was_killed_is_replaced_and_told_everything(tmp_path):
    ours = keeper._Keeper()
    ours.guard("first", tmp_path / "a b")
    victim = ours._process
    victim.kill()
    victim.wait()
    first = sleeper("first")
    ours.guard("second", tmp_path / "second")
    assert ours._process.pid != victim.pid
    assert running(first.pid)
    ours.close()
    ours._process.wait(timeout=30)
    wait_for(lambda: not running(first.pid))
    first.wait()
