import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_array

from eccvkit.data.readers import svhn

X = np.random.default_rng(0).integers(0, 256, (32, 32, 3, 4), dtype=np.uint8)
Y = np.array([[1], [10], [9], [2]], dtype=np.uint8)


def write(folder, split="train", **variables):
    folder.mkdir(exist_ok=True)
    content = {"X": X, "y": Y} | variables
    kept = {k: v for k, v in content.items() if v is not None}
    savemat(folder / f"{split}_32x32.mat", kept, do_compression=True)
    return folder


@pytest.mark.parametrize("split", ["train", "test", "extra"])
@pytest.mark.parametrize("place", [".", "svhn", "SVHN"])
def test_svhn(tmp_path, split, place):
    write(tmp_path / place, split)
    data = svhn(tmp_path, split)
    assert data.images.shape == (4, 32, 32, 3)
    assert data.images.flags.c_contiguous
    for i in range(4):
        np.testing.assert_array_equal(data.images[i], X[:, :, :, i])
    assert data.labels.tolist() == [1, 0, 9, 2]
    assert data.labels.dtype == np.int64
    assert data.classes[data.labels[1]] == "0"


def test_labels_as_matlab_doubles(tmp_path):
    assert svhn(write(tmp_path, y=Y.astype(float))).labels.tolist() == [1, 0, 9, 2]


def test_missing_file(tmp_path, message):
    write(tmp_path, "test")
    text = message(svhn, tmp_path)
    assert "found no train_32x32.mat" in text
    assert "holds test_32x32.mat" in text
    assert "put train_32x32.mat there" in text


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"X": None}, "no array X"),
        ({"y": None}, "no array y"),
        ({"y": csc_array(Y.astype(float))}, "no array y"),
        ({"X": X[:, :, 0]}, "shape (32, 32, 4)"),
        ({"X": X[:, :16]}, "shape (32, 16, 3, 4)"),
        ({"X": X.transpose(3, 0, 1, 2)}, "shape (4, 32, 32, 3)"),
        ({"X": X.astype(float)}, "X is float64"),
        ({"y": Y[:3]}, "3 labels for 4 images"),
        ({"y": Y.reshape(2, 2)}, "shape (2, 2)"),
        ({"y": "text"}, "y is <U4"),
        ({"y": Y * 0}, "label 0 is none of 1..10"),
        ({"y": Y + 1}, "label 11 is none of 1..10"),
        ({"y": Y + 0.5}, "label 1.5 is none of 1..10"),
    ],
)
def test_malformed_arrays(tmp_path, message, variables, part):
    text = message(svhn, write(tmp_path, **variables))
    assert str(tmp_path / "train_32x32.mat") in text
    assert part in text
    assert "download train_32x32.mat again" in text


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html>" * 30, b"\0" * 200, b"\xff" * 200])
def test_no_mat_file(tmp_path, message, content):
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(content)
    text = message(svhn, tmp_path)
    assert str(file) in text
    assert "download train_32x32.mat again" in text


@pytest.mark.parametrize("kept", [60, 140, 1000, -1])
def test_truncated_mat_file(tmp_path, message, kept):
    file = write(tmp_path) / "train_32x32.mat"
    file.write_bytes(file.read_bytes()[:kept])
    text = message(svhn, tmp_path)
    assert str(file) in text
    assert "download train_32x32.mat again" in text


@pytest.mark.parametrize("head", [b"", b"MATLAB 7.3 MAT-file".ljust(512, b" ")])
def test_version_7_3(tmp_path, message, head):
    file = tmp_path / "train_32x32.mat"
    file.write_bytes(head + b"\x89HDF\r\n\x1a\n" + b"\0" * 100)
    text = message(svhn, tmp_path)
    assert f"{file} is a MAT file of version 7.3 (HDF5)" in text
    assert "-v7" in text
