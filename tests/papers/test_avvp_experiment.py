import inspect
from dataclasses import replace

import numpy as np
import pytest
import torch

from eccvkit.claims import NOT_JUDGED, judge
from eccvkit.data.av_scenes import SnippetLabels
from eccvkit.data.readers.llp import CLASSES, FEATURES
from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.papers import avvp
from eccvkit.papers.avvp import experiment
from eccvkit.papers.avvp.experiment import _schedule
from eccvkit.study import run_study

TINY = avvp.Config(n_train=48, n_test=20, width=16, epochs=2, batch_size=16, seeds=1)


def state(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


# --- what training may see --------------------------------------------------------------------


def test_training_takes_no_snippet_labels():
    assert "truth" not in inspect.signature(avvp.train).parameters
    task = avvp.load(TINY, 0)
    assert not any(isinstance(x, SnippetLabels) for x in vars(task.train).values())
    assert task.train.labels.shape == (48, 8) and task.truth.audio.shape == (20, 10, 8)


def test_snippet_labels_do_not_reach_the_weights(monkeypatch):
    kept, other = {}, {}
    avvp.run(TINY, "wsl+g", 0, keep=kept)
    good = avvp.load(TINY, 0)
    wrong = replace(good, truth=SnippetLabels(~good.truth.audio, ~good.truth.visual))
    monkeypatch.setattr(experiment, "load", lambda *_: wrong)
    avvp.run(TINY, "wsl+g", 0, keep=other)
    assert torch.equal(state(kept["net"]), state(other["net"]))


def test_guided_loss_alone_leaves_the_audio_visual_attention_alone():
    task = avvp.load(TINY, 0)
    for losses, moves in (("g", False), ("wsl+g", True)):
        net, _ = avvp.train(replace(TINY, losses=losses), task.train, 0)
        torch.manual_seed(0)
        start = avvp.AVVPNet(TINY).attend_modality.weight
        assert torch.equal(net.attend_modality.weight, start) is not moves


# --- losses of the arms -----------------------------------------------------------------------


def pooled(video, audio, visual):
    return avvp.Pooled(*(torch.tensor([[x]]) for x in (video, audio, visual)))


def test_terms_of_each_arm():
    one = torch.ones(1, 1)
    values = pooled(0.5, 0.25, 0.125)
    log2 = np.log(2)
    for arm, wanted in (("wsl", log2), ("g", 5 * log2), ("wsl+g", 6 * log2)):
        config = replace(TINY, **avvp.PLAIN[arm])
        terms = avvp.training_loss(config, values, one)
        assert terms["loss"].item() == pytest.approx(wanted), arm
    assert set(avvp.training_loss(replace(TINY, losses="wsl"), values, one)) == {
        "loss",
        "wsl",
        "above 1",
    }


def test_smoothing_is_for_vision_and_not_for_the_bag():
    one = torch.ones(1, 1)
    values = pooled(1.0, 1.0, 1.0)
    config = replace(TINY, epsilon_visual=0.1)
    terms = avvp.training_loss(config, values, one)
    assert terms["wsl"] == 0
    # BCE(1, 0.95) = 0.05 * 100, because torch cuts logarithms at -100.
    assert terms["g"].item() == pytest.approx(5.0, rel=1e-4)


def test_bootstrap_changes_the_guided_labels_only():
    zero = torch.zeros(1, 1)
    terms = avvp.training_loss(replace(TINY, bootstrap=0.9), pooled(0.5, 0.5, 0.5), zero)
    assert terms["wsl"].item() == pytest.approx(np.log(2))
    values = pooled(0.5, 0.9, 0.9)  # both senses are sure of a class that the label denies
    plain = avvp.training_loss(TINY, values, zero)
    softer = avvp.training_loss(replace(TINY, bootstrap=0.9), values, zero)
    assert softer["g"] < plain["g"]


def test_probabilities_above_one_join_the_history():
    values = pooled(1.4, 0.5, 0.5)
    assert avvp.training_loss(TINY, values, torch.ones(1, 1))["above 1"] == 1
    kept = {}
    result = avvp.run(TINY, "wsl+g", 0, keep=kept)
    assert 0 <= result["above 1"] <= 1 and "above 1" in kept["history"].frame


# --- parsing ----------------------------------------------------------------------------------


def test_parse_by_hand():
    p = torch.tensor([[0.4, 0.6], [0.5, 0.2]]).reshape(1, 2, 2, 1)  # (time, modality)
    heard, seen = avvp.parse(p)
    assert heard[0, :, 0].tolist() == [False, True] and seen[0, :, 0].tolist() == [True, False]
    heard, seen = avvp.parse(p, torch.tensor([[0.49]]))
    assert not heard.any() and not seen.any()
    heard, seen = avvp.parse(p, torch.tensor([[0.5]]), threshold=0.3)
    assert heard.sum() == 2 and seen.sum() == 1


def test_mask_of_the_guided_loss_is_the_larger_modality():
    values = pooled(0.1, 0.3, 0.8)
    assert avvp.video_probability(replace(TINY, losses="g"), values).item() == pytest.approx(0.8)
    for losses in ("wsl", "wsl+g"):
        config = replace(TINY, losses=losses)
        assert avvp.video_probability(config, values).item() == pytest.approx(0.1)


class Oracle(torch.nn.Module):
    """Knows the answer: features are one-hot classes, seen as they are."""

    def forward(self, audio, visual):
        p = torch.stack([audio, visual], dim=2)
        flat = torch.full_like(p, 0.0)
        return avvp.Instances(p, flat, flat, p)


def test_evaluate_a_perfect_network():
    config = replace(TINY, pooling="max")
    truth = avvp.load(config, 0).truth
    bags = avvp.load(config, 0).test
    perfect = replace(
        bags,
        audio=torch.from_numpy(truth.audio).float(),
        visual=torch.from_numpy(truth.visual).float(),
    )
    scores = avvp.evaluate(Oracle(), config, perfect, truth)
    f = {k: v for k, v in scores.items() if k.startswith(("segment", "event", "type"))}
    del f["type, own names"]  # knows no times
    assert set(f.values()) == {1.0} and len(f) == 13
    assert scores["gap"] == 0 and scores["copied"] == 0
    seen = truth.visual.any(axis=1)
    assert scores["shown"] == pytest.approx(truth.visual.mean(axis=1)[seen].mean())


def test_copying_is_seen():
    config = replace(TINY, pooling="max")
    task = avvp.load(config, 0)
    heard = torch.from_numpy(task.truth.audio).float()
    copied = replace(task.test, audio=heard, visual=heard)
    scores = avvp.evaluate(Oracle(), config, copied, task.truth)
    assert scores["copied"] > 0.3
    assert scores["segment audio"] == 1 and scores["gap"] > 0.3


def test_yardsticks_by_hand():
    # Two videos, two seconds, one class: heard in one second of the first, never in the second.
    heard, seen = np.zeros((2, 2, 2, 1), bool)
    heard[0, 0] = True
    found = avvp.yardsticks(SnippetLabels(heard, seen))
    assert found["nothing"]["segment audio"] == 0.5  # the second video is right
    assert found["nothing"]["segment visual"] == 1
    named = found["true names everywhere"]
    assert named["segment audio"] == pytest.approx((2 / 3 + 1) / 2)
    assert named["segment visual"] == 0.5


def test_names_without_times_are_scored():
    config = replace(TINY, pooling="max")
    task = avvp.load(config, 0)
    senses = (torch.from_numpy(x).float() for x in task.truth.pair())
    perfect = replace(task.test, **dict(zip(("audio", "visual"), senses)))
    scores = avvp.evaluate(Oracle(), config, perfect, task.truth)
    wanted = avvp.yardsticks(task.truth)["true names everywhere"]["segment type"]
    assert scores["type, own names"] == pytest.approx(wanted)


def test_videos_without_events_are_scored():
    task = avvp.load(TINY, 0)
    nothing = np.zeros_like(task.truth.audio)
    net = avvp.AVVPNet(TINY)
    scores = avvp.evaluate(net, TINY, task.test, SnippetLabels(nothing, nothing))
    assert np.isfinite(list(scores.values())).all()
    assert scores["copied"] == 0


# --- runs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", avvp.VARIANTS)
def test_every_arm_runs(variant):
    result = avvp.run(TINY, variant, 0)
    assert np.isfinite(list(result.values())).all()
    assert 0 <= result["segment type"] <= 1


def test_same_seed_same_numbers():
    one, two = (avvp.run(TINY, "HAN", 3) for _ in range(2))
    assert {k: v for k, v in one.items() if k != "seconds"} == {
        k: v for k, v in two.items() if k != "seconds"
    }
    assert avvp.run(TINY, "HAN", 4)["segment audio"] != one["segment audio"]


def test_keeping_does_not_change_the_result():
    plain, kept = avvp.run(TINY, "HAN", 0), {}
    result = avvp.run(TINY, "HAN", 0, keep=kept)
    assert {k: v for k, v in result.items() if k != "seconds"} == {
        k: v for k, v in plain.items() if k != "seconds"
    }
    assert set(kept) == {"net", "task", "history", "config"}
    assert kept["history"].frame["segment audio"].iloc[-1] == result["segment audio"]
    assert kept["config"].temporal == "HAN"


def test_it_learns():
    config = replace(TINY, noise=(0.3, 0.3), n_train=300, epochs=12, lr=3e-3)
    assert avvp.run(config, "wsl+g", 0)["segment audio"] > 0.7


def test_a_pooling_of_ones_own():
    calls = []

    def mine(p, f_tp, f_av):
        calls.append(p.shape)
        return avvp.attentive_pooling(p, f_tp, f_av)

    with_mine = avvp.run(TINY, "wsl+g", 0, pooling=mine)
    assert calls and with_mine["segment type"] == avvp.run(TINY, "wsl+g", 0)["segment type"]


def test_unknown_variant():
    with pytest.raises(UnknownName, match="did you mean"):
        avvp.run(TINY, "HAN, smoothin", 0)


def test_all_claims_can_be_judged():
    pairs = ((avvp.CLAIMS, avvp.CLEAR_STUDY), (avvp.HAN_CLAIMS, avvp.NOISY_STUDY))
    for claims, arms in pairs:
        study = run_study(avvp.run, replace(TINY, epochs=1), arms, [0])
        assert {v.verdict for v in judge(claims, study)} == {NOT_JUDGED}
    ids = [c.id for c in avvp.CLAIMS + avvp.HAN_CLAIMS]
    assert len(set(ids)) == len(ids)


def test_the_papers_numbers_are_consistent():
    # Type@AV is the mean of the three types, up to rounding.
    for table in (avvp.PAPER_PLAIN, avvp.PAPER_HAN):
        for arm, row in table.items():
            three = [row[f"segment {k}"] for k in ("audio", "visual", "audio-visual")]
            assert sum(three) / 3 == pytest.approx(row["segment type"], abs=0.07), arm
    for row in avvp.PAPER_EVENTS.values():
        three = [row[f"event {k}"] for k in ("audio", "visual", "audio-visual")]
        assert sum(three) / 3 == pytest.approx(row["event type"], abs=0.07)


# --- configurations and the paper's data ------------------------------------------------------


def test_configure():
    plain, noisy = avvp.configure("smoke", epochs=3, n_seeds=2)
    assert (plain.epochs, plain.seeds, noisy.epochs) == (3, 2, 3)
    assert replace(noisy, noise=plain.noise) == plain and noisy.noise > plain.noise
    llp, same = avvp.configure("lab", data="llp", data_dir="here")
    assert llp == same and llp.visual_dims == (2048, 512) and llp.temporal == "none"
    with pytest.raises(UnknownName, match="scenes, llp"):
        avvp.configure("lab", data="ave")
    with pytest.raises(UnknownName, match="lab"):
        avvp.configure("labs")
    with pytest.raises(EccvkitError, match="n_seeds"):
        avvp.configure("lab", n_seeds=-1)


def test_rate_drops_every_ten_epochs():
    factor = _schedule(avvp.PAPER)
    steps = 625 * 40
    assert [round(factor(s / steps), 6) for s in (0, 6249, 6250, 12500, 24999)] == [
        1,
        1,
        0.1,
        0.01,
        0.001,
    ]
    assert _schedule(TINY) == "constant"


def test_rates_of_the_networks():
    rates = {kind: replace(avvp.Config(), temporal=kind).rate for kind in avvp.TEMPORAL}
    assert rates == {
        "none": 1e-3,
        "GRU": 1e-3,
        "Transformer": pytest.approx(3e-4),
        "HAN": pytest.approx(3e-4),
    }
    of_pooling = {a: replace(avvp.Config(), **avvp.VARIANTS[a]).rate for a in ("max", "HAN, max")}
    assert of_pooling == {"max": pytest.approx(3e-3), "HAN, max": pytest.approx(1e-3, rel=0.02)}
    # The paper has one rate for all.
    assert {replace(avvp.PAPER, **arm).rate for arm in avvp.VARIANTS.values()} == {3e-4}


def test_llp_is_read_and_trained_on(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"video{n:06d}_0_10" for n in range(6)]
    for table, part in (("AVVP_train", names[:4]), ("AVVP_test_pd", names[4:])):
        rows = [f"{name}\t{CLASSES[n % 3]}" for n, name in enumerate(part)]
        (tmp_path / f"{table}.csv").write_text("\n".join(["filename\tevent_labels", *rows]))
    for modality in ("audio", "visual"):
        (tmp_path / f"AVVP_eval_{modality}.csv").write_text(
            f"filename\tonset\toffset\tevent_labels\n{names[4]}\t1\t4\t{CLASSES[0]}\n"
        )
    for folder, shape in FEATURES.items():
        (tmp_path / folder).mkdir()
        for name in names:
            array = rng.normal(size=shape).astype(np.float32)
            np.save(tmp_path / folder / f"{name[:11]}.npy", array)
    config, _ = avvp.configure("smoke", data="llp", data_dir=str(tmp_path), epochs=1)
    kept = {}
    result = avvp.run(replace(config, width=8), "HAN", 0, keep=kept)
    assert np.isfinite(result["segment type"])
    assert kept["task"].names == CLASSES and len(kept["task"].test) == 2
    assert kept["task"].truth.visual[0, :, 0].sum() == 3


def test_llp_without_its_files(tmp_path):
    config, _ = avvp.configure("smoke", data="llp", data_dir=str(tmp_path))
    with pytest.raises(DataError, match="AVVP_test_pd"):
        avvp.load(config, 0)
