import subprocess
import sys

import pytest
import torch

from eccvkit import runtime
from eccvkit.errors import EccvkitError, UnknownName


def test_auto_device_exists():
    assert torch.zeros(1, device=runtime.pick_device("auto")).item() == 0


def test_unknown_device_names_the_valid_ones():
    for name in ("gpu", "cpu:1", "cuda:x"):
        with pytest.raises(UnknownName, match="Valid: auto, cpu, cuda, mps"):
            runtime.pick_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_says_what_to_do():
    with pytest.raises(EccvkitError, match=r"'cuda' is not available.*use device 'auto' or 'cpu'"):
        runtime.pick_device("cuda")


def test_thread_share(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("ECCVKIT_THREADS", "3")
        assert runtime.use_threads() == torch.get_num_threads() == 3
        assert runtime.use_threads(limit=1) == torch.get_num_threads() == 1
        monkeypatch.setenv("ECCVKIT_THREADS", "many")
        with pytest.raises(EccvkitError, match="ECCVKIT_THREADS is 'many'"):
            runtime.use_threads()
    finally:
        torch.set_num_threads(before)


def test_study_seeds_of_different_notebook_seeds_never_meet():
    blocks = [runtime.study_seeds(seed, 10) for seed in range(4)]
    assert len({s for block in blocks for s in block}) == 40
    assert runtime.study_seeds(0, 3) == [1000, 1001, 1002]
    assert min(blocks[0]) >= runtime.FIRST_JUDGED_SEED


def test_used_seeds_are_passed_over_and_the_block_ends():
    assert not set(runtime.study_seeds(2, 5, used=10)) & set(runtime.study_seeds(2, 10))
    assert runtime.study_seeds(0, 1, used=999) == [1999]
    for count, used in ((1, 1000), (0, 0), (3, -1)):
        with pytest.raises(EccvkitError, match="owns 1000"):
            runtime.study_seeds(0, count, used)


@pytest.mark.parametrize("seed", [-1, 1.5, "3", True])
def test_bad_seeds(seed):
    with pytest.raises(EccvkitError, match="whole number of at least 0"):
        runtime.check_seed(seed)


def test_seed_everything_makes_torch_repeat():
    runtime.seed_everything(5)
    a = torch.rand(3)
    runtime.seed_everything(5)
    assert torch.equal(a, torch.rand(3))


def test_start_reports_and_refuses(capsys):
    session = runtime.start("smoke", 3, "cpu", threads=1)
    assert session.device.type == "cpu" and session.threads == 1
    assert "preset smoke, seed 3" in capsys.readouterr().out
    with pytest.raises(UnknownName, match="preset 'smok': did you mean 'smoke'"):
        runtime.start("smok", 0)


def test_progress_is_quiet_without_a_terminal(capsys):
    assert list(runtime.progress(range(3), desc="quiet")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_importing_the_package_is_light():
    code = (
        "import sys, eccvkit, eccvkit.errors, eccvkit.outputs, eccvkit.volume; "
        "print([m for m in ('torch', 'numpy', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
