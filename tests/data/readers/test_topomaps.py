"""Released maps and GraphML: round trips, and one clear line for every kind of damage."""

import networkx
import numpy as np
import pytest
import torch

from eccvkit.data.readers.topomaps import read_topomaps
from eccvkit.errors import DataError


def content(n=4, k=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    xy = torch.rand(n, 2, generator=g)
    links = torch.triu((torch.rand(n, n, generator=g) < 0.6).float(), 1)
    return {
        "features": torch.randn(n, k, generator=g),
        "positions": torch.cat([xy, torch.zeros(n, 1), torch.ones(n, 1)], dim=1),
        "predicted_adj_mat": torch.rand(n, n, generator=g),
        "ground_adj_mat": links + links.T,
        "optimal_actions": torch.randint(0, n, (n, n), generator=g),
        "path_length_mat": torch.rand(n, n, generator=g),
        "global_distance_matrix": torch.cdist(xy, xy),
        "weight_mat": torch.rand(n, n, generator=g),
    }


def save(tmp_path, value, name="maps.pth"):
    torch.save(value, tmp_path / name)
    return tmp_path / name


def test_one_graph_is_read_as_it_was_written(tmp_path):
    written = content()
    (read,) = read_topomaps(save(tmp_path, written))
    assert read.nodes == 4 and read.name == "maps.pth[0]"
    np.testing.assert_allclose(read.vision, written["features"])
    np.testing.assert_allclose(read.positions, written["positions"][:, :2])
    np.testing.assert_array_equal(read.visible, written["ground_adj_mat"] == 1)
    np.testing.assert_array_equal(read.next_hops, written["optimal_actions"])
    np.testing.assert_allclose(read.distances, written["global_distance_matrix"], atol=1e-6)


def test_asymmetric_probabilities_become_the_mean_of_both_directions(tmp_path):
    written = content()
    written["predicted_adj_mat"][0, 1], written["predicted_adj_mat"][1, 0] = 0.2, 0.6
    (read,) = read_topomaps(save(tmp_path, written))
    assert read.probabilities[0, 1] == read.probabilities[1, 0] == pytest.approx(0.4)
    assert (np.diag(read.probabilities) == 1).all()


def test_many_graphs_as_one_tensor_or_as_lists_of_different_sizes(tmp_path):
    parts = [content(seed=s) for s in (0, 1)]
    stacked = {key: torch.stack([p[key] for p in parts]) for key in parts[0]}
    maps = read_topomaps(save(tmp_path, stacked))
    assert [m.name for m in maps] == ["maps.pth[0]", "maps.pth[1]"]
    np.testing.assert_allclose(maps[1].vision, parts[1]["features"])
    mixed = [content(n=3), content(n=5)]
    lists = {key: [p[key] for p in mixed] for key in mixed[0]}
    assert [m.nodes for m in read_topomaps(save(tmp_path, lists))] == [3, 5]


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    save(tmp_path, content(n=3), "b.pth")
    save(tmp_path, content(n=5), "a.pth")
    assert [m.name for m in read_topomaps(tmp_path)] == ["a.pth[0]", "b.pth[0]"]


def damaged(key, change):
    value = content()
    value[key] = change(value[key])
    return value


def put(value, i, j):
    def change(tensor):
        tensor = tensor.clone()
        tensor[i, j] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({k: v for k, v in content().items() if k != "ground_adj_mat"}, "no key ground_adj_mat"),
        ({}, "it has nothing"),
        ([1, 2], "holds a list"),
        (damaged("predicted_adj_mat", put(1.5, 0, 1)), "predicted_adj_mat goes from .* to 1.5"),
        (damaged("predicted_adj_mat", put(-0.5, 0, 1)), "logits need a sigmoid"),
        (damaged("predicted_adj_mat", put(torch.nan, 0, 1)), "predicted_adj_mat holds NaN"),
        (damaged("ground_adj_mat", put(0.5, 0, 1)), "ground_adj_mat holds values other"),
        (damaged("ground_adj_mat", lambda t: torch.triu(torch.ones(4, 4))), "one direction only"),
        (damaged("global_distance_matrix", put(-1.0, 0, 1)), "negative distance -1"),
        (damaged("global_distance_matrix", put(9.0, 0, 1)), "differs between the two directions"),
        (damaged("optimal_actions", put(4, 0, 1)), "optimal_actions goes from .* to 4"),
        (damaged("features", lambda t: t[:3]), "in graph 0, which has 3 nodes"),
        (damaged("positions", lambda t: t[0]), r"positions has shape \(4,\)"),
        (damaged("features", lambda t: "none"), "features holds a str"),
        (damaged("features", lambda t: [t, t]), "different numbers of graphs"),
    ],
)
def test_damage_is_named_with_file_and_key(tmp_path, value, message):
    with pytest.raises(DataError, match=message) as error:
        read_topomaps(save(tmp_path, value))
    assert "maps.pth" in str(error.value) and "\n" not in str(error.value)


