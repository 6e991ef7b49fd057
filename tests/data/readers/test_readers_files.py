import doctest
import importlib

import numpy as np
import pytest

from eccvkit.data.readers import Labelled, mnist
from eccvkit.data.readers._files import data_root, find_file, find_folder, read_lines
from eccvkit.errors import UnknownName


def test_root_is_the_argument_before_the_environment(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.setenv("ECCVKIT_DATA", str(tmp_path / "a"))
    assert data_root(None) == tmp_path / "a"
    assert data_root(str(tmp_path / "b")) == tmp_path / "b"


def test_root_expands_the_home_folder(tmp_path, monkeypatch):
    (tmp_path / "sets").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_root("~/sets") == tmp_path / "sets"


@pytest.mark.parametrize("value", [None, ""])
def test_no_root_says_how_to_give_one(monkeypatch, message, value):
    monkeypatch.delenv("ECCVKIT_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("ECCVKIT_DATA", value)
    text = message(mnist)
    assert "give data_dir (root in Python)" in text
    assert "set the environment variable ECCVKIT_DATA" in text


def test_root_that_is_no_folder(tmp_path, monkeypatch, message):
    file = tmp_path / "file"
    file.write_text("")
    assert f"root is {file}, which is no folder" in message(data_root, file)
    monkeypatch.setenv("ECCVKIT_DATA", str(tmp_path / "absent"))
    assert f"ECCVKIT_DATA names {tmp_path / 'absent'}" in message(data_root, None)


def test_find_takes_the_first_place_then_the_first_name(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("sub/b", "a", "b"):
        (tmp_path / name).write_text("")
    assert find_file(tmp_path, ["a", "b"], "", ("sub", ".")) == tmp_path / "sub/b"
    assert find_file(tmp_path, ["a", "b"], "") == tmp_path / "a"
    assert find_folder(tmp_path, "sub", "") == tmp_path / "sub"


def test_find_tells_files_from_folders(tmp_path, message):
    (tmp_path / "train").mkdir()
    text = message(find_file, tmp_path, ["train", "train.gz"], "put it there", ("x", "."))
    assert text == (
        f"found no train or train.gz in {tmp_path} or the folder x in it "
        f"({tmp_path} holds train/): put it there"
    )
    (tmp_path / "file").write_text("")
    assert "holds file, train/" in message(find_folder, tmp_path, "file", "do")
    assert f"in {tmp_path / 'x'} (" in message(find_file, tmp_path, ["y"], "do", ("x",))


def test_find_lists_only_the_first_names(tmp_path, message):
    assert f"{tmp_path} is empty" in message(find_file, tmp_path, ["a"], "do")
    for i in range(8):
        (tmp_path / f"{i}").write_text("")
    assert "holds 0, 1, 2, 3, 4 and 3 more)" in message(find_file, tmp_path, ["a"], "do")


def test_lines_keep_their_numbers(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\n\r\n  two \n")
    assert read_lines(file) == [(1, "one"), (3, "two")]


def test_lines_of_a_file_that_is_missing_or_no_text(tmp_path, message):
    file = tmp_path / "lines.txt"
    assert f"there is no file {file}" in message(read_lines, file)
    file.write_bytes(b"\xff\xd8\xff")
    text = message(read_lines, file)
    assert str(file) in text
    assert "save it as UTF-8 text" in text


def test_labelled_checks_that_its_parts_fit(message):
    images, labels = np.zeros((2, 3, 4, 3), np.uint8), np.array([0, 1])
    data = Labelled(images, labels, ("a", "b"))
    assert len(data) == 2
    assert repr(data) == "Labelled(2 images of 3 x 4 x 3, 2 classes)"
    assert "float32" in message(Labelled, images.astype(np.float32), labels, ("a", "b"))
    assert "shape (2, 3)" in message(Labelled, images[:, :, 0, 0], labels, ("a", "b"))
    assert "int32: give int64" in message(Labelled, images, labels.astype(np.int32), ("a", "b"))
    assert "1 labels for 2 images" in message(Labelled, images, labels[:1], ("a", "b"))
    assert "label 1 of image 1 is outside 0..0" in message(Labelled, images, labels, ("a",))
    assert "label -1 of image 0" in message(Labelled, images, labels - 1, ("a", "b"))


def test_unknown_split(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'train'"):
        mnist(tmp_path, "trian")


@pytest.mark.parametrize("module", ["", "._files", ".idx", ".folders"])
def test_examples_in_the_docstrings(module):
    result = doctest.testmod(importlib.import_module(f"eccvkit.data.readers{module}"))
    assert result.attempted > 0
    assert result.failed == 0
