import base64
import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.study import Study
from eccvkit.training import History
from eccvkit.viz import arm_colours, show, use_style
from eccvkit.viz.bars import ablation_bars, paper_bars
from eccvkit.viz.curves import loss_curves, precision_recall, roc, sweep
from eccvkit.viz.embed import project, scatter_classes, scatter_values
from eccvkit.viz.images import as_pictures, image_grid
from eccvkit.viz.style import DISPLAY_DPI, DPI, GREY, PALETTE

rows = [
    {"variant": v, "seed": s, "metric": "auroc", "value": x + 0.01 * s}
    for v, x in (("base", 0.8), ("ours", 0.9))
    for s in range(3)
]
STUDY = Study(pd.DataFrame(rows))


@pytest.fixture(autouse=True)
def figure():
    use_style()
    yield plt.subplots()
    plt.close("all")


def test_first_colours_stay_apart_for_red_green_blind_readers():
    # Deuteranopia in the linear model of Vienot et al. (1999).
    rgb = np.array([matplotlib.colors.to_rgb(c) for c in PALETTE[:6]])
    lms = (
        rgb**2.2
        @ np.array(
            [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.02996, 0.18431, 1.46709]]
        ).T
    )
    seen = np.column_stack([lms[:, 0], 0.494207 * lms[:, 0] + 1.24827 * lms[:, 2], lms[:, 2]])
    seen /= np.array([65.5178, 34.4782, 1.68151])
    gaps = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(6, 1)]
    assert gaps.min() > 0.05


def test_colours_are_stable_and_the_reference_is_grey():
    colours = arm_colours(["softmax", "GCPL", "RPL"], reference="softmax")
    assert colours == {"GCPL": PALETTE[0], "RPL": PALETTE[1], "softmax": GREY}
    with pytest.raises(EccvkitError, match="split the figure"):
        arm_colours(map(str, range(10)))
    assert len(arm_colours(map(str, range(9)))) == 9


def test_show_needs_alt_text_and_stores_it(figure, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *a, **k: shown.append((a, k)))
    with pytest.raises(EccvkitError, match="alternative text"):
        show(figure[0], "plot")
    show(figure[0], "An empty   pair of axes.", thumbnail=True)
    (bundle,), kwargs = shown[0]
    meta = kwargs["metadata"]["image/png"]
    assert meta["alt"] == "An empty pair of axes." and meta["thumbnail"]
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.width / meta["width"] == pytest.approx(DPI / DISPLAY_DPI, rel=0.01)
    assert not plt.fignum_exists(figure[0].number)


def test_loss_curves_skip_arms_without_the_term(figure):
    frame = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5]})
    ax = loss_curves(figure[1], {"a": History(frame, 0, 0)}, "loss")
    assert len(ax.lines) == 1 and ax.get_xlabel() == "epoch" and ax.get_yscale() == "log"
    loss_curves(ax, {"a": History(frame, 0, 0)}, "open space")
    assert len(ax.lines) == 1


def test_sweep_draws_means_and_band(figure):
    ax = sweep(figure[1], STUDY, {"base": 1, "ours": 2}, "auroc")
    assert ax.lines[0].get_ydata() == pytest.approx([0.81, 0.91])
    assert len(ax.collections) == 1


def test_roc_and_precision_recall_carry_their_areas(figure):
    scores = {"perfect": ([2.0, 3.0], [0.0, 1.0])}
    assert roc(figure[1], scores).get_legend_handles_labels()[1] == ["perfect (1.000)"]
    for positive in ("known", "unknown"):
        ax = precision_recall(plt.subplots()[1], scores, positive=positive)
        assert ax.get_legend_handles_labels()[1] == ["perfect (1.000)", "guessing (0.500)"]


def test_ablation_bars_put_arms_in_rows(figure):
    ax = ablation_bars(figure[1], STUDY, "auroc", ["ours", "base"], scale=100)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ours", "base"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    big = [line for line in ax.lines if line.get_markersize() == 9]
    assert [line.get_xdata()[0] for line in big] == pytest.approx([91, 81])
    other = paper_bars(plt.subplots()[1], {"ours": 83.1}, ["ours", "base"])
    assert [t.get_text() for t in other.texts] == ["83.1"]


@pytest.mark.parametrize("method", ["tsne", "pca", "mds"])
def test_projections_keep_two_far_clusters_apart(method):
    rng = np.random.default_rng(0)
    features = np.r_[rng.normal(0, 0.1, (20, 5)), rng.normal(5, 0.1, (20, 5))]
    plane = project(features, method, seed=0)
    assert plane.shape == (40, 2)
    a, b = plane[:20], plane[20:]
    spread = max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max())
    assert np.linalg.norm(a.mean(0) - b.mean(0)) > spread
    assert np.array_equal(plane, project(features, method, seed=0))


def test_bad_projections():
    with pytest.raises(UnknownName, match="projection 'umap'"):
        project(np.zeros((5, 2)), "umap")
    with pytest.raises(EccvkitError, match="finite"):
        project(np.full((5, 2), np.nan))


def test_unknowns_are_grey_and_named(figure):
    ax = scatter_classes(figure[1], np.zeros((3, 2)), [0, 1, -1], ["zero", "one"])
    assert ax.get_legend_handles_labels()[1] == ["unknown", "zero", "one"]
    grey = matplotlib.colors.to_rgb(GREY)
    assert tuple(ax.collections[0].get_facecolor()[0][:3]) == pytest.approx(grey)


def test_values_get_a_named_colour_bar(figure):
    scatter_values(figure[1], np.zeros((3, 2)), [1, 2, 3], "norm")
    assert figure[0].axes[-1].get_ylabel() == "norm"


def test_image_grid():
    images = torch.rand(5, 1, 8, 8)
    grid = image_grid(images, 2, 3, row_titles=["a", "b"], frames=["red"] * 5)
    assert [ax.get_visible() for ax in grid.axes] == [True] * 5 + [False]
    assert as_pictures(torch.zeros(2, 3, 4, 5)).shape == (2, 4, 5, 3)
    with pytest.raises(EccvkitError, match="1 or 3"):
        as_pictures(torch.zeros(2, 4, 4, 5))