def test_nothing_but_tensors_is_unpickled(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    with pytest.raises(DataError, match="no readable file of tensors"):
        read_topomaps(save(tmp_path, {"features": Evil()}))
    assert not (tmp_path / "owned").exists()


def test_truncated_missing_and_empty(tmp_path):
    path = save(tmp_path, content())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="no readable file of tensors"):
        read_topomaps(path)
    with pytest.raises(DataError, match="there is no file"):
        read_topomaps(tmp_path / "other.pth")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"found no \.pth"):
        read_topomaps(tmp_path / "empty")


# --- GraphML --------------------------------------------------------------------------------


def chain(kind=networkx.Graph, **extra):
    graph = kind()
    for k, x in enumerate((0.0, 3.0, 5.0)):
        graph.add_node(f"n{k}", x=x, y=0.0, v0=float(k), v1=1.0)
    graph.add_edge("n0", "n1", prob=0.9, length=3.0, free=1, **extra)
    graph.add_edge("n1", "n2", prob=0.4, length=2.0, free=0, **extra)
    return graph


def write(tmp_path, graph):
    networkx.write_graphml(graph, tmp_path / "map.graphml")
    return tmp_path / "map.graphml"


def test_graphml_by_hand(tmp_path):
    (read,) = read_topomaps(write(tmp_path, chain()))
    assert read.probabilities.tolist() == [[1, 0.9, 0], [0.9, 1, 0.4], [0, 0.4, 1]]
    assert read.distances.tolist() == [[0, 3, 5], [3, 0, 2], [5, 2, 0]]
    assert read.visible.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert read.vision.tolist() == [[0, 1], [1, 1], [2, 1]]
    assert read.positions[:, 0].tolist() == [0, 3, 5]


def test_graphml_without_truth_places_and_features(tmp_path):
    graph = networkx.Graph()
    graph.add_edge("a", "b", prob=0.5, length=1.0)
    (read,) = read_topomaps(write(tmp_path, graph))
    assert read.visible is None and read.positions is None and read.vision.shape == (2, 0)


def test_directed_graphml_takes_the_mean_or_the_direction_there_is(tmp_path):
    graph = chain(networkx.DiGraph)
    graph.add_edge("n1", "n0", prob=0.5, length=3.0, free=1)
    (read,) = read_topomaps(write(tmp_path, graph))
    assert read.probabilities[0, 1] == pytest.approx(0.7)
    assert read.probabilities[2, 1] == read.probabilities[1, 2] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: g["n0"]["n1"].pop("prob"), "edge n0-n1 has no prob"),
        (lambda g: g["n0"]["n1"].pop("length"), "edge n0-n1 has no length"),
        (lambda g: g["n0"]["n1"].update(prob=1.2), "prob goes from 0 to 1.2"),
        (lambda g: g["n0"]["n1"].update(length=-3.0), "negative length -3"),
        (lambda g: g["n0"]["n1"].update(free=2), "free holds values"),
        (lambda g: g["n0"]["n1"].update(prob="high"), "'high', not a number"),
        (lambda g: g.remove_edge("n0", "n1"), "in pieces"),
        (lambda g: g.remove_nodes_from(["n0", "n1"]), "1 node"),
        (lambda g: g.nodes["n1"].pop("x"), "node n1 has no x"),
        (lambda g: g.nodes["n1"].pop("v1"), "node n1 has no v1"),
    ],
)
def test_damaged_graphml_is_named(tmp_path, change, message):
    graph = chain()
    change(graph)
    with pytest.raises(DataError, match=message) as error:
        read_topomaps(write(tmp_path, graph))
    assert "map.graphml" in str(error.value)


def test_graphml_that_is_no_xml(tmp_path):
    (tmp_path / "map.graphml").write_text("<graphml><node")
    with pytest.raises(DataError, match="no readable GraphML file"):
        read_topomaps(tmp_path / "map.graphml")
