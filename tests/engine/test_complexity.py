"""Multiply-adds of a frame against counts by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import roi_align

from methods.layers.deformable import sample_and_mix
from vis_bench.engine.complexity import OTHER, counted_config, measure
from vis_bench.errors import MethodError
from vis_bench.method import FrameResult, MacCount

DEFAULT = MacCount()


class Toy(nn.Module):
    """`work(frame number, frame)` per frame; online unless told otherwise."""

    def __init__(self, work, modules: Mapping[str, nn.Module] | None = None, online=True):
        super().__init__()
        self.work = work
        self.online = online
        for name, module in (modules or {}).items():
            self.add_module(name, module)

    def track(self, video, frames):
        if not self.online:
            for number, frame in enumerate(frames):
                self.work(self, number, frame)
            return []
        return self.results(frames)

    def results(self, frames):
        for number, frame in enumerate(frames):
            self.work(self, number, frame)
            yield FrameResult(number, ())


def count(work, modules=None, online=True, mac_count=DEFAULT):
    with torch.inference_mode():
        model = Toy(work, modules, online)
    return measure(model, None, online, mac_count)


def test_convolutions_and_products():
    """Convolution 3 -> 8, 3x3, stride 4: 160 x 90 cells x 8 x 27; Linear 5 -> 7 on 11 rows; 2 products."""

    def work(self, number, frame):
        self.body(frame[None].float())
        self.head(torch.ones(11, 5))
        torch.ones(2, 3, 4) @ torch.ones(2, 4, 6)

    found = count(work, {"body": nn.Conv2d(3, 8, 3, 4, 1), "head": nn.Linear(5, 7)})
    assert found.by_module == {"body": 160 * 90 * 8 * 27, "head": 11 * 35, OTHER: 2 * 3 * 4 * 6}
    assert found.macs_per_frame == sum(found.by_module.values())


def test_attention_is_not_lost_in_the_fused_operation():
    """4 projections of 16 x 16 on 9 tokens; 9 x 9 x 16 for the logits and again for the mixture."""

    def work(self, number, frame):
        tokens = torch.ones(1, 9, 16)
        self.attention(tokens, tokens, tokens)

    found = count(work, {"attention": nn.MultiheadAttention(16, 4, batch_first=True)})
    assert found.macs_per_frame == 4 * 9 * 256 + 2 * 81 * 16
    assert torch.backends.mha.get_fastpath_enabled()


def test_attention_in_one_operation_counts_on_every_version_of_torch():
    """2 heads, 5 queries and 7 keys of 4 channels, values of 4: 2 x 5 x 7 x (4 + 4)."""

    def work(self, number, frame):
        queries, keys = torch.ones(1, 2, 5, 4), torch.ones(1, 2, 7, 4)
        F.scaled_dot_product_attention(queries, keys, keys)

    found = count(work)
    assert found.macs_per_frame == 2 * 5 * 7 * 8
    assert not [name for name in found.uncounted if "attention" in name]


def test_bilinear_readings_cost_four_per_sample_and_channel():
    boxes = torch.tensor([[0, 0.0, 0.0, 70.0, 28.0], [0, 0.0, 0.0, 7.0, 7.0]])

    def work(self, number, frame):
        features = torch.ones(1, 5, 40, 80)
        roi_align(features, boxes, 7, 1.0, 2, True)
        # without a ratio: ceil(70 / 7) x ceil(28 / 7) samples per cell of the first box, 1 of the second
        roi_align(features, boxes, 7, 1.0, -1, True)
        F.grid_sample(features, torch.zeros(1, 6, 4, 2), align_corners=False)

    fixed, adaptive = 4 * 2 * 49 * 4 * 5, 4 * 49 * (10 * 4 + 1) * 5
    assert count(work).macs_per_frame == fixed + adaptive + 4 * 24 * 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_ways_of_deformable_attention_cost_the_same(dtype):
    """3 queries x 2 heads x 2 levels x 5 points, 4 per sample and channel; 7 channels per head."""

    def work(self, number, frame):
        value, weights = torch.ones(1, 20, 2, 7, dtype=dtype), torch.ones(1, 3, 2, 2, 5, dtype=dtype)
        sample_and_mix(value, [(2, 2), (4, 4)], torch.zeros(1, 3, 2, 2, 5, 2, dtype=dtype), weights)

    assert count(work).macs_per_frame == 4 * 3 * 2 * 2 * 5 * 7


def test_uncounted_operations_are_named():
    found = count(lambda self, number, frame: frame.float().mul(2).relu())
    assert found.macs_per_frame == 0
    assert {"aten.mul", "aten.relu"} <= set(found.uncounted)
    assert "aten.mm" not in found.uncounted


def by_frame(self, number, frame):
    """100 multiply-adds in the first frame, 10 in every other."""
    size = 100 if number == 0 else 10
    torch.ones(1, size) @ torch.ones(size, 1)


def test_online_counts_the_second_frame_and_offline_the_mean():
    assert count(by_frame).macs_per_frame == 10
    assert count(by_frame, online=False).macs_per_frame == 55


def test_key_frames_have_their_share():
    shares = MacCount(frame_shares=lambda config: (0.1, 0.9))
    assert count(by_frame, mac_count=shares).macs_per_frame == 19
    longer = MacCount(frame_shares=lambda config: (0.25,) * 4)
    assert count(by_frame, online=False, mac_count=longer).macs_per_frame == round((100 + 30) / 4)


@pytest.mark.parametrize(("online", "shares"), [(True, (0.5, 0.6)), (False, (0.1, 0.9))])
def test_shares_that_mean_nothing_are_refused(online, shares):
    with pytest.raises(MethodError, match="frame_shares"):
        count(by_frame, online=online, mac_count=MacCount(frame_shares=lambda config: shares))


def test_frames_are_random_uint8_and_training_mode_comes_back():
    seen = []

    def work(self, number, frame):
        seen.append((frame.dtype, tuple(frame.shape), self.training, torch.is_inference_mode_enabled()))
        seen.append(frame.float().std().item())

    with torch.inference_mode():
        model = Toy(work)
    measure(model, None, True, MacCount())
    assert seen[0] == (torch.uint8, (3, 360, 640), False, True)
    # standard deviation of 0..255 drawn evenly
    assert seen[1] == pytest.approx((256**2 / 12) ** 0.5, rel=0.01)
    assert model.training


@dataclass(frozen=True)
class Config:
    test_short_side: int | None = 480
    score_threshold: float = 0.05


def test_frames_keep_their_size_and_overrides_apply():
    changed = MacCount(overrides={"score_threshold": 0.0, "unknown": 3})
    assert counted_config(Config(), changed) == Config(360, 0.0)
    assert counted_config(Config(test_short_side=None), MacCount()) == Config(None)
