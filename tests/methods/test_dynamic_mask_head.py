"""QueryInst's mask head: agreement with the public code's numbers, sizes, normalisation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from closeness import STORED_IN_FLOAT32, assert_close_to_largest, in_float64
from safetensors.torch import load_file

from methods.layers.dynamic_mask_head import DynamicMaskHead, mask_head_from_queryinst

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity_queryinst" / "mask_head.safetensors"


def small(norm="batch"):
    torch.manual_seed(0)
    return DynamicMaskHead(5, dim=32, hidden=8, resolution=14, channels=32, norm=norm)


def check(weights, queries, roi, wanted):
    head = small().double().eval()
    published = {f"roi_head.mask_head.3.{name}": value for name, value in weights.items()}
    published["roi_head.bbox_head.3.fc_cls.bias"] = torch.zeros(5)
    head.load_state_dict(mask_head_from_queryinst(published, "roi_head.mask_head.3."))
    with torch.no_grad():
        output = head(queries.double(), roi.double())
    assert_close_to_largest(output.float(), wanted, terms=STORED_IN_FLOAT32)


def test_equals_queryinst_through_published_names():
    data = {n.removeprefix("dynamic_mask_head/"): v for n, v in load_file(FIXTURE).items()}
    weights = {n.removeprefix("state/"): v for n, v in data.items() if n.startswith("state/")}
    check(weights, data["proposal_feat"], data["roi_feat"], data["mask_logits"])


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
def test_equals_queryinst_on_the_full_fixture():
    path = Path(os.environ.get("VIS_BENCH_FIXTURES", "")) / "parity" / "queryinst_heads.pt"
    data = torch.load(path, weights_only=True)["dynamic_mask_head"]
    check(data["state_dict"], data["proposal_feat"].flatten(0, 1), data["roi_feat"], data["mask_logits"])


def test_parameter_count_of_the_public_module():
    with torch.device("meta"):
        head = DynamicMaskHead(40)
    # dynamic convolution; 4 convolutions with bias and BatchNorm; deconvolution; 1x1 to 40 classes
    parts = (8_422_016, 4 * (256 * 256 * 9 + 256 + 512), 256 * 256 * 4 + 256, 256 * 40 + 40)
    assert sum(p.numel() for p in head.parameters()) == sum(parts) == 11_057_064


def test_batch_statistics_are_learnt_and_a_batch_without_boxes_leaves_them():
    head = small().train()
    before = head.convs[0][1].running_mean.clone()
    assert head(torch.zeros(0, 32), torch.zeros(0, 32, 14, 14)).shape == (0, 5, 28, 28)
    assert torch.equal(head.convs[0][1].running_mean, before)
    head(torch.randn(3, 32), torch.randn(3, 32, 14, 14))
    assert not torch.equal(head.convs[0][1].running_mean, before)
    assert head.convs[0][1].weight.requires_grad


@in_float64()
def test_group_norm_does_not_look_at_other_boxes():
    queries, roi = torch.randn(3, 32), torch.randn(3, 32, 14, 14)
    for norm, alike in (("group", True), ("batch", False)):
        head = small(norm).train()
        with torch.no_grad():
            alone, together = head(queries[:1], roi[:1]), head(queries, roi)[:1]
        assert torch.allclose(alone, together, atol=1e-9) is alike


def test_every_cell_is_filtered_where_it_is():
    """Without convolutions that mix cells, a change in one cell stays in its 2 x 2 outputs."""
    torch.manual_seed(0)
    head = DynamicMaskHead(2, dim=16, hidden=4, resolution=4, channels=16, convs=0).eval()
    queries, roi = torch.randn(1, 16), torch.randn(1, 16, 4, 4)
    other = roi.clone()
    other[0, :, 1, 2] += 1.0
    with torch.no_grad():
        changed = (head(queries, roi) - head(queries, other)).abs().amax(dim=(0, 1)) > 0
    wanted = torch.zeros(8, 8, dtype=torch.bool)
    wanted[2:4, 4:6] = True
    assert torch.equal(changed, wanted)


def test_a_name_that_belongs_to_no_mask_head_is_refused():
    with pytest.raises(KeyError, match="fc_reg"):
        mask_head_from_queryinst({"fc_reg.weight": torch.zeros(1)})
