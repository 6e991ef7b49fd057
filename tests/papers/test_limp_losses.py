"""Paper 2, the losses of Sect. 3.1: by hand, against loops in float64, and their invariances."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eccvkit.errors import UnknownName
from eccvkit.papers import limp


def shapes(seed, count=2, n=5):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, n, 3, generator=draw, dtype=torch.float64)


def loop_reconstruction(true, decoded):
    """Eq. 2 with relative errors, as loops over pairs of points."""
    result = []
    for x, y in zip(true, decoded):
        n, total = len(x), 0.0
        for i in range(n):
            for j in range(n):
                if i != j:
                    a, b = float((x[i] - x[j]).norm()), float((y[i] - y[j]).norm())
                    total += (a - b) ** 2 / a**2
        result.append(total / (n * (n - 1)))
    return result


def test_distances_and_relative_error_by_hand():
    x = torch.tensor([[[0.0, 0, 0], [3, 4, 0], [0, 0, 12]]])
    d = limp.euclidean_distances(x)
    assert d[0].tolist() == [[0, 5, 12], [5, 0, 13], [12, 13, 0]]
    # Twice as large: every relative error is 1, whatever the distance.
    assert limp.reconstruction_loss(x, 2 * x).item() == pytest.approx(1.0)
    # Absolute: mean of 25, 144 and 169.
    assert limp.absolute_error(d, 2 * d).item() == pytest.approx((25 + 144 + 169) / 3)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 6))
def test_reconstruction_equals_the_loop(seed, n):
    x, y = shapes(seed, 2, n), shapes(seed + 1, 2, n)
    found = limp.reconstruction_loss(x, y).tolist()
    assert found == pytest.approx(loop_reconstruction(x, y), rel=1e-9)


def test_reconstruction_is_blind_to_motions_and_mirrors():
    x, y = shapes(0), shapes(1)
    q = torch.linalg.qr(shapes(2, 1, 3)[0])[0]
    mirror = torch.diag(torch.tensor([1.0, 1, -1], dtype=torch.float64))
    base = limp.reconstruction_loss(x, y)
    assert torch.allclose(limp.reconstruction_loss(x, y @ q + 3), base)
    assert torch.allclose(limp.reconstruction_loss(x, y @ mirror), base)


def test_losses_have_gradients_also_where_distances_vanish():
    x = shapes(3).requires_grad_()
    true = shapes(4)
    assert torch.autograd.gradcheck(lambda y: limp.reconstruction_loss(true, y), x)
    same = torch.zeros(1, 4, 3, requires_grad=True)
    limp.reconstruction_loss(true[:1, :4].float(), same).sum().backward()
    assert torch.isfinite(same.grad).all()


def test_a_mask_counts_only_its_pairs_and_never_the_diagonal():
    true = torch.tensor([[[0.0, 2, 4], [2, 0, 1], [4, 1, 0]]])
    found = true + torch.tensor([[[9.0, 1, 2], [1, 9, 3], [2, 3, 9]]])
    mask = torch.tensor([[[True, True, False], [True, True, False], [False, False, True]]])
    assert limp.relative_error(true, found, mask).item() == pytest.approx(0.25)
    nothing = torch.zeros_like(mask)
    assert limp.relative_error(true, found, nothing).item() == 0


def test_local_pairs_are_near_on_the_surface():
    geodesics = torch.tensor([[[0.0, 0.5, 10], [0.5, 0, 1.5], [10, 1.5, 0]]])
    expected = [[True, True, False], [True, True, False], [False, False, True]]
    assert limp.local_mask(geodesics)[0].tolist() == expected
    assert limp.local_mask(geodesics, share=0.2)[0, 1].tolist() == [True, True, True]


def test_alpha_belongs_to_the_pair():
    first, second = torch.zeros(2, 3), torch.ones(2, 3)
    mixed = limp.mix(first, second, torch.tensor([0.25, 0.75]))
    assert mixed.tolist() == [[0.25] * 3, [0.75] * 3]
    matrices = limp.mix(torch.zeros(2, 2, 2), torch.ones(2, 2, 2), torch.tensor([0.0, 1.0]))
    assert matrices.sum((1, 2)).tolist() == [0, 4]


def test_target_input_or_decoded():
    inputs = torch.full((1, 2, 2), 1.0), torch.full((1, 2, 2), 3.0)
    decoded = torch.full((1, 2, 2), 10.0), torch.full((1, 2, 2), 30.0)
    half = torch.tensor([0.5])
    assert limp.interpolation_target(inputs, decoded, half).unique().item() == 2
    assert limp.interpolation_target(inputs, decoded, half, "decoded").unique().item() == 20
    with pytest.raises(UnknownName, match="unknown target 'both'"):
        limp.interpolation_target(inputs, decoded, half, "both")


def test_codes_of_eqs_5_and_6_mix_one_part_only():
    # Three intrinsic entries, one extrinsic.
    z_i, z_j = torch.tensor([[0.0, 0, 0, 0]]), torch.tensor([[4.0, 4, 4, 4]])
    quarter = torch.tensor([0.25])
    assert limp.interpolate_intrinsic(z_i, z_j, quarter, 1).tolist() == [[1, 1, 1, 0]]
    assert limp.interpolate_extrinsic(z_i, z_j, quarter, 1).tolist() == [[0, 0, 0, 1]]
    codes = torch.cat([z_i, z_j])
    swapped = limp.swap_extrinsic(codes, torch.tensor([0, 1]), torch.tensor([1, 0]), 1)
    assert swapped.tolist() == [[0, 0, 0, 4], [4, 4, 4, 0]]


def test_divergence_against_torch():
    mean, logvar = shapes(5, 1, 4)[0], shapes(6, 1, 4)[0]
    own = torch.distributions.Normal(mean, (logvar / 2).exp())
    standard = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(own, standard).mean(dim=1)
    assert torch.allclose(limp.kl_to_normal(mean, logvar), expected)
