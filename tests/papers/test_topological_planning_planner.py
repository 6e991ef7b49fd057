"""The neural planner against loops, its full size, Bellman-Ford by hand, and graph creation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from eccvkit.data.shortest_paths import shortest_distances
from eccvkit.errors import EccvkitError, UnknownName
from eccvkit.nn import count_parameters
from eccvkit.papers import topological_planning as tp

TINY = tp.Config(nodes=5, palette=3, rows=1, columns=2, hidden=7, rounds=2, layers=2)


def random_inputs(b=3, config=TINY, seed=0):
    g = torch.Generator().manual_seed(seed)
    n = config.nodes
    vision, links, distances = (torch.rand(b, n, k, generator=g) for k in (config.palette, n, n))
    target = torch.randint(0, n, (b,), generator=g)
    return tp.node_inputs(vision, links, target, distances)


def planner(config=TINY, seed=0):
    torch.manual_seed(seed)
    return tp.Planner(config).eval()


# --- Eqs. 1 to 3 ----------------------------------------------------------------------------


def test_input_of_a_node_by_hand():
    vision = torch.tensor([[[7.0], [8.0]]])
    links = torch.tensor([[[1.0, 0.3], [0.3, 1.0]]])
    distances = torch.tensor([[[0.0, 0.5], [0.5, 0.0]]])
    x = tp.node_inputs(vision, links, torch.tensor([1]), distances)
    # v, e, t, d, s
    assert x[0, 0].tolist() == pytest.approx([7, 1, 0.3, 0, 0, 0.5, 1, 0])
    assert x[0, 1].tolist() == pytest.approx([8, 0.3, 1, 1, 0.5, 0, 0, 1])
    both = tp.node_inputs(vision, links, torch.tensor([1]), distances, 9 * links)
    assert both.shape == (1, 2, 10) and both[0, 0, 3:5].tolist() == pytest.approx([9, 2.7])


def test_messages_are_eq_1_on_every_pair():
    torch.manual_seed(1)
    layer = tp.GatedMessages(4, 6).double()
    nodes = torch.randn(2, 3, 4, dtype=torch.float64)
    messages = layer(nodes)
    assert messages.shape == (3, 2, 3, 6)
    for b in range(2):
        for i in range(3):
            for j in range(3):
                pair = torch.cat([nodes[b, i], nodes[b, j]])
                expected = layer.w1(pair) * torch.sigmoid(layer.w2(pair))
                torch.testing.assert_close(messages[j, b, i], expected)


def test_gradient_of_the_messages():
    torch.manual_seed(0)
    nodes, w1, w2 = (
        torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((1, 3, 2), (4, 4), (4, 4))
    )
    assert torch.autograd.gradcheck(tp.gated_messages, (nodes, w1, w2))


def test_planner_is_a_loop_over_rounds_nodes_and_neighbours():
    net, x = planner(), random_inputs()
    gru = net.aggregate.gru
    with torch.no_grad():
        logits = net(x)
        for b in range(len(x)):
            latent, memory = torch.zeros(5, 7), torch.zeros(5, 2, 1, 7)
            for _ in range(2):
                nodes = torch.cat([x[b], latent], dim=-1)
                new = []
                for i in range(5):
                    h = memory[i]
                    for j in range(5):
                        pair = torch.cat([nodes[i], nodes[j]])
                        m = net.messages.w1(pair) * torch.sigmoid(net.messages.w2(pair))
                        _, h = gru(m.view(1, 1, 7), h)
                    memory[i] = h
                    new.append(net.mlp(h[-1, 0]))
                latent = torch.stack(new)
            torch.testing.assert_close(logits[b], net.head(latent), rtol=1e-4, atol=1e-5)


def test_mean_aggregation_is_a_mean_of_the_same_messages():
    net = planner(replace(TINY, aggregate="mean"))
    x = random_inputs()
    states = net.states(x)
    first = net.messages(torch.cat([x, torch.zeros(3, 5, 7)], dim=-1))
    torch.testing.assert_close(states[0], net.mlp(first.mean(dim=0)))
    assert len(states) == 2


def test_arms_share_the_initial_weights_of_what_they_share():
    gru, mean = planner(), planner(replace(TINY, aggregate="mean"))
    for name, value in mean.state_dict().items():
        assert torch.equal(value, gru.state_dict()[name]), name


@pytest.mark.parametrize("aggregate", ["gru", "mean"])
def test_padding_changes_nothing(aggregate):
    net = planner(replace(TINY, aggregate=aggregate))
    x = random_inputs(b=1)
    # The same graph of three nodes, alone in its place and with two rows of rubbish behind it.
    mask = torch.tensor([[True, True, True, False, False]])
    other = x.clone()
    other[:, 3:] = 55.0
    first, second = net(x, mask), net(other, mask)
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert (first[:, :, 3:] == -torch.inf).all()
    full = torch.ones(1, 5, dtype=torch.bool)
    torch.testing.assert_close(net(x, full), net(x))


def test_the_order_of_reading_matters_to_a_gru_and_not_to_a_mean():
    order = torch.tensor([3, 0, 4, 1, 2])
    for aggregate, same in (("gru", False), ("mean", True)):
        net = planner(replace(TINY, aggregate=aggregate))
        messages = net.messages(torch.randn(2, 5, net.messages.w1.in_features // 2))
        first, _ = net.aggregate(messages, None, None)
        second, _ = net.aggregate(messages[order], None, None)
        assert torch.allclose(first, second, atol=1e-6) is same


def test_full_size_counts_of_the_paper():
    net = tp.Planner(tp.PAPER)
    assert tp.PAPER.input_size == 609
    assert net.messages.w1.in_features == 1730
    counts = {name: count_parameters(module) for name, module in net.named_children()}
    assert count_parameters(net.messages.w1) == 442_880
    assert counts == {"messages": 885_760, "aggregate": 789_504, "mlp": 65_792, "head": 8_224}
    assert replace(tp.PAPER, links="mod-drop").input_size == 641
    with torch.no_grad():
        assert net(torch.zeros(1, 32, 609)).shape == (1, 32, 32)


def test_unknown_aggregation_names_the_valid_ones():
    with pytest.raises(UnknownName, match="gru, mean"):
        tp.Planner(replace(TINY, aggregate="min"))


# --- Eq. 4 ----------------------------------------------------------------------------------


def random_graphs(seed=0, n=7, share=0.5):
    rng = np.random.default_rng(seed)
    d = np.where(rng.random((10, n, n)) < share, rng.uniform(0.1, 1, (10, n, n)), np.inf)
    d = np.minimum(d, d.swapaxes(1, 2))
    d[:, np.arange(n), np.arange(n)] = 0
    return d


def start(graphs, target=2):
    bounds = torch.full(graphs.shape[:2], torch.inf, dtype=torch.float64)
    bounds[:, target] = 0
    return bounds


def test_rounds_of_eq_4_are_dijkstra():
    d = random_graphs()
    bounds = start(d)
    for _ in range(6):
        bounds = tp.bellman_ford_round(bounds, torch.from_numpy(d))
    np.testing.assert_allclose(bounds, shortest_distances(d)[:, :, 2], atol=1e-12)


def test_one_round_by_hand():
    d = torch.tensor([[0.0, 1, 5], [1, 0, 2], [5, 2, 0]])
    once = tp.bellman_ford_round(torch.tensor([torch.inf, torch.inf, 0.0]), d)
    assert once.tolist() == [5, 2, 0]
    assert tp.bellman_ford_round(once, d).tolist() == [3, 2, 0]


def test_gates_by_hand_look_up_the_distance():
    layer = tp.by_hand(3).double()
    d = torch.tensor([[0.0, 1, 5], [1, 0, 2], [5, 2, 0]], dtype=torch.float64)
    bounds = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    nodes = torch.cat([d, torch.eye(3, dtype=torch.float64), bounds[:, None]], dim=1)
    messages = layer(nodes[None])[:, 0]  # j, i, channel
    for j in range(3):
        for i in range(3):
            expected = torch.zeros(3, dtype=torch.float64)
            expected[j] = bounds[j] + d[i, j]
            torch.testing.assert_close(messages[j, i], expected)


def test_planner_with_weights_by_hand_is_bellman_ford():
    d = np.minimum(random_graphs(3), 50.0)  # 50 is no edge
    bounds = start(d).clamp(max=50)
    layer, distances = tp.by_hand(7).double(), torch.from_numpy(d)
    for _ in range(6):
        expected = tp.bellman_ford_round(bounds, distances)
        bounds = tp.planner_round(layer, bounds, distances)
        torch.testing.assert_close(bounds, expected, rtol=0, atol=1e-9)


def test_min_cell_is_a_minimum():
    state, message = torch.tensor([2.0, 5.0]), torch.tensor([[1.0, 3.0], [0.0, 4.0]])
    assert tp.min_cell(state, message).tolist() == [2.0, 4.0]


# --- Eq. 5 ----------------------------------------------------------------------------------


def test_most_redundant_node_by_hand():
    # Two nodes close together, and one far away: the paper's arg min would drop the far one.
    places = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [0.2, 0.0]])
    sums = tp.kernel(places, 1.0).sum(axis=1)
    assert sums.argmin() == 2
    assert tp.most_redundant(places, 1.0) == 1  # in the middle of the crowd
    assert tp.kernel(places, 1.0)[0, 2] == pytest.approx(np.exp(-12.5))


def test_exploring_keeps_places_apart():
    track = np.stack([np.r_[np.linspace(0, 10, 50), np.full(100, 10.0)], np.zeros(150)], axis=1)
    kept = tp.explore(track, 6, 1.0)
    assert len(kept) == 6 and (np.diff(kept) > 0).all() and kept[-1] == 149
    gaps = np.diff(np.sort(np.unique(track[kept, 0].round(6))))
    assert gaps.min() > 0.5

    def as_printed(places, sigma):
        return int(tp.kernel(places, sigma).sum(axis=1).argmin())

    crowd = np.sort(track[tp.explore(track, 6, 1.0, as_printed), 0])
    assert np.median(np.diff(crowd)) < 0.25


def test_exploring_less_than_the_capacity_keeps_everything():
    assert tp.explore(np.zeros((3, 2)), 5, 1.0).tolist() == [0, 1, 2]
    with pytest.raises(EccvkitError, match="capacity"):
        tp.explore(np.zeros((3, 2)), 0, 1.0)
    with pytest.raises(EccvkitError, match="sigma"):
        tp.kernel(np.zeros((3, 2)), 0.0)
