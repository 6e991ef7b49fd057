"""What many runs say together: one table, curves over a parameter, two sweeps side by side."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from matplotlib.colors import to_rgb
from PIL import Image

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.metrics.stats import mean_interval
from eccvkit.runner.compare import compare
from eccvkit.runner.curves import curves, draw
from eccvkit.runner.record import RunError, write_record
from eccvkit.runner.report import build_report, claims_by_paper, render_report
from eccvkit.runner.results import newest, run_table, swept, value_table, write_table
from eccvkit.viz.style import PALETTE

from .conftest import eccvkit
from .test_record import make_record


def one(seed, lam, score=None, verdict="reproduced", **changes):
    """A run: ours scores ``score`` (or seed + lam) in both study seeds, theirs 1 less."""
    score = seed + lam if score is None else score
    rows = [
        {"variant": variant, "seed": study_seed, "metric": "score", "value": score - less}
        for variant, less in (("ours", 0.0), ("theirs", 1.0))
        for study_seed in (1000, 1001)
    ]
    values = {
        "run": f"smoke-seed{seed}-lam{lam}",
        "seed": seed,
        "parameters": {"preset": "smoke", "seed": seed, "lam": lam},
        "tables": {"ablation": [*rows, {"note": "no number"}]},
        "claims": {"claims": [{"id": "C1", "text": "ours wins", "verdict": verdict,
                               "effect": 1.0, "low": 0.5, "high": 1.5}]},
    }  # fmt: skip
    return make_record(**{**values, **changes})


SWEEP = [one(seed, lam) for lam in (2.0, 10.0, 0.5) for seed in (0, 1, 2)]
FAILED = make_record(
    run="smoke-seed9", status="failed", error=RunError("Timeout", "too long"), faults=["KernelDied"]
)


def test_a_row_per_run():
    frame = run_table([*SWEEP[:2], FAILED])
    assert list(frame["status"]) == ["ok", "ok", "failed"]
    assert list(frame["param.lam"]) == [2.0, 2.0, 0.1]
    assert list(frame["metric.ablation.ours.score"][:2]) == [2.0, 3.0]
    assert math.isnan(frame["metric.ablation.ours.score"][2])
    assert list(frame["claim.C1"][:2]) == ["reproduced"] * 2
    assert frame["claim.C1.low"][0] == 0.5
    assert frame["error"][2] == "Timeout: too long"
    assert list(frame["attempts"]) == [1, 1, 2]
    assert frame["version.python"][0] == "3.11"
    assert {"seconds", "peak_memory_mb", "code", "key"} <= set(frame)


def test_a_row_per_value():
    frame = value_table([*SWEEP, FAILED])
    assert len(frame) == 9 * 4
    means = frame[frame.variant == "ours"].groupby("param.lam")["value"].mean()
    assert means.to_dict() == {0.5: 1.5, 2.0: 3.0, 10.0: 11.0}
    assert set(frame["study_seed"]) == {1000, 1001}
    assert value_table([FAILED]).empty


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_survive_the_file(tmp_path, suffix):
    odd = make_record(parameters={"preset": "smoke", "lam": [1, 2], "deep": True})
    other = make_record(parameters={"preset": "smoke", "lam": "none", "deep": 3})
    frame = run_table([odd, other, *SWEEP])
    write_table(frame, str(tmp_path / f"a.{suffix}"))
    read = getattr(pd, f"read_{suffix}")(tmp_path / f"a.{suffix}")
    assert list(read.columns) == list(frame.columns)
    assert list(read["param.lam"])[:3] == ["[1, 2]", "none", "2.0"]
    assert list(read["param.deep"])[:2] == ["true", "3"]
    assert len(read) == 11


def test_where_a_table_cannot_go(tmp_path):
    with pytest.raises(EccvkitError, match=r"ends in \.csv or \.parquet"):
        write_table(run_table(SWEEP), "a.xlsx")
    with pytest.raises(EccvkitError, match="choose another --to"):
        write_table(run_table(SWEEP), str(tmp_path / "absent" / "a.csv"))


def test_the_newest_good_run_counts():
    old = one(0, 1.0, code="a", started="2024-01-01", run="x-1")
    new = one(0, 1.0, code="b", started="2024-02-01", run="x-2")
    bad = one(0, 1.0, code="c", started="2024-03-01", run="x-3", status="failed",
              error=RunError("Timeout", ""))  # fmt: skip
    other = one(1, 1.0)
    assert newest([new, old, bad, other]) == [new, other]
    assert newest([bad]) == [bad]


def test_what_is_swept():
    assert swept(SWEEP) == ["lam"]
    assert swept(SWEEP[:3]) == []


def test_a_curve_is_means_and_intervals():
    (curve,) = curves([*SWEEP, FAILED])
    assert (curve.metric, curve.parameter, curve.over) == ("score", "lam", "seed")
    assert list(curve.lines) == ["ours", "theirs"]
    assert list(curve.lines["ours"]) == [0.5, 2.0, 10.0]
    assert curve.lines["ours"][2.0] == mean_interval([2.0, 3.0, 4.0])
    assert curve.lines["theirs"][2.0].mean == 2.0
    assert curve.alt.startswith("score (ablation) against lam from 0.5 to 10.0: ours 1.5 to 11;")


def test_the_axis_follows_the_means_where_intervals_are_far_longer():
    def limits(scores):
        runs = [one(s, lam) for s in (0, 1) for lam in (1.0, 2.0)]
        for record, score in zip(runs, scores):
            for row in record.tables["ablation"]:
                row["value"] = score
        (curve,) = curves(runs)
        return curve.limits

    # Means 5 and 6; two runs that differ by 4 have an interval of 5 +- 12.7 * 2.
    assert limits([3.0, 6.0, 7.0, 6.0]) == (3.0, 8.0)
    assert limits([5.0, 6.0, 5.0, 6.0]) is None
    assert limits([3.0, 3.0, 7.0, 7.0]) is None  # equal means have no range


def test_a_curve_says_what_else_varied():
    two = [one(s, lam) for s in (0, 1) for lam in (1.0, 2.0)]
    for record, width in zip(two, (1, 2, 2, 1)):
        record.parameters["width"] = width
    found = {c.parameter: c.over for c in curves(two)}
    assert found == {"lam": "seed and width", "width": "seed and lam"}
    assert [c.parameter for c in curves(two, against="width")] == ["width"]


def test_a_metric_or_parameter_that_is_not_there():
    with pytest.raises(UnknownName, match="unknown metric 'scor': did you mean 'score'"):
        curves(SWEEP, metric="scor")
    with pytest.raises(UnknownName, match="unknown swept parameter 'seed'"):
        curves(SWEEP, against="seed")


@pytest.mark.parametrize("values", [(0.5, 2.0), (0.001, 1.0), ("mean", "max")])
def test_a_curve_can_be_drawn(values):
    runs = [one(0, 1.0, run=str(v)) for v in values]
    for record, value in zip(runs, values):
        record.parameters["lam"] = value
    (curve,) = curves(runs)  # a single seed: no interval
    picture = Image.open(io.BytesIO(base64.b64decode(draw(curve))))
    assert picture.width > 500
    # Both lines run through the panel, left of the legend.
    panel = np.asarray(picture.convert("RGB"))[:, : picture.width // 2]
    for colour in PALETTE[:2]:
        drawn = (panel == (255 * np.array(to_rgb(colour))).round()).all(axis=2)
        assert drawn.any(axis=0).sum() > 100


def test_claims_over_runs():
    runs = [one(s, 1.0, verdict=v) for s, v in enumerate(["reproduced", "leaning", "reproduced"])]
    (paper,) = claims_by_paper([*runs, FAILED])
    (claim,) = paper.claims
    assert (paper.runs, claim.holds, claim.runs) == (3, 2, 3)


def test_two_sweeps_side_by_side():
    before = [one(s, 1.0) for s in range(3)]
    after = [one(s, 1.0, score=s + 1.5 + 0.01 * s, verdict="leaning" if s else "reproduced")
             for s in range(3)]  # fmt: skip
    comparison = compare([*before, one(7, 1.0)], [*after, FAILED], "old")
    assert (comparison.pairs, comparison.only_before, comparison.only_after) == (3, 1, 0)
    ours = next(d for d in comparison.differences if d.variant == "ours")
    assert (ours.before, ours.after) == (2.0, pytest.approx(2.51))
    assert ours.change.mean == pytest.approx(0.51)
    assert ours.change.n == 3
    assert ours.clear
    assert [(c.before, c.after) for c in comparison.changed] == [("reproduced", "leaning")] * 2
    # One pair says nothing about chance.
    assert not compare(before[:1], after[:1], "old").differences[0].clear


def test_the_report_shows_all_of_it(tmp_path):
    for record in SWEEP:
        (tmp_path / "new" / record.label).mkdir(parents=True)
        write_record(record, tmp_path / "new" / record.label)
    old = one(0, 2.0, score=1.0, verdict="leaning")
    (tmp_path / "old" / old.label).mkdir(parents=True)
    write_record(old, tmp_path / "old" / old.label)
    done = eccvkit("report", "new", "--compare", "old", "--metric", "score", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "C1 ours wins  reproduced in 9 of 9 (100 %)" in done.stdout
    soup = BeautifulSoup((tmp_path / "new" / "index.html").read_text(), "html.parser")
    text = " ".join(soup.get_text(" ", strip=True).split())
    assert "reproduced in 9 of 9 (100 %)" in text
    assert "1 run in both 0 only there 8 only here 1 verdicts differ" in text
    assert "score against lam, means and 95% intervals over seed" in text
    (figure,) = soup.select("figure img")
    assert figure["alt"].startswith("score (ablation) against lam")
    rows = [[c.get_text() for c in row.select("td")] for row in soup.select("tbody tr")]
    assert ["30_rpl", "smoke", "ablation", "ours", "score", "1", "2", "+1"] in rows
    done = eccvkit("results", "new", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "new" / "results.csv")) == 9


def test_a_run_without_a_page_has_no_link_and_its_faults_are_told():
    failed = make_record(status="failed", error=RunError("WorkerLost", "it died"),
                         files=["record.json"], faults=["KernelDied: once"])  # fmt: skip
    soup = BeautifulSoup(render_report([failed]), "html.parser")
    assert soup.select("article.run a") == []
    assert [p.get_text() for p in soup.select(".error")] == [
        "attempt 1: KernelDied: once",
        "WorkerLost: it died",
    ]


def test_a_report_that_cannot_be_compared(tmp_path):
    write = tmp_path / "a" / "30_rpl" / "r"
    write.mkdir(parents=True)
    write_record(make_record(), write)
    with pytest.raises(EccvkitError, match="no folder absent"):
        build_report(tmp_path / "a", baseline="absent")
