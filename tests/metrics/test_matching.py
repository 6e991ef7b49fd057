import pytest
import torch

from eccvkit.errors import DataError
from eccvkit.metrics.matching import (
    THRESHOLDS,
    match_errors,
    matching_accuracy,
    mean_matching_accuracy,
)

ERRORS = torch.tensor([[0.5, 1.0, 4.0, 0.1], [2.0, 2.0, 30.0, 0.0]])
ALL = torch.ones(2, 4, dtype=torch.bool)


def test_errors_by_hand():
    matched, truth = torch.tensor([[[3.0, 4.0]]]), torch.tensor([[[0.0, 0.0]]])
    assert match_errors(matched, truth).tolist() == [[5.0]]
    assert match_errors(matched, truth + torch.inf).tolist() == [[float("inf")]]


def test_accuracy_counts_an_error_at_the_threshold_as_a_hit():
    got = matching_accuracy(ERRORS, ALL, (1, 2))
    assert got.tolist() == [[0.75, 0.75], [0.25, 0.75]]


def test_mean_is_over_pairs_not_over_matches():
    kept = torch.tensor([[True, True, True, True], [False, False, True, False]])
    # Pair 1 has 3 of 4 within 1 px, pair 2 has 0 of 1: the mean is .375, not 3/5.
    assert mean_matching_accuracy(ERRORS, kept, (1,)).tolist() == [0.375]


def test_a_pair_without_matches_counts_as_zero():
    kept = ALL.clone()
    kept[1] = False
    assert mean_matching_accuracy(ERRORS, kept, (10,)).tolist() == [0.5]


def test_rejected_matches_do_not_matter_even_when_they_are_nan():
    errors, kept = ERRORS.clone(), ALL.clone()
    errors[0, 2], kept[0, 2] = float("nan"), False
    assert matching_accuracy(errors, kept, (1,))[0].item() == 1.0
    with pytest.raises(DataError, match="NaN"):
        matching_accuracy(errors, ALL)


def test_accuracy_never_falls_with_the_threshold():
    errors = 12 * torch.rand(5, 40, generator=torch.Generator().manual_seed(0))
    got = matching_accuracy(errors, torch.ones(5, 40, dtype=torch.bool))
    assert got.shape == (5, len(THRESHOLDS)) and (got.diff(dim=1) >= 0).all()


def test_shapes_are_checked():
    with pytest.raises(DataError, match=r"\(2, 4\) and kept \(2, 3\)"):
        matching_accuracy(ERRORS, ALL[:, :3])
    with pytest.raises(DataError, match="same shape"):
        matching_accuracy(ERRORS, ALL.float())
    with pytest.raises(DataError, match="K, 2"):
        match_errors(torch.zeros(1, 4, 3), torch.zeros(1, 4, 3))
    with pytest.raises(DataError, match="NaN"):
        match_errors(torch.full((1, 1, 2), float("nan")), torch.zeros(1, 1, 2))
