"""What the mask branch of QueryTrack learns from: cuts at its own boxes, statistics of its own batches."""

import pytest
import torch
from closeness import assert_close_to_largest, in_float64
from querytrack_samples import build, make_clip

from methods.layers.images import normalise_and_pad
from methods.layers.mask_targets import crop_mask_targets
from methods.querytrack.targets import flatten_targets, match_queries


def dice(logits, wanted):
    x, y = 1 / (1 + torch.exp(-logits.double())), wanted.double()
    return 1 - 2 * (x * y).sum() / ((x * x).sum() + (y * y).sum() + 1e-5)


@in_float64()
def test_the_mask_loss_of_a_stage_is_cut_at_the_boxes_of_that_stage():
    """Not at the true boxes, and not at the boxes that the stage started from."""
    model, clip = build(), make_clip()
    got = model.losses([clip])["loss_dice"].item()
    images = normalise_and_pad(list(clip.frames))
    targets = flatten_targets([clip], (images.shape[-2], images.shape[-1]))
    with torch.no_grad():
        pyramid = model.pyramid(images)
        outputs = model.refine(pyramid, targets.sizes)
        logits, boxes = (
            torch.stack([getattr(o, name) for o in outputs]) for name in ("class_logits", "boxes")
        )
        queries = match_queries(logits, boxes, targets, model.config.weights)

        def summed(cut):
            total = 0.0
            for s, output in enumerate(outputs):
                attended = output.attended[targets.image, queries[s]]
                read = output.boxes[targets.image, queries[s]]
                masks = model.masks(s, pyramid, targets.image, attended, read)
                wanted = crop_mask_targets(targets.masks, torch.arange(3), cut(s, read), 8)
                total += sum(dice(masks[k, targets.labels[k]], wanted[k]) for k in range(3))
            return float(8 * total / 3)  # weight 8, three objects in both frames

        own = summed(lambda s, read: read)
        at_truth = summed(lambda s, read: targets.boxes)
        at_input = summed(lambda s, read: outputs[max(0, s - 1)].boxes[targets.image, queries[s]])
    assert got == pytest.approx(own, rel=1e-9)
    assert abs(own - at_truth) > 0.01
    assert abs(own - at_input) > 0.01


def test_batch_norm_of_every_mask_head_is_trained_with_the_model():
    """Random statistics that stay frozen would scale features of a new head by arbitrary numbers."""
    model, seen = build().train(), []
    for head in model.mask_heads:
        head.convs[0][0].register_forward_hook(lambda _, __, output: seen.append(output.detach()))
    model.losses([make_clip()])["loss_dice"].backward()
    assert len(seen) == 2
    for head, output in zip(model.mask_heads, seen, strict=True):
        norm = head.convs[0][1]
        # momentum 0.1 from a mean of 0 and a variance of 1, over all boxes and cells of the batch
        count = output.numel() // output.shape[1]
        assert_close_to_largest(norm.running_mean, 0.1 * output.mean(dim=(0, 2, 3)), terms=count)
        assert_close_to_largest(norm.running_var, 0.9 + 0.1 * output.var(dim=(0, 2, 3)), terms=count)
        assert norm.weight.grad.abs().sum() > 0
