import numpy as np
import pytest
from PIL import Image

from eccvkit.data.readers import image_folder, read_list, read_superclasses, tiny_imagenet
from eccvkit.errors import UnknownName

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint(path, colour=RED, height=2, width=3, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (width, height), colour).save(path)
    return path


@pytest.fixture
def pets(tmp_path):
    root = tmp_path / "pets"
    paint(root / "dog" / "1.PNG", BLUE)
    paint(root / "cat" / "2.png", GREEN)
    paint(root / "cat" / "1.bmp", RED)
    return root


@pytest.fixture
def listed(pets):
    """A list file over the pets, whose labels differ from those of the folders."""
    file = pets.parent / "train.txt"
    file.write_text("dog/1.PNG 0\ncat/1.bmp 2\n\ncat/2.png 1\n")
    return file


# One folder per class


def test_image_folder_is_in_the_order_of_the_names(pets):
    data = image_folder(pets)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0, 0, 1]
    assert data.images.shape == (3, 2, 3, 3)
    assert data.images[:, 1, 2].tolist() == [list(RED), list(GREEN), list(BLUE)]


def test_image_folder_passes_over_what_is_no_image(pets):
    (pets / "dog" / "notes.txt").write_text("good boy")
    (pets / "dog" / ".hidden.png").write_text("")
    (pets / "dog" / "folder.png").mkdir()
    (pets / ".git").mkdir()
    (pets / "readme.png").write_text("")
    assert image_folder(pets).labels.tolist() == [0, 0, 1]


def test_image_folder_from_the_environment(pets, monkeypatch):
    monkeypatch.setenv("ECCVKIT_DATA", str(pets))
    assert len(image_folder()) == 3


def test_grey_is_luminance_without_channel_axis(pets):
    data = image_folder(pets, grey=True)
    assert data.images.shape == (3, 2, 3)
    assert data.images[:, 0, 0].tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


def test_images_in_other_modes_become_rgb(tmp_path):
    paint(tmp_path / "a" / "1.png", 7, mode="L")
    paint(tmp_path / "a" / "2.png", (1, 2, 3, 0), mode="RGBA")
    data = image_folder(tmp_path)
    assert data.images[:, 0, 0].tolist() == [[7, 7, 7], [1, 2, 3]]


def test_size_is_height_and_width(tmp_path):
    image = np.zeros((4, 8), np.uint8)
    image[:, 4:] = 200
    (tmp_path / "a").mkdir()
    Image.fromarray(image).save(tmp_path / "a" / "1.png")
    paint(tmp_path / "a" / "2.png", 50, 9, 9, "L")
    data = image_folder(tmp_path, size=(2, 4), grey=True)
    assert data.images.shape == (2, 2, 4)
    assert data.images[0, 0, 0] == 0
    assert data.images[0, 1, 3] == 200
    assert (data.images[1] == 50).all()


def test_keep_reads_these_labels_only(pets):
    (pets / "cat" / "1.bmp").write_text("broken, but not read")
    data = image_folder(pets, keep={1})
    assert data.labels.tolist() == [1]
    assert data.classes == ("cat", "dog")


def test_keep_without_any_image(pets, message):
    text = message(image_folder, pets, keep=[5])
    assert f"no image of {pets} has a label in keep" in text


def test_images_of_several_sizes(pets, message):
    odd = paint(pets / "dog" / "2.png", height=5, width=7)
    text = message(image_folder, pets)
    assert f"{odd} is 5 x 7 (height x width) but {pets / 'cat' / '1.bmp'} is 2 x 3" in text
    assert "pass size=(height, width)" in text


@pytest.mark.parametrize("size", [3, (3,), (0, 3), (3, 2.5), "ab"])
def test_bad_size(pets, message, size):
    assert f"size is {size!r}" in message(image_folder, pets, size=size)


def test_no_classes(tmp_path, message):
    assert "no class folders" in message(image_folder, tmp_path)
    paint(tmp_path / "1.png")
    text = message(image_folder, tmp_path)
    assert f"{tmp_path} holds 1.png" in text
    assert "one per class" in text


def test_class_without_images(pets, message):
    (pets / "bird").mkdir()
    assert f"{pets / 'bird'} is empty" in message(image_folder, pets)
    (pets / "bird" / "a.txt").write_text("")
    text = message(image_folder, pets)
    assert f"{pets / 'bird'} holds a.txt" in text
    assert "put them there or delete it" in text


