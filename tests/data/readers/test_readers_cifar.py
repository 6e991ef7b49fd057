import os
import pickle
import struct
import warnings

import numpy as np
import pytest

from eccvkit.data.readers import cifar10, cifar100
from eccvkit.errors import DataError

NAMES = [b"plane", b"car", b"bird"]


def python2_pickle(value) -> bytes:
    """Pickle as Python 2 with its numpy did, opcode by opcode: this is what is published."""

    def save(value) -> bytes:
        if isinstance(value, dict):
            return b"}(" + b"".join(save(k) + save(v) for k, v in value.items()) + b"u"
        if isinstance(value, list):
            return b"](" + b"".join(save(v) for v in value) + b"e"
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, bytes):
            return b"T" + struct.pack("<I", len(value)) + value
        shape = b"(" + b"".join(save(n) for n in value.shape) + b"t"
        dtype = (
            b"cnumpy\ndtype\n" + save(value.dtype.str[1:].encode()) + b"K\x00K\x01\x87R"
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        )
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        return empty + b"(K\x01" + shape + dtype + b"\x89" + save(value.tobytes()) + b"tb"

    return b"\x80\x02" + save(value) + b"."


def rows(start: int, count: int) -> np.ndarray:
    """Rows of a batch; each value tells image, plane and place."""
    return np.arange(start, start + count * 3072).reshape(count, 3072).astype(np.uint8)


def batch10(start=0, labels=(0, 2)):
    return {b"data": rows(start, len(labels)), b"labels": list(labels), b"batch_label": b"x"}


def write_cifar10(folder, dump=python2_pickle, **replaced):
    folder.mkdir(exist_ok=True)
    files = {f"data_batch_{i}": batch10(i, (i % 3, 2)) for i in range(1, 6)}
    files |= {"test_batch": batch10(9, (1,)), "batches.meta": {b"label_names": NAMES}}
    for name, content in (files | replaced).items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else dump(content))
    return folder


def write_cifar100(folder):
    folder.mkdir(exist_ok=True)
    meta = {b"fine_label_names": NAMES, b"coarse_label_names": [b"vehicle", b"animal"]}
    batch = {b"data": rows(0, 2), b"fine_labels": [2, 0], b"coarse_labels": [1, 0]}
    test = {b"data": rows(5, 1), b"fine_labels": [1], b"coarse_labels": [0]}
    for name, content in {"meta": meta, "train": batch, "test": test}.items():
        (folder / name).write_bytes(python2_pickle(content))
    return folder


@pytest.mark.parametrize("place", [".", "cifar-10-batches-py"])
def test_cifar10(tmp_path, place):
    write_cifar10(tmp_path / place)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train, test = cifar10(tmp_path), cifar10(tmp_path, "test")
    assert train.images.shape == (10, 32, 32, 3)
    assert train.images.flags.c_contiguous
    assert train.labels.tolist() == [1, 2, 2, 2, 0, 2, 1, 2, 2, 2]
    assert train.labels.dtype == np.int64
    assert train.classes == ("plane", "car", "bird")
    assert test.labels.tolist() == [1]
    # Rows hold the red plane, the green, the blue; within a plane the top row comes first.
    data = rows(9, 1)[0]
    for y, x, c in [(0, 0, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1), (31, 30, 2)]:
        assert test.images[0, y, x, c] == data[c * 1024 + y * 32 + x]


def test_cifar100_fine_and_coarse(tmp_path):
    write_cifar100(tmp_path / "cifar-100-python")
    fine, coarse = cifar100(tmp_path), cifar100(tmp_path, coarse=True)
    assert fine.labels.tolist() == [2, 0]
    assert fine.classes == ("plane", "car", "bird")
    assert coarse.labels.tolist() == [1, 0]
    assert coarse.classes == ("vehicle", "animal")
    np.testing.assert_array_equal(fine.images, coarse.images)
    assert cifar100(tmp_path / "cifar-100-python", "test").labels.tolist() == [1]


@pytest.mark.parametrize("module", [b"numpy.core.multiarray", b"numpy._core.multiarray"])
def test_both_names_of_the_numpy_core(tmp_path, module):
    content = python2_pickle(batch10()).replace(b"numpy.core.multiarray", module)
    write_cifar10(tmp_path, test_batch=content)
    np.testing.assert_array_equal(cifar10(tmp_path, "test").images[0, 0, :, 0], np.arange(32))


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_batches_pickled_again_by_python_3(tmp_path, protocol):
    write_cifar10(tmp_path, dump=lambda content: pickle.dumps(content, protocol))
    data = cifar10(tmp_path, "test")
    assert data.labels.tolist() == [1]
    assert data.images[0, 0, 0, 0] == 9


class Reduce:
    def __init__(self, function, *args):
        self.reduction = function, args

    def __reduce__(self):
        return self.reduction


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_malicious_pickle_is_refused_and_nothing_runs(tmp_path, message, protocol):
    victim = tmp_path / "executed"
    evil = pickle.dumps(Reduce(os.system, f"touch {victim}"), protocol)
    pickle.loads(evil)
    assert victim.exists()  # the attack works on the plain unpickler
    victim.unlink()
    write_cifar10(tmp_path / "cifar-10-batches-py", data_batch_3=evil)
    text = message(cifar10, tmp_path)
    assert not victim.exists()
    assert f"data_batch_3 wants to import {os.name}.system" in text
    assert "not a CIFAR batch" in text
    assert "download it again from the publisher" in text


