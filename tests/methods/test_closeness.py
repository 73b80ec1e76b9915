"""What the comparison of the other tests allows and what it refuses."""

import pytest
import torch
from closeness import EPS, WHOLE_NETWORK, assert_close_to_largest, in_float64


def test_differences_are_measured_by_the_largest_number():
    expected = torch.tensor([0.0, 1000.0])
    assert_close_to_largest(expected + torch.tensor([5 * EPS * 1000, 0.0]), expected, terms=10)
    with pytest.raises(AssertionError, match="1e\\+03 is the largest"):
        assert_close_to_largest(expected + torch.tensor([20 * EPS * 1000, 0.0]), expected, terms=10)


@pytest.mark.parametrize("wrong", [torch.tensor([torch.nan]), torch.ones(2), torch.ones(1).double()])
def test_undefined_numbers_other_shapes_and_other_dtypes_are_refused(wrong):
    with pytest.raises(AssertionError):
        assert_close_to_largest(wrong, torch.ones(1), terms=WHOLE_NETWORK)


def test_float64_ends_with_the_block_whatever_happens_in_it():
    @in_float64()
    def fail():
        assert torch.zeros(1).dtype == torch.float64
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            fail()
        assert torch.zeros(1).dtype == torch.float32
