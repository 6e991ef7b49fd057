"""Figures of paper 37: they show what their data say."""

from dataclasses import replace

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from eccvkit.errors import EccvkitError
from eccvkit.papers import s2dnet
from eccvkit.papers.s2dnet import pictures
from eccvkit.study import run_study

QUICK = replace(
    s2dnet.PRESETS["smoke"], image_size=32, pairs=8, epochs=1, test_pairs=3, detections=12,
    keypoints=6, shrink=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def kept():
    keep = {}
    s2dnet.run(QUICK, "S2DNet", 500, keep=keep)
    return keep


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def fake(config, variant, seed, device, *, keep=None):
    arm = s2dnet.VARIANTS[variant]
    base = 0.4 + 0.2 * arm.dense + 0.01 * seed
    mma = {f"mma@{t}": base + 0.02 * t for t in (1, 2, 3, 5, 10)}
    tau = arm.tau or 0.0
    return mma | {"matches": 10 - 10 * tau, "empty": tau, "precision@1": 0.5 + tau}


@pytest.fixture(scope="module")
def study():
    return run_study(fake, None, s2dnet.VARIANTS, [0, 1, 2])


def test_maps_of_a_keypoint_add_up_to_the_sum(kept):
    pairs = kept["task"].tests["view"]
    maps = pictures.maps_of_keypoint(kept["matcher"], pairs.first[0], pairs.second[0], (9, 20))
    assert list(maps) == [
        "fine (stride 1)", "middle (stride 2)", "coarse (stride 4)", "sum", "softmax",
    ]  # fmt: skip
    *levels, total, probability = maps.values()
    assert torch.allclose(sum(levels), total, atol=1e-4)
    assert probability.sum().item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(EccvkitError, match="outside of image A"):
        pictures.maps_of_keypoint(kept["matcher"], pairs.first[0], pairs.second[0], (9, 40))


@pytest.mark.parametrize("test", ["view", "stereo"])
def test_figure_4_has_a_row_per_keypoint(kept, test):
    pairs = kept["task"].tests[test]
    figure = pictures.correspondence_maps(kept["matcher"], pairs, [(0, (9, 20)), (0, (16, 16))])
    assert len(figure.axes) == 2 * 7
    assert figure.axes[4].get_title() == "sum" and figure.axes[11].get_title() == ""
    assert figure.axes[5].get_xlabel().startswith("p = ")
    assert figure.axes[5].images[0].get_clim() == (0, 1)
    plt.close(figure)


def test_lines_show_right_and_wrong_matches(ax):
    image = torch.zeros(3, 8, 10)
    points = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    pictures.match_lines(ax, image, image, points, points, torch.tensor([0.0, 9.0]))
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 15], [3, 17]]
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_accuracy_in_percent_against_the_threshold(ax, study):
    pictures.accuracy_curves(ax, study, ["S2DNet, S2S", "S2DNet"], {})
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2", "3", "5", "10"]
    sparse, dense = (bars.lines[0] for bars in ax.containers)
    assert dense.get_ydata().tolist() == pytest.approx([63, 65, 67, 71, 81])
    # Side by side around the tick, so that equal arms do not hide each other.
    assert (sparse.get_xdata() + dense.get_xdata()).tolist() == pytest.approx([0, 2, 4, 6, 8])
    assert (sparse.get_xdata() < dense.get_xdata()).all()


def test_bars_stand_in_pairs_of_both_settings(ax, study):
    pictures.detector_bars(ax, study)
    heights = [bar.get_height() for bar in ax.patches]
    assert heights == pytest.approx([43] * 4 + [63] * 4)


def test_threshold_sweep_covers_the_axis_of_tau(study):
    figure, axes = plt.subplots(1, 4)
    pictures.threshold_sweep(axes, study)
    for ax in axes:
        assert len(ax.lines) == 2
        for line in ax.lines:
            assert line.get_xdata().tolist() == list(s2dnet.TAU_AXIS.values())
    assert axes[3].get_yticklabels()[-1].get_text().endswith("%")
    plt.close(figure)


def test_pose_curve_and_pipeline(ax):
    pictures.pose_curve(ax, s2dnet.pose_noise([0.0, 2.0], trials=3))
    without, with_noise = ax.lines[0].get_ydata()
    assert without == pytest.approx(0, abs=1e-4) and with_noise > 1
    pictures.pipeline(ax)
    assert any("262,144" in text.get_text() for text in ax.texts)


def test_descriptors_of_warps_have_the_label_of_their_keypoint(kept):
    image = kept["task"].tests["view"].first[0]
    keypoints = torch.tensor([[8.0, 8.0], [16.0, 20.0], [22.0, 10.0]])
    levels, labels = pictures.warped_descriptors(kept["matcher"], image, keypoints, warps=4)
    assert len(levels) == 3 and all(level.shape == (len(labels), 16) for level in levels)
    assert set(labels) <= {0, 1, 2} and 6 <= len(labels) <= 12
    assert all(np.isfinite(level).all() for level in levels)
