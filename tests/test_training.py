import math

import pytest
import torch
from torch import nn

from eccvkit.errors import EccvkitError, NonFiniteLoss, UnknownName
from eccvkit.training import SCHEDULES, _Watch, fit


def line(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(1, 1)


X = torch.linspace(-1, 1, 33).unsqueeze(1)


def squared(model):
    return lambda x, y: ((model(x) - y) ** 2).mean()


def test_one_sgd_step_by_hand():
    model = line()
    with torch.no_grad():
        model.weight.fill_(0.0)
        model.bias.fill_(0.0)
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[1.0], [1.0]])
    # d/dw mean((w x + b - y)^2) = 2 mean(x (0 - y)) = -3; d/db = -2.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    history = fit(model, squared(model), (x, y), epochs=1, batch_size=2, optimizer=optimizer)
    assert model.weight.item() == pytest.approx(0.3) and model.bias.item() == pytest.approx(0.2)
    assert history.frame["loss"].tolist() == [1.0]


def test_every_sample_is_seen_once_per_epoch_and_a_lone_last_one_is_dropped():
    seen = []
    model = line()

    def loss(x):
        seen.append(x.flatten().tolist())
        return model(x).square().mean()

    fit(model, loss, (X,), epochs=1, batch_size=8)
    assert [len(batch) for batch in seen] == [8, 8, 8, 8]  # 33 = 4 * 8 + 1
    assert len({v for batch in seen for v in batch}) == 32
    seen.clear()
    fit(model, loss, (X[:20],), epochs=2, batch_size=8)
    assert [len(batch) for batch in seen] == [8, 8, 4] * 2
    first, second = seen[:3], seen[3:]
    assert first != second
    for epoch in (first, second):
        assert sorted(v for batch in epoch for v in batch) == sorted(X[:20].flatten().tolist())


def test_same_seed_same_numbers_other_seed_other_order():
    def final(seed):
        model = line()
        fit(model, squared(model), (X, 3 * X), epochs=2, batch_size=4, seed=seed)
        return model.weight.item()

    assert final(1) == final(1) != final(2)


def test_terms_are_averaged_per_epoch_and_on_epoch_joins():
    model = line()

    def loss(x):
        term = model(x).square().mean()
        return {"loss": term, "twice": 2 * term.detach()}

    history = fit(
        model, loss, (X,), epochs=3, batch_size=11, on_epoch=lambda epoch: {"probe": epoch * 10}
    )
    frame = history.frame
    assert frame["probe"].tolist() == [10, 20, 30]
    assert frame["step"].tolist() == [3, 6, 9]
    assert (frame["twice"] - 2 * frame["loss"]).abs().max() < 1e-6
    assert history.seconds > 0 and history.memory_mb > 10


def test_model_is_in_train_mode_during_and_eval_mode_after():
    model, modes = line(), []

    def loss(x):
        modes.append(model.training)
        return model(x).square().mean()

    fit(model, loss, (X,), epochs=2, batch_size=16, on_epoch=lambda e: (model.eval() and {}) or {})
    assert all(modes) and not model.training


def test_non_finite_loss_names_step_and_term():
    model, steps = line(), []

    def loss(x):
        steps.append(1)
        bad = torch.tensor(float("nan")) if len(steps) == 3 else torch.tensor(1.0)
        return {"loss": model(x).square().mean(), "penalty": bad}

    with pytest.raises(NonFiniteLoss, match=r"toy: term 'penalty' became nan at step 3; lower"):
        fit(model, loss, (X,), epochs=2, batch_size=4, label="toy")


def test_a_late_look_still_names_the_first_bad_step():
    watch = _Watch("gpu", look_every=50)
    with pytest.raises(NonFiniteLoss, match="'a' became inf at step 7"):
        for step in range(1, 51):
            watch.add({"loss": torch.tensor(1.0), "a": torch.tensor(math.inf if step >= 7 else 0)})


def test_clipping_bounds_the_step():
    model = line()
    before = torch.cat([p.detach().clone().flatten() for p in model.parameters()])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    fit(
        model, squared(model), (X, 1000 * X), epochs=1, batch_size=33, optimizer=optimizer, clip=0.5
    )
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert (after - before).norm().item() == pytest.approx(0.5, rel=1e-4)


def test_schedules():
    assert SCHEDULES["cosine"](0.0) == 1.0 and SCHEDULES["cosine"](0.5) == pytest.approx(0.5)
    assert [SCHEDULES["step"](t) for t in (0.0, 0.6, 0.9)] == [1.0, 0.1, 0.01]
    model = line()
    frame = fit(
        model, squared(model), (X, X), epochs=4, batch_size=33, lr=0.1, schedule="linear"
    ).frame
    assert frame["lr"].tolist() == pytest.approx([0.075, 0.05, 0.025, 0.0])


def test_bad_arguments():
    model = line()
    with pytest.raises(EccvkitError, match="different lengths"):
        fit(model, squared(model), (X, X[:5]), epochs=1, batch_size=4)
    with pytest.raises(EccvkitError, match="at least two"):
        fit(model, squared(model), (X[:1], X[:1]), epochs=1, batch_size=4)
    with pytest.raises(UnknownName, match="schedule 'cosin': did you mean 'cosine'"):
        fit(model, squared(model), (X, X), epochs=1, batch_size=4, schedule="cosin")
    with pytest.raises(EccvkitError, match="must be positive"):
        fit(model, squared(model), (X, X), epochs=0, batch_size=4)
