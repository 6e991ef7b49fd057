"""Paper 33: bins, oracles and weights on cases small enough to work out by hand."""

import json
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from itertools import permutations

import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib import pyplot as plt
from rich.console import Console

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.data.shapes_det import sample_layout
from eccvkit.errors import DataError, EccvkitError, UnknownName
from eccvkit.metrics.detection import box_iou_pairs
from eccvkit.papers import tide
from eccvkit.papers.tide.command import tide as command
from eccvkit.papers.tide.simulator import Rates, simulate_detector

CAT, DOG = 0, 1
NAMES = ("cat", "dog")
OBJECT = [0, 0, 10, 10]
#: Boxes by their IoU with OBJECT.
AT = {1.0: OBJECT, 0.6: [0, 0, 10, 6], 0.5: [0, 0, 10, 5], 0.3: [0, 0, 10, 3], 0.1: [0, 0, 10, 1]}
FAR = [100, 100, 5, 5]


def scene(objects, detections, n_images=1):
    """Objects (category, box); detections (category, box) by falling score, all in image 0."""
    gt = GroundTruth([0] * len(objects), [c for c, _ in objects], [b for _, b in objects])
    score = 0.9 - 0.1 * np.arange(len(detections))
    columns = [0] * len(detections), [c for c, _ in detections], [b for _, b in detections]
    return Dataset(gt, Detections(*columns, score), NAMES, n_images)


def kinds(analysis):
    return ["TP" if k < 0 else tide.TYPES[k] for k in analysis.errors.kind]


def simulated(seed=500, n=60, **rates):
    layout = sample_layout(n, seed, "val", classes=("disk", "ring", "square"), density=(4, 4))
    return simulate_detector(layout.table(), layout.classes, n, seed, Rates(**rates))


# --------------------------------------------------------------------------------------
# Bins
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "iou", "kind"),
    [
        (CAT, 0.6, "TP"),
        (CAT, 0.5, "TP"),  # the threshold qualifies
        (CAT, 0.3, "Loc"),
        (CAT, 0.1, "Loc"),  # so does the lower one
        (DOG, 0.6, "Cls"),
        (DOG, 0.5, "Cls"),
        (DOG, 0.3, "Both"),
        (DOG, 0.1, "Bkg"),
    ],
)
def test_bin_of_a_lone_detection(category, iou, kind):
    analysis = tide.analyse(scene([(CAT, OBJECT)], [(category, AT[iou])]))
    assert kinds(analysis) == [kind]
    assert analysis.errors.missed.tolist() == [kind in ("Both", "Bkg")]


def test_bins_when_the_object_is_taken():
    found = [(CAT, OBJECT), (CAT, AT[0.6]), (CAT, AT[0.5]), (CAT, AT[0.3]), (CAT, FAR)]
    analysis = tide.analyse(scene([(CAT, OBJECT)], found))
    # At the threshold itself Loc comes before Dupe.
    assert kinds(analysis) == ["TP", "Dupe", "Loc", "Loc", "Bkg"]
    assert analysis.errors.object.tolist() == [-1, 0, 0, 0, -1]
    assert not analysis.errors.repairable.any()


def test_loc_comes_before_cls_and_cls_before_dupe():
    loc = scene([(CAT, OBJECT), (DOG, AT[0.3])], [(CAT, AT[0.3])])
    assert kinds(tide.analyse(loc)) == ["Loc"]
    cls = scene([(CAT, OBJECT), (DOG, OBJECT)], [(CAT, OBJECT), (CAT, OBJECT)])
    assert kinds(tide.analyse(cls)) == ["TP", "Cls"]


def test_an_image_without_objects_has_background_errors_only():
    gt = GroundTruth([0], [CAT], [OBJECT])
    det = Detections([1, 1], [CAT, DOG], [OBJECT, OBJECT], [0.9, 0.8])
    analysis = tide.analyse(Dataset(gt, det, NAMES, 2))
    assert kinds(analysis) == ["Bkg", "Bkg"]
    assert analysis.counts() == dict.fromkeys(tide.TYPES, 0) | {"Bkg": 2, "Miss": 1}


def reference_kind(same, other, t_f, t_b):
    """Sect. 2.2 for one false positive, from its largest overlaps."""
    if t_b <= same <= t_f:
        return "Loc"
    if other >= t_f:
        return "Cls"
    if same >= t_f:
        return "Dupe"
    return "Bkg" if max(same, other) <= t_b else "Both"


