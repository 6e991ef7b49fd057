"""SWEEP.toml: what it may say, and what is refused."""

from __future__ import annotations

import pytest

from eccvkit.errors import EccvkitError
from eccvkit.runner.sweepfile import Block, read_sweep


def read(tmp_path, text):
    (tmp_path / "sweep.toml").write_text(text)
    return read_sweep(tmp_path / "sweep.toml")


def test_one_block(tmp_path):
    sweep = read(tmp_path, """
papers = ["rpl", 2]
preset = ["smoke", "lab"]
seed = "0..2,7"
out = "there"
jobs = 3
timeout = 600
memory = 1.5e3
retries = 0
scheduler = "tcp://h:1"
[parameters]
lam = 0.5
sizes = [[1, 2]]
rate = "1e-3,1e-4"
on = true
""")  # fmt: skip
    grid = {"preset": ["smoke", "lab"], "seed": [0, 1, 2, 7], "lam": [0.5], "sizes": [[1, 2]],
            "rate": [1e-3, 1e-4], "on": [True]}  # fmt: skip
    assert sweep.blocks == [Block(["rpl", "2"], grid)]
    assert sweep.settings == {"out": "there", "jobs": 3, "timeout": 600, "memory": 1500.0,
                              "retries": 0, "scheduler": "tcp://h:1"}  # fmt: skip


def test_several_grids_share_what_stands_above(tmp_path):
    sweep = read(tmp_path, """
papers = "rpl"
seed = 0
[parameters]
device = "cpu"
[[grid]]
seed = [1, 2]
[[grid]]
papers = ["limp"]
[grid.parameters]
device = "auto"
""")  # fmt: skip
    assert sweep.blocks == [
        Block(["rpl"], {"seed": [1, 2], "device": ["cpu"]}),
        Block(["limp"], {"seed": [0], "device": ["auto"]}),
    ]


def test_a_notebook_file_lies_beside_the_sweep(tmp_path):
    (tmp_path / "mine.ipynb").write_text("{}")
    sweep = read(tmp_path, 'papers = ["mine.ipynb", "rpl"]')
    assert sweep.blocks[0].papers == [str(tmp_path / "mine.ipynb"), "rpl"]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("papers = [", "sweep.toml is not TOML"),
        ("papers = ['rpl']\nseeds = 3", "unknown key of sweep.toml 'seeds': did you mean 'seed'"),
        ("[[grid]]\npapers = ['rpl']\nout = 'x'", "unknown key of a grid in sweep.toml 'out'"),
        ("seed = 0", "names no papers"),
        ("papers = []", "names no papers"),
        ("papers = ['rpl']\nseed = []", "the grid is empty, parameter 'seed' has no values"),
        ("papers = ['rpl']\n[parameters]\nlam = []", "the grid is empty, parameter 'lam'"),
        ("papers = ['rpl']\nseed = '4..0'", "range '4..0' is empty"),
        ("papers = ['rpl']\nseed = 0\n[parameters]\nseed = 1", "'seed' is given twice"),
        ("papers = ['rpl']\nparameters = 3", "write a table"),
        ("papers = ['rpl']\njobs = 'two'", "jobs is 'two'"),
        ("papers = ['rpl']\nretries = true", "retries is True"),
        ("papers = ['rpl']\ntimeout = -1", "timeout is -1"),
        ("papers = ['rpl']\n[grid]\nseed = 1", "two brackets"),
    ],
)
def test_refusals(tmp_path, text, cause):
    with pytest.raises(EccvkitError, match=cause) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(EccvkitError, match=r"cannot read .*absent\.toml: No such file"):
        read_sweep(tmp_path / "absent.toml")
    (tmp_path / "sweep.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(EccvkitError, match="is not TOML"):
        read_sweep(tmp_path / "sweep.toml")