@pytest.mark.parametrize("kept", [0, 20, -20])
def test_unreadable_image(pets, message, kept):
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    broken = pets / "cat" / "3.jpg"
    Image.fromarray(noise).save(broken)
    broken.write_bytes(broken.read_bytes()[:kept])
    text = message(image_folder, pets, size=(2, 3))
    assert f"{broken} is no readable image" in text
    assert "replace or delete the file" in text


def test_sixteen_bits_are_refused_not_clipped(tmp_path, message):
    file = tmp_path / "a" / "1.png"
    file.parent.mkdir()
    Image.fromarray(np.full((2, 2), 60000, np.uint16)).save(file)
    text = message(image_folder, tmp_path, grey=True)
    assert f"{file} has more than 8 bits per channel: convert it" in text


# Tiny ImageNet


@pytest.fixture
def tiny(tmp_path):
    home = tmp_path / "tiny-imagenet-200"
    paint(home / "train" / "n02" / "images" / "n02_0.JPEG", BLUE, 8, 8)
    paint(home / "train" / "n01" / "images" / "n01_1.JPEG", GREEN, 8, 8)
    paint(home / "train" / "n01" / "images" / "n01_0.JPEG", RED, 8, 8)
    (home / "train" / "n01" / "n01_boxes.txt").write_text("n01_0.JPEG\t0\t0\t7\t7\n")
    paint(home / "val" / "images" / "val_0.JPEG", BLUE, 8, 8)
    paint(home / "val" / "images" / "val_1.JPEG", RED, 8, 8)
    (home / "val" / "val_annotations.txt").write_text(
        "val_0.JPEG\tn02\t0\t0\t7\t7\nval_1.JPEG\tn01\t1\t1\t5\t5\n"
    )
    (home / "wnids.txt").write_text("n02\nn01\n")
    return tmp_path


@pytest.mark.parametrize("place", [".", "tiny-imagenet-200"])
def test_tiny_imagenet(tiny, place):
    train, val = tiny_imagenet(tiny / place), tiny_imagenet(tiny / place, "val")
    assert train.classes == val.classes == ("n01", "n02")
    assert train.labels.tolist() == [0, 0, 1]
    assert val.labels.tolist() == [1, 0]
    assert train.images.shape == (3, 8, 8, 3)
    assert train.images[:, 4, 4].argmax(axis=1).tolist() == [0, 1, 2]
    assert val.images[:, 4, 4].argmax(axis=1).tolist() == [2, 0]


def test_tiny_imagenet_without_wnids_takes_the_training_folders(tiny, message):
    (tiny / "tiny-imagenet-200" / "wnids.txt").unlink()
    assert tiny_imagenet(tiny, "val").labels.tolist() == [1, 0]
    (tiny / "tiny-imagenet-200" / "train").rename(tiny / "elsewhere")
    assert "named by wnids.txt or the folder train" in message(tiny_imagenet, tiny, "val")


def test_tiny_imagenet_options(tiny):
    train = tiny_imagenet(tiny, keep=[1], grey=True, size=(4, 4))
    assert train.images.shape == (1, 4, 4)
    assert train.labels.tolist() == [1]
    assert tiny_imagenet(tiny, "val", keep=[0]).labels.tolist() == [0]


def test_tiny_imagenet_has_no_labelled_test_split(tiny):
    with pytest.raises(UnknownName, match="Valid: train, val"):
        tiny_imagenet(tiny, "test")


def test_tiny_imagenet_missing_parts(tiny, tmp_path_factory, message):
    empty = tmp_path_factory.mktemp("empty")
    assert "found no train in" in message(tiny_imagenet, empty)
    text = message(tiny_imagenet, empty, "val")
    assert "found no val/val_annotations.txt" in text
    assert "unpack tiny-imagenet-200.zip there" in text
    home = tiny / "tiny-imagenet-200"
    (home / "val" / "images" / "val_1.JPEG").unlink()
    text = message(tiny_imagenet, tiny, "val")
    assert f"{home / 'val' / 'val_annotations.txt'}, line 2: there is no image" in text
    (home / "wnids.txt").write_text("n01\nn02\nn03\n")
    assert f"there is no folder {home / 'train' / 'n03' / 'images'}" in message(tiny_imagenet, tiny)
    (home / "wnids.txt").write_text("\n")
    assert "wnids.txt is empty" in message(tiny_imagenet, tiny)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("val_0.JPEG\tn02\t0\nval_1.JPEG n01\n", "line 2: 'val_1.JPEG n01' should start"),
        ("val_0.JPEG\tn09\t0\n", "line 1: 'n09' is none of the 2 classes"),
        ("\n", "val_annotations.txt is empty"),
    ],
)
def test_tiny_imagenet_malformed_annotations(tiny, message, text, part):
    (tiny / "tiny-imagenet-200" / "val" / "val_annotations.txt").write_text(text)
    assert part in message(tiny_imagenet, tiny, "val")


