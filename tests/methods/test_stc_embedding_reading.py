"""Where STC reads its tracking map, and that one head serves both frames and both directions."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from stc_samples import PAIR, Canned, blank, make_clip, outputs, small_config, small_model

from methods.stc.config import LossConfig
from methods.stc.inference import detect_frame
from methods.stc.losses import stc_losses


def test_a_detection_is_read_at_the_middle_of_its_box_and_not_at_its_point() -> None:
    # the point (40, 24) is in cell (5, 3), the middle (56, 32) of its box in cell (7, 4)
    found = detect_frame(Canned((1, 1, 2, 1, 0.9, 0.9, (8.0, 8.0, 40.0, 24.0))), blank(), small_config())
    assert found.boxes.tolist() == [[32.0, 16.0, 80.0, 48.0]]
    assert found.embeddings.tolist() == [[7.0, 4.0]]


@pytest.mark.parametrize(("reading", "cells"), [("nearest", [[6, 10]]), ("bilinear", [[6, 9], [6, 10]])])
def test_anchors_teach_the_map_at_predicted_centres_and_never_the_boxes(
    reading: str, cells: list[list[int]]
) -> None:
    """Bilinear weights depend on the centre: without a cut the loss would move boxes to other embeddings."""
    out = outputs(2)
    # every point of the key frame predicts a box with the middle (80, 52), on the border of columns 9 and 10
    offset = torch.tensor([80.0, 52.0]) - out.grid.points
    ltrb = torch.cat((30 - offset, 30 + offset), dim=1)[None].repeat(2, 1, 1).requires_grad_()
    loss = LossConfig(bidirectional=False, consistency=False, anchor_reading=reading)  # type: ignore[arg-type]
    stc_losses(replace(out, ltrb=ltrb), [make_clip(PAIR)], small_config(loss=loss))["tracking"].backward()
    assert ltrb.grad is None
    assert out.embedding.grad is not None
    taught = out.embedding.grad[0].abs().amax(0)
    assert (taught > 1e-4 * taught.max()).nonzero().tolist() == cells


@in_float64()
def test_one_tracking_head_embeds_both_frames_for_both_directions() -> None:
    model = small_model()
    calls: list[int] = []
    model.tracking.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0]["p3"])))
    clip = make_clip(PAIR)
    model.losses([clip, clip])
    assert calls == [4]
    # equal pictures have equal maps, whether they are the key or the reference frame
    model.eval()
    still = replace(clip, frames=clip.frames[:1].repeat(2, 1, 1, 1))
    images = (still.frames.double() - 128) / 64
    embedding = model(images).embedding
    assert_close_to_largest(embedding[0], embedding[1], terms=WHOLE_NETWORK)
    assert embedding.std() > 0
