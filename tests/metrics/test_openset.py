import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eccvkit.errors import EccvkitError
from eccvkit.metrics import openset
from eccvkit.metrics.stats import mean_interval

scores = arrays(np.float64, st.integers(1, 12), elements=st.integers(-3, 3).map(float))


@given(scores, scores)
def test_auroc_is_the_chance_to_outscore(known, unknown):
    pairs = [(k > u) + 0.5 * (k == u) for k in known for u in unknown]
    assert openset.auroc(known, unknown) == pytest.approx(np.mean(pairs))


@settings(deadline=None)
@given(st.data())
def test_oscr_equals_the_threshold_sweep(data):
    known, unknown = data.draw(scores), data.draw(scores)
    correct = data.draw(arrays(bool, len(known)))
    # Area under CCR against FPR, thresholds from strict to lax, trapezoids where scores tie.
    thresholds = np.unique(np.r_[known, unknown])[::-1]
    fpr = [0.0] + [float((unknown >= t).mean()) for t in thresholds]
    ccr = [0.0] + [float(((known >= t) & correct).mean()) for t in thresholds]
    assert openset.oscr(known, correct, unknown) == pytest.approx(np.trapezoid(ccr, fpr))


def test_oscr_limits():
    assert openset.oscr([2, 2], [True, True], [1]) == 1.0
    assert openset.oscr([2, 2], [True, False], [1]) == 0.5
    assert openset.oscr([2, 2], [False, False], [1]) == 0.0


def test_aupr_both_ways_by_hand():
    known, unknown = [3, 1], [2]
    # Known positive, ranked 3 2 1: precision 1 at recall 1/2, then 2/3 at recall 1.
    assert openset.aupr_known(known, unknown) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    # Unknown positive with negated scores, ranked 1 2 3: found at rank 2.
    assert openset.aupr_unknown(known, unknown) == pytest.approx(0.5)


def test_fpr_at_95_percent():
    known = np.arange(1, 21)  # 19 of 20 knowns are at least 2
    assert openset.fpr_at_tpr(known, [0, 1, 2, 3], 0.95) == pytest.approx(0.5)
    assert openset.fpr_at_tpr([5, 6], [1, 2]) == 0.0


def test_macro_f_by_hand():
    # Truth 0 0 1 -1, scores reject the second and the last: predictions 0 -1 1 -1.
    value = openset.macro_f([0, 0, 1, -1], [0, 0, 1, 0], [0.9, 0.1, 0.8, 0.2], threshold=0.5)
    assert value == pytest.approx(np.mean([2 / 3, 1.0, 2 / 3]))


@pytest.mark.parametrize(
    ("known", "unknown", "text"),
    [([], [1.0], "0 known"), ([1.0], [], "0 unknown"), ([np.nan], [1.0], "NaN")],
)
def test_bad_scores(known, unknown, text):
    with pytest.raises(EccvkitError, match=text):
        openset.auroc(known, unknown)


def test_oscr_length_mismatch():
    with pytest.raises(EccvkitError, match="2 scores but 1"):
        openset.oscr([1, 2], [True], [0])


def test_interval_by_hand():
    interval = mean_interval([1.0, 2.0, 3.0])
    # t(0.975, 2 degrees) = 4.302653, standard error 1 / sqrt(3).
    assert interval.mean == 2.0 and interval.n == 3
    assert interval.high - 2.0 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-6)
    assert np.isnan(mean_interval([1.0]).low)
    assert mean_interval([0.5, 0.5, 0.5]).low == 0.5