@pytest.mark.parametrize(
    ("function", "args", "name"),
    [
        (eval, ("1",), r"builtins.eval"),
        (getattr, ("", "join"), r"builtins.getattr"),
        (np.load, ("x",), r"numpy.load"),
        (np.frombuffer, (b"x",), r"numpy.frombuffer"),
    ],
)
def test_no_other_function_is_handed_out(tmp_path, message, function, args, name):
    evil = pickle.dumps(Reduce(function, *args), 4)
    write_cifar10(tmp_path, **{"batches.meta": evil})
    text = message(cifar10, tmp_path)
    assert f"batches.meta wants to import {name}" in text


def test_dotted_names_do_not_reach_past_what_is_allowed(tmp_path, message):
    evil = b"\x80\x04\x8c\x05numpy\x8c\x0endarray.tofile\x93."
    write_cifar10(tmp_path, test_batch=evil)
    assert "wants to import numpy.ndarray.tofile," in message(cifar10, tmp_path, "test")


@pytest.mark.parametrize("dtype", ["O", "i1", "f8"])
@pytest.mark.parametrize("protocol", [4, 5])
def test_arrays_of_anything_but_uint8_are_refused(tmp_path, message, dtype, protocol):
    batch = batch10() | {b"data": rows(0, 2).astype(dtype)}
    write_cifar10(tmp_path, test_batch=pickle.dumps(batch, protocol))
    assert f"an array of '{dtype}" in message(cifar10, tmp_path, "test")


def test_false_flags_of_a_dtype_do_not_reach_numpy(tmp_path):
    flags = b"J\xff\xff\xff\xffK%ctb"
    content = python2_pickle(batch10(labels=[1])).replace(flags % 0, flags % 63)
    assert flags % 63 in content
    write_cifar10(tmp_path, test_batch=content)
    assert cifar10(tmp_path, "test").labels.tolist() == [1]


def test_order_of_columns_first(tmp_path):
    batch = batch10() | {b"data": np.asfortranarray(rows(0, 2))}
    write_cifar10(tmp_path, test_batch=pickle.dumps(batch, 4))
    images = cifar10(tmp_path, "test").images
    np.testing.assert_array_equal(images[1, 0, :, 0], rows(0, 2)[1, :32])


@pytest.mark.parametrize("kept", [0, 1, 40, 3000, -1])
def test_truncated_pickle(tmp_path, message, kept):
    content = python2_pickle(batch10())[:kept]
    text = message(cifar10, write_cifar10(tmp_path, test_batch=content), "test")
    assert f"{tmp_path / 'test_batch'} is no readable CIFAR batch" in text
    assert "download it again from the publisher" in text


def test_any_damaged_byte_gives_a_data_error(tmp_path):
    content = python2_pickle({b"data": rows(0, 1)[:, :40], b"labels": [1]})
    write_cifar10(tmp_path)
    for i in range(len(content)):
        for byte in (0, ord("R"), ord("."), content[i] ^ 0xFF):
            damaged = content[:i] + bytes([byte]) + content[i + 1 :]
            (tmp_path / "test_batch").write_bytes(damaged)
            with pytest.raises(DataError):  # rows are too short in any case
                cifar10(tmp_path, "test")


def test_missing_files_are_named(tmp_path, message):
    text = message(cifar10, tmp_path)
    assert "found no batches.meta" in text
    assert "unpack cifar-10-python.tar.gz there" in text
    (write_cifar10(tmp_path) / "data_batch_4").unlink()
    text = message(cifar10, tmp_path)
    assert "found no data_batch_4" in text
    assert "holds batches.meta, data_batch_1" in text
    assert "unpack cifar-100-python.tar.gz there" in message(cifar100, tmp_path)


def without(batch, key):
    return {k: v for k, v in batch.items() if k != key}


@pytest.mark.parametrize(
    ("batch", "part"),
    [
        (without(batch10(), b"data"), "has no key b'data' (it holds keys b'labels', "),
        (without(batch10(), b"labels"), "has no key b'labels'"),
        ([1, 2], "it holds a list"),
        (batch10() | {b"data": rows(0, 2)[:, :-1]}, "shape (2, 3071) where (N, 3072)"),
        (batch10() | {b"data": rows(0, 1)[0]}, "shape (3072,)"),
        (batch10() | {b"data": rows(0, 2).view(np.int8)}, "an array of b'i1', not of uint8"),
        (batch10() | {b"data": b"bytes"}, "data is no array"),
        (batch10() | {b"labels": [0]}, "1 labels for 2 images"),
        (batch10() | {b"labels": [0, 3]}, "label 3 of image 1 is outside 0..2"),
        (batch10() | {b"labels": [-1, 0]}, "label -1 of image 0 is outside 0..2"),
        (batch10() | {b"labels": [b"0", b"1"]}, "no flat list of integers"),
        (batch10() | {b"labels": [[0], [0, 1]]}, "no flat list of integers"),
    ],
)
def test_malformed_batch(tmp_path, message, batch, part):
    write_cifar10(tmp_path, test_batch=batch)
    text = message(cifar10, tmp_path, "test")
    assert str(tmp_path / "test_batch") in text
    assert part in text
    assert "download it again" in text


@pytest.mark.parametrize("names", [b"plane", [1, 2], [b"\xff"]])
def test_malformed_class_names(tmp_path, message, names):
    write_cifar10(tmp_path, **{"batches.meta": {b"label_names": names}})
    text = message(cifar10, tmp_path)
    assert str(tmp_path / "batches.meta") in text
    assert "names" in text
