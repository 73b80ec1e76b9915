"""Dynamic masks: parameter layout, coordinates, the phase of upsampling and of the sampled truth."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64

from methods.layers.condmask import (
    MaskBranch,
    aligned_upsample,
    dynamic_mask_logits,
    num_dynamic_parameters,
    relative_coordinates,
    stride4_masks,
)


def test_parameter_counts() -> None:
    assert num_dynamic_parameters() == 169
    assert num_dynamic_parameters(coordinates=False) == 153
    branch = MaskBranch(256, 128, 8, ("p3", "p4", "p5"))
    assert sum(p.numel() for p in branch.parameters()) == 1_477_384


def test_mask_branch_starts_uniform_without_the_gain_of_a_relu() -> None:
    """AdelaiDet: kaiming_uniform with a = 1, so weights within sqrt(3 / fan_in), of variance 1 / fan_in."""
    torch.manual_seed(0)
    branch = MaskBranch(64, 32, 8, ("p3",))
    for conv, channels in ((branch.refine["p3"][0], 64), (branch.tower[0][0], 32)):
        fan_in = 9 * channels
        assert conv.weight.abs().max() <= (3 / fan_in) ** 0.5
        # of 9,216 weights or more; the deviation of a variance is below 1 % of it, fan_out would halve it
        assert conv.weight.var().item() == pytest.approx(1 / fan_in, rel=0.05)


def test_mask_branch_output_stride_is_that_of_the_finest_level() -> None:
    branch = MaskBranch(4, 6, 8, ("p3", "p4", "p5"))
    features = {name: torch.randn(2, 4, 16 // s, 24 // s) for name, s in (("p3", 1), ("p4", 2), ("p5", 4))}
    assert branch(features).shape == (2, 8, 16, 24)


def test_mask_branch_sums_all_levels() -> None:
    branch = MaskBranch(4, 6, 8, ("p3", "p4", "p5")).eval()
    features = {name: torch.randn(1, 4, 16 // s, 16 // s) for name, s in (("p3", 1), ("p4", 2), ("p5", 4))}
    before = branch(features)
    for level in ("p3", "p4", "p5"):
        changed = {**features, level: features[level] + 1.0}
        assert not torch.allclose(branch(changed), before), level


def test_relative_coordinates_are_divided_by_the_size_of_interest() -> None:
    # instance at (20, 12), cells at x 4, 12 and y 4
    planes = relative_coordinates(torch.tensor([[20.0, 12.0]]), torch.tensor([64.0]), 1, 2, 8)
    assert planes[0, 0].tolist() == [16 / 64, 8 / 64]  # x first
    assert planes[0, 1].tolist() == [8 / 64, 8 / 64]


@in_float64()
def test_dynamic_head_equals_plain_convolutions() -> None:
    torch.manual_seed(0)
    feature = torch.randn(2, 8, 3, 4)
    kernels = torch.randn(3, 169)
    image = torch.tensor([1, 0, 1])
    centres = torch.tensor([[4.0, 9.0], [30.0, 2.0], [11.0, 17.0]])
    scale = torch.tensor([64.0, 128.0, 256.0])
    got = dynamic_mask_logits(feature, kernels, image, centres, scale)
    for i in range(3):
        yy, xx = torch.meshgrid(torch.arange(3) * 8 + 4, torch.arange(4) * 8 + 4, indexing="ij")
        planes = torch.stack(((centres[i, 0] - xx) / scale[i], (centres[i, 1] - yy) / scale[i]))
        x = torch.cat((planes, feature[image[i]]))[None]
        k = kernels[i]
        x = F.conv2d(x, k[:80].reshape(8, 10, 1, 1), k[152:160]).relu()
        x = F.conv2d(x, k[80:144].reshape(8, 8, 1, 1), k[160:168]).relu()
        x = F.conv2d(x, k[144:152].reshape(1, 8, 1, 1), k[168:])
        assert_close_to_largest(got[i], x[0, 0], terms=WHOLE_NETWORK)


def test_without_coordinates_the_place_of_the_instance_does_not_matter() -> None:
    torch.manual_seed(0)
    feature, kernels, image = torch.randn(1, 8, 3, 4), torch.randn(1, 153), torch.tensor([0])
    scale = torch.tensor([64.0])
    first = dynamic_mask_logits(feature, kernels, image, torch.tensor([[0.0, 0.0]]), scale, coordinates=False)
    second = dynamic_mask_logits(
        feature, kernels, image, torch.tensor([[9.0, 9.0]]), scale, coordinates=False
    )
    assert torch.equal(first, second)


def test_wrong_kernel_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="153"):
        dynamic_mask_logits(
            torch.zeros(1, 8, 2, 2),
            torch.zeros(1, 169),
            torch.tensor([0]),
            torch.zeros(1, 2),
            torch.ones(1),
            coordinates=False,
        )


def test_no_instances_give_no_masks() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    got = dynamic_mask_logits(
        torch.zeros(1, 8, 2, 3), torch.zeros(0, 169), none, torch.zeros(0, 2), torch.ones(0)
    )
    assert got.shape == (0, 2, 3)
    assert aligned_upsample(got, 2).shape == (0, 4, 6)


def test_aligned_upsampling_by_hand() -> None:
    row = aligned_upsample(torch.tensor([[0.0, 1.0, 2.0]]), 2)
    assert row.shape == (2, 6)
    # coarse cell i stands at fine pixel 2 i + 1; the left border is replicated
    assert row[0].tolist() == [0.0, 0.0, 0.5, 1.0, 1.5, 2.0]


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
@in_float64()
def test_aligned_upsampling_keeps_coarse_values_at_their_pixels(factor: int) -> None:
    coarse = torch.randn(2, 3, 5, 7)
    fine = aligned_upsample(coarse, factor)
    assert fine.shape == (2, 3, 5 * factor, 7 * factor)
    shift = factor // 2
    assert_close_to_largest(fine[..., shift::factor, shift::factor], coarse, terms=100)


def test_truth_is_sampled_from_pixel_two() -> None:
    masks = torch.zeros(8, 12, dtype=torch.bool)
    masks[2, 6] = True
    small = stride4_masks(masks)
    assert small.shape == (2, 3)
    assert small.nonzero().tolist() == [[0, 1]]