@pytest.mark.parametrize("seed", range(500, 504))
def test_bins_equal_the_loop(seed):
    dataset = simulated(seed, duplicate=0.4, background=3).dataset
    analysis = tide.analyse(dataset, t_f=0.6, t_b=0.2)
    gt, det = dataset.gt, dataset.det
    for place, row in enumerate(analysis.pairs.rows):
        if analysis.found[place] >= 0:
            continue
        here = np.flatnonzero(gt.image == det.image[row])
        iou = box_iou_pairs(np.repeat(det.box[[row]], len(here), 0), gt.box[here])
        same = gt.category[here] == det.category[row]
        best = [iou[which].max(initial=0) for which in (same, ~same)]
        assert tide.TYPES[analysis.errors.kind[place]] == reference_kind(*best, 0.6, 0.2)


# --------------------------------------------------------------------------------------
# Oracles and weights
# --------------------------------------------------------------------------------------


def test_competing_repairs_of_one_object_give_one_true_positive():
    # A Cls and a Loc error about the same cat: the more confident one is repaired.
    dataset = scene([(CAT, OBJECT)], [(DOG, OBJECT), (CAT, AT[0.3])])
    analysis = tide.analyse(dataset)
    assert kinds(analysis) == ["Cls", "Loc"]
    assert analysis.errors.repairable.tolist() == [True, False]
    assert analysis.ap() == 0
    # Cls: the cat is found first, the Loc error behind it costs nothing; dogs are gone.
    assert analysis.ap(["Cls"]) == 100
    # Loc: only suppressed, because the cat belongs to the Cls error.
    assert analysis.ap(["Loc"]) == 0


def test_a_repair_of_a_taken_object_makes_no_second_true_positive():
    dataset = scene([(CAT, OBJECT), (CAT, FAR)], [(CAT, OBJECT), (CAT, AT[0.3])])
    analysis = tide.analyse(dataset)
    repaired = tide.repair(dataset, analysis.errors, analysis.before, ["Loc"])
    assert repaired.correct.tolist() == [True, False]
    assert repaired.counted.tolist() == [True, False]
    assert repaired.n_gt.tolist() == [2, 0]


def test_miss_shrinks_the_number_of_objects_and_invents_no_detection():
    dataset = scene([(CAT, OBJECT), (CAT, FAR)], [(CAT, OBJECT)])
    analysis = tide.analyse(dataset)
    repaired = tide.repair(dataset, analysis.errors, analysis.before, ["Miss"])
    assert len(repaired.category) == 1
    assert repaired.n_gt.tolist() == [1, 0]
    assert tide.isolated(analysis)["Miss"] == pytest.approx(100 - analysis.ap())


def test_what_can_be_recovered_is_not_missed():
    analysis = tide.analyse(scene([(CAT, OBJECT), (CAT, FAR)], [(DOG, OBJECT)]))
    assert analysis.errors.missed.tolist() == [False, True]


@pytest.mark.parametrize("seed", range(500, 505))
def test_all_oracles_together_give_100(seed):
    analysis = tide.analyse(simulated(seed, duplicate=0.4, background=2).dataset)
    assert analysis.ap(tide.TYPES) == pytest.approx(100)
    assert analysis.ap(["FP", "FN"]) == pytest.approx(100)


def test_false_positives_of_a_category_without_objects_vanish():
    analysis = tide.analyse(scene([(CAT, OBJECT)], [(CAT, OBJECT), (DOG, FAR)]))
    assert analysis.ap() == 50
    assert analysis.ap(["FP"]) == 100


def test_a_detector_that_finds_nothing():
    empty = Detections([], [], [], [])
    analysis = tide.analyse(replace(scene([(CAT, OBJECT)], []), det=empty))
    assert analysis.ap() == 0
    assert tide.isolated(analysis) == dict.fromkeys(tide.TYPES, 0.0) | {"Miss": 100.0}


def test_progressive_weights_by_hand_and_in_all_orders():
    analysis = tide.analyse(simulated().dataset)
    order = ("Bkg", "Cls", "Loc", "Both", "Dupe", "Miss")
    weights = tide.progressive(analysis, order)
    assert list(weights) == list(order)
    assert weights["Loc"] == pytest.approx(
        analysis.ap(["Bkg", "Cls", "Loc"]) - analysis.ap(["Bkg", "Cls"])
    )
    assert sum(weights.values()) == pytest.approx(100 - analysis.ap())
    means = tide.by_position(analysis)
    assert means.loc["Cls", 3] == pytest.approx(
        np.mean(
            [
                tide.progressive(analysis, o)["Cls"]
                for o in permutations(tide.TYPES)
                if o[2] == "Cls"
            ]
        )
    )
    assert means[1].to_dict() == pytest.approx(tide.isolated(analysis))
    assert len(analysis._aps) <= 64 + 2
    with pytest.raises(EccvkitError, match="order"):
        tide.progressive(analysis, ("Cls", "Loc"))


