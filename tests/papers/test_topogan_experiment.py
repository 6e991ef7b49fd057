from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from eccvkit.claims import judge
from eccvkit.data.masks import voronoi_membranes
from eccvkit.errors import DataError, EccvkitError, NonFiniteLoss, UnknownName
from eccvkit.metrics.frechet import frechet_distance
from eccvkit.papers import topogan
from eccvkit.papers.topogan import gan as training
from eccvkit.papers.topogan.sets import repair_study
from eccvkit.papers.topogan.tasks import _cut_patches
from eccvkit.runtime import seed_everything
from eccvkit.study import Study, run_study

TINY = topogan.Config(
    images=80, samples=40, size=24, width=4, latent=8, batch=8, critic_steps=1, pretrain=3, steps=2,
    topo_batch=6, topo_real=8, topo_every=1, seeds=1,
)  # fmt: skip


def pull_up(masks, *_):
    """A loss that wants every pixel raised."""
    return topogan.TopologicalLoss(-masks.sum(), 12.0, np.zeros(1), None)


def parameters(gan):
    return torch.cat([p.detach().flatten() for p in gan.generator.parameters()])


# --- networks -------------------------------------------------------------------------------


def test_full_size_has_the_papers_parameters():
    generator, critic = topogan.build(topogan.PAPER)
    count = [sum(p.numel() for p in net.parameters()) for net in (generator, critic)]
    assert count == [3_804_032, 2_761_728]
    assert generator(torch.zeros(2, 128)).shape == (2, 1, 64, 64)


def test_spectral_critic_has_norm_one():
    _, critic = topogan.build(replace(TINY, size=32), spectral=True)
    for _ in range(30):
        critic(torch.zeros(2, 1, 32, 32))
    weights = [
        m.weight.detach().flatten(1) for m in critic.modules() if isinstance(m, torch.nn.Conv2d)
    ]
    assert all(torch.linalg.matrix_norm(w, ord=2) == pytest.approx(1, abs=0.05) for w in weights)


def test_output_becomes_a_mask():
    assert topogan.to_masks(torch.tensor([-1.0, 0.0, 1.0])).tolist() == [0.0, 0.5, 1.0]


# --- arms part from one checkpoint ------------------------------------------------------------


def test_the_checkpoint_is_shared_and_left_alone():
    first = topogan.pretrained(TINY, 500)
    before = parameters(first)
    trained = topogan.fork(TINY, "blind", 500)
    assert not torch.equal(parameters(trained), before)
    other = topogan.pretrained(replace(TINY, lam=0.7, mode="pixel"), 500)
    assert torch.equal(parameters(other), before) and other.config.lam == 0.7
    assert len(trained.history) == TINY.pretrain + TINY.steps


def test_without_weight_all_arms_are_the_same():
    # Same weights, noise and batches: only the topological gradient may tell the arms apart.
    free = replace(TINY, lam=0.0)
    arms = [parameters(topogan.fork(free, rule, 500)) for rule in ("none", "matched", "blind")]
    assert torch.equal(arms[0], arms[1]) and torch.equal(arms[0], arms[2])
    pulled = parameters(topogan.fork(TINY, "blind", 500, loss=pull_up))
    assert not torch.equal(arms[0], pulled)


def test_spectral_arm_has_its_own_checkpoint():
    assert topogan.fork(TINY, "spectral", 500).spectral
    assert not topogan.fork(TINY, "none", 500).spectral


def test_the_loss_sees_masks_and_is_logged():
    seed_everything(0)
    gan = training.GAN(*topogan.build(TINY), replace(TINY, lam=0.5))
    seen = {}

    def watched(masks):
        seen["masks"] = masks
        return pull_up(masks)

    row = training.train_generator(gan, torch.Generator().manual_seed(0), watched)
    assert seen["masks"].shape == (6, 1, 24, 24)
    assert seen["masks"].min() >= 0 and seen["masks"].max() <= 1
    assert row["topology"] == 2.0
    assert row["ratio"] > 0


