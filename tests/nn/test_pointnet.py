import pytest
import torch
from torch import nn

from eccvkit.errors import DataError, EccvkitError
from eccvkit.nn import count_parameters, mlp
from eccvkit.nn.pointnet import PointNetEncoder, SharedMLP, SpatialTransform


def encoder(**kwargs):
    torch.manual_seed(0)
    return PointNetEncoder((3, 8, 16), head=(12,), out=5, **kwargs)


class Turn(nn.Module):
    """A quarter turn about the z axis for every cloud."""

    def forward(self, points):
        matrix = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
        return matrix.expand(len(points), 3, 3)


def test_full_size_counts_of_limp():
    transform = SpatialTransform(3, (64, 128, 512), (256,))
    assert count_parameters(transform) == 209_673
    assert count_parameters(PointNetEncoder()) == 665_536
    assert count_parameters(PointNetEncoder(transform=transform)) == 665_536 + 209_673
    assert count_parameters(mlp((256, 1024, 2048, 7500), nn.LeakyReLU)) == 17_729_868


def test_shared_mlp_by_hand():
    net = SharedMLP((2, 1), norm=False)
    with torch.no_grad():
        net.layers[0].weight.copy_(torch.tensor([[1.0, -2.0]]))
        net.layers[0].bias.fill_(0.5)
    points = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[2.0, 1.0], [3.0, 0.0]]])
    expected = torch.tensor([[[1.5], [0.0]], [[0.5], [3.5]]])
    torch.testing.assert_close(net(points).detach(), expected)


def test_shared_mlp_equals_convolutions_of_width_one():
    torch.manual_seed(0)
    net = SharedMLP((3, 8, 4)).train()
    points = torch.randn(5, 7, 3)
    h = points.transpose(1, 2)
    for linear, norm in zip(net.layers[::3], net.layers[1::3]):
        h = nn.functional.conv1d(h, linear.weight.unsqueeze(-1), linear.bias)
        h = nn.functional.batch_norm(h, None, None, norm.weight, norm.bias, training=True).relu()
    torch.testing.assert_close(net(points), h.transpose(1, 2), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_last_activation_can_be_left_out(norm):
    kinds = [type(m) for m in SharedMLP((3, 8, 4), norm, last_activation=False).layers]
    hidden = [nn.Linear, nn.BatchNorm1d, nn.ReLU] if norm else [nn.Linear, nn.ReLU]
    assert kinds == [*hidden, nn.Linear]
    assert [type(m) for m in SharedMLP((3, 4), norm).layers] == hidden


def test_transform_is_the_identity_before_training_and_learns():
    torch.manual_seed(0)
    net = SpatialTransform(k=4, point_widths=(8, 16), head=(8,))
    points = torch.randn(3, 20, 4)
    matrices = net(points)
    torch.testing.assert_close(matrices, torch.eye(4).expand(3, 4, 4))
    matrices[:, 0, 1].sum().backward()
    assert net.head[-1].weight.grad[1].abs().sum() > 0
    assert net.head[-1].weight.grad[2].abs().sum() == 0


def test_order_of_points_does_not_matter():
    net = encoder(transform=SpatialTransform(3, (8, 16), (8,)))
    nn.init.normal_(net.transform.head[-1].weight)
    points = torch.randn(4, 30, 3)
    for mode in (net.train(), net.eval()):
        torch.testing.assert_close(
            mode(points), mode(points[:, torch.randperm(30)]), atol=1e-4, rtol=1e-4
        )


def test_repeated_and_hidden_points_do_not_matter():
    # The maximum sees a set: copies change nothing, and nor does dropping what never is largest.
    net = encoder().eval()
    points = torch.randn(1, 200, 3)
    torch.testing.assert_close(net(points), net(torch.cat([points, points[:, :50]], dim=1)))
    critical = net.features(points).argmax(dim=1).unique()
    assert len(critical) < 200
    torch.testing.assert_close(net(points), net(points[:, critical]))


def test_clouds_do_not_see_each_other_in_evaluation():
    net = encoder().eval()
    points = torch.randn(3, 20, 3)
    torch.testing.assert_close(net(points)[1:2], net(points[1:2]))


def test_transform_multiplies_points_from_the_right():
    net = encoder(transform=Turn()).eval()
    points = torch.randn(2, 10, 3)
    turned = torch.stack([-points[..., 1], points[..., 0], points[..., 2]], dim=-1)
    torch.testing.assert_close(net(points), net.head(net.points(turned).amax(dim=1)))
    assert not torch.allclose(net(points), net(turned))


def test_parts_of_the_head():
    assert PointNetEncoder((3, 8), head=(), out=None).out_features == 8
    assert PointNetEncoder((3, 8), head=(6,), out=None).out_features == 6
    net = PointNetEncoder((3, 8), head=(6,), out=4, dropout=0.3)
    kinds = [type(m) for m in net.head]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert net(torch.randn(2, 5, 3)).shape == (2, net.out_features) == (2, 4)


def test_bad_input_is_explained():
    with pytest.raises(EccvkitError, match="input and the output width"):
        SharedMLP((3,))
    for shape in [(10, 3), (2, 3, 10), (2, 0, 3)]:
        with pytest.raises(DataError, match=r"expected \(batch, points, 3\)"):
            encoder()(torch.zeros(shape))
