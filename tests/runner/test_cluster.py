"""The cluster inside this process: what it shows to whom, and which worker takes what."""

from __future__ import annotations

import psutil
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.runner import cluster
from eccvkit.runner.cluster import check_versions, local, visible_gpus
from eccvkit.runner.pool import run_all
from eccvkit.runner.spec import RunSpec
from eccvkit.runner.work import Job, work

from .test_record import make_record


def listening() -> set[str]:
    """Addresses at which this process listens."""
    connections = psutil.Process().net_connections(kind="inet")
    return {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize("dashboard", ["", "127.0.0.1:0"])
def test_nobody_else_can_reach_it(dashboard):
    before = listening()
    with local(2, dashboard=dashboard) as made:
        assert listening() - before <= {"127.0.0.1"}
        assert made.workers() == 2
        assert made.dashboard == "" or made.dashboard.startswith("http://127.0.0.1:")


def where(job):
    return work(job, execute=_where)


def _where(spec, store, *, environment, **_):
    record = make_record(stem=spec.stem, run=spec.name)
    record.platform = environment.get("CUDA_VISIBLE_DEVICES", "none")
    return record


class Deaf:
    def __getattr__(self, name):
        return lambda *arguments: None


def test_gpu_runs_take_turns_on_the_gpus_there_are(tmp_path):
    specs = [
        RunSpec("x", "x", preset, "x", str(i), parameters={"preset": preset})
        for preset in ("gpu", "smoke")
        for i in range(4)
    ]
    jobs = [Job(spec, str(tmp_path), "sweep") for spec in specs]
    with local(3, gpus=["5"]) as made:
        result = run_all(jobs, made, Deaf(), where)
    used = {preset: {r.platform for r in result.records if r.stem == preset}
            for preset in ("gpu", "smoke")}  # fmt: skip
    assert used["gpu"] == {"5"}
    assert "none" in used["smoke"]


def test_names_of_gpus(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    assert visible_gpus(2) == ["3", "7"]
    assert visible_gpus(0) == []


class Told:
    """A client that says which versions there are."""

    def __init__(self, worker, scheduler=None):
        good = {"python": "3.11.7.final.0", "distributed": "2026.1.0", "eccvkit": "0.1.0"}
        self.versions = {
            "client": {"packages": good},
            "scheduler": {"packages": {**good, **(scheduler or {})}},
            "workers": {"tcp://w": {"packages": {**good, **worker}}},
        }

    def get_versions(self, packages):
        return self.versions


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (Told({"eccvkit": None}), "worker tcp://w has eccvkit not installed, this command 0.1.0"),
        (Told({"eccvkit": "0.2.0"}), "worker tcp://w has eccvkit 0.2.0, this command 0.1.0"),
        (Told({"python": "3.12.1.final.0"}), "worker tcp://w has python 3.12.1.final.0"),
        (Told({}, {"distributed": "2025.9"}), "the scheduler has distributed 2025.9"),
    ],
)
def test_versions_that_do_not_fit(told, message):
    with pytest.raises(EccvkitError, match=message.replace(".", r"\.")):
        check_versions(told)
    check_versions(Told({"python": "3.11.9.final.0"}))  # patch releases understand each other


def test_the_share_of_a_machine_is_told_to_its_workers(monkeypatch):
    class Client:
        def __init__(self):
            self.shares = None

        def run(self, function, *arguments, **options):
            if function is cluster._take_share:
                self.shares = arguments[0]
                return None
            package = cluster._package(())
            four = (0, 1, 2, 3)
            machines = {"a": ("one", four), "b": ("one", four), "c": ("two", (0,)),
                        "d": ("one", (4, 5, 6)), "e": ("three", four)}  # fmt: skip
            return {
                address: {"package": package, "machine": machine, "sees": True,
                          "kernels": 4 if address == "e" else 1}
                for address, machine in machines.items()
            }  # fmt: skip

    client = Client()
    assert cluster.Cluster(client, "tcp://x").greet() == []
    # a and b share four cores; d was given other ones; e runs four kernels.
    assert client.shares == {"a": 2, "b": 2, "c": 1, "d": 3, "e": 1}
