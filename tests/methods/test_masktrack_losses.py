"""Sampled regions and the losses on them, by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from masktrack_samples import make_clip, small_config, small_model

from methods.layers.images import normalise_and_pad
from methods.masktrack_rcnn.config import RoiConfig
from methods.masktrack_rcnn.heads import BoxHead, MaskHead
from methods.masktrack_rcnn.losses import (
    SampledRegions,
    box_head_losses,
    delta_weights,
    mask_loss,
    sample_regions,
    tracking_loss,
    usable_objects,
)

KEY = [(0, 0, 20, 20), (40, 20, 60, 40), None]
REFERENCE = [(4, 0, 24, 20), None, (60, 30, 90, 60)]


def regions(objects: list[int], pair: list[int], labels: list[int] | None = None) -> SampledRegions:
    count = len(objects)
    boxes = torch.tensor([[0.0, 0, 10, 20]]).repeat(count, 1)
    wanted = torch.tensor(labels) if labels is not None else torch.zeros(count, dtype=torch.int64)
    return SampledRegions(boxes, torch.tensor(pair), torch.tensor(objects), wanted, boxes.clone())


def test_usable_objects_are_visible_and_a_pixel_wide() -> None:
    clip = make_clip([[(0, 0, 9, 9), None, (5, 5, 30, 30)]])
    clip.boxes[0, 2] = torch.tensor([5.0, 5.0, 5.5, 30.0])
    assert usable_objects(clip, 0).tolist() == [0]


def test_regions_know_the_object_class_and_true_box_of_the_key_frame() -> None:
    torch.manual_seed(0)
    clip = make_clip([KEY, REFERENCE], labels=[2, 0, 1])
    proposals = torch.tensor([[0.0, 0, 20, 11], [0, 0, 20, 9], [40, 20, 60, 38], [60, 30, 90, 60]])
    config = RoiConfig(samples=100, positive_fraction=0.5)
    got = sample_regions([proposals], [clip], config)
    rows = {tuple(box.tolist()): i for i, box in enumerate(got.boxes)}
    assert len(rows) == 6  # two true boxes and four proposals
    first, poor = rows[(0, 0, 20, 11)], rows[(0, 0, 20, 9)]  # IoU 0.55 and 0.45
    second, elsewhere = rows[(40, 20, 60, 38)], rows[(60, 30, 90, 60)]
    order = [first, poor, second, elsewhere]
    assert got.objects[order].tolist() == [0, -1, 1, -1]
    # an object of the reference frame alone is background in the key frame
    assert got.labels[order].tolist() == [3, 0, 1, 0]
    assert got.truth[order].tolist() == [
        [0, 0, 20, 20],
        [0, 0, 20, 9],
        [40, 20, 60, 40],
        [60, 30, 90, 60],
    ]
    assert got.positive.tolist() == [0, 1, 2, 3]


def test_true_boxes_join_the_proposals() -> None:
    clip = make_clip([KEY, REFERENCE])
    far = torch.tensor([[80.0, 50, 90, 60]])
    assert sorted(sample_regions([far], [clip], RoiConfig()).objects.tolist()) == [-1, 0, 1]
    without = sample_regions([far], [clip], RoiConfig(add_truth=False))
    assert without.objects.tolist() == [-1]


def test_a_quarter_of_128_regions_is_positive_at_most() -> None:
    torch.manual_seed(0)
    clip = make_clip([[(0, 0, 40, 40)], [(0, 0, 40, 40)]])
    good = torch.tensor([[0.0, 0, 40, 39]]).repeat(60, 1)
    bad = torch.tensor([[50.0, 0, 90, 39]]).repeat(140, 1)
    proposals = torch.cat((good, bad))
    got = sample_regions([proposals, proposals], [clip, clip], RoiConfig())
    for pair in (0, 1):
        mine = got.objects[got.pair == pair]
        assert len(mine) == 128
        assert (mine >= 0).sum() == 32


def test_a_frame_without_objects_gives_background_only() -> None:
    clip = make_clip([[None], [(0, 0, 9, 9)]])
    got = sample_regions([torch.tensor([[0.0, 0, 9, 9]])], [clip], RoiConfig())
    assert got.labels.tolist() == [0]
    assert got.objects.tolist() == [-1]
    nothing = sample_regions([torch.zeros(0, 4)], [clip], RoiConfig())
    logits, deltas = torch.zeros(0, 4, requires_grad=True), torch.zeros(0, 4, 4, requires_grad=True)
    assert sum(box_head_losses(logits, deltas, nothing, RoiConfig())).item() == 0


def test_box_head_losses_by_hand() -> None:
    # region (0, 0, 10, 20) is to become (2, 0, 12, 20): dx = 0.2 / 0.1 = 2 in units of its deviation
    sampled = regions([0, -1], [0, 0], labels=[2, 0])
    sampled.truth[0] = torch.tensor([2.0, 0, 12, 20])
    logits = torch.tensor([[0.0, 0.0, 1.0], [3.0, 0.0, 0.0]])
    deltas = torch.full((2, 3, 4), 7.0, requires_grad=True)
    with torch.no_grad():
        deltas[0, 2] = torch.tensor([1.5, 0.0, 3.0, 0.0])
    classes, box = box_head_losses(logits, deltas, sampled, RoiConfig())
    e = math.e
    expected = -math.log(e / (2 + e)) - math.log(e**3 / (2 + e**3))
    assert classes.item() == pytest.approx(expected / 2, rel=HUNDRED_ROUNDINGS)
    # |0.5| quadratic, |3| linear with beta 1; negatives and other classes have no box term
    assert box.item() == pytest.approx((0.5 * 0.25 + 2.5) / 2, rel=HUNDRED_ROUNDINGS)
    box.backward()
    assert deltas.grad is not None
    assert deltas.grad[1].abs().sum() == 0
    assert deltas.grad[0, :2].abs().sum() == 0


def test_delta_weights_are_inverse_deviations() -> None:
    assert delta_weights(RoiConfig()) == pytest.approx((10.0, 10.0, 5.0, 5.0))


def test_mask_loss_reads_the_channel_of_the_true_class() -> None:
    logits = torch.full((2, 3, 2, 2), 50.0)
    logits[0, 1], logits[1, 2] = 0.0, torch.tensor([[2.0, -2.0], [2.0, -2.0]])
    targets = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]]).repeat(2, 1, 1)
    got = mask_loss(logits, torch.tensor([1, 2]), targets)
    assert got.item() == pytest.approx((math.log(2) + math.log1p(math.exp(-2))) / 2, rel=HUNDRED_ROUNDINGS)
    empty = torch.zeros(0, 3, 2, 2, requires_grad=True)
    assert mask_loss(empty, torch.zeros(0).long(), torch.zeros(0, 2, 2)).item() == 0


def test_tracking_loss_by_hand_over_two_videos() -> None:
    # video 0: object 0 twice (known as column 1 of 2), one negative; video 1: object 4, absent there
    sampled = regions([0, 0, -1, 4], [0, 0, 0, 1])
    embeddings = torch.tensor([[1.0], [2.0], [100.0], [3.0]], requires_grad=True)
    memory = [torch.tensor([[1.0], [0.5]]), torch.tensor([[-1.0]])]
    got = tracking_loss(embeddings, sampled, memory, [torch.tensor([0, 3]), torch.tensor([2])])

    def nll(x: float, columns: list[float], target: float) -> float:
        return math.log(1 + sum(math.exp(x * c) for c in columns)) - target

    first = (nll(1, [1, 0.5], 1) + nll(2, [1, 0.5], 2)) / 2
    second = nll(3, [-1], 0)
    assert got.item() == pytest.approx((first + second) / 2, rel=HUNDRED_ROUNDINGS)
    got.backward()
    assert embeddings.grad is not None
    assert embeddings.grad[2].item() == 0


def test_a_pair_without_positives_counts_as_zero_in_the_mean() -> None:
    sampled = regions([0, -1], [0, 1])
    memory, present = [torch.ones(1, 1)] * 2, [torch.tensor([0])] * 2
    got = tracking_loss(torch.ones(2, 1), sampled, memory, present)
    assert got.item() == pytest.approx(math.log(1 + math.exp(-1)) / 2, rel=HUNDRED_ROUNDINGS)


def test_heads_of_the_paper() -> None:
    with torch.device("meta"):
        box, mask = BoxHead(12544, 1024, 40), MaskHead(256, 256, 4, 40)
    assert sum(p.numel() for p in box.parameters()) == 13_895_680 + 1025 * (41 + 4 * 41)
    assert sum(p.numel() for p in mask.parameters()) == 4 * 590_080 + (256 * 256 * 4 + 256) + 41 * 257
    assert mask(torch.zeros(1, 256, 14, 14, device="meta")).shape == (1, 41, 28, 28)


def test_heads_take_no_regions() -> None:
    logits, deltas = BoxHead(8, 4, 2)(torch.zeros(0, 2, 2, 2))
    assert (logits.shape, deltas.shape) == ((0, 3), (0, 3, 4))
    assert MaskHead(16, 16, 1, 2)(torch.zeros(0, 16, 7, 7)).shape == (0, 3, 14, 14)


def losses_of(model: torch.nn.Module, *clips: object) -> dict[str, float]:
    torch.manual_seed(5)
    return {name: value.item() for name, value in model.losses(list(clips)).items()}


def test_six_terms_with_their_weights() -> None:
    clip = make_clip([KEY, REFERENCE])
    plain = losses_of(small_model(), clip)
    assert set(plain) == {"rpn_class", "rpn_box", "class", "box", "mask", "tracking"}
    weights = replace(small_config().weights, rpn_class=2, rpn_box=3, classes=4, box=5, mask=6, tracking=7)
    weighted = losses_of(small_model(weights=weights), clip)
    for name, factor in {
        "rpn_class": 2,
        "rpn_box": 3,
        "class": 4,
        "box": 5,
        "mask": 6,
        "tracking": 7,
    }.items():
        assert weighted[name] == pytest.approx(factor * plain[name], rel=HUNDRED_ROUNDINGS)
        assert plain[name] > 0


def test_the_reference_frame_has_no_detection_loss_and_lends_its_true_boxes() -> None:
    clip = make_clip([KEY, REFERENCE])
    moved = replace(clip, boxes=clip.boxes.clone(), masks=clip.masks.clone())
    moved.boxes[1] = torch.tensor([[40.0, 10, 90, 60]]).repeat(3, 1)
    moved.masks[1] = False
    model = small_model().eval()
    with torch.no_grad():
        for parameter in model.track_head.parameters():
            parameter.mul_(30)  # embeddings of a fresh head are too small to tell regions apart
    before, after = losses_of(model, clip), losses_of(model, moved)
    assert before["tracking"] != pytest.approx(after["tracking"], rel=1e-6)
    for name in set(before) - {"tracking"}:
        assert before[name] == after[name]


def test_pixels_of_reference_frames_reach_the_tracking_loss_only() -> None:
    clips = [make_clip([KEY, REFERENCE]), make_clip([[(8, 8, 40, 40)], [(30, 20, 70, 60)]])]
    clips[1].frames[:] = 255 - clips[1].frames
    changed = [replace(clip, frames=clip.frames.clone()) for clip in clips]
    for clip in changed:
        clip.frames[1] = 40
    model = small_model().eval()
    with torch.no_grad():
        for parameter in model.track_head.parameters():
            parameter.mul_(30)
    before, after = losses_of(model, *clips), losses_of(model, *changed)
    assert before.pop("tracking") != pytest.approx(after.pop("tracking"), rel=1e-3)
    assert after == pytest.approx(before, rel=HUNDRED_ROUNDINGS)


@in_float64()
def test_identities_are_true_boxes_read_in_the_reference_frame_of_their_own_pair() -> None:
    model = small_model().eval()
    clips = [make_clip([KEY, REFERENCE]), make_clip([[(8, 8, 40, 40)], [(30, 20, 70, 60)]])]
    clips[1].frames[:] = 255 - clips[1].frames  # else both clips have the same pixels
    read: list[torch.Tensor] = []
    model.track_head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    model.losses(clips)
    (features,) = read
    with torch.no_grad():
        pyramid = model.pyramid(normalise_and_pad([frame for clip in clips for frame in clip.frames]))
        boxes = torch.tensor([*[box for box in REFERENCE if box], (30, 20, 70, 60)]).double()
        # images are key 0, reference 0, key 1, reference 1; the absent object is no identity
        wanted = model.pool(pyramid, boxes, torch.tensor([1, 1, 3]), 7)
        in_key_frames = model.pool(pyramid, boxes, torch.tensor([0, 0, 2]), 7)
    assert_close_to_largest(features[-3:], wanted, terms=WHOLE_NETWORK)
    assert not torch.allclose(wanted, in_key_frames, atol=0.1)


def test_other_videos_are_no_identities() -> None:
    model = small_model().eval()
    one = make_clip([[KEY[0]], [KEY[0]]])
    alone = losses_of(model, one)["tracking"]
    both = losses_of(model, one, one)["tracking"]
    # fresh embeddings are nearly 0: log 2 with one identity, log 3 if the other video's were a column too
    assert alone == pytest.approx(math.log(2), abs=0.02)
    assert both == pytest.approx(math.log(2), abs=0.02)


def test_one_backbone_call_for_all_frames_in_clip_order() -> None:
    model = small_model()
    seen: list[torch.Tensor] = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    first, second = make_clip([KEY, REFERENCE]), make_clip([KEY, REFERENCE])
    second.frames[:] = 255
    model.losses([first, second])
    assert [images.shape[0] for images in seen] == [4]
    assert seen[0][2:].std(dim=(0, 2, 3)).max() == 0
    assert seen[0][:2].std() > 0.5


def test_every_module_learns() -> None:
    # all anchors take part, so that even the level without objects is taught
    model = small_model(rpn=replace(small_config().rpn, samples=10_000))
    sum(model.losses([make_clip([KEY, REFERENCE])]).values()).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_clips_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 frames"):
        small_model().losses([make_clip([KEY])])
