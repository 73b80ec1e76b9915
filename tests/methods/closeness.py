"""How close two computations of the same number have to be, whatever the processor.

Processors add in another order, round after a product or only after the sum, and have other exponential
functions. A sum of n terms then moves by up to n * eps * (the largest term), however small the sum itself
comes out where terms cancel. So a difference is measured by the largest number of its tensor, and terms are
counted. An error of the code moves numbers by hundredths of the largest at least.

Where a test asks whether two ways lead to the same numbers, both go in float64: there the roundings of a
whole network are far below what any error of the code does, and no threshold is passed by rounding.

    @in_float64()
    def test_gradients_are_those_of_the_other_model():
        ...
        assert_close_to_largest(own.grad, other.grad, terms=WHOLE_NETWORK)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps

# `rel` of pytest.approx for a float32 number that is known in another way: at most a hundred operations lead
# to it, none of which cancels most of it. pytest's own 1e-6 is 8 eps: enough for a value that is only stored
HUNDRED_ROUNDINGS = 100 * EPS

# `terms` of the small networks of tests, backwards too: some ten layers after another, each of which sums up
# to some thousand terms and may enlarge earlier roundings. In float64 this allows 2e-10 of the largest number
WHOLE_NETWORK = 1e6

# `terms` for numbers that other code stored in float32, against ours in float64: the roundings of its sums,
# of up to some thousand terms, have random signs. Ours have none: the difference is that of every processor
STORED_IN_FLOAT32 = 100


def assert_close_to_largest(actual: Tensor, expected: Tensor, terms: float) -> None:
    """Differences of at most `terms` * eps * max |expected|, with the eps of the tensors' dtype.

    terms: how many numbers are summed on the way to one element, in all steps together.
    """
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    assert actual.dtype == expected.dtype, (actual.dtype, expected.dtype)
    if expected.numel() == 0:
        return
    largest = expected.detach().abs().max().item()
    difference = (actual - expected).detach().abs().max().item()
    allowed = terms * torch.finfo(expected.dtype).eps * largest
    assert difference <= allowed, f"{difference:.3g} is more than {allowed:.3g}; {largest:.3g} is the largest"


@contextmanager
def in_float64() -> Iterator[None]:
    """Models, clips and constants that are made inside have float64; as a decorator, for a whole test."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
