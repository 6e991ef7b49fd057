import numpy as np
import pytest

from eccvkit.data.readers.llp import CLASSES, FEATURES, llp, llp_events
from eccvkit.errors import UnknownName

VIDEOS = {"abcdefghij-_0_10": "Dog,Speech", "12345678901_30_40": "Cello"}
NAMES = tuple(VIDEOS)


def write_features(root, name, seed):
    rng = np.random.default_rng(seed)
    for folder, shape in FEATURES.items():
        (root / folder).mkdir(exist_ok=True)
        array = rng.normal(size=shape).astype(np.float32)
        np.save(root / folder / f"{name[:11]}.npy", array)


def table(path, *rows):
    path.write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")


@pytest.fixture
def root(tmp_path):
    table(tmp_path / "AVVP_train.csv", ("filename", "event_labels"), *VIDEOS.items())
    for seed, name in enumerate(VIDEOS):
        write_features(tmp_path, name, seed)
    header = ("filename", "onset", "offset", "event_labels")
    table(
        tmp_path / "AVVP_eval_audio.csv",
        header,
        (NAMES[0], 0, 2, "Dog"),
        (NAMES[0], 1, 4, "Dog"),
        (NAMES[0], "9.0", 10, "Speech"),
        ("of_the_other_split_0_10", 0, 10, "Car"),
    )
    table(tmp_path / "AVVP_eval_visual.csv", header, (NAMES[1], 3, 5, "Cello"))
    return tmp_path


def test_videos(root):
    videos = llp(root)
    assert videos.names == NAMES
    bags = videos.bags
    assert bags.audio.shape == (2, 10, 128) and bags.visual.shape == (2, 10, 2560)
    assert [CLASSES[k] for k in bags.labels[0].nonzero()[:, 0]] == ["Speech", "Dog"]
    assert bags.labels[1].sum() == 1 and bags.labels[1, CLASSES.index("Cello")] == 1


def test_frames_of_a_second_are_averaged(root):
    bags = llp(root).bags
    frames = np.load(root / "res152" / f"{NAMES[1][:11]}.npy")
    clips = np.load(root / "r2plus1d_18" / f"{NAMES[1][:11]}.npy")
    assert np.allclose(bags.visual[1, 3, :2048].numpy(), frames[24:32].mean(axis=0), atol=1e-6)
    assert (bags.visual[1, 3, 2048:].numpy() == clips[3]).all()


def test_events_in_the_order_of_the_names(root):
    truth = llp_events(root, NAMES[::-1])
    dog, speech = CLASSES.index("Dog"), CLASSES.index("Speech")
    assert truth.audio[1, :, dog].nonzero()[0].tolist() == [0, 1, 2, 3]  # rows overlap
    assert truth.audio[1, :, speech].nonzero()[0].tolist() == [9]
    assert not truth.audio[0].any()  # no row: no event
    assert truth.visual[0, :, CLASSES.index("Cello")].nonzero()[0].tolist() == [3, 4]
    assert truth.audio.sum() == 5 and truth.visual.sum() == 2


def test_the_class_list():
    assert len(set(CLASSES)) == 25
    assert CLASSES[:3] == ("Speech", "Car", "Cheering")


def test_tables_below_data_and_features_below_feats(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "data").mkdir()
    (other / "feats").mkdir()
    for path in list(root.iterdir()):
        path.rename(other / ("feats" if path.is_dir() else "data") / path.name)
    assert llp(other).names == NAMES
    assert llp_events(other, NAMES).visual.any()


def test_unknown_split(root):
    with pytest.raises(UnknownName, match="train, val, test"):
        llp(root, "eval")


def test_missing_table(root, message):
    assert "AVVP_val_pd.csv" in message(llp, root, "val")
    (root / "AVVP_eval_visual.csv").unlink()
    assert "AVVP_eval_visual.csv" in message(llp_events, root, NAMES)


def test_missing_features(root, message):
    path = root / "res152" / f"{NAMES[1][:11]}.npy"
    path.unlink()
    assert path.name in message(llp, root)
    (root / "vggish").rename(root / "vgg")
    assert "vggish" in message(llp, root)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((10, 127), np.float32),
        np.zeros((10, 128), int),
        np.full((10, 128), np.nan),
        np.array(["a"], dtype=object),
    ],
)
def test_bad_features(root, message, array):
    path = root / "vggish" / f"{NAMES[0][:11]}.npy"
    np.save(path, array, allow_pickle=True)
    assert path.name in message(llp, root)


def test_truncated_features(root, message):
    path = root / "vggish" / f"{NAMES[0][:11]}.npy"
    path.write_bytes(path.read_bytes()[:200])
    assert path.name in message(llp, root)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("short\tDog", "no video id"),
        ("abcdefghijk_0_10\tUnicorn", "unknown event label 'Unicorn'"),
        ("abcdefghijk_0_10\tDog,Unicorn", "unknown event label"),
        ("abcdefghijk_0_10\t,", "0 event labels"),
        ("abcdefghijk_0_10\tDog\tCat", "3 columns"),
        ("abcdefghijk_0_10", "1 columns"),
        (f"{NAMES[0]}\tDog", "line 2"),
    ],
)
def test_bad_rows_of_the_video_table(root, message, row, words):
    path = root / "AVVP_train.csv"
    path.write_text(path.read_text() + row + "\n")
    text = message(llp, root)
    assert f"{path}, line 4" in text and words in text


@pytest.mark.parametrize(
    ("onset", "offset", "label", "words"),
    [
        (3, 3, "Dog", "empty or leaves"),
        (5, 2, "Dog", "empty or leaves"),
        (-1, 2, "Dog", "empty or leaves"),
        (8, 11, "Dog", "empty or leaves"),
        ("1.5", 3, "Dog", "whole number"),
        ("soon", 3, "Dog", "whole number"),
        ("nan", 3, "Dog", "whole number"),
        ("inf", 3, "Dog", "whole number"),
        ("", 3, "Dog", "whole number"),
        (1, 3, "Unicorn", "unknown event label"),
        (1, 3, "Dog,Cat", "2 event labels"),
        (1, 3, ",", "0 event labels"),
        (1, 3, "", "3 columns"),  # without its last, empty cell
    ],
)
def test_bad_rows_of_an_event_table(root, message, onset, offset, label, words):
    # Also in a row of a video that is not asked for.
    path = root / "AVVP_eval_visual.csv"
    path.write_text(path.read_text() + f"another_one_0_10\t{onset}\t{offset}\t{label}\n")
    text = message(llp_events, root, NAMES)
    assert f"{path}, line 3" in text and words in text


def test_commas_instead_of_tabs(root, message):
    path = root / "AVVP_train.csv"
    path.write_text(path.read_text().replace("\t", ";"))
    assert "tab-separated" in message(llp, root)


@pytest.mark.parametrize("text", ["", "filename\tevent_labels\n"])
def test_empty_tables(root, message, text):
    path = root / "AVVP_train.csv"
    path.write_text(text)
    assert str(path) in message(llp, root)


def test_a_name_twice(root, message):
    assert "twice" in message(llp_events, root, (NAMES[0], NAMES[0]))
