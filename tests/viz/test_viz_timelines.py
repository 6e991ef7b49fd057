import matplotlib.pyplot as plt
import numpy as np
import pytest

from eccvkit.errors import EccvkitError
from eccvkit.viz.timelines import class_colours, heat_rows, timeline

NAMES = ("rain", "ship", "bell")


@pytest.fixture
def ax():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def table(**seconds):
    active = np.zeros((6, 3), bool)
    for name, ts in seconds.items():
        active[list(ts), NAMES.index(name)] = True
    return active


def bars(ax):
    """Left, right, bottom of every bar."""
    boxes = [c.get_paths()[0].get_extents() for c in ax.collections]
    return [(round(b.x0, 3), round(b.x1, 3), round(b.y0, 3)) for b in boxes]


def test_a_bar_per_event_at_its_time(ax):
    timeline(ax, {"heard": table(rain=(0, 1, 4)), "seen": table(ship=(2,))}, NAMES, seconds=0.5)
    assert [b[:2] for b in bars(ax)] == [(0, 1), (2, 2.5), (1, 1.5)]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["heard", "seen"]
    assert ax.get_xlim() == (0, 3)
    assert [t.get_text() for t in ax.texts] == ["rain", "rain", "ship"]


def test_lanes_are_the_same_in_all_rows_and_do_not_overlap(ax):
    rows = {"truth": table(rain=(0,), bell=(0,)), "found": table(bell=(0,))}
    timeline(ax, rows, NAMES, faint=["found"])
    rain, bell, found = bars(ax)
    assert bell[2] - rain[2] == pytest.approx(0.42)
    assert found[2] - bell[2] == pytest.approx(1)
    assert [c.get_alpha() for c in ax.collections] == [1, 1, 0.55]


def test_names_are_black_on_pale_bars(ax):
    active = np.zeros((6, 8), bool)
    active[0, [0, 6]] = True  # blue and pale pink
    timeline(ax, {"heard": active}, [f"class {k}" for k in range(8)])
    assert [t.get_color() for t in ax.texts] == ["white", "black"]


def test_nothing_happens(ax):
    timeline(ax, {"heard": table()}, NAMES)
    assert not ax.collections and len(ax.get_yticklabels()) == 1


def test_given_classes_only(ax):
    timeline(ax, {"heard": table(rain=(0,), ship=(1,))}, NAMES, classes=[1])
    assert len(bars(ax)) == 1


def test_bad_rows(ax):
    with pytest.raises(EccvkitError, match="at least one"):
        timeline(ax, {}, NAMES)
    with pytest.raises(EccvkitError, match="all"):
        timeline(ax, {"a": table(), "b": table()[:4]}, NAMES)


def test_colours_repeat():
    assert class_colours(12)[10:] == class_colours(2)


def test_heat_rows(ax):
    heat_rows(ax, [[0, 0.5, 1.0], [0.25, 0, 0]], ["a", "b"], write=True)
    assert ax.images[0].get_array().shape == (2, 3)
    texts = [t.get_text() for t in ax.texts]
    assert texts == [".00", ".50", "1.00", ".25", ".00", ".00"]
    assert ax.texts[2].get_color() == "white"
    with pytest.raises(EccvkitError, match="one label"):
        heat_rows(ax, [[0, 1]], ["a", "b"])
