"""The yardstick: fixed work in torch and in Python, by whose time all other times are divided (ratios.py)."""

from __future__ import annotations

import torch


def test_reference(benchmark) -> None:
    """A convolution and a matrix product of the kind that networks consist of, and a loop of Python."""
    torch.manual_seed(0)
    image, kernel = torch.randn(1, 64, 96, 160), torch.randn(64, 64, 3, 3)
    matrix = torch.randn(512, 512)

    def work() -> float:
        with torch.inference_mode():
            convolved = torch.nn.functional.conv2d(image, kernel, padding=1)
            product = matrix @ matrix
        counted = sum(number % 7 for number in range(100_000))
        return float(convolved.sum() + product.sum()) + counted

    found = benchmark.pedantic(work, rounds=20, warmup_rounds=2)
    assert found == work()