def test_topology_alone_raises_the_pixels_it_wants():
    seed_everything(0)
    config = replace(TINY, lam=100.0, lr=5e-3)
    gan = training.GAN(*topogan.build(config), config)
    z = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
    before = gan.generator.eval()(z).mean().item()
    gan.generator.train()
    for step in range(5):
        training.train_generator(gan, torch.Generator().manual_seed(step), pull_up)
    assert gan.generator.eval()(z).mean().item() > before + 0.005


def test_nan_stops_the_run():
    gan = training.GAN(*topogan.build(TINY), TINY)
    with pytest.raises(NonFiniteLoss, match="step 1"):
        training.train(gan, torch.full((20, 1, 24, 24), float("nan")), 2, torch.Generator())


def test_real_batches_are_subsets():
    draw = training.real_batches(list(range(30)), 10, seed=1)
    first, second = draw(), draw()
    assert len(set(first)) == 10 and set(first) <= set(range(30)) and first != second
    assert len(training.real_batches([1, 2], 10, seed=1)()) == 2


# --- data and measures ------------------------------------------------------------------------


def test_sets_of_a_seed_are_independent_and_repeatable():
    task = topogan.load(TINY, 500)
    assert len(task.train.images) == 80 and len(task.held_out.images) == 40
    assert not torch.equal(task.held_out.images, task.second.images)
    assert topogan.load(replace(TINY, lam=3.0), 500) is task
    assert len(task.train.diagrams) == 80


def test_retina_is_split_by_half():
    task = topogan.load(replace(TINY, data="retina"), 500)
    assert task.train.images.shape == (80, 1, 24, 24)
    assert set(task.train.images.unique().tolist()) == {0.0, 1.0}


def test_patches_stay_inside_their_masks():
    masks = [np.eye(30, dtype=bool), np.zeros((40, 26), dtype=bool)]
    patches = _cut_patches(masks, 20, 24, np.random.default_rng(0))
    assert patches.shape == (20, 1, 24, 24) and patches.sum() > 0


def test_real_masks_score_at_the_floor_and_blank_ones_do_not():
    task = topogan.load(TINY, 500)
    floor = topogan.evaluate(task.second.images, task.held_out)
    blank = topogan.evaluate(torch.zeros(40, 1, 24, 24), task.held_out)
    same = topogan.evaluate(task.held_out.images, task.held_out)
    assert same["betti score"] == 0 and same["frechet"] == pytest.approx(0, abs=1e-3)
    assert same["excess"] == 0 and same["mmd squared"] < 0.02
    assert floor["betti score"] < 0.5 < blank["betti score"]
    assert floor["frechet"] < blank["frechet"]
    assert blank["almost rate"] == 0 and blank["mean betti"] == 1


def test_run_gives_the_same_numbers_twice_and_keeps_what_pictures_need():
    keep = {}
    first = topogan.run(TINY, "TopoGAN", 500, keep=keep)
    again = topogan.run(TINY, "TopoGAN", 500)
    assert {k: v for k, v in first.items() if k != "seconds"} == {
        k: v for k, v in again.items() if k != "seconds"
    }
    assert keep["masks"].shape == (40, 1, 24, 24) and keep["masks"].min() >= 0
    assert {"ratio", "topology"} <= set(keep["gan"].frame())


def test_a_students_loss_is_used():
    calls = []

    def mine(*args, **kwargs):
        calls.append(args)
        return topogan.topological_loss(*args, **kwargs)

    topogan.run(TINY, "TopoGAN", 500, loss=mine)
    assert len(calls) == TINY.steps and len(calls[0][1]) == TINY.topo_real


