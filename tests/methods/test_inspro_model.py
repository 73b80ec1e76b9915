"""InsPro as a whole: sizes, propagation, switches, online inference, and that it learns."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64

from methods.inspro import SPEC
from methods.inspro.config import CONFIGS, TINY, LossWeights
from methods.inspro.masks import coordinate_scale
from methods.inspro.model import InsPro
from methods.layers.backbone_config import BackboneConfig
from methods.layers.images import normalise_and_pad
from vis_bench.errors import MethodError, UsageError
from vis_bench.masks import rle
from vis_bench.method import Clip
from vis_bench.setup.config import choose_config
from vis_bench.types import Video

MICRO = replace(
    TINY,
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False, widths=(8, 8, 8, 8)),
    queries=6,
    dim=16,
    stages=2,
    heads=2,
    feedforward=32,
    dynamic_hidden=4,
    roi_resolution=3,
    mask_hidden=8,
    box_output_gain=1.0,
)
VIDEO = Video(1, "v", 64, 48, ("a", "b", "c", "d"))


def build(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return InsPro(replace(MICRO, **changes), classes).eval()


def make_frames(count=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=generator) for _ in range(count)]


def moving_squares(frames=3, seed=0):
    """A red square moving right and a green one moving left on grey noise; exact masks."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(100, 140, (frames, 3, 48, 64), dtype=torch.uint8, generator=generator)
    masks = torch.zeros(frames, 2, 48, 64, dtype=torch.bool)
    boxes = torch.zeros(frames, 2, 4)
    for t in range(frames):
        for n, (x, y) in enumerate([(4 + 4 * t, 4), (42 - 4 * t, 26)]):
            masks[t, n, y : y + 16, x : x + 16] = True
            boxes[t, n] = torch.tensor([x, y, x + 16, y + 16])
            images[t][:, masks[t, n]] = torch.tensor(
                [[250], [10], [10]] if n == 0 else [[10], [250], [10]]
            ).byte()
    return Clip(images, torch.tensor([0, 1]), masks, boxes, torch.ones(frames, 2, dtype=torch.bool))


def scores_of(results):
    return np.stack([np.stack([d.class_scores for d in result.detections]) for result in results])


def test_paper_configuration_has_the_expected_parameters():
    with torch.device("meta"):
        model = InsPro(CONFIGS["paper"], 40)
    frozen_affine = sum(
        value.numel()
        for name, value in model.named_buffers()
        if name.startswith("backbone.") and name.endswith((".weight", ".bias"))
    )

    def count(module):
        return sum(p.numel() for p in module.parameters())

    total = count(model) + frozen_affine
    assert total == pytest.approx(107.9e6, rel=0.01)
    assert total == 107_967_447
    additions = (model.mask_head, model.attention)
    assert total - sum(count(module) for module in additions) == 106_229_208
    assert count(model.mask_head.branch) == 1_477_384


def test_paper_values():
    config = CONFIGS["paper"]
    assert (config.queries, config.dim, config.stages, config.bank_length) == (100, 256, 6, 18)
    train, weights = config.train, config.weights
    assert (train.lr, train.weight_decay, train.iterations, train.lr_steps) == (
        2.5e-5,
        1e-4,
        32_000,
        (24_000, 28_000),
    )
    assert (weights.classes, weights.l1, weights.giou, weights.dedup) == (2, 5, 2, 1)
    assert (weights.dice, weights.mask_focal, weights.dedup_beta, weights.dedup_count) == (5, 5, 0.1, 5)
    assert (train.sampling.frames, train.sampling.ordered, train.batch_size) == (3, True, 8)
    assert train.augmentation.short_sides[0] == 288
    assert train.augmentation.short_sides[-1] == 512


def test_listing_the_method_imports_no_torch():
    code = "import sys, methods.inspro as m; assert m.SPEC.info.online; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_choice_names_a_configuration_value():
    for choice in SPEC.choices:
        value = CONFIGS["paper"]
        for part in choice.key.split("."):
            value = getattr(value, part)
    assert {choice.id for choice in SPEC.choices} >= {f"D{i}" for i in range(11, 17)}


