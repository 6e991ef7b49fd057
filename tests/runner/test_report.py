from __future__ import annotations

import shutil

import pytest
from bs4 import BeautifulSoup

from eccvkit import claims
from eccvkit.errors import EccvkitError
from eccvkit.runner.report import (
    VERDICTS,
    build_report,
    duration,
    evidence,
    group_by_seed,
    render_report,
    verdict_totals,
)

from .conftest import Runs, eccvkit
from .test_record import make_record


def claimed(seed, *verdicts, **changes):
    rows = [{"id": f"C{i}", "text": f"claim {i}", "verdict": v} for i, v in enumerate(verdicts, 1)]
    parameters = {"preset": "smoke", "seed": seed, **changes}
    return make_record(
        run=f"smoke-seed{seed}", seed=seed, parameters=parameters, claims={"claims": rows}
    )


def test_the_verdicts_are_those_of_the_claims():
    assert VERDICTS == claims.VERDICTS


def test_totals():
    records = [claimed(0, "leaning", "reproduced"), claimed(1, "reproduced"), make_record()]
    assert verdict_totals(records) == {"reproduced": 2, "leaning": 1}
    assert list(verdict_totals(records)) == ["reproduced", "leaning"]


def test_groups_differ_in_the_seed_only():
    records = [
        claimed(0, "reproduced", "leaning"),
        claimed(1, "reproduced", "reproduced"),
        claimed(2, "not reproduced", "leaning"),
        claimed(0, "reproduced", lam=0.5),
        make_record(),
    ]
    (group,) = group_by_seed(records)
    assert group.seeds == [0, 1, 2]
    assert group.parameters == {"preset": "smoke"}
    assert [dict(c.counts) for c in group.claims] == [
        {"reproduced": 2, "not reproduced": 1}, {"leaning": 2, "reproduced": 1},
    ]  # fmt: skip
    assert [c.runs for c in group.claims] == [3, 3]


def test_text_is_escaped():
    html = render_report([make_record(title="<script>alert(1)</script>")])
    assert "<script>" not in html


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.44, "8.4 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_evidence():
    claim = {"ours": "0.9", "effect": 0.1, "low": None, "high": None, "n": 1, "unit": "AUROC",
             "paper": "0.8", "source": "Table 2"}  # fmt: skip
    assert evidence(claim) == "ours 0.9; effect +0.1 AUROC; seeds 1; paper 0.8 Table 2"
    assert evidence({"ours": "", "effect": None, "paper": None}) == ""


@pytest.fixture(scope="module")
def report(runs: Runs, tmp_path_factory):
    """Good, failed and damaged runs, reported by the command line."""
    out = tmp_path_factory.mktemp("report") / "runs"
    shutil.copytree(runs.out, out)
    (out / "index.html").unlink()
    damaged = out / "suicidal" / "smoke-seed1-lam0.25" / "record.json"
    damaged.write_text(damaged.read_text()[:100])
    done = eccvkit("report", out)
    return out, damaged, done, BeautifulSoup((out / "index.html").read_text(), "html.parser")


def test_a_damaged_record_is_named_and_the_others_are_shown(report):
    out, damaged, done, soup = report
    assert done.returncode == 2
    assert done.stderr.startswith(f"eccvkit: error: {damaged} is not JSON")
    assert len(done.stderr.splitlines()) == 1
    assert str(out / "index.html") in done.stdout
    assert len(soup.select("article.run")) == 5
    assert str(damaged) in soup.get_text()


def test_runs_with_pictures_verdicts_and_errors(report):
    out, _, _, soup = report
    good = next(a for a in soup.select("article.run") if "chapter/smoke-seed0" in a.get_text())
    assert good.img["alt"] == 'A "grey" <plane>'
    assert (out / good.img["src"]).is_file()
    assert (out / good.h3.a["href"]).is_file()
    assert [c.get_text() for c in good.select("p.chips .chip")] == [
        "C1 reproduced",
        "C2 not judged",
    ]
    details = " ".join(good.details.get_text(" ", strip=True).split())
    assert "C1 Ours [beats] theirs reproduced ours 0.95 against 0.85" in details
    assert "lam 0.25" in " ".join(good.get_text(" ", strip=True).split())
    failed = next(a for a in soup.select("article.run") if "broken/smoke-seed0" in a.get_text())
    assert failed.select_one(".error").get_text() == "ValueError: the first line"


def test_claims_over_seeds(report):
    *_, soup = report
    (group,) = soup.select("article.group")
    text = " ".join(group.get_text(" ", strip=True).split())
    assert "seeds 0, 1" in text
    assert "Nothing is lost not judged: fewer than three seeds 2 not judged" in text
    assert "reproduced in 1 of 2 (50 %) 1 reproduced 1 leaning" in text


def test_the_report_stands_alone(report):
    *_, soup = report
    assert soup.select("script, link") == []
    assert all(img.has_attr("alt") for img in soup.select("img"))
    assert "prefers-color-scheme: dark" in str(soup.style)
    assert soup.select_one("meta[name=viewport]")


def test_nothing_to_report(tmp_path):
    with pytest.raises(EccvkitError, match="holds no finished run"):
        build_report(tmp_path)
    with pytest.raises(EccvkitError, match="no folder"):
        build_report(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