def test_restricted_repairs_filter_the_repairs_not_the_detections():
    small, large = [0, 0, 10, 10], [50, 50, 40, 40]
    dataset = scene([(CAT, small), (CAT, large)], [(CAT, [0, 0, 10, 3]), (CAT, [50, 50, 40, 12])])
    analysis = tide.analyse(dataset)
    groups = tide.size_groups(analysis)
    weights = tide.restricted(analysis, groups, ["Loc"])
    # The small one alone is repaired: found first, recall 1/2, its precision 1.
    assert weights.loc["Loc", "XS"] == pytest.approx(100 * 51 / 101)
    # The large object lies in M, its detection of 480 square pixels in S: both select it.
    assert weights.loc["Loc", "M"] == weights.loc["Loc", "S"] == pytest.approx(100 * 51 / 101 / 2)
    assert weights.loc["Loc", "XL"] == 0
    whole = {"all": tide.Selection(np.ones(2, bool), np.ones(2, bool))}
    assert tide.restricted(analysis, whole)["all"].to_dict() == tide.isolated(analysis)


def test_per_class_and_sweep():
    analysis = tide.analyse(simulated().dataset)
    classes = tide.per_class(analysis)
    assert classes["AP"].mean() == pytest.approx(analysis.ap())
    assert classes["Miss"].mean() == pytest.approx(tide.isolated(analysis)["Miss"])
    assert classes["objects"].sum() == len(analysis.dataset.gt)
    thresholds = tide.sweep(analysis, (0.5, 0.75))
    alone = tide.analyse(analysis.dataset, t_f=0.75)
    assert thresholds.loc[0.75, "mAP"] == alone.ap()
    assert thresholds.loc[0.75, list(tide.TYPES)].to_dict() == tide.isolated(alone)


def test_bad_requests():
    dataset = scene([(CAT, OBJECT)], [(CAT, OBJECT)])
    with pytest.raises(EccvkitError, match=r"t_b=.* and t_f=.*use 0 < t_b"):
        tide.analyse(dataset, t_f=0.3, t_b=0.5)
    with pytest.raises(UnknownName, match="oracle"):
        tide.analyse(dataset).ap(["Scale"])
    nothing = Dataset(GroundTruth([], [], []), Detections([], [], [], []), NAMES, 1)
    with pytest.raises(DataError, match="nothing to judge"):
        tide.analyse(nothing)


# --------------------------------------------------------------------------------------
# Simulator
# --------------------------------------------------------------------------------------


def test_a_perfect_simulated_detector_scores_100():
    perfect = simulated(miss=0, swap=0, shift=1e-9, duplicate=0, background=0)
    analysis = tide.analyse(perfect.dataset)
    assert analysis.ap() == 100
    assert max(tide.isolated(analysis).values()) == 0


def test_each_rate_makes_its_own_error():
    quiet = {"miss": 0, "swap": 0, "shift": 1e-9, "duplicate": 0, "background": 0}
    for rate, value, kind in [
        ("miss", 0.3, "Miss"),
        ("swap", 0.3, "Cls"),
        ("duplicate", 0.5, "Dupe"),
        ("background", 2, "Bkg"),
    ]:
        counts = tide.analyse(simulated(**quiet | {rate: value}).dataset).counts()
        # Some errors hit another object by chance and fall into another bin.
        runner_up = max(count for name, count in counts.items() if name != kind)
        assert counts[kind] > max(20, 3 * runner_up), (rate, counts)


def test_changing_one_rate_leaves_the_rest():
    few, many = simulated(duplicate=0.1), simulated(duplicate=0.5)
    own = few.source >= 0
    first = np.unique(few.source[own], return_index=True)[1]
    again = np.unique(many.source[many.source >= 0], return_index=True)[1]
    assert np.array_equal(few.dataset.det.box[own][first], many.dataset.det.box[again])
    empty = [s.dataset.det.box[s.source < 0] for s in (few, many)]
    assert np.array_equal(*empty)


