from __future__ import annotations

import pytest

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.runner.devices import Accelerators
from eccvkit.runner.notebook import inspect
from eccvkit.runner.spec import RunSpec, check_devices, plan, run_name

from .conftest import write_notebook


@pytest.fixture(scope="module")
def chapter(library):
    return inspect(library / "chapter.ipynb")


def one(chapter, **values):
    (spec,) = plan([chapter], {k: [v] for k, v in values.items()})
    return spec


def test_defaults_are_merged(chapter):
    spec = one(chapter, seed=3)
    assert spec.overrides == {"seed": 3}
    assert spec.parameters["seed"] == 3
    assert spec.parameters["lam"] == 0.5
    assert spec.parameters["total"] == "2 * steps"
    assert spec.label == "chapter/lab-seed3"


def test_notebooks_outermost(chapter, library):
    broken = inspect(library / "broken.ipynb")
    specs = plan([chapter, broken], {"preset": ["smoke"], "seed": [0, 1]})
    assert [s.label for s in specs] == [
        "chapter/smoke-seed0", "chapter/smoke-seed1", "broken/smoke-seed0", "broken/smoke-seed1",
    ]  # fmt: skip


def test_the_same_point_twice_is_one_run(chapter):
    assert len(plan([chapter], {"lam": [1, 1.0, 0.5]})) == 2


def test_a_spec_survives_json(chapter):
    spec = one(chapter, lam=0.1)
    assert RunSpec(**spec.to_json()) == spec


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({}, "lab-seed0"),
        ({"lam": 0.5}, "lab-seed0"),
        ({"lam": 1}, "lab-seed0-lam1.0"),
        ({"steps": 20, "lam": 1e-5}, "lab-seed0-lam1e-05-steps20"),
        ({"verbose": True, "preset": "smoke"}, "smoke-seed0-verbosetrue"),
        ({"device": "cpu"}, "lab-seed0-devicecpu"),
    ],
)
def test_readable_names(chapter, values, name):
    assert one(chapter, **values).name == name


def test_names_that_need_a_hash():
    defaults = {"preset": "lab", "tag": "", "sizes": []}
    names = {
        run_name(values, defaults)
        for values in (
            {"tag": "a/b"}, {"tag": "a b"}, {"tag": "../.."}, {"tag": "x" * 300},
            {"tag": "x" * 301}, {"sizes": [1, 2]}, {"sizes": [1, 3]}, {"tag": "\u00e4"},
        )
    }  # fmt: skip
    assert len(names) == 8
    assert all(len(n) < 80 and "/" not in n and not n.startswith(".") for n in names)
    assert run_name({"tag": "a/b"}, defaults) == run_name({"tag": "a/b"}, defaults)


def test_a_notebook_without_the_usual_parameters():
    assert run_name({}, {"alpha": 1}) == "defaults"


@pytest.mark.parametrize(
    ("values", "error", "cause"),
    [
        ({"lamm": 1}, UnknownName, "unknown parameter of chapter 'lamm': did you mean 'lam'"),
        ({"preset": "smok"}, UnknownName, "unknown preset 'smok': did you mean 'smoke'"),
        ({"preset": 3}, EccvkitError, "'preset' takes text"),
        ({"seed": -1}, EccvkitError, "seed is -1"),
        ({"seed": 0.5}, EccvkitError, "'seed' takes a whole number"),
        ({"seed": True}, EccvkitError, "'seed' takes a whole number"),
        ({"seed": "zero"}, EccvkitError, "'seed' takes a whole number"),
        ({"device": "tpu"}, UnknownName, "unknown device 'tpu'"),
        ({"device": "cuda:x"}, UnknownName, "unknown device"),
        ({"device": "cpu:1"}, UnknownName, "unknown device"),
        ({"lam": "much"}, EccvkitError, "'lam' takes a number"),
        ({"lam": True}, EccvkitError, "'lam' takes a number"),
        ({"lam": None}, EccvkitError, "'lam' takes a number"),
        ({"verbose": 1}, EccvkitError, "'verbose' takes true or false"),
        ({"tag": 3}, EccvkitError, "'tag' takes text .* quote it"),
        ({"sizes": 3}, EccvkitError, "'sizes' takes a list"),
    ],
)
def test_refusals(chapter, values, error, cause):
    with pytest.raises(error, match=cause):
        one(chapter, **values)


def test_whole_floats_are_whole_numbers(chapter):
    assert one(chapter, steps=1e3).parameters["steps"] == 1000
    assert isinstance(one(chapter, steps=1e3).parameters["steps"], int)


def test_folders_are_made_absolute(tmp_path, monkeypatch):
    source = 'data_dir = ""\ncache_path = "x"\ntag = ""'
    notebook = inspect(write_notebook(tmp_path / "a.ipynb", [], source))
    monkeypatch.chdir(tmp_path)
    spec = one(notebook, data_dir="sets/mnist", tag="sets/mnist")
    assert spec.overrides == {"data_dir": str(tmp_path / "sets" / "mnist"), "tag": "sets/mnist"}
    assert one(notebook, data_dir="").overrides == {"data_dir": ""}


def test_two_notebooks_with_one_folder(chapter, tmp_path):
    twin = inspect(write_notebook(tmp_path / "chapter.ipynb", []))
    with pytest.raises(EccvkitError, match="would share the folder chapter"):
        plan([chapter, twin], {})


def test_absent_devices_are_refused(chapter):
    import torch

    absent = ["cuda:99"]
    if not torch.backends.mps.is_available():
        absent.append("mps")
    for device in absent:
        with pytest.raises(EccvkitError, match=f"device '{device}' is not available"):
            check_devices([one(chapter), one(chapter, device=device)])
    check_devices([one(chapter), one(chapter, device="cpu")])


@pytest.mark.parametrize(("cuda", "mps"), [((), False), (("Some GPU",), False), ((), True)])
def test_the_preset_gpu_wants_one(chapter, monkeypatch, cuda, mps):
    monkeypatch.setattr("eccvkit.runner.spec.accelerators", lambda: Accelerators(cuda, mps))
    wanted = [one(chapter, preset="gpu")]
    if cuda or mps:
        check_devices(wanted)
    else:
        with pytest.raises(EccvkitError, match=r"the preset gpu wants a GPU, .* use --preset lab"):
            check_devices(wanted)
    check_devices([one(chapter, preset="gpu", device="cpu")])