def test_unknown_names_and_impossible_values():
    with pytest.raises(UnknownName, match="TopoGAN"):
        topogan.run(TINY, "TopGAN", 500)
    with pytest.raises(UnknownName, match="membranes"):
        topogan.Config(data="membrane")
    with pytest.raises(UnknownName, match="uniform"):
        topogan.configure("smoke", match="sliced")
    with pytest.raises(EccvkitError, match="pretrain is 0"):
        topogan.Config(pretrain=0)
    with pytest.raises(EccvkitError, match="n_seeds is -1"):
        topogan.configure("smoke", n_seeds=-1)


def test_configure_changes_both_studies():
    main, retina = topogan.configure("lab", n_seeds=2, lam=0.5, cut=0.1)
    assert main.seeds == retina.seeds == 2 and main.lam == retina.lam == 0.5
    assert main.cut == 0.1 and retina.data == "retina"
    assert topogan.configure("lab")[0] == topogan.PRESETS["lab"]


# --- claims -----------------------------------------------------------------------------------


def test_every_claim_finds_its_numbers():
    study = run_study(topogan.run, TINY, topogan.ARMS, [500])
    retina = run_study(topogan.run, replace(TINY, data="retina"), topogan.RETINA_ARMS, [500])
    repaired = repair_study([500], masks=20, size=24)
    descent = topogan.descent_study([500], per_seed=2)
    verdicts = [
        verdict
        for claims, s in (
            (topogan.CLAIMS, study),
            (topogan.RETINA_CLAIMS, retina),
            (topogan.DESCENT_CLAIMS, descent),
            (topogan.REPAIR_CLAIMS, repaired),
        )
        for verdict in judge(claims, s)
    ]
    assert len({v.claim.id for v in verdicts}) == len(verdicts) == 11
    exact = [v for v in verdicts if v.claim.exact]
    assert [v.verdict for v in exact] == ["reproduced"] * 2


def test_relative_loss_by_hand():
    rows = [
        {"variant": arm, "seed": 0, "metric": "frechet", "value": value}
        for arm, value in (("TopoGAN", 12.0), ("WGAN-GP", 10.0))
    ]
    claim = next(c for c in topogan.CLAIMS if c.id == "C3a")
    # 20% worse, 10% tolerated.
    assert claim.effect.per_seed(Study(pd.DataFrame(rows))).tolist() == [pytest.approx(-0.1)]
    assert "+20%" in claim.effect.describe(Study(pd.DataFrame(rows)), 100.0)


def test_matching_repairs_to_the_real_rate():
    study = repair_study([500, 501], masks=60)
    assert study.values("almost rate", "blind").max() == 0
    rate = study.values("almost rate", "matched") - study.values("almost rate", "real")
    assert rate.abs().max() < 0.07  # against the masks that were matched
    assert study.values("rate error", "matched").max() < 0.15  # against others
    assert study.values("almost rate", "broken").min() > 0.7


def test_masks_from_a_folder(tmp_path):
    for k in range(4):
        mask = np.zeros((30, 40), dtype=np.uint8)
        mask[:, 10 + k] = 255
        Image.fromarray(mask).save(tmp_path / f"{k}.png")
    task = topogan.load(replace(TINY, data="folder", data_dir=str(tmp_path)), 500)
    assert task.train.images.shape == (80, 1, 24, 24)
    # The last image is held out: its wall in column 13 can be at most 13 in a patch.
    assert task.held_out.images.sum(dim=2).argmax(dim=-1).max() <= 13
    with pytest.raises(DataError, match="smaller than a patch"):
        topogan.load(replace(TINY, size=32, data="folder", data_dir=str(tmp_path)), 500)


def test_the_judge_minds_gaps_more_than_haze():
    real, other = (voronoi_membranes(300, 24, seed=k).images for k in (500, 501))
    torn = voronoi_membranes(300, 24, cut=1.0, seed=500).images
    torn[..., ::4, :] = 0
    features = topogan.judge_features(other)
    hazy, torn = (
        frechet_distance(topogan.judge_features(m), features)
        for m in ((real + 0.02).clamp(max=1), torn)
    )
    assert torn > 2 * hazy
