"""The pictures of paper 33: what they choose to show, and that they draw it."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from eccvkit.data.detections import Dataset, Detections, GroundTruth
from eccvkit.papers import tide
from eccvkit.papers.tide import pictures

#: Two dogs and two cats on two images of 64 pixels.
OBJECTS = GroundTruth(
    image=[0, 0, 1, 1],
    category=[0, 1, 0, 1],
    box=[[2, 2, 20, 20], [40, 2, 20, 20], [2, 40, 20, 20], [40, 40, 20, 20]],
)
IMAGES = torch.full((2, 3, 64, 64), 0.5)


def analysis(gt=OBJECTS):
    """Correct, Dupe, Loc, Cls, Both, Bkg (twice, once small), and a missed dog."""
    rows = [
        (0, 0, [2, 2, 20, 20], 0.9),
        (0, 0, [3, 2, 20, 20], 0.8),
        (1, 0, [12, 40, 20, 20], 0.7),
        (0, 0, [40, 2, 20, 20], 0.6),
        (1, 1, [14, 40, 20, 20], 0.5),
        (0, 1, [20, 40, 20, 20], 0.4),
        (0, 1, [50, 50, 4, 4], 0.45),
    ]
    image, category, box, score = zip(*rows)
    return tide.analyse(Dataset(gt, Detections(image, category, box, score), ("cat", "dog"), 2))


def test_examples_are_the_most_confident_large_ones():
    judged = analysis()
    chosen = pictures.examples(judged)
    score = judged.dataset.det.score[judged.pairs.rows]
    found = {name: score[i] for name, i in chosen.items() if name != "Miss"}
    assert found == {"Cls": 0.6, "Loc": 0.7, "Both": 0.5, "Dupe": 0.8, "Bkg": 0.4}
    assert chosen["Miss"] == 3


def test_the_overlap_shown_is_that_of_the_definition():
    judged = analysis()
    chosen = pictures.examples(judged)
    shown = {n: pictures.overlap_of(judged, i, n) for n, i in chosen.items() if n != "Miss"}
    assert shown == pytest.approx(
        {"Cls": 1.0, "Loc": 1 / 3, "Both": 8 / 32, "Dupe": 19 / 21, "Bkg": 0.0}
    )


def test_only_errors_about_missing_annotations_are_excused():
    whole = analysis()
    for kind in ("Bkg", "Loc", "Dupe"):
        assert pictures.explained(whole, kind, OBJECTS) == 0
    # Without its first cat, image 0 has two confident "background" boxes that are right.
    sparse = analysis(OBJECTS.take(np.array([1, 2, 3])))
    assert len(sparse.errors.of("Bkg")) == 4
    assert pictures.explained(sparse, "Bkg", OBJECTS) == 2 / 4
    assert pictures.explained(sparse, "Bkg", OBJECTS, most=2) == 1
    assert np.isnan(pictures.explained(sparse, "Dupe", OBJECTS))


def test_confident_errors_come_by_falling_score():
    judged = analysis()
    score = judged.dataset.det.score[judged.pairs.rows]
    assert score[pictures.most_confident(judged, "Bkg")].tolist() == [0.45, 0.4]
    assert len(pictures.most_confident(judged, "Bkg", most=1)) == 1


def test_stacked_areas_are_the_progressive_weights():
    judged = analysis()
    _, ax = plt.subplots()
    pictures.stacked_curves(ax, judged, tide.TYPES)
    weights = tide.progressive(judged, tide.TYPES)
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[1:] == [f"{name} +{weight:.1f}" for name, weight in weights.items()]
    top = ax.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)
    plt.close("all")


def test_missed_objects_are_framed_once():
    figure = pictures.error_types(analysis(), IMAGES)
    missed = figure.axes[tide.TYPES.index("Miss")]
    texts = [text.get_text() for text in missed.texts]
    assert "dog, missed" in texts
    assert len(missed.patches) == int((OBJECTS.image == 1).sum())
    plt.close(figure)


def test_ticks_in_points_stay_inside_what_is_drawn():
    _, ax = plt.subplots()
    ax.plot([0, 1], [0, 12])
    pictures.points_axis(ax)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "0.5", "1", "2", "5", "10"]
    assert ax.get_ylim()[1] < 20
    plt.close("all")


def test_everything_draws():
    judged = analysis()
    pictures.error_types(judged, IMAGES)
    pictures.error_types(
        tide.analyse(Dataset(OBJECTS, judged.dataset.det.take([0]), "ab", 2)), IMAGES
    )
    _, axes = plt.subplots(1, 3)
    pictures.confident_errors(axes, analysis(OBJECTS.take([1])), IMAGES, "Bkg", OBJECTS)
    pictures.places(axes[0], tide.by_position(judged))
    table = tide.restricted(judged, tide.size_groups(judged), ["Cls", "Loc", "Miss"])
    pictures.size_bars(axes, {"a": table, "b": table}, {"a": "red", "b": "blue"})
    from pycocotools import mask as coco_mask

    code = coco_mask.encode(np.asfortranarray(np.eye(64, dtype=np.uint8)))
    pictures.mask_overlay(axes[0], IMAGES[0], [code], [[2, 2, 9, 9]], ["cat"], ["red"])
    plt.gcf().canvas.draw()
    plt.close("all")
