import math

import pytest
import torch

from eccvkit.errors import EccvkitError
from eccvkit.nn.attention import attention_read


def test_against_a_loop():
    torch.manual_seed(0)
    query, keys = torch.randn(2, 3, 4).double(), torch.randn(2, 5, 4).double()
    values = torch.randn(2, 5, 6).double()
    read = attention_read(query, keys, values)
    for b in range(2):
        for i in range(3):
            e = [math.exp(float(query[b, i] @ keys[b, j]) / 2) for j in range(5)]
            wanted = sum(e[j] / sum(e) * values[b, j] for j in range(5))
            assert torch.allclose(read.values[b, i], wanted)
            assert torch.allclose(read.weights[b, i], torch.tensor(e).double() / sum(e))


def test_values_default_to_keys():
    keys = torch.tensor([[1.0, 0.0], [3.0, 2.0]])
    read = attention_read(torch.zeros(1, 2), keys)
    assert read.values.tolist() == [[2.0, 1.0]]
    assert read.weights.tolist() == [[0.5, 0.5]]


def test_agrees_with_torch():
    torch.manual_seed(1)
    q, k, v = torch.randn(3, 2, 7, 4), torch.randn(3, 2, 5, 4), torch.randn(3, 2, 5, 4)
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    assert torch.allclose(attention_read(q, k, v).values, theirs, atol=1e-6)


def test_scale_zero_reads_the_mean_and_a_large_one_the_nearest():
    keys = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    query = torch.tensor([[0.6, 0.5]])
    assert attention_read(query, keys, scale=0.0).weights.tolist() == [[0.5, 0.5]]
    assert attention_read(query, keys, scale=1e4).weights.tolist() == [[1.0, 0.0]]


def test_mask_and_a_query_that_may_read_nothing():
    keys = torch.tensor([[1.0], [2.0], [3.0]])
    query = torch.ones(2, 1, requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    read = attention_read(query, keys, scale=0.0, mask=mask)
    assert read.weights.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    assert read.values.tolist() == [[2.0], [0.0]]
    attention_read(query, keys, mask=mask).values.sum().backward()
    assert torch.isfinite(query.grad).all()


def test_gradient():
    torch.manual_seed(2)
    tensors = [torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True) for n in (2, 4, 4)]
    assert torch.autograd.gradcheck(lambda *t: attention_read(*t).values, tensors)


def test_shapes_that_do_not_fit():
    with pytest.raises(EccvkitError, match="do not fit"):
        attention_read(torch.zeros(2, 3), torch.zeros(4, 5))
    with pytest.raises(EccvkitError, match="do not fit"):
        attention_read(torch.zeros(2, 3), torch.zeros(4, 3), torch.zeros(5, 3))
    with pytest.raises(EccvkitError, match="empty"):
        attention_read(torch.zeros(2, 3), torch.zeros(0, 3))
