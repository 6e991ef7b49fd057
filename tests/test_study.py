import pytest

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.study import choose, overrides, run_study


def fake(config, variant, seed, device, *, keep=None):
    if keep is not None:
        keep["who"] = (variant, seed)
    return {"score": config * len(variant) + seed, "other": 1}


def test_tidy_table_and_artefacts_of_the_first_seed():
    study = run_study(fake, 10, ["a", "bb"], [5, 6])
    assert list(study.table.columns) == ["variant", "seed", "metric", "value"]
    assert len(study.table) == 2 * 2 * 2
    assert study.variants == ["a", "bb"] and study.seeds == [5, 6]
    assert study.values("score", "bb").to_dict() == {5: 25.0, 6: 26.0}
    assert study.artefacts == {"a": {"who": ("a", 5)}, "bb": {"who": ("bb", 5)}}


def test_summary_by_hand():
    summary = run_study(fake, 0, ["a"], [1, 2, 3]).summary().set_index("metric")
    assert summary.loc["score", "mean"] == 2 and summary.loc["score", "n"] == 3
    assert summary.loc["score", "high"] == pytest.approx(2 + 4.302653 / 3**0.5, rel=1e-6)
    assert summary.loc["other", "low"] == 1


def test_select_keeps_the_given_order():
    study = run_study(fake, 1, ["a", "bb", "ccc"], [0]).select(["ccc", "a"])
    assert study.variants == ["ccc", "a"] and set(study.artefacts) == {"ccc", "a"}
    with pytest.raises(UnknownName, match="variant 'x'"):
        study.select(["x"])


@pytest.mark.parametrize(("variants", "seeds"), [([], [0]), (["a"], []), (["a"], [1, 1])])
def test_empty_or_repeated(variants, seeds):
    with pytest.raises(EccvkitError, match="at least one variant"):
        run_study(fake, 0, variants, seeds)


def test_presets():
    assert choose({"smoke": 1}, "smoke") == 1
    with pytest.raises(UnknownName, match="unknown preset 'big'"):
        choose({"smoke": 1}, "big")


def test_overrides_of_a_preset():
    assert overrides(epochs=0, n_seeds=3, width=0.5) == {"seeds": 3, "width": 0.5}
    with pytest.raises(EccvkitError, match=r"width is -0\.1: use 0 for the preset"):
        overrides(epochs=1, width=-0.1)
