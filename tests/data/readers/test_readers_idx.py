import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from eccvkit.data.readers import fashion_mnist, mnist, read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx_bytes(array: np.ndarray) -> bytes:
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


IMAGES = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def write_mnist(folder, images=IMAGES, labels=LABELS, split="train", sep="-", gz=False):
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rank, array in (("images", 3, images), ("labels", 1, labels)):
        content = idx_bytes(array)
        name = f"{split}-{kind}{sep}idx{rank}-ubyte" + ".gz" * gz
        (folder / name).write_bytes(gzip.compress(content) if gz else content)
    return folder


@given(
    array=st.sampled_from(list(CODES)).flatmap(
        lambda code: hnp.arrays(
            np.dtype(code), hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4)
        )
    ),
    compress=st.booleans(),
)
def test_any_array_comes_back(tmp_path_factory, array, compress):
    content = idx_bytes(array)
    file = tmp_path_factory.mktemp("idx") / "array"
    file.write_bytes(gzip.compress(content) if compress else content)
    result = read_idx(file)
    assert result.dtype == array.dtype
    assert result.dtype.isnative
    assert result.flags.writeable
    np.testing.assert_array_equal(result, array)


def test_bytes_written_by_hand(tmp_path):
    file = tmp_path / "array"
    file.write_bytes(b"\0\0\x0b\x02" + b"\0\0\0\x01\0\0\0\x02" + b"\x01\x00\xff\xfe")
    assert read_idx(str(file)).tolist() == [[256, -2]]


@pytest.mark.parametrize("sep", ["-", "."])
@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
def test_mnist_under_its_usual_names(tmp_path, sep, gz, place):
    write_mnist(tmp_path / place, sep=sep, gz=gz)
    write_mnist(tmp_path / place, IMAGES[:1], LABELS[2:], "t10k", sep, gz)
    train, test = mnist(tmp_path), mnist(tmp_path, "test")
    np.testing.assert_array_equal(train.images, IMAGES)
    assert train.labels.tolist() == [7, 0, 9]
    assert train.labels.dtype == np.int64
    assert train.classes == ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    assert test.images.shape == (1, 2, 4)
    assert test.labels.tolist() == [9]


def test_mnist_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("ECCVKIT_DATA", str(write_mnist(tmp_path)))
    assert len(mnist()) == 3


def test_fashion_mnist_needs_its_own_folder_below_the_environment(tmp_path, monkeypatch, message):
    write_mnist(tmp_path)
    data = fashion_mnist(tmp_path)
    assert [data.classes[k] for k in data.labels] == ["Sneaker", "T-shirt/top", "Ankle boot"]
    monkeypatch.setenv("ECCVKIT_DATA", str(tmp_path))
    assert "fashion-mnist" in message(fashion_mnist)
    write_mnist(tmp_path / "fashion-mnist", labels=np.array([1, 1, 1], np.uint8))
    assert fashion_mnist().labels.tolist() == [1, 1, 1]
    assert mnist().labels.tolist() == [7, 0, 9]


def test_missing_files_are_named(tmp_path, message):
    text = message(mnist, tmp_path)
    assert (
        "train-images-idx3-ubyte or train-images.idx3-ubyte or train-images-idx3-ubyte.gz" in text
    )
    assert f"{tmp_path} is empty" in text
    assert "put the files of MNIST there" in text
    write_mnist(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    text = message(mnist, tmp_path)
    assert "found no train-labels-idx1-ubyte" in text
    assert "holds train-images-idx3-ubyte" in text
    assert "there is no file" in message(read_idx, tmp_path / "absent")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\0\x08", b"<!DOCTYPE html>", b"\0\0\x0a\x01\0\0\0\0", b"\0\x01\x08\x01\0\0\0\0"],
)
def test_wrong_magic_number(tmp_path, message, content):
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(content)
    text = message(read_idx, file)
    assert f"{file} is no IDX file: it starts with {content[:4]!r}" in text
    assert "download the file again" in text


def test_truncated_and_too_long(tmp_path, message):
    file = tmp_path / "array"
    content = idx_bytes(IMAGES)
    file.write_bytes(content[:-1])
    text = message(read_idx, file)
    assert f"{file} is truncated: 39 bytes where shape (3, 2, 4) of uint8 takes 40" in text
    assert "download the file again" in text
    file.write_bytes(content + b"\0")
    assert f"{file} is too long: 41 bytes" in message(read_idx, file)
    file.write_bytes(content[:15])
    assert "truncated within its header of 16 bytes" in message(read_idx, file)


def test_header_that_announces_more_than_memory_can_hold(tmp_path, message):
    file = tmp_path / "array"
    file.write_bytes(b"\0\0\x0e\x03" + b"\xff" * 12)
    assert "truncated" in message(read_idx, file)
    file.write_bytes(b"\0\0\x08\xc8" + b"\0\0\0\x01" * 200 + b"x")
    assert "no readable IDX file" in message(read_idx, file)


def test_corrupt_gzip(tmp_path, message):
    file = tmp_path / "array.gz"
    packed = bytearray(gzip.compress(idx_bytes(IMAGES), mtime=0))
    file.write_bytes(packed[:-9])
    text = message(read_idx, file)
    assert f"{file} is no readable gzip file" in text
    assert "download the file again" in text
    packed[-8] ^= 0xFF  # the checksum
    file.write_bytes(packed)
    assert "CRC" in message(read_idx, file)


def test_gz_that_the_browser_has_unpacked(tmp_path):
    file = tmp_path / "array.gz"
    file.write_bytes(idx_bytes(LABELS))
    assert read_idx(file).tolist() == [7, 0, 9]


def test_images_and_labels_that_do_not_fit(tmp_path, message):
    text = message(mnist, write_mnist(tmp_path / "count", labels=LABELS[:2]))
    assert f"{tmp_path / 'count' / 'train-labels-idx1-ubyte'}: 2 labels for 3 images" in text
    assert "download it again, and train-images-idx3-ubyte with it" in text
    text = message(mnist, write_mnist(tmp_path / "range", labels=LABELS + np.uint8(1)))
    assert "train-labels-idx1-ubyte: label 10 of image 2 is outside 0..9" in text


def test_files_under_swapped_names(tmp_path, message):
    text = message(mnist, write_mnist(tmp_path / "rank", images=LABELS, labels=IMAGES))
    assert "train-images-idx3-ubyte holds uint8 with 1 axes where uint8 with 3" in text
    text = message(mnist, write_mnist(tmp_path / "type", labels=LABELS.astype(np.int16)))
    assert "train-labels-idx1-ubyte holds int16 with 1 axes" in text