def test_wrong_configuration_values_are_refused_with_a_hint():
    with pytest.raises(UsageError, match="mean_all"):
        replace(MICRO, sequence_score="meanall")
    with pytest.raises(UsageError, match="multiple of heads"):
        replace(MICRO, heads=3)
    with pytest.raises(UsageError, match="bank_length"):
        replace(MICRO, bank_length=0)


def test_ablation_rows_switch_what_table_2a_says():
    rows = {name: choose_config(SPEC, name, "tiny")[1] for name in "ABCDE"}
    switches = {
        name: (c.propagate_query, c.propagate_proposal, c.consistent_matching) for name, c in rows.items()
    }
    assert switches == {
        "A": (False, False, False),
        "B": (True, True, False),
        "C": (True, True, True),
        "D": (True, False, True),
        "E": (False, True, True),
    }
    assert not any(c.dedup or c.bank for c in rows.values())


@in_float64()
def test_step_propagates_the_bank_output_of_all_slots_and_banks_the_features():
    model = build(bank_length=3)
    sizes = torch.tensor([[48, 64]])
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    first, state = model.step(pyramid, model.start(sizes), sizes, clip_proposals=False)
    second, after = model.step(pyramid, state, sizes, clip_proposals=False)
    o1, o2 = first[-1].object_features, second[-1].object_features
    weights = torch.stack([model.attention.score(o1), model.attention.score(o2)]).softmax(0)
    assert_close_to_largest(after.queries, weights[0] * o1 + weights[1] * o2 + o2, terms=WHOLE_NETWORK)
    assert after.queries.shape == (1, 6, 16)
    assert torch.equal(after.bank[0], o1)
    assert torch.equal(after.bank[1], o2)
    assert torch.equal(after.boxes, second[-1].boxes)


def test_gradients_flow_through_queries_across_frames_and_not_through_boxes():
    model = build()
    sizes = torch.tensor([[48, 64]])
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    first, state = model.step(pyramid, model.start(sizes), sizes, clip_proposals=False)
    assert first[-1].boxes.requires_grad
    assert not state.boxes.requires_grad
    second, _ = model.step(pyramid, state, sizes, clip_proposals=False)
    target = second[-1].class_logits.sum()
    assert (torch.autograd.grad(target, model.initial_queries, retain_graph=True)[0] != 0).any()
    assert torch.autograd.grad(target, model.initial_boxes, retain_graph=True, allow_unused=True)[0] is None
    # the learnable boxes are trained by the first stage of the first frame
    assert (torch.autograd.grad(first[0].boxes.sum(), model.initial_boxes)[0] != 0).any()


def test_frames_of_a_training_clip_are_joined_by_queries_and_bank_and_not_by_boxes():
    model, given, features = build(), [], []
    original = model.step

    def step(pyramid, state, *rest):
        given.append(state)
        outputs, after = original(pyramid, state, *rest)
        features.append(outputs[-1].object_features)
        return outputs, after

    model.step = step
    model.losses([moving_squares()])
    for t, state in enumerate(given):
        assert len(state.bank) == t
        # the very tensors of the frames before, so that their gradient arrives there
        assert all(kept is own for kept, own in zip(state.bank, features, strict=False))
        assert state.queries.requires_grad
        if t:
            assert not state.boxes.requires_grad
            for past in features[:t]:
                assert (torch.autograd.grad(state.queries.sum(), past, retain_graph=True)[0] != 0).any()


def test_features_and_not_boxes_carry_gradient_from_stage_to_stage():
    model, sizes = build(), torch.tensor([[48, 64]])
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    (first, second), _ = model.step(pyramid, model.start(sizes), sizes, clip_proposals=False)
    target = second.boxes.sum()
    assert torch.autograd.grad(target, first.boxes, retain_graph=True, allow_unused=True)[0] is None
    assert (torch.autograd.grad(target, first.object_features)[0] != 0).any()