# List files


def test_read_list_is_in_the_order_of_the_list(pets, listed):
    data = read_list(listed, pets)
    assert data.labels.tolist() == [0, 2, 1]
    assert data.images[:, 0, 0].tolist() == [list(BLUE), list(RED), list(GREEN)]
    assert data.classes == ("0", "1", "2")


def test_read_list_keeps_known_or_unknown(pets, listed, message):
    known, unknown = read_list(listed, pets, keep={0, 2}), read_list(listed, pets, keep={1})
    assert known.labels.tolist() == [0, 2]
    assert unknown.labels.tolist() == [1]
    assert known.classes == unknown.classes == ("0", "1", "2")
    text = message(read_list, listed, pets, keep={7})
    assert f"no image of {listed} has a label in keep" in text


def test_read_list_takes_paths_with_spaces_and_options(pets, tmp_path, monkeypatch):
    paint(pets / "big cat" / "a b.png", GREEN, 4, 4)
    list_file = tmp_path / "list.txt"
    list_file.write_text("big cat/a b.png\t3\r\n")
    monkeypatch.setenv("ECCVKIT_DATA", str(pets))
    data = read_list(str(list_file), size=(1, 2), grey=True)
    assert data.images.tolist() == [[[150, 150]]]
    assert data.labels.tolist() == [3]


def test_read_list_with_superclasses(pets, listed, tmp_path):
    roles = tmp_path / "roles.txt"
    roles.write_text("0 house pet\n1\ttoy\n2 house pet\n3 alien\n")
    assert read_superclasses(roles) == {0: "house pet", 1: "toy", 2: "house pet", 3: "alien"}
    data = read_list(listed, pets, superclasses=roles)
    assert data.classes == ("alien", "house pet", "toy")
    assert data.labels.tolist() == [1, 1, 2]
    # keep still speaks of the labels in the list
    assert read_list(listed, pets, superclasses=roles, keep={2}).labels.tolist() == [1]


def test_superclasses_that_are_numbers_keep_their_order(pets, listed, tmp_path):
    roles = tmp_path / "roles.txt"
    roles.write_text("0 10\n1 9\n2 0\n")
    data = read_list(listed, pets, superclasses=roles)
    assert data.classes == ("0", "9", "10")
    assert data.labels.tolist() == [2, 0, 1]


def test_read_list_missing_image_is_told_before_decoding(pets, listed, message):
    (pets / "dog" / "1.PNG").write_text("broken")
    (pets / "cat" / "2.png").unlink()
    text = message(read_list, listed, pets)
    assert f"{listed}, line 4: there is no image {pets / 'cat' / '2.png'}" in text
    assert "correct root or the list" in text
    assert read_list(listed, pets, keep={2}).labels.tolist() == [2]


def test_read_list_missing_or_empty_list(pets, tmp_path, message):
    file = tmp_path / "absent.txt"
    assert f"there is no file {file}" in message(read_list, file, pets)
    file.write_text("\n\n")
    assert f"{file} is empty: write one line 'path label'" in message(read_list, file, pets)


@pytest.mark.parametrize("label", ["-1", "x", "1.0", "1_0", "+1", "²", "9" * 30])
def test_read_list_bad_label(pets, listed, message, label):
    listed.write_text(f"dog/1.PNG 0\ncat/1.bmp {label}\n")
    text = message(read_list, listed, pets)
    assert f"{listed}, line 2: label {label!r} should be an integer" in text


def test_read_list_malformed_line(pets, listed, message):
    listed.write_text("dog/1.PNG 0\n\ncat/1.bmp\n")
    text = message(read_list, listed, pets)
    assert f"{listed}, line 3: 'cat/1.bmp' should read 'path label'" in text


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("0 a\n1\n", "line 2: '1' should read 'label superclass'"),
        ("a 0\n", "line 1: label 'a' should be an integer"),
        ("0 a\n0 b\n", "line 2: label 0 stands twice"),
        ("", "is empty"),
        ("0 a\n2 a\n", "gives no superclass for label 1: add a line"),
    ],
)
def test_malformed_superclasses(pets, listed, tmp_path, message, content, part):
    roles = tmp_path / "roles.txt"
    roles.write_text(content)
    text = message(read_list, listed, pets, superclasses=roles)
    assert str(roles) in text
    assert part in text