def test_rescoring_multiplies_by_the_true_overlap():
    sim = simulated()
    before, after = sim.dataset.det.score, sim.rescored().det.score
    factor = after / before
    assert (factor[sim.source < 0] == 1).all()
    row = int(np.flatnonzero(sim.source >= 0)[0])
    iou = box_iou_pairs(sim.dataset.det.box[[row]], sim.dataset.gt.box[[sim.source[row]]])
    assert factor[row] == pytest.approx(iou[0])


# --------------------------------------------------------------------------------------
# Report and command
# --------------------------------------------------------------------------------------


def test_table_and_figure_show_the_weights():
    analysis = tide.analyse(simulated().dataset)
    weights = tide.isolated(analysis) | tide.special(analysis)
    table = tide.table(analysis)
    assert table["weight"].to_dict() == weights
    assert table.loc["FN", "count"] == len(analysis.dataset.gt) - (analysis.found >= 0).sum()
    figure = tide.draw(analysis, "a detector")
    heights = [bar.get_height() for bar in figure.axes[1].patches]
    assert heights == pytest.approx(list(weights.values()))
    assert len(figure.axes[0].patches) == sum(w > 0 for w in tide.isolated(analysis).values())
    shares = tide.clipped(tide.isolated(analysis))
    named = {text.get_text() for text in figure.axes[0].texts} - {""}
    assert named == {name for name, w in shares.items() if w >= 0.04 * sum(shares.values())}
    assert 0 < len(named) < sum(w > 0 for w in shares.values())
    assert f"mAP {analysis.ap():.1f}" in tide.describe(analysis)
    plt.close(figure)
    flawless = tide.analyse(scene([(CAT, OBJECT)], [(CAT, OBJECT)]))
    plt.close(tide.draw(flawless))
    assert tide.clipped({"Cls": -0.5, "Loc": 2.0}) == {"Cls": 0.0, "Loc": 2.0}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = simulated(n=20).dataset
    gt, det = dataset.gt, dataset.det
    content = {
        "images": [{"id": i} for i in range(20)],
        "categories": [{"id": c, "name": f"<{n}>"} for c, n in enumerate(dataset.categories)],
        "annotations": [
            {"id": k, "image_id": int(i), "category_id": int(c), "bbox": b.tolist()}
            for k, (i, c, b) in enumerate(zip(gt.image, gt.category, gt.box))
        ],
    }
    results = [
        {"image_id": int(i), "category_id": int(c), "bbox": b.tolist(), "score": float(s)}
        for i, c, b, s in zip(det.image, det.category, det.box, det.score)
    ]
    (tmp_path / "gt.json").write_text(json.dumps(content))
    (tmp_path / "det.json").write_text(json.dumps(results))
    return tmp_path, dataset


def test_command_prints_the_table_and_writes_the_page(files):
    folder, dataset = files
    console = Console(file=StringIO(), width=100)
    analysis = command(folder / "gt.json", folder / "det.json", console, html=True)
    assert analysis.ap() == pytest.approx(tide.analyse(dataset).ap())
    text = console.file.getvalue()
    assert f"mAP {analysis.ap():.2f} at IoU 0.5" in text
    assert "right place, wrong class" in text
    page = BeautifulSoup((folder / "det.tide.html").read_text(), "html.parser")
    assert page.h1.text == "Errors of det.json on gt.json"
    assert page.img["src"].startswith("data:image/png;base64,")
    assert f"{analysis.ap():.1f}" in page.img["alt"]
    assert "<disk>" in page.text  # names are escaped
    assert len(page.find_all("table")) == 3


def test_command_says_what_may_surprise(files):
    folder, _ = files
    content = json.loads((folder / "gt.json").read_text())
    results = json.loads((folder / "det.json").read_text())
    bare = results[0]["image_id"]
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] != bare]
    (folder / "gt.json").write_text(json.dumps(content))
    console = Console(file=StringIO(), width=200)
    command(folder / "gt.json", folder / "det.json", console, max_dets=1)
    text = console.file.getvalue()
    assert text.startswith("20 images, 3 categories, ")
    images = len({row["image_id"] for row in results})
    assert f"because their image has more confident ones: {len(results) - images}\n" in text
    assert "without annotations: 1; their detections all count as background errors: 1\n" in text


def test_command_needs_no_torch(files):
    folder, _ = files
    script = (
        "import sys; from pathlib import Path; from rich.console import Console\n"
        "from eccvkit.papers.tide.command import tide\n"
        "tide(Path('gt.json'), Path('det.json'), Console())\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
