"""Shared parts that must not wait for the device, against what they do on the CPU."""

from __future__ import annotations

import pytest
import torch
import transfers
from closeness import assert_close_to_largest, in_float64
from pretend_device import PretendDevice, held
from torch import Tensor
from torchvision.ops import batched_nms, generalized_box_iou_loss

from methods.layers.auxiliary import SemanticHead
from methods.layers.backbone import build_backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.losses import giou
from methods.layers.matching import hungarian, hungarian_all
from methods.layers.roi import pyramid_roi_align
from methods.layers.suppression import grouped_nms
from methods.layers.transfer import constant, to_device, to_host

META = torch.device("meta")


def random_boxes(count: int, seed: int = 0, side: float = 40.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    low, size = (torch.rand(count, 2, generator=generator) * side for _ in range(2))
    return torch.cat((low, low + size), 1)


MIXED = [
    torch.tensor([True, False, True]),
    torch.tensor([[1.5, -2.0], [float("inf"), 0.0]]),
    torch.tensor([2**40, -1]),
    torch.zeros(0, 4),
    torch.tensor(7, dtype=torch.int32),
    torch.tensor([1.0, 0.1], dtype=torch.float16),
    torch.tensor([[0.1], [0.2]], dtype=torch.float64).t(),
]


def test_copies_of_any_kind_arrive_unchanged_in_one_transfer() -> None:
    device = PretendDevice()
    placed = [device.place(tensor) for tensor in MIXED]
    with device:
        down = to_host(*placed)
    assert len(device.transfers) == 1
    with device:
        up = to_device(*MIXED, device=META)
    assert len(device.transfers) == 2
    for own, below, above in zip(MIXED, down, up, strict=True):
        assert below.device.type == "cpu"
        assert above.device.type == "meta"
        for other in (below, held(above)):
            assert other.dtype == own.dtype
            assert torch.equal(other, own)


def test_nothing_is_copied_for_nothing_and_on_the_cpu() -> None:
    device = PretendDevice()
    with device:
        assert to_host() == []
        assert to_device(device=META) == []
    assert not device.transfers
    own = torch.ones(2, requires_grad=True)
    (same,) = to_host(own)
    assert same.data_ptr() == own.data_ptr()
    assert not same.requires_grad
    assert to_device(MIXED[0], device=torch.device("cpu"))[0] is MIXED[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64])
def test_constants_need_no_upload(dtype: torch.dtype) -> None:
    device, values = PretendDevice(), (3, 58.395, float("inf"))[: 3 if dtype.is_floating_point else 1]
    with device:
        made = constant(values, META, dtype)
    assert not device.transfers
    assert torch.equal(held(made), torch.tensor(values, dtype=dtype))
    assert torch.equal(constant(values, torch.device("cpu"), dtype), held(made))


def test_all_matchings_wait_once() -> None:
    device, costs = PretendDevice(), [torch.rand(4, 2), torch.rand(3, 0), torch.rand(2, 5)]
    with device:
        found = hungarian_all([device.place(cost) for cost in costs])
    assert len(device.transfers) == 2
    for cost, pair in zip(costs, found, strict=True):
        assert [held(part).tolist() for part in pair] == [part.tolist() for part in hungarian(cost)]
    assert hungarian_all([]) == []
    with device, pytest.raises(ValueError, match="not finite"):
        hungarian_all([device.place(torch.full((2, 2), float("nan")))])


@in_float64()
def test_boxes_read_their_level_without_a_wait() -> None:
    device, generator = PretendDevice(), torch.Generator().manual_seed(0)
    maps = {f"p{i}": torch.randn(2, 3, 64 // 2**i, 64 // 2**i, generator=generator) for i in (2, 3, 4, 5)}
    boxes, image = random_boxes(90), torch.arange(90) % 2

    def read(place) -> tuple[Tensor, dict[str, Tensor]]:
        levels = {name: place(level.clone()).requires_grad_() for name, level in maps.items()}
        pooled = pyramid_roi_align(levels, place(boxes), place(image), 3, canonical_size=14.0)
        pooled.square().sum().backward()
        return pooled, {name: level.grad for name, level in levels.items()}

    expected, gradients = read(lambda x: x)
    with device:
        found, others = read(device.place)
    assert not device.transfers, device.report()
    assert torch.equal(held(found), expected)
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    for name, gradient in gradients.items():
        # a pixel sums up at most 90 boxes x 9 bins x 4 samples that read it, in another order
        assert_close_to_largest(held(others[name]), gradient, terms=90 * 9 * 4)


@pytest.mark.parametrize("count", [0, 60])
def test_suppression_within_groups_is_that_of_torchvision(count: int) -> None:
    device, boxes, groups = PretendDevice(), random_boxes(count), torch.arange(count) % 3
    scores = torch.rand(count, generator=torch.Generator().manual_seed(2))
    with device:
        kept = grouped_nms(device.place(boxes), device.place(scores), device.place(groups), 0.3)
    assert len(device.transfers) == min(count, 1)
    assert torch.equal(held(kept), batched_nms(boxes, scores, groups, 0.3))
    assert torch.equal(grouped_nms(boxes, scores, groups, 0.3), held(kept))


@in_float64()
def test_giou_is_that_of_torchvision_without_a_wait() -> None:
    device, target, weight = PretendDevice(), random_boxes(40, seed=1), torch.rand(40)
    plain = random_boxes(40).requires_grad_()
    expected = generalized_box_iou_loss(plain, target)
    (expected * weight).sum().backward()
    own = random_boxes(40)
    with device:
        placed = device.place(own).requires_grad_()
        found = giou(placed, device.place(target))
        (found * device.place(weight)).sum().backward()
    assert not device.transfers, device.report()
    assert (expected < 1).any()
    # another formula for the same number: some twenty products, sums and quotients, twice that backwards
    assert_close_to_largest(held(found), expected.detach(), terms=100)
    assert_close_to_largest(held(placed.grad), plain.grad, terms=100)


@pytest.mark.parametrize("name", ["resnet50", "swin_t"])
def test_backbones_of_the_papers_do_not_wait(name: str) -> None:
    device = PretendDevice()
    model = device.place(build_backbone(BackboneConfig(name=name)).train())
    images = device.place(torch.randn(1, 3, 64, 64))
    with device:
        features = model(images)
        torch.stack([level.mean() for level in features.values()]).sum().backward()
        with torch.inference_mode():
            model.eval()(images)
    assert not device.transfers, device.report()


@in_float64()
def test_the_auxiliary_loss_does_not_wait() -> None:
    device, clips = PretendDevice(), [transfers.clip_of(2, objects, seed=0) for objects in (2, 0)]
    head = SemanticHead({"res2": 4, "res3": 4, "res4": 4, "res5": 4}, 3)
    features = {f"res{i}": torch.randn(4, 4, 64 // 2**i, 96 // 2**i) for i in (2, 3, 4, 5)}
    expected = head.loss(features, clips)
    with device:
        placed = {name: device.place(level) for name, level in features.items()}
        found = device.place(head).loss(placed, [device.place(clip) for clip in clips])
        found.backward()
    assert not device.transfers, device.report()
    # a mean over pixels, which may be summed in another order
    assert_close_to_largest(held(found.detach()), expected.detach(), terms=4 * 64 * 96)
