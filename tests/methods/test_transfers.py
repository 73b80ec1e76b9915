"""No method makes the host wait for the device more often than a shard, a frame or a video needs.

Asserted on a pretend device, whose losses and gradients are also compared with those of the CPU: some of what
needs no wait on a GPU is computed in another way there.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
import transfers
from closeness import assert_close_to_largest
from pretend_device import PretendDevice, held
from torch import Tensor
from transfer_limits import CLIP_LEVEL, limit_of_a_frame, limit_of_a_shard, limit_of_a_video

from vis_bench.engine import track

# float32, since heads of Mask2Former stay in it: equal features, and a loss that adds its terms in another
# order, some thousand of them, none negative. Measured: 2 eps; a wrong term moves it by hundredths
LOSS_TERMS = 1000
PHASES = [(name, 0) for name in transfers.METHODS] + [("inspro_lite", 1)]


def limit(name: str, phase: int) -> int:
    return limit_of_a_shard(name, frames=transfers.clips_of(name, 1, phase)[0].frames.shape[0])


@cache
def shard(name: str, phase: int) -> tuple[PretendDevice, Any, dict[str, Tensor]]:
    """Four clips on the device: its counts, the trained model, the losses."""
    device = PretendDevice()
    model = device.place(transfers.model_of(name, phase))
    clips = [device.place(clip) for clip in transfers.clips_of(name, 4, phase)]
    with device:
        return device, model, transfers.losses_of(model, clips)


@pytest.mark.parametrize(("name", "phase"), PHASES)
def test_a_shard_waits_no_more_often_than_the_limit_whatever_its_clips(name: str, phase: int) -> None:
    device, _, _ = shard(name, phase)
    assert 0 < len(device.transfers) <= limit(name, phase), device.report()


@pytest.mark.parametrize(("name", "phase"), PHASES)
def test_losses_and_gradients_on_the_device_are_those_of_the_cpu(name: str, phase: int) -> None:
    plain = transfers.model_of(name, phase)
    expected = transfers.losses_of(plain, transfers.clips_of(name, 4, phase))
    _, placed, found = shard(name, phase)
    assert found.keys() == expected.keys()
    for term, value in expected.items():
        assert_close_to_largest(held(found[term]), value.detach(), terms=LOSS_TERMS)
    own, other = (
        {key: held(p.grad).flatten() for key, p in model.named_parameters() if p.grad is not None}
        for model in (plain, placed)
    )
    # a pyramid level without a box is not read on the CPU, and read for nothing on the device
    assert all((other[key] == 0).all() for key in other.keys() - own.keys())
    gradient, found_gradient = (torch.cat([of[key] for key in own]) for of in (own, other))
    # as a whole: rounding can move an input of a ReLU over 0, and with it the gradient of one unit
    assert (gradient - found_gradient).norm() < 1e-2 * gradient.norm()


@pytest.mark.parametrize("name", transfers.METHODS)
def test_tracking_waits_no_more_often_than_the_limit(name: str) -> None:
    found = transfers.track_transfers(name)
    if name in CLIP_LEVEL:
        assert not found.by_frame
        assert found.count <= limit_of_a_video(name, transfers.FRAMES), found.device.report()
    else:
        assert len(found.by_frame) == transfers.FRAMES
        assert max(found.by_frame) <= limit_of_a_frame(name), found.device.report()


def test_a_wait_in_a_method_breaks_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.layers import matching
    from methods.mask2former_vis import losses, model

    def one_by_one(costs: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
        return [matching.hungarian(cost) for cost in costs]

    for module in (losses, model):
        monkeypatch.setattr(module, "hungarian_all", one_by_one)
    assert transfers.train_transfers("mask2former_vis", 4).count > limit("mask2former_vis", 0)


def test_a_frame_from_ordinary_memory_breaks_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "uploaded", lambda frame, device: frame.to(device))
    found = transfers.track_transfers("stc")
    assert max(found.by_frame) > limit_of_a_frame("stc")