@pytest.mark.parametrize(("row", "query", "proposal"), [("D", True, False), ("E", False, True)])
def test_rows_d_and_e_propagate_one_of_the_pair_and_start_the_other_anew(row, query, proposal):
    model, sizes = build(**SPEC.variants[row]), torch.tensor([[48, 64]])
    start = model.start(sizes)
    outputs, after = model.step(model.pyramid(torch.randn(1, 3, 64, 64)), start, sizes, clip_proposals=False)
    last = outputs[-1]
    assert torch.equal(after.queries, last.object_features if query else start.queries)
    assert torch.equal(after.boxes, last.boxes if proposal else start.boxes)
    assert not torch.equal(last.object_features, start.queries)
    assert not torch.equal(last.boxes, start.boxes)


@pytest.mark.parametrize(
    ("query", "proposal", "changes"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_without_propagation_a_frame_depends_on_itself_only(query, proposal, changes):
    model = build(propagate_query=query, propagate_proposal=proposal, bank=False)
    last = make_frames(1, seed=9)
    alone = scores_of(model.track(VIDEO, iter(last)))[-1]
    after_others = scores_of(model.track(VIDEO, iter([*make_frames(2), *last])))[-1]
    # the same computation where nothing is propagated; else scores of about 0.01 change by more than 1 %
    assert (not np.allclose(alone, after_others, atol=1e-6)) == changes


def test_consistent_matching_off_matches_every_frame_anew(monkeypatch):
    from methods.inspro import model as module

    seen = []

    def record(table, *args, **kwargs):
        seen.append(table.tolist())
        return original(table, *args, **kwargs)

    original = module.match_frame
    monkeypatch.setattr(module, "match_frame", record)
    build(consistent_matching=False).losses([moving_squares()])
    assert seen == [[-1, -1]] * 3
    seen.clear()
    build().losses([moving_squares()])
    assert seen[0] == [-1, -1]
    assert -1 not in seen[1]
    assert seen[1] == seen[2]


def test_loss_terms_and_switches():
    clips = [moving_squares(seed=0), moving_squares(seed=1)]
    # a wide hinge, so that the few boxes of this model lie within it
    near = {"box_output_gain": 0.0, "weights": LossWeights(dedup_beta=2.0)}
    everything = build(**near).losses(clips)
    assert set(everything) == {
        "loss_class",
        "loss_l1",
        "loss_giou",
        "loss_dedup",
        "loss_dice",
        "loss_mask_focal",
    }
    assert all(torch.isfinite(term) and term > 0 for term in everything.values())
    assert "loss_dedup" not in build(**near, dedup=False).losses(clips)
    last = build(**near, mask_stages="last").losses(clips)
    assert last["loss_dice"] < everything["loss_dice"]
    torch.testing.assert_close(last["loss_class"], everything["loss_class"])


def test_all_stages_are_supervised_and_every_parameter_receives_gradient():
    model = build().train()
    sum(model.losses([moving_squares(), moving_squares(seed=2)]).values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()]
    # the attention's bias shifts all softmax scores alike, so its gradient is zero up to rounding
    assert [name for name in without if name != "attention.score.bias"] == []


def test_clips_without_objects_and_single_frames_train():
    clip = moving_squares(frames=1)
    empty = Clip(clip.frames, clip.labels[:0], clip.masks[:, :0], clip.boxes[:, :0], clip.visible[:, :0])
    terms = build().train().losses([empty])
    assert terms["loss_class"] > 0
    assert terms["loss_dice"] == 0
    sum(terms.values()).backward()
    assert torch.isfinite(sum(build().losses([clip, empty]).values()))


def test_a_slot_of_a_vanished_object_is_background_or_ignored(monkeypatch):
    from methods.inspro import model as module

    clip = moving_squares()
    clip.visible[1, 0] = False
    given, original = [], module.weighted_losses
    monkeypatch.setattr(module, "weighted_losses", lambda *a: given.append(a[1:3]) or original(*a))
    background = build(vanished="background").losses([clip])
    ignored = build(vanished="ignore").losses([clip])
    assert ignored["loss_class"] < background["loss_class"]
    torch.testing.assert_close(ignored["loss_giou"], background["loss_giou"])
    for slots, reserved in given:
        # reserved in the second frame alone, and taken up again in the third
        own = int(slots[-1, 0, 0, 0])
        assert slots[:, 1:, 0, 0].tolist() == [[-1, own]] * 2
        assert reserved.nonzero().tolist() == [[1, 0, own]]


@in_float64()
def test_boxes_start_from_and_are_compared_in_the_unpadded_frame(monkeypatch):
    from methods.inspro import model as module

    # both clips are padded to 64 x 64
    clips, large = [moving_squares(frames=1)], moving_squares(frames=1)
    masks = large.masks[..., :40, :56]
    clips.append(replace(large, frames=large.frames[..., :40, :56], masks=masks))
    model, asked, given = build(), [], []
    match, step = module.match_frame, model.step
    monkeypatch.setattr(module, "match_frame", lambda *a, **k: asked.append(a[6]) or match(*a, **k))
    model.step = lambda pyramid, state, *rest: given.append(state.boxes) or step(pyramid, state, *rest)
    model.losses(clips)
    assert asked == [(48, 64), (40, 56)]
    centre, size = model.initial_boxes.split(2, dim=1)
    for boxes, (height, width) in zip(given[0], asked, strict=True):
        corners = torch.cat((centre - size / 2, centre + size / 2), 1)
        wanted = corners * torch.tensor([width, height, width, height])
        assert_close_to_largest(boxes, wanted, terms=10)


def test_clips_of_different_length_are_refused():
    with pytest.raises(MethodError, match="equal lengths"):
        build().losses([moving_squares(frames=2), moving_squares(frames=3)])


def test_tracking_yields_before_it_asks_for_the_next_frame():
    model = build()
    handed_over = []

    def frames():
        for index, frame in enumerate(make_frames(3)):
            handed_over.append(index)
            yield frame

    for result in model.track(VIDEO, frames()):
        assert handed_over == list(range(result.index + 1))
        assert [d.identity for d in result.detections] == list(range(6))
        assert all(d.class_scores.shape == (3,) for d in result.detections)


def test_no_state_survives_a_video_even_when_two_are_interleaved():
    model = build()
    one, two = make_frames(4, seed=1), make_frames(4, seed=2)
    alone = scores_of(model.track(VIDEO, iter(one)))
    first, second = model.track(VIDEO, iter(one)), model.track(VIDEO, iter(two))
    interleaved = [(next(first), next(second))[0] for _ in range(4)]
    assert np.array_equal(alone, scores_of(interleaved))


def foreground(model):
    """Masks of the last stage cover the frame: the last of the 169 values is the bias of the output."""
    with torch.no_grad():
        model.mask_head.generators[-1].bias[-1] += 1e4
    return model


def test_presence_threshold_only_drops_masks():
    all_masks = list(foreground(build(presence_threshold=0.0)).track(VIDEO, iter(make_frames(3))))
    scores = scores_of(all_masks)
    threshold = float(np.median(scores.max(-1)))
    some = list(foreground(build(presence_threshold=threshold)).track(VIDEO, iter(make_frames(3))))
    assert np.array_equal(scores, scores_of(some))
    dropped = kept = 0
    for full, part in zip(all_masks, some, strict=True):
        for a, b in zip(full.detections, part.detections, strict=True):
            assert a.segmentation is not None
            if a.class_scores.max() >= threshold:
                kept += 1
                assert a.segmentation == b.segmentation
                assert a.box == b.box
            else:
                dropped += 1
                assert b.segmentation is None
                assert b.box is None
    assert dropped
    assert kept


def test_masks_and_boxes_come_at_the_original_size():
    model = build(presence_threshold=0.0, test_short_side=24, test_max_long_side=640)
    with torch.no_grad():
        model.mask_head.generators[-1].bias[-1] = 5.0  # the last bias of the filters: masks are foreground
    result = next(iter(model.track(VIDEO, iter(make_frames(1)))))
    masks = [d for d in result.detections if d.segmentation is not None]
    assert masks
    for detection in masks:
        assert rle.decode(detection.segmentation).shape == (48, 64)
        x, y, width, height = detection.box
        assert x >= 0
        assert y >= 0
        assert x + width <= 64 + 1e-3
        assert y + height <= 48 + 1e-3


def test_proposals_are_clipped_at_test_and_not_in_training():
    model = build()
    sizes = torch.tensor([[48, 64]])
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    with torch.no_grad():
        for stage in model.stages:
            stage.box_output.bias.copy_(torch.tensor([9.0, -9.0, 1.0, 1.0]))
        _, free = model.step(pyramid, model.start(sizes), sizes, clip_proposals=False)
        _, clipped = model.step(pyramid, model.start(sizes), sizes, clip_proposals=True)
        _, later = model.track_frame(0, make_frames(1)[0], None)
    assert free.boxes.max() > 64
    for boxes in (clipped.boxes, later.boxes):
        assert boxes.min() >= 0
        assert boxes[..., 2].max() <= 64
        assert boxes[..., 3].max() <= 48
        assert (boxes[..., 2:] - boxes[..., :2]).min() >= 1 - 1e-4


def test_shared_queries_start_equal_and_normal_ones_do_not():
    shared = build(query_init="shared").initial_queries
    assert torch.equal(shared, shared[:1].expand_as(shared))
    normal = build(query_init="normal").initial_queries
    assert len({tuple(row) for row in normal.tolist()}) == 6


def test_coordinate_scale_by_box_size():
    boxes = torch.tensor([[0.0, 0, 64, 3], [0, 0, 3, 65], [0, 0, 256, 1], [0, 0, 500, 9], [0, 0, 900, 9]])
    assert coordinate_scale(boxes, "size_of_interest").tolist() == [64, 128, 256, 512, 1024]
    assert coordinate_scale(boxes, "pixels").tolist() == [1] * 5
    assert coordinate_scale(boxes, "box_size").tolist() == [64, 65, 256, 500, 900]


@pytest.mark.long
def test_it_learns_to_track_two_squares():
    model = build(classes=2, box_output_gain=0.0, dim=32, heads=4, dynamic_hidden=8, mask_hidden=16).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    clips = [moving_squares(seed=seed) for seed in range(2)]
    for _ in range(300):
        optimizer.zero_grad()
        sum(model.losses(clips).values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    results = list(model.track(VIDEO, iter(clips[0].frames)))
    tracks = model.summarise(VIDEO, results)[:2]
    assert sorted(t.label for t in tracks) == [0, 1]
    for track in tracks:
        predicted = np.stack([rle.decode(m) for m in track.segmentations])
        truth = clips[0].masks[:, track.label].numpy()
        assert (predicted & truth).sum() / (predicted | truth).sum() > 0.5


def test_backbone_is_called_once_with_frames_clip_after_clip():
    model, seen = build(), []
    model.backbone.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    clips = [moving_squares(seed=0), moving_squares(seed=1)]
    model.losses(clips)
    assert len(seen) == 1
    expected = normalise_and_pad([*clips[0].frames, *clips[1].frames])
    torch.testing.assert_close(seen[0], expected)


@in_float64()
def test_loss_of_a_batch_is_that_of_its_clips_when_they_hold_equal_objects():
    # frames and clips must not be mixed up anywhere: masks, boxes and features of each stay together
    model = build(box_output_gain=0.0)
    a, b = moving_squares(seed=0), moving_squares(seed=1)
    one, two, both = model.losses([a]), model.losses([b]), model.losses([a, b])
    for name, term in both.items():
        assert_close_to_largest(term, 0.5 * (one[name] + two[name]), terms=WHOLE_NETWORK)
