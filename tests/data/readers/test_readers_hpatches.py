import numpy as np
import pytest
import torch
from PIL import Image

from eccvkit.data.readers.hpatches import TOO_LARGE, hpatches
from eccvkit.errors import UnknownName

SHIFT = np.array([[1.0, 0, 2], [0, 1, -1], [0, 0, 1]])


def write(root, name, height=6, width=8):
    folder = root / name
    folder.mkdir(parents=True)
    for k in range(1, 7):
        # Images of one sequence may differ in size.
        pixels = np.full((height, width + (k == 3), 3), 10 * k, np.uint8)
        Image.fromarray(pixels).save(folder / f"{k}.ppm")
        if k > 1:
            np.savetxt(folder / f"H_1_{k}", SHIFT * (k - 1))
    return folder


@pytest.fixture
def root(tmp_path):
    for name in ("v_wall", "i_ajuntament", "v_talent"):
        write(tmp_path, name)
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_sequences_by_name_without_those_that_are_too_large(root):
    found = list(hpatches(root))
    assert [s.name for s in found] == ["i_ajuntament", "v_wall"]
    assert [s.kind for s in found] == ["illum", "view"]
    assert [s.name for s in hpatches(root, kind="view", large=True)] == ["v_talent", "v_wall"]
    assert len(TOO_LARGE) == 116 - 108


def test_pairs_start_from_the_reference(root):
    (sequence,) = hpatches(root, kind="view")
    pairs = list(sequence.pairs())
    assert len(pairs) == 5
    assert all(p.first.shape == (1, 3, 6, 8) for p in pairs)
    assert pairs[1].second.shape == (1, 3, 6, 9)
    assert [round(255 * p.second.mean().item()) for p in pairs] == [20, 30, 40, 50, 60]
    located, known = pairs[0].truth(torch.tensor([[[3.0, 4.0]]]))
    assert located.tolist() == [[[5.0, 3.0]]] and known.all()  # (x, y), not (row, column)
    # A multiple of a homography is the same one.
    assert pairs[4].truth(torch.tensor([[[3.0, 4.0]]]))[0].tolist() == [[[5.0, 3.0]]]


def test_the_published_folder_is_found_below(tmp_path):
    write(tmp_path / "hpatches-sequences-release", "i_dome")
    assert [s.name for s in hpatches(tmp_path)] == ["i_dome"]


def test_no_sequences(tmp_path, message):
    assert "no folder i_* or v_*" in message(hpatches, tmp_path)


def test_missing_image(root, message):
    (root / "v_wall" / "4.ppm").unlink()
    assert "4.ppm" in message(lambda: list(hpatches(root)))


@pytest.mark.parametrize(
    "text", ["1 2 3\n4 5 6\n", "a b c\n", "0 0 0\n0 0 0\n0 0 1\n", "1 0 nan\n0 1 0\n0 0 1"]
)
def test_no_homography(root, message, text):
    (root / "v_wall" / "H_1_5").write_text(text)
    assert "H_1_5" in message(lambda: list(hpatches(root)))


def test_unknown_kind(root):
    with pytest.raises(UnknownName, match="illum, view"):
        hpatches(root, kind="i")
