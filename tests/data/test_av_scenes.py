import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from eccvkit.data.av_render import (
    NAMES,
    RATE,
    class_names,
    frames,
    icon,
    log_mel,
    wav,
    waveform,
)
from eccvkit.data.av_scenes import AVScenes, Bags, SnippetLabels
from eccvkit.errors import DataError, EccvkitError
from eccvkit.metrics.events import intervals

WORLD = AVScenes()


@pytest.fixture(scope="module")
def many():
    return WORLD.draw(2000, seed=3)


def test_same_seed_same_videos_another_seed_others():
    a, b, c = WORLD.draw(5, 1), WORLD.draw(5, 1), WORLD.draw(5, 2)
    assert torch.equal(a[0].audio, b[0].audio) and (a[1].visual == b[1].visual).all()
    assert not torch.equal(a[0].audio, c[0].audio)


def test_noise_changes_features_only_in_size():
    quiet, truth = replace(WORLD, noise=(0.0, 0.0)).draw(6, 1)
    loud, same = replace(WORLD, noise=(1.0, 2.0)).draw(6, 1)
    louder, _ = replace(WORLD, noise=(2.0, 2.0)).draw(6, 1)
    assert (truth.audio == same.audio).all()
    assert torch.allclose(2 * (loud.audio - quiet.audio), louder.audio - quiet.audio, atol=1e-5)


def test_features_are_sums_of_class_vectors():
    bags, truth = replace(WORLD, noise=(0.0, 0.0)).draw(20, 0)
    audio, visual = WORLD.prototypes()
    assert np.allclose(np.linalg.norm(audio, axis=1), 2)
    assert np.allclose(bags.audio.numpy(), truth.audio @ audio, atol=1e-6)
    assert np.allclose(bags.visual.numpy(), truth.visual @ visual, atol=1e-6)


def test_noise_has_the_stated_size(many):
    bags, truth = many
    audio, visual = WORLD.prototypes()
    assert (bags.audio.numpy() - truth.audio @ audio).std() == pytest.approx(0.4, rel=0.01)
    assert (bags.visual.numpy() - truth.visual @ visual).std() == pytest.approx(0.8, rel=0.01)


def test_bag_label_is_the_union(many):
    bags, truth = many
    assert (bags.labels.numpy().astype(bool) == truth.bag).all()
    assert (truth.audio_visual == (truth.audio & truth.visual)).all()
    assert truth.bag.any(axis=1).all()


def test_shares_of_the_design(many):
    _, truth = many
    per_video = truth.bag.sum(axis=1)
    for n, share in enumerate(WORLD.how_many, start=1):
        assert (per_video == n).mean() == pytest.approx(share, abs=0.035)
    heard, seen = truth.audio.any(axis=1)[truth.bag], truth.visual.any(axis=1)[truth.bag]
    for share, found in zip(WORLD.kinds, (heard & ~seen, seen & ~heard, heard & seen)):
        assert found.mean() == pytest.approx(share, abs=0.03)


def test_intervals_have_the_stated_lengths(many):
    _, truth = many
    rows = [
        intervals(truth.audio[i, :, k]) for i in range(500) for k in np.flatnonzero(truth.bag[i])
    ]
    lengths = np.concatenate([r[:, 1] - r[:, 0] for r in rows])
    assert lengths.min() == 2
    # Two intervals of six may touch or overlap.
    assert lengths.max() <= 10
    assert {len(r) for r in rows} == {0, 1, 2}


def test_times_of_the_two_senses_are_independent(many):
    _, truth = many
    both = truth.audio.any(axis=1) & truth.visual.any(axis=1)
    onsets = [
        (truth.audio[i, :, k].argmax(), truth.visual[i, :, k].argmax())
        for i, k in zip(*np.nonzero(both))
    ]
    assert abs(np.corrcoef(np.array(onsets).T)[0, 1]) < 0.1


def test_synchrony_is_the_share_with_equal_times():
    for share in (0.0, 0.5, 1.0):
        _, truth = replace(WORLD, synchrony=share, kinds=(0.0, 0.0, 1.0)).draw(400, 0)
        same = (truth.audio == truth.visual).all(axis=1)[truth.bag].mean()
        # Independent times agree now and then.
        assert same == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kinds": (0.5, 0.5, 0.5)}, "sum to 1"),
        ({"how_many": (1.2, -0.2)}, "0 or more"),
        ({"spans": (2, 11)}, "spans"),
        ({"spans": (0, 4)}, "spans"),
        ({"classes": 2}, "more classes"),
        ({"noise": (-1.0, 0.1)}, "noise"),
        ({"twice": 1.5}, "twice"),
        ({"synchrony": -0.1}, "synchrony"),
    ],
)
def test_impossible_worlds(change, words):
    with pytest.raises(EccvkitError, match=words):
        AVScenes(**change)


