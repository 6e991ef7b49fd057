import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eccvkit.claims import (
    CONTRADICTED,
    LEANING,
    NOT_JUDGED,
    NOT_REPRODUCED,
    REPRODUCED,
    Claim,
    Difference,
    Monotone,
    Spread,
    judge,
    verdict_of,
)
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.metrics.stats import Interval, mean_interval
from eccvkit.study import Study


def study_of(values: dict[str, list[float]], metric: str = "auroc") -> Study:
    rows = [
        {"variant": arm, "seed": seed, "metric": metric, "value": value}
        for arm, series in values.items()
        for seed, value in enumerate(series)
    ]
    return Study(pd.DataFrame(rows))


def verdict(effect, study, **kwargs):
    (judged,) = judge([Claim("C1", "text", effect, "1 against 0", "Table 1", **kwargs)], study)
    return judged


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (Interval(0.1, 0.05, 0.15, 5), REPRODUCED),
        (Interval(0.1, -0.05, 0.25, 5), LEANING),
        (Interval(0.0, -0.1, 0.1, 5), NOT_REPRODUCED),
        (Interval(-0.1, -0.3, 0.1, 5), NOT_REPRODUCED),
        (Interval(-0.1, -0.15, -0.05, 5), CONTRADICTED),
        (Interval(0.1, 0.05, 0.15, 2), NOT_JUDGED),
    ],
)
def test_verdicts_of_design_section_5(interval, expected):
    assert verdict_of(interval) == expected


def test_exact_claims_need_one_value():
    assert verdict_of(Interval(1.0, float("nan"), float("nan"), 1), exact=True) == REPRODUCED
    assert verdict_of(Interval(0.0, float("nan"), float("nan"), 1), exact=True) == CONTRADICTED


def test_the_worst_case_decides_an_exact_claim():
    study = study_of({"ours": [5.0, 0.0], "base": [0.0, 1.0]})
    judged = verdict(Difference("auroc", "ours", "base"), study, exact=True)
    assert judged.interval.mean == -1.0 and judged.verdict == CONTRADICTED
    with pytest.raises(EccvkitError, match="NaN"):
        verdict_of(Interval(float("nan"), 0, 0, 1), exact=True)


def test_scale_puts_effect_and_words_into_the_papers_unit():
    study = study_of({"ours": [0.93] * 3, "base": [0.90] * 3})
    judged = verdict(Difference("auroc", "ours", "base"), study, scale=100)
    assert judged.ours == "93.0 against 90.0" and judged.interval.mean == pytest.approx(3.0)
    spread = verdict(Spread("auroc", ("ours", "base"), below=0.05), study, scale=100)
    assert spread.ours == "93.0, 90.0; mean spread 3, bound 5"


def test_nan_effect_is_an_error_not_a_verdict():
    with pytest.raises(EccvkitError, match="NaN"):
        verdict_of(Interval(float("nan"), float("nan"), float("nan"), 5))


def test_difference_is_paired_by_seed():
    # The arms vary a lot between seeds, their difference does not: pairing must see it.
    study = study_of({"ours": [0.51, 0.71, 0.91], "base": [0.50, 0.70, 0.90]})
    judged = verdict(Difference("auroc", "ours", "base"), study)
    assert judged.interval.mean == pytest.approx(0.01)
    assert judged.verdict == REPRODUCED
    assert judged.ours == "0.71 against 0.70"


def test_direction_tolerance_and_bound():
    study = study_of({"ours": [0.9, 0.9, 0.9], "base": [0.905, 0.905, 0.905]})
    lower = verdict(Difference("auroc", "ours", "base", direction="lower"), study)
    assert lower.verdict == REPRODUCED
    assert verdict(Difference("auroc", "ours", "base"), study).verdict == CONTRADICTED
    tolerated = verdict(Difference("auroc", "ours", "base", tolerance=0.01), study)
    assert tolerated.interval.mean == pytest.approx(0.005) and tolerated.verdict == REPRODUCED
    assert verdict(Difference("auroc", "ours", 0.8), study).interval.mean == pytest.approx(0.1)


def test_monotone_takes_the_smallest_step():
    study = study_of({"a": [3.0, 3.0, 3.0], "b": [2.0, 2.0, 2.0], "c": [1.9, 1.9, 1.9]})
    falling = verdict(Monotone("auroc", ("a", "b", "c"), direction="lower"), study)
    assert falling.interval.mean == pytest.approx(0.1) and falling.verdict == REPRODUCED
    rising = verdict(Monotone("auroc", ("a", "b", "c")), study)
    assert rising.interval.mean == pytest.approx(-1.0) and rising.verdict == CONTRADICTED


def test_spread_against_its_bound():
    study = study_of({"a": [0.90] * 3, "b": [0.93] * 3})
    assert verdict(Spread("auroc", ("a", "b"), below=0.05), study).interval.mean == pytest.approx(
        0.02
    )
    assert verdict(Spread("auroc", ("a", "b"), below=0.02), study).verdict == CONTRADICTED


def test_unknown_arm_or_metric_is_named():
    study = study_of({"ours": [1.0], "base": [0.0]})
    with pytest.raises(UnknownName, match=r"variant 'our'.*did you mean 'ours'"):
        verdict(Difference("auroc", "our", "base"), study)
    with pytest.raises(UnknownName, match="metric of 'ours' 'accuracy'"):
        verdict(Difference("accuracy", "ours", "base"), study)


def test_record_is_json_and_complete():
    import json

    record = verdict(
        Difference("auroc", "a", "b"), study_of({"a": [1.0], "b": [0.5]}), unit="AUROC"
    ).record()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["verdict"] == NOT_JUDGED and record["low"] is None and record["n"] == 1


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=8), st.floats(0.1, 10))
def test_verdict_does_not_depend_on_the_unit(values, factor):
    scaled = [factor * v for v in values]
    assert verdict_of(mean_interval(values)) == verdict_of(mean_interval(scaled)) or np.isclose(
        mean_interval(values).mean, 0, atol=1e-9
    )
