import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eccvkit.errors import EccvkitError
from eccvkit.metrics.events import (
    Counts,
    event_counts,
    f_scores,
    intervals,
    mark_intervals,
    parsing_scores,
    segment_counts,
    temporal_iou,
    video_f,
)

labels = arrays(bool, (3, 8, 2))


def one(*active):
    """(1, T, 1) from a sequence."""
    return np.array(active, dtype=bool)[None, :, None]


def test_intervals_at_the_borders():
    assert intervals([1, 1, 0, 0, 1]).tolist() == [[0, 2], [4, 5]]
    assert intervals([0, 0]).shape == (0, 2)
    assert intervals([1, 1]).tolist() == [[0, 2]]


@given(arrays(bool, st.integers(1, 12)))
def test_marking_undoes_intervals(active):
    assert (mark_intervals(intervals(active), len(active)) == active).all()


def test_overlapping_intervals_merge():
    assert intervals(mark_intervals([[1, 4], [3, 6]], 8)).tolist() == [[1, 6]]


@pytest.mark.parametrize("bad", [[3, 3], [5, 2], [-1, 2], [7, 9]])
def test_bad_interval(bad):
    with pytest.raises(EccvkitError, match="no part of 8 snippets"):
        mark_intervals([bad], 8)


def test_temporal_iou_by_hand():
    iou = temporal_iou([[0, 4], [2, 3]], [[2, 6], [0, 4], [9, 9]])
    assert np.allclose(iou, [[2 / 6, 1, 0], [1 / 4, 1 / 4, 0]])
    assert temporal_iou([[1, 1]], [[1, 1]]).tolist() == [[0]]  # two empty ones


def test_segment_counts_by_hand():
    counts = segment_counts(one(1, 1, 0, 0), one(0, 1, 1, 1))
    assert [int(x.item()) for x in counts] == [1, 2, 1]
    assert f_scores(counts).item() == pytest.approx(2 / 5)


def test_event_counts_by_hand():
    # [0, 4) against [1, 4): IoU 3/4. [6, 8) against [7, 10): IoU 1/4.
    truth = one(1, 1, 1, 1, 0, 0, 1, 1, 0, 0)
    found = one(0, 1, 1, 1, 0, 0, 0, 1, 1, 1)
    assert [int(x.item()) for x in event_counts(truth, found)] == [1, 1, 1]
    assert [int(x.item()) for x in event_counts(truth, found, 0.75)] == [1, 1, 1]
    assert [int(x.item()) for x in event_counts(truth, found, 0.76)] == [0, 2, 2]


def test_a_gap_splits_an_event():
    # Half of [0, 4) is [0, 2): IoU exactly one half still matches; the other part is wrong.
    counts = event_counts(one(1, 1, 1, 1), one(1, 1, 0, 1))
    assert [int(x.item()) for x in counts] == [1, 1, 0]


def loop(truth, found, iou):
    """Events matched one by one, each true one at most once."""
    n, _, c = truth.shape
    tp, fp, fn = (np.zeros((n, c), int) for _ in range(3))
    for i in range(n):
        for k in range(c):
            left = intervals(truth[i, :, k]).tolist()
            for a, b in intervals(found[i, :, k]).tolist():
                good = [
                    (x, y)
                    for x, y in left
                    if min(b, y) > max(a, x)
                    and (min(b, y) - max(a, x)) >= iou * (max(b, y) - min(a, x))
                ]
                if good:
                    left.remove(list(good[0]))
                    tp[i, k] += 1
                else:
                    fp[i, k] += 1
            fn[i, k] = len(left)
    return Counts(tp, fp, fn)


@given(labels, labels, st.sampled_from([0.5, 0.6, 1.0]))
def test_event_counts_against_a_loop(truth, found, iou):
    for ours, theirs in zip(event_counts(truth, found, iou), loop(truth, found, iou)):
        assert (ours == theirs).all()


@given(labels, labels)
def test_exchanging_truth_and_prediction_exchanges_errors(truth, found):
    for count in (segment_counts, event_counts):
        tp, fp, fn = count(truth, found)
        assert [(a == b).all() for a, b in zip(count(found, truth), (tp, fn, fp))] == [True] * 3


@pytest.mark.parametrize("iou", [0.49, 1.01, float("nan")])
def test_ambiguous_threshold(iou):
    with pytest.raises(EccvkitError, match="unique"):
        event_counts(one(1), one(1), iou)


def test_video_without_any_event_scores_one():
    nothing = np.zeros((1, 4, 3), bool)
    assert video_f(segment_counts(nothing, nothing)).tolist() == [1.0]
    assert video_f(event_counts(nothing, nothing)).tolist() == [1.0]
    # A false alarm there scores zero.
    alarm = nothing.copy()
    alarm[0, 1, 2] = True
    assert video_f(segment_counts(nothing, alarm)).tolist() == [0.0]


def test_per_video_and_class_is_not_micro():
    truth, found = np.zeros((2, 4, 2), bool), np.zeros((2, 4, 2), bool)
    truth[0, :, 0] = found[0, :, 0] = True  # four right
    truth[0, 0, 1] = True  # a short one missed: F of video 0 is (1 + 0) / 2
    found[1, 0, 0] = True  # a false alarm in an empty video: 0
    counts = segment_counts(truth, found)
    assert video_f(counts).tolist() == [0.5, 0.0]
    tp, fp, fn = (x.sum() for x in counts)
    assert 2 * tp / (2 * tp + fp + fn) == pytest.approx(0.8)
    assert parsing_scores((truth, truth), (found, found))["segment audio"] == 0.25


def test_parsing_scores_by_hand():
    audio, visual = one(1, 1, 0, 0), one(0, 1, 1, 0)
    heard, seen = one(1, 1, 0, 0), one(0, 0, 0, 1)
    scores = parsing_scores((audio, visual), (heard, seen))
    assert scores["segment audio"] == 1.0
    assert scores["segment visual"] == 0.0
    # Audio-visual truth is second 1; nothing is heard and seen at once.
    assert scores["segment audio-visual"] == 0.0
    assert scores["segment type"] == pytest.approx(1 / 3)
    # Pooled: tp 2, fp 1, fn 2.
    assert scores["segment event"] == pytest.approx(4 / 7)
    # Events pooled: one right, one wrong, one missed.
    assert scores["event event"] == pytest.approx(0.5)
    assert len(scores) == 10


def test_event_level_sees_boundaries_that_segments_hardly_see():
    truth = one(1, 1, 1, 1, 1, 1, 1)
    broken = one(1, 1, 1, 0, 1, 1, 1)
    scores = parsing_scores((truth, truth), (broken, broken))
    assert scores["segment type"] == pytest.approx(12 / 13)
    assert scores["event type"] == 0.0  # two halves of 3/7 each


def test_perfect_and_shape_errors():
    rng = np.random.default_rng(0)
    truth = rng.random((5, 10, 4)) < 0.3, rng.random((5, 10, 4)) < 0.3
    assert set(parsing_scores(truth, truth).values()) == {1.0}
    with pytest.raises(EccvkitError, match="one shape"):
        parsing_scores(truth, (truth[0], truth[1][:, :9]))
    with pytest.raises(EccvkitError, match="one shape"):
        segment_counts(truth[0][0], truth[0][0])
    empty = np.zeros((0, 10, 4), bool)
    with pytest.raises(EccvkitError, match="no video"):
        parsing_scores((empty, empty), (empty, empty))