def test_no_videos():
    with pytest.raises(EccvkitError, match="at least one"):
        WORLD.draw(0, 0)


def test_bags_that_do_not_fit():
    with pytest.raises(DataError, match=r"\(N, T"):
        Bags(torch.zeros(2, 10, 3), torch.zeros(2, 9, 3), torch.zeros(2, 4))
    with pytest.raises(DataError, match=r"\(N, T"):
        Bags(torch.zeros(2, 10, 3), torch.zeros(2, 10, 3), torch.zeros(3, 4))


def test_part_of_the_bags():
    bags, _ = WORLD.draw(6, 0)
    part = bags[2:4]
    assert len(part) == 2 and torch.equal(part.visual, bags.visual[2:4])


# --- rendering ------------------------------------------------------------------------------


def labels(*seconds, k=0, t=4, c=8):
    active = np.zeros((t, c), bool)
    active[list(seconds), k] = True
    return active


@pytest.mark.parametrize("k", range(len(NAMES)))
def test_a_clip_sounds_where_a_class_is_heard_and_nowhere_else(k):
    wave = waveform(labels(1, 2, k=k))
    assert wave.shape == (4 * RATE,) and np.abs(wave).max() <= 1
    power = (wave.reshape(4, RATE) ** 2).mean(axis=1)
    assert power[[1, 2]].min() > 0.01
    assert power[[0, 3]].max() < 1e-4 * power[1]


def test_a_wav_file_holds_the_wave():
    wave = waveform(labels(0, 2, k=5))
    rate, samples = wavfile.read(io.BytesIO(wav(wave)))
    assert rate == RATE and samples.dtype == np.uint8 and len(samples) == len(wave)
    assert np.abs(samples / 127.5 - 1 - wave).max() < 0.005
    assert len(wav(wave)) < 1.01 * len(wave)
    loud = wavfile.read(io.BytesIO(wav(np.array([-3.0, 3.0]))))[1]
    assert loud.tolist() == [0, 255]


def test_sounds_differ():
    pictures = [log_mel(waveform(labels(0, 1, 2, 3, k=k))).mean(axis=1) for k in range(8)]
    for i in range(8):
        for j in range(i):
            assert np.abs(pictures[i] - pictures[j]).mean() > 0.03, (NAMES[i], NAMES[j])


def test_log_mel_finds_a_tone():
    t = np.arange(2 * RATE) / RATE
    low, high = (log_mel(np.sin(2 * np.pi * f * t), 20, 10) for f in (300, 3000))
    assert low.shape == (20, 20)
    assert low.min() >= 0 and low.max() <= 1
    mel = [2595 * np.log10(1 + f / 700) for f in (300, 3000, 4000)]
    assert low[:, 10].argmax() == pytest.approx(20 * mel[0] / mel[2], abs=1.5)
    assert high[:, 10].argmax() == pytest.approx(20 * mel[1] / mel[2], abs=1.5)
    assert log_mel(np.zeros(RATE)).max() == 0


def test_icons_differ_and_frames_show_them():
    drawings = [icon(k) for k in range(8)]
    assert all(0.05 < d.mean() < 0.6 for d in drawings)
    assert all(np.abs(drawings[i] - drawings[j]).mean() > 0.05 for i in range(8) for j in range(i))
    pictures = frames(labels(1, k=3) | labels(2, k=5))
    assert pictures.shape == (4, 64, 64)
    assert np.ptp(pictures[0]) == 0 and pictures[1].min() < 0.1
    assert not np.allclose(pictures[1], pictures[2])


def test_what_cannot_be_rendered():
    assert class_names(9) == (*NAMES, "class 8")
    with pytest.raises(EccvkitError, match="class 9 has no sound"):
        waveform(labels(0, k=9, c=10))
    with pytest.raises(EccvkitError, match="class 9 has no symbol"):
        frames(labels(0, k=9, c=10))
    with pytest.raises(EccvkitError, match="class 8 has no symbol"):
        icon(8)
    with pytest.raises(EccvkitError, match="one video"):
        waveform(np.zeros((2, 4, 8), bool))
    with pytest.raises(EccvkitError, match="at most 4"):
        frames(np.ones((2, 5), bool))


def test_silence():
    assert waveform(np.zeros((3, 8), bool)).tolist() == [0.0] * (3 * RATE)
    truth = SnippetLabels(np.zeros((1, 3, 8), bool), np.zeros((1, 3, 8), bool))
    assert not truth.bag.any()
