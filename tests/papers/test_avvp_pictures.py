import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from eccvkit.data.av_render import NAMES
from eccvkit.data.av_scenes import AVScenes, SnippetLabels
from eccvkit.papers import avvp
from eccvkit.papers.avvp import pictures
from eccvkit.training import History


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def truth():
    return AVScenes(noise=(1, 1), kinds=(0.4, 0.02, 0.58)).draw(30, 0)[1]


def test_scene_shows_sound_pictures_and_intervals(truth):
    figure = pictures.scene(truth, 0, NAMES)
    sound, strip, lanes = figure.axes
    assert sound.images and strip.images
    assert [t.get_text() for t in lanes.get_yticklabels()] == ["heard", "seen", "heard and seen"]


def test_scene_without_events():
    nothing = np.zeros((1, 10, 8), bool)
    figure = pictures.scene(SnippetLabels(nothing, nothing), 0, NAMES)
    assert not figure.axes[2].collections


def test_rows_of_a_parsing(truth):
    heard, seen = ~truth.audio, truth.visual
    rows = pictures.parsing_rows(truth, (heard, seen), 3)
    assert (rows["heard, found"] == ~truth.audio[3]).all()
    assert (rows["both, truth"] == truth.audio_visual[3]).all()
    assert (rows["both, found"] == (~truth.audio[3] & truth.visual[3])).all()
    assert set(pictures.FOUND) < set(rows)


def test_attention_panels_add_up_to_the_videos_probability():
    g = torch.Generator().manual_seed(0)
    p = torch.rand(10, 2, 3, generator=g)
    f_tp, f_av = torch.randn(2, 10, 2, 3, generator=g)
    _, axes = plt.subplots(2, 2)
    on = np.arange(10) < 3, np.arange(10) > 7
    pictures.attention_rows(axes.flat, p, f_tp, f_av, 1, on)
    panels = [np.asarray(ax.images[0].get_array()) for ax in axes.flat]
    assert np.allclose(panels[0] * panels[1] * panels[2], panels[3])
    assert np.allclose(panels[1].sum(axis=1), 1) and np.allclose(panels[2].sum(axis=0), 1)
    wanted = avvp.attentive_pooling(p[None], f_tp[None], f_av[None]).video[0, 1].item()
    assert panels[3].sum() == pytest.approx(wanted, rel=1e-5)
    assert f"{wanted:.2f}" in axes.flat[3].get_title()
    assert (panels[0][0] == p[:, 0, 1].numpy()).all()  # audio above
    marks = [line.get_xydata().mean(axis=0).round(2).tolist() for line in axes[0, 0].lines]
    assert marks == [[0.5, 0.93], [1.5, 0.93], [2.5, 0.93], [8.5, 1.93], [9.5, 1.93]]


def test_bias_path():
    frame = pd.DataFrame(
        {"epoch": [1, 2], "segment audio": [0.2, 0.6], "segment visual": [0.1, 0.3]}
    )
    _, ax = plt.subplots()
    pictures.bias_path(ax, {"wsl": History(frame, 0.0, 0.0)}, {"wsl": "red"}, marks=(2,))
    assert ax.lines[0].get_xydata().tolist() == [[20, 10], [60, 30]]
    assert [t.get_text() for t in ax.texts] == ["2"]


def test_feature_plane_draws_single_classes_only(truth):
    features = torch.randn(30, 10, 2, 4, generator=torch.Generator().manual_seed(0))
    _, ax = plt.subplots()
    pictures.feature_plane(ax, features, truth, NAMES, most=80, legend=True)
    drawn = sum(len(c.get_offsets()) for c in ax.collections)
    assert 0 < drawn <= 80
    named = {t.get_text() for t in ax.get_legend().get_texts()}
    assert {"heard", "seen"} < named <= {*NAMES, "heard", "seen"}


def test_cross_maps():
    audio, visual = torch.rand(2, 10, 10).softmax(-1)
    heard, seen = np.arange(10) < 3, np.arange(10) >= 8
    _, axes = plt.subplots(1, 2)
    pictures.cross_maps(axes, (audio, visual), heard, seen)
    assert np.allclose(axes[0].images[0].get_array(), audio)
    # Rows of the left map are audio snippets: three bars beside them, two above.
    assert len(axes[0].lines) == 5
    beside = [line.get_xdata() for line in axes[0].lines if line.get_xdata()[0] < 0]
    assert len(beside) == 3
    assert len([line for line in axes[1].lines if line.get_xdata()[0] < 0]) == 2
