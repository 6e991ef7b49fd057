"""Paper 2, network, data, training and evaluation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from eccvkit.claims import judge
from eccvkit.data.meshes import Meshes
from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.nn import count_parameters
from eccvkit.papers import limp
from eccvkit.papers.limp import experiment, tasks
from eccvkit.study import Study, run_study

QUICK = replace(limp.PRESETS["smoke"], recon_epochs=3, epochs=3)


@pytest.fixture(scope="module")
def task():
    return limp.load(QUICK, 500)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return limp.ShapeVAE(QUICK, 32)


# ---- network -------------------------------------------------------------------------


def test_full_size_parameter_counts():
    full = limp.ShapeVAE(limp.PAPER, 2500)
    transform = count_parameters(full.encoder.transform)
    assert transform == 209_673
    assert count_parameters(full.encoder) - transform == 665_536
    assert count_parameters(full.decoder) == 17_729_868
    assert count_parameters(full) == 18_605_077
    assert full.extrinsic == limp.PAPER.latent // 4


def test_network_samples_in_training_only(net):
    x = torch.randn(4, 32, 3)
    assert not torch.equal(net(x)[0], net(x)[0])
    net.eval()
    decoded, mean, _ = net(x)
    assert torch.equal(decoded, net.decode(mean)) and decoded.shape == (4, 32, 3)


def test_frozen_statistics_leave_batch_normalisation_alone(net):
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d)]
    before = [m.running_mean.clone() for m in norms]
    with net.frozen_statistics():
        net.encode(torch.randn(2, 32, 3))
    assert norms and all(torch.equal(a, m.running_mean) for a, m in zip(before, norms))
    assert all(m.training for m in norms)
    net.encode(torch.randn(2, 32, 3))
    assert not torch.equal(before[0], norms[0].running_mean)


# ---- data ----------------------------------------------------------------------------


def test_task_splits_subjects_and_knows_the_truth(task):
    assert set(task.train.subject.tolist()) == {0, 1} and set(task.test.subject.tolist()) == {2}
    assert task.differing[0].tolist() == [0, 1, 1, 2] * 2
    i, j = torch.tensor([0]), torch.tensor([5])
    assert torch.allclose(task.truth(i, i), task.train.vertices[i], atol=1e-6)
    # The pose of j on the body of i: the flat lengths of i.
    sources = [0, 9, 31]
    mixed = limp.exact_geodesics(task.truth(i, j), task.train.faces, sources)
    own, other = (
        limp.exact_geodesics(task.train.vertices[k], task.train.faces, sources) for k in (i, j)
    )
    assert (mixed - own).abs().mean() < 0.25 * (mixed - other).abs().mean()


def test_pairs_are_of_one_subject_or_of_two():
    subject, draw = torch.tensor([0, 0, 1, 1, 1]), torch.Generator().manual_seed(0)
    i, j = limp.draw_pairs(subject, 200, True, draw)
    assert (subject[i] == subject[j]).all() and (i != j).all()
    assert len({(a, b) for a, b in zip(i.tolist(), j.tolist())}) == 2 + 6
    i, j = limp.draw_pairs(subject, 200, False, draw)
    assert (subject[i] != subject[j]).all()
    assert len({(a, b) for a, b in zip(i.tolist(), j.tolist())}) == 12
    only = torch.zeros(3, dtype=torch.long)
    assert len(limp.draw_pairs(only, 5, False, draw)[0]) == 0
    drawn = limp.Pairs.draw(only, 4, draw)
    assert drawn.n_iso == 4 and len(drawn.alpha.unique()) == 4


def test_faust_is_split_by_subject_and_its_truth_is_the_registration(monkeypatch):
    sheets = limp.load(replace(QUICK, subjects=10, poses=8, held_out=0), 1).train
    bodies = Meshes(sheets.vertices, sheets.faces, sheets.subject, sheets.pose)
    monkeypatch.setattr(tasks, "read_faust", lambda root: bodies)
    monkeypatch.setattr(tasks, "decimate", lambda meshes, target: meshes)
    tasks._registrations.cache_clear()
    config = replace(QUICK, data="faust", subjects=3, poses=8, held_out=2)
    loaded = limp.load(config, 3)
    tasks._registrations.cache_clear()
    train = loaded.train
    assert len(train) == 24 and len(loaded.test) == 16
    assert set(train.subject.tolist()).isdisjoint(loaded.test.subject.tolist())
    i, j = torch.tensor([0, 9]), torch.tensor([11, 6])
    combined = loaded.truth(i, j)
    for shape, a, b in zip(combined, i, j):
        row = ((train.subject == train.subject[a]) & (train.pose == train.pose[b])).nonzero()
        assert torch.equal(shape, train.vertices[int(row)])
    assert 0 < limp.run(config, "Geo", 3)["interp"] < 1


def test_missing_faust_and_unknown_data_are_named(tmp_path):
    tasks._registrations.cache_clear()
    with pytest.raises(DataError, match=r"tr_reg_000\.ply"):
        limp.load(replace(limp.PAPER, data_dir=str(tmp_path)), 0)
    with pytest.raises(UnknownName, match="unknown data set 'dogs'"):
        limp.load(replace(QUICK, data="dogs"), 0)


@pytest.mark.parametrize(
    ("change", "text"),
    [({"epochs": 0}, "epochs is 0"), ({"extrinsic": 32}, "extrinsic is 32 of 32"),
     ({"lr": float("nan")}, "lr is nan"), ({"kl_weight": -1.0}, "kl_weight is -1"),
     ({"target": "both"}, "unknown target"), ({"seeds": 0}, "seeds is 0")],
)  # fmt: skip
def test_impossible_configurations_are_refused_in_one_line(change, text):
    with pytest.raises(EccvkitError, match=text):
        limp.Config(**change)


def test_configure_reaches_both_studies():
    main, few = limp.configure("lab", epochs=7, n_seeds=2, target="decoded")
    for config in (main, few):
        assert (config.epochs, config.seeds, config.target) == (7, 2, "decoded")
    assert (main.subjects, few.subjects, few.poses) == (6, 1, 5)
    faust, _ = limp.configure("gpu", data="faust", data_dir="somewhere")
    assert (faust.latent, faust.data_dir, faust.subjects) == (256, "somewhere", 8)
    with pytest.raises(UnknownName, match="data set"):
        limp.configure("lab", data="cats")
    with pytest.raises(EccvkitError, match="epochs is -1"):
        limp.configure("lab", epochs=-1)


# ---- metric terms --------------------------------------------------------------------


def test_terms_of_the_arms_and_their_weights(task, net):
    pairs = limp.Pairs.draw(task.train.subject, 2, torch.Generator().manual_seed(0))
    names = {
        arm: set(limp.metric_terms(net, task, pairs, flags)) for arm, flags in limp.ARMS.items()
    }
    assert names["VAE"] == set()
    assert names["Euc"] == {"interp local", "int"}
    assert names["Geo"] == {"interp local", "int", "interp geodesic", "ext"}
    assert names["Geo"] | {"recon", "coordinates", "kl"} == set(limp.term_weights(QUICK))


class Lookup(nn.Module):
    """A perfect autoencoder of two shapes: the code is (0 or 1 | 0 or 1), decoded linearly."""

    extrinsic = 1

    def __init__(self, shapes, codes):
        super().__init__()
        self.shapes, self.codes = shapes, codes

    def encode(self, x):
        match = (x[:, None] - self.shapes).square().sum((2, 3)).argmin(1)
        return self.codes[match], None

    def decode(self, z):
        first, second = self.shapes[:2]
        share = z[:, 1, None, None]
        return (1 - share) * first + share * second


def test_terms_by_hand_with_a_lookup(task):
    # Shapes 0 and 1 are one subject in two poses; the code of the pose is extrinsic.
    lookup = Lookup(task.train.vertices, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    pairs = limp.Pairs(torch.tensor([0]), torch.tensor([1]), torch.tensor([0.5]), 1)
    terms = limp.metric_terms(lookup, task, pairs, limp.ARMS["Geo"])
    # Intrinsic codes agree, so Eq. 5 is fulfilled; there is no non-isometric pair.
    assert terms["int"].item() == pytest.approx(0, abs=1e-12) and "ext" not in terms
    middle = task.train.vertices[:2].mean(0, keepdim=True)
    true = task.geodesics[:2].mean(0, keepdim=True)
    found = limp.heat_geodesics(middle, task.train.faces)
    expected = limp.absolute_error(true, found).item()
    assert terms["interp geodesic"].item() == pytest.approx(expected)
    near = limp.local_mask(true)
    true = limp.euclidean_distances(task.train.vertices[:2]).mean(0, keepdim=True)
    expected = limp.relative_error(true, limp.euclidean_distances(middle), near).item()
    assert terms["interp local"].item() == pytest.approx(expected, rel=1e-5)
    # The reconstruction is perfect, so both targets agree.
    decoded = limp.metric_terms(lookup, task, pairs, limp.ARMS["Geo"], "decoded")
    for name, value in terms.items():
        assert decoded[name].item() == pytest.approx(value.item(), rel=1e-5, abs=1e-9)


def test_ext_compares_geodesics_with_those_of_the_first_shape(task):
    # Shapes 0 and 4 differ in subject; the lookup calls that difference extrinsic, which is wrong.
    shapes = task.train.vertices[[0, 4]]
    lookup = Lookup(shapes, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    pairs = limp.Pairs(torch.tensor([0]), torch.tensor([4]), torch.tensor([1.0]), 0)
    terms = limp.metric_terms(lookup, task, pairs, limp.ARMS["Geo"])
    expected = limp.absolute_error(task.geodesics[:1], task.geodesics[4:5]).item()
    assert terms["ext"].item() == pytest.approx(expected, rel=1e-4)
    assert "int" not in terms


def test_gradients_of_every_term_reach_encoder_and_decoder(task, net):
    pairs = limp.Pairs.draw(task.train.subject, 2, torch.Generator().manual_seed(1))
    for target in ("input", "decoded"):
        for name, value in limp.metric_terms(net, task, pairs, limp.ARMS["Geo"], target).items():
            net.zero_grad()
            value.backward(retain_graph=True)
            for part in (net.encoder.head[-1].weight, net.decoder[0].weight):
                assert torch.isfinite(part.grad).all() and part.grad.abs().max() > 0, name


# ---- training ------------------------------------------------------------------------


def test_arms_share_first_stage_and_batches(monkeypatch):
    seen = {}
    real = experiment.reconstruction_loss
    for arm in limp.ARMS:
        batches = seen.setdefault(arm, [])

        def spy(true, decoded, batches=batches):
            batches.append(true[:, 0, 0].tolist())
            return real(true, decoded)

        limp.first_stage(QUICK, 501, "cpu")
        monkeypatch.setattr(experiment, "reconstruction_loss", spy)
        limp.train(replace(QUICK), arm, 501)
        monkeypatch.setattr(experiment, "reconstruction_loss", real)
    whole = {
        arm: [b for b in batches if len(b) == QUICK.batch_size] for arm, batches in seen.items()
    }
    assert len(whole["VAE"]) == 2 * QUICK.epochs
    assert whole["VAE"] == whole["Euc"] == whole["Geo"]


def test_run_is_deterministic_and_keeps_the_artefacts():
    keep = {}
    first = limp.run(QUICK, "Geo", 500, keep=keep)
    experiment.first_stage.cache_clear()
    second = limp.run(QUICK, "Geo", 500)
    first.pop("seconds"), second.pop("seconds")
    assert first == second
    assert set(keep) == {"net", "task", "history", "between"}
    assert {"recon", "kl", "interp local", "interp geodesic", "int", "ext"} <= set(
        keep["history"].frame
    )
    with pytest.raises(UnknownName, match="did you mean 'Geo'"):
        limp.run(QUICK, "Gero", 500)


def test_a_reader_can_bring_a_heat_method():
    calls = []

    def mine(vertices, faces):
        calls.append(len(vertices))
        return limp.heat_geodesics(vertices, faces, 0.01)

    limp.run(QUICK, "Geo", 500, geodesics=mine)
    # One isometric and one non-isometric pair: two for Eq. 3 and one for Eq. 6.
    assert calls == [3] * 2 * QUICK.epochs


def test_jitter_moves_rigidly_to_first_order():
    torch.manual_seed(0)
    x = torch.randn(3, 20, 3)
    moved = limp.jitter(x, 0.01)
    assert 1e-3 < (moved - x).abs().max() < 0.2
    change = limp.euclidean_distances(moved) - limp.euclidean_distances(x)
    assert change.abs().max() < 2e-3 and limp.jitter(x, 0.0).equal(x)


# ---- evaluation ----------------------------------------------------------------------


def test_interpolation_error_is_zero_for_isometries_and_scales_with_stretch(task):
    pairs = torch.tensor([[0, 1], [0, 2]])
    sources = limp.spread_sources(32, 8)

    def first(pairs, alpha):
        return task.train.vertices[pairs[:, 0]]

    def stretched(pairs, alpha):
        return 1.1 * task.train.vertices[pairs[:, 0]]

    geodesic, edge = limp.interpolation_errors(task, pairs, first, 0.0, sources)
    assert geodesic == pytest.approx(0, abs=1e-9) and edge == pytest.approx(0, abs=1e-6)
    geodesic, edge = limp.interpolation_errors(task, pairs, stretched, 0.0, sources)
    assert geodesic == pytest.approx(0.1, rel=1e-3) and edge == pytest.approx(0.1, rel=1e-3)
    # Half way to another pose of the same sheet the target has not moved (up to chords).
    geodesic, _ = limp.interpolation_errors(task, pairs, first, 0.5, sources)
    assert geodesic < 0.01


def test_vertex_blend_shrinks_what_bends_apart():
    config = limp.PRESETS["lab"]
    strips_task = limp.load(replace(config, subjects=1, held_out=1), 500)
    blend = limp.vertex_blend(strips_task)
    metrics = limp.interpolation_metrics(config, strips_task, 500, blend)
    assert 0.05 < metrics["interp"] < 0.09
    ends = blend(torch.tensor([[0, 1]]), 1.0), strips_task.train.vertices[1:2]
    a, b = (limp.euclidean_distances(x) for x in ends)
    assert torch.allclose(a, b, atol=1e-5)


def test_exact_geodesics_of_a_bent_square():
    corners = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 1]]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    found = limp.exact_geodesics(corners, faces, [1])[0, 0]
    # From vertex 1 straight over the unfolded diagonal to vertex 3: sides 1 and 1, angles 90 + 90
    # at vertex 0 minus nothing: the path runs through vertex 0 itself.
    assert found.tolist() == pytest.approx([1, 0, 1, np.hypot(1, 1) + 0.0], rel=0.5)
    assert found[3].item() <= 2 + 1e-9


def test_point_error_sees_a_fold_that_distances_hardly_see(task):
    shapes = task.train.vertices[:2]
    turn = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]
    assert limp.point_error(shapes @ turn + 1, shapes) == pytest.approx(0, abs=1e-6)
    # Poses 0 and 1 differ in the last bend only.
    assert limp.point_error(shapes[:1], shapes[1:]) > 0.03


def test_edges_count_once():
    square = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]])
    lengths = limp.edge_lengths(square, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    assert sorted(lengths[0].tolist()) == pytest.approx([1, 1, 1, 1, 2**0.5])


def test_nearest_accuracy_by_hand():
    codes = torch.tensor([[0.0], [1.0], [5.0], [5.5]])
    assert limp.nearest_accuracy(codes, torch.tensor([0, 0, 1, 1])) == 1.0
    assert limp.nearest_accuracy(codes, torch.tensor([0, 1, 1, 1])) == 0.5


def test_swapping_perfect_codes_costs_nothing(task):
    # Codes are positions in a table of (identity, pose); decoding renders their combination.
    class Oracle(nn.Module):
        extrinsic = 1

        def encode(self, x):
            match = (x[:, None] - task.train.vertices).square().sum((2, 3)).argmin(1).float()
            return torch.stack([match, match], dim=1), None

        def decode(self, z):
            shapes = task.truth(z[:, 0].long(), z[:, 1].long())
            return shapes @ torch.diag(torch.tensor([1.0, 1.0, -1.0])) + 2

    assert limp.swap_error(Oracle(), task, 0) == pytest.approx(0, abs=1e-5)


# ---- claims --------------------------------------------------------------------------


def test_share_of_another_arm_by_hand():
    rows = [("VAE", 0, 0.4), ("Geo", 0, 0.1), ("VAE", 1, 0.2), ("Geo", 1, 0.1)]
    table = pd.DataFrame(
        [{"variant": v, "seed": s, "metric": "interp", "value": x} for v, s, x in rows]
    )
    effect = limp.AtMostShareOf("interp", "Geo", "VAE", 0.75)
    assert effect.per_seed(Study(table)).tolist() == pytest.approx([0.5, 0.25])
    assert effect.describe(Study(table), 100.0) == "38 % of VAE, bound 75 %"


def test_every_claim_can_be_judged():
    study = run_study(limp.run, QUICK, limp.VARIANTS, [500])
    few = replace(limp.FEW_PRESETS["smoke"], recon_epochs=2, epochs=2)
    few_study = run_study(limp.run, few, limp.VARIANTS, [500])
    verdicts = judge(limp.CLAIMS, study) + judge(limp.FEW_CLAIMS, few_study)
    assert [v.verdict for v in verdicts] == ["not judged"] * 12
    assert len({v.claim.id for v in verdicts}) == 12
