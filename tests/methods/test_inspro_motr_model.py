"""Track and detect queries as a whole: sizes, matching, propagation, losses, online inference."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from test_inspro_model import MICRO, VIDEO, make_frames, moving_squares

from methods.inspro.config import LossWeights
from methods.inspro.model import InsPro
from methods.inspro_motr import SPEC
from methods.inspro_motr.config import CONFIGS, TINY
from methods.inspro_motr.model import InsProMotr
from methods.inspro_motr.sequence import summarise_live_tracks
from methods.inspro_motr.training_tracks import TrackQueries, no_tracks
from methods.layers.box_codec import clip_boxes
from methods.layers.images import normalise_and_pad
from vis_bench.errors import MethodError, UsageError
from vis_bench.masks import rle
from vis_bench.method import FrameDetection, FrameResult
from vis_bench.setup.config import override

SHARED = ("backbone", "queries", "dim", "stages", "heads", "feedforward", "dynamic_hidden", "roi_resolution")
SMALL = replace(
    TINY,
    **{name: getattr(MICRO, name) for name in SHARED},
    mask_hidden=8,
    box_output_gain=1.0,
    drop_probability=0.0,
    false_probability=0.0,
)
# every matched slot lives on, whatever its box
ALWAYS = {"track_iou": 0.0, "box_output_gain": 0.0}


def build(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return InsProMotr(replace(SMALL, **changes), classes).eval()


def test_paper_configuration_adds_the_interaction_module():
    with torch.device("meta"):
        model = InsProMotr(CONFIGS["paper"], 40)
    frozen_affine = sum(
        value.numel()
        for name, value in model.named_buffers()
        if name.startswith("backbone.") and name.endswith((".weight", ".bias"))
    )
    # attention 4 x (256 x 256 + 256), two feed-forwards 256-2048-256, three norms
    added = 4 * (256 * 256 + 256) + 2 * (2 * 256 * 2048 + 2048 + 256) + 3 * 512
    assert sum(p.numel() for p in model.interaction.parameters()) == added
    total = sum(p.numel() for p in model.parameters()) + frozen_affine
    # InsPro without the 257 parameters of its attention
    assert total - added == 107_967_447 - 257
    assert total == 110_333_654


def test_paper_values():
    config = CONFIGS["paper"]
    assert (config.track_iou, config.drop_probability, config.false_probability) == (0.5, 0.1, 0.3)
    assert (config.birth_threshold, config.keep_threshold, config.patience_frames) == (0.7, 0.6, 5)
    assert (config.queries, config.dedup, config.detector.bank) == (100, True, False)
    assert (config.train.iterations, config.train.lr, config.train.sampling.frames) == (32_000, 2.5e-5, 3)


def test_quick_is_tiny_with_a_shorter_schedule():
    tiny, quick = CONFIGS["tiny"], CONFIGS["quick"]
    assert quick.train.iterations < tiny.train.iterations
    assert replace(quick, train=tiny.train) == tiny


def test_listing_the_method_imports_no_torch():
    code = "import sys, methods.inspro_motr as m; assert m.SPEC.info.online; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_choices_and_variants_name_configuration_values():
    for choice in SPEC.choices:
        value = CONFIGS["paper"]
        for part in choice.key.split("."):
            value = getattr(value, part)
    for changes in SPEC.variants.values():
        assert override(CONFIGS["tiny"], changes) != CONFIGS["tiny"]


def test_wrong_configuration_values_are_refused():
    for name, value in {
        "query_update": "add",
        "missed_reset": "never",
        "birth_threshold": 1.1,
        "drop_probability": -0.1,
        "patience_frames": 0,
        "heads": 3,
    }.items():
        with pytest.raises(UsageError):
            replace(SMALL, **{name: value})


@in_float64()
def test_without_track_queries_the_losses_are_those_of_inspro_without_propagation():
    # no box overlaps by more than 1, so no slot lives on
    near = {"box_output_gain": 0.0, "weights": LossWeights(dedup_beta=2.0)}
    model = build(track_iou=1.0, **near)
    baseline = InsPro(
        replace(
            model.config.detector,
            propagate_query=False,
            propagate_proposal=False,
            consistent_matching=False,
        ),
        3,
    ).eval()
    weights = model.state_dict()
    baseline.load_state_dict({name: weights[name] for name in baseline.state_dict()})
    clips = [moving_squares(), moving_squares(seed=1)]
    found, expected = model.losses(clips), baseline.losses(clips)
    assert set(found) == set(expected) >= {"loss_dedup"}
    for name, value in expected.items():
        assert_close_to_largest(found[name], value, terms=WHOLE_NETWORK)
    # and so are their gradients: between stages they flow through features and not through boxes
    for terms in (found, expected):
        sum(terms.values()).backward()
    own = dict(model.named_parameters())
    for name, parameter in baseline.named_parameters():
        assert_close_to_largest(own[name].grad, parameter.grad, terms=WHOLE_NETWORK)
    tracked = build(**ALWAYS, weights=near["weights"]).losses(clips)
    assert not torch.allclose(tracked["loss_class"], expected["loss_class"])
    assert "loss_dedup" not in build(dedup=False).losses(clips)


def recorded(monkeypatch, model, clips):
    """Per frame: (tables, slots of the last stage) of each clip."""
    from methods.inspro_motr import model as module

    seen = []
    original = module.match_frame

    def record(table, *args, **kwargs):
        match = original(table, *args, **kwargs)
        assert kwargs["allowed"][: model.config.queries].all()
        seen.append((table.tolist(), match.slots[-1].tolist()))
        return match

    monkeypatch.setattr(module, "match_frame", record)
    model.losses(clips)
    return seen


def test_a_tracked_object_keeps_its_track_query_and_newcomers_get_detect_queries(monkeypatch):
    clip = moving_squares()
    clip.visible[0, 1] = False
    seen = recorded(monkeypatch, build(**ALWAYS), [clip])
    assert seen[0][0] == [-1, -1]
    assert seen[0][1][1] == -1
    # object 0 holds the one track query, slot 6; object 1 enters among the six detect queries
    assert seen[1][0] == [6, -1]
    assert seen[1][1][0] == 6
    assert 0 <= seen[1][1][1] < 6
    # then both are tracked; the order is that of the objects
    assert seen[2] == ([6, 7], [6, 7])


def test_a_vanished_object_keeps_its_track_query_and_binds_it_again_on_return(monkeypatch):
    clip = moving_squares()
    clip.visible[1, 0] = False
    seen = recorded(monkeypatch, build(**ALWAYS), [clip])
    # not seen in frame 1: no slot has its class or box there, but its track query goes on
    assert seen[1] == ([6, 7], [-1, 7])
    assert seen[2] == ([6, 7], [6, 7])


def test_the_track_query_of_a_vanished_object_is_background(monkeypatch):
    from methods.inspro_motr import model as module

    clip = moving_squares()
    clip.visible[1, 0] = False
    asked = []
    original = module.weighted_losses
    monkeypatch.setattr(module, "weighted_losses", lambda *a, **k: asked.append(a[1]) or original(*a, **k))
    build(**ALWAYS).losses([clip])
    # [stages, frames, clips, objects]: object 0 is assigned to no slot at any stage of frame 1
    assert (asked[1][:, 0, 0, 0] == -1).all()
    assert (asked[2][:, 0, 0, 0] == 6).all()


def test_a_new_object_may_take_a_false_track(monkeypatch):
    """Which slot it takes is the matching's choice; here the false track alone looks like the object."""
    from methods.inspro_motr import model as module

    clip = moving_squares(frames=2)
    clip.visible[0, 1] = False
    model = build(**ALWAYS, false_probability=1.0)
    original = module.match_frame

    def prefer_tracks(table, visible, logits, boxes, labels, targets, *args, **kwargs):
        if boxes.shape[1] > 6:
            boxes = boxes.clone()
            boxes[:, 7] = targets[1]
        return original(table, visible, logits, boxes, labels, targets, *args, **kwargs)

    monkeypatch.setattr(module, "match_frame", prefer_tracks)
    seen = recorded(monkeypatch, model, [clip])
    # slot 6 is the track of object 0, slot 7 the false track
    assert seen[1] == ([6, -1], [6, 7])


def test_boxes_that_miss_their_object_and_dropped_ones_are_matched_anew(monkeypatch):
    for changes in ({"track_iou": 1.0}, {**ALWAYS, "drop_probability": 1.0}):
        seen = recorded(monkeypatch, build(**changes), [moving_squares()])
        assert [table for table, _ in seen] == [[-1, -1]] * 3


def test_slots_of_the_last_stage_live_on(monkeypatch):
    from methods.inspro_motr import model as module

    last, asked = [], []
    match, following = module.match_frame, module.next_tracks

    def only_last(*args, **kwargs):
        found = match(*args, **kwargs)
        last.append(found.slots[-1].tolist())
        # the first stage finds nothing
        return replace(found, slots=torch.stack((torch.full_like(found.slots[-1], -1), found.slots[-1])))

    monkeypatch.setattr(module, "match_frame", only_last)
    monkeypatch.setattr(module, "next_tracks", lambda *a: asked.append(a[1].tolist()) or following(*a))
    build(**ALWAYS).losses([moving_squares()])
    assert len(last) == 3
    assert asked == last[:2]
    assert all(slot >= 0 for slots in last for slot in slots)


def test_false_tracks_take_part_as_background():
    clip = [moving_squares(frames=2)]
    model = build(**ALWAYS, false_probability=1.0)
    asked = []
    model.stages[0].register_forward_hook(lambda module, inputs, output: asked.append(inputs[1].shape[1]))
    model.losses(clip)
    assert asked[0] == 6
    assert 8 < asked[1] <= 10
    asked.clear()
    without = build(**ALWAYS)
    without.stages[0].register_forward_hook(lambda module, inputs, output: asked.append(inputs[1].shape[1]))
    without.losses(clip)
    assert asked == [6, 8]


@in_float64()
def test_gradients_flow_through_track_queries_and_not_through_their_boxes():
    # a small gain, so that boxes differ from stage to stage and still overlap the objects
    model = build(**{**ALWAYS, "box_output_gain": 0.1})
    clip = moving_squares(frames=2)
    images = normalise_and_pad(list(clip.frames))
    pyramid = model.fpn(model.backbone(images))
    first = {name: value[:1] for name, value in pyramid.items()}
    second = {name: value[1:] for name, value in pyramid.items()}
    sizes = torch.tensor([[48, 64]])
    slots = model.step(first, no_tracks(1, 16), sizes)
    from methods.inspro.losses import stack_targets

    targets = stack_targets([clip], (64, 64))
    tracks = model._next(slots, torch.tensor([[0, 5]]), targets)
    assert tracks.objects.tolist() == [[0, 1]]
    assert torch.equal(tracks.boxes, slots.outputs[-1].boxes[:, [0, 5]])
    assert not torch.equal(slots.outputs[0].boxes, slots.outputs[-1].boxes)
    features, entered = slots.outputs[-1].object_features[:, [0, 5]], slots.queries[:, [0, 5]]
    updated = model.interaction(features, entered, torch.zeros(1, 2, dtype=torch.bool))
    assert_close_to_largest(tracks.queries, updated, terms=WHOLE_NETWORK)
    assert slots.outputs[-1].boxes.requires_grad
    assert not tracks.boxes.requires_grad
    after = model.step(second, tracks, sizes)
    assert torch.equal(after.queries[:, 6:], tracks.queries)
    assert torch.equal(after.queries[0, :6], model.initial_queries)
    target = after.outputs[-1].class_logits[:, 6:].sum()
    gradient = torch.autograd.grad(target, slots.outputs[-1].object_features, allow_unused=True)[0]
    assert (gradient[:, [0, 5]] != 0).any()


@in_float64()
def test_filler_of_a_batch_changes_no_loss():
    # clip 1 has one object, so its single track query is padded to the two of clip 0
    wide = {**ALWAYS, "weights": LossWeights(dedup_beta=2.0)}
    two, one = moving_squares(), moving_squares(seed=1)
    one = replace(
        one,
        labels=one.labels[:1],
        masks=one.masks[:, :1],
        boxes=one.boxes[:, :1],
        visible=one.visible[:, :1],
    )
    model = build(**wide)
    together, first, second = model.losses([two, one]), model.losses([two]), model.losses([one])
    for name in together:
        weighted = 2 * first[name] + second[name]
        assert_close_to_largest(3 * together[name], weighted, terms=WHOLE_NETWORK)


def test_every_parameter_receives_gradient_and_the_backbone_runs_once():
    # with the gain of ALWAYS, 0, the box branch would have no gradient before the first step
    model = build(**{**ALWAYS, "box_output_gain": 0.1}).train()
    calls = []
    model.backbone.register_forward_hook(lambda module, inputs, output: calls.append(inputs[0].shape[0]))
    sum(model.losses([moving_squares(), moving_squares(seed=2)]).values()).backward()
    assert calls == [6]
    without = [n for n, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()]
    assert without == []


def test_clips_without_objects_and_unequal_clips():
    clip = moving_squares(frames=2)
    empty = replace(
        clip,
        labels=clip.labels[:0],
        masks=clip.masks[:, :0],
        boxes=clip.boxes[:, :0],
        visible=clip.visible[:, :0],
    )
    terms = build(**ALWAYS).train().losses([empty])
    assert terms["loss_class"] > 0
    assert terms["loss_dice"] == 0
    sum(terms.values()).backward()
    with pytest.raises(MethodError, match="equal lengths"):
        build().losses([moving_squares(frames=2), moving_squares(frames=3)])


def test_tracks_are_born_followed_online_and_end():
    model = build(birth_threshold=0.0, keep_threshold=0.0, presence_threshold=0.0)
    handed_over = []

    def frames():
        for index, frame in enumerate(make_frames(3)):
            handed_over.append(index)
            yield frame

    results = []
    for result in model.track(VIDEO, frames()):
        assert handed_over == list(range(result.index + 1))
        results.append([d.identity for d in result.detections])
    # every detect query starts a track in every frame, tracks come first
    assert results == [list(range(6)), list(range(12)), list(range(18))]
    # nothing reaches 1, so a track of frame 0 ends at once with a patience of one frame
    model = build(birth_threshold=0.0, keep_threshold=1.0, patience_frames=1)
    ended = [[d.identity for d in r.detections] for r in model.track(VIDEO, iter(make_frames(3)))]
    assert ended == [list(range(6)), list(range(6, 12)), list(range(12, 18))]
    silent = build(birth_threshold=1.0)
    assert [len(r.detections) for r in silent.track(VIDEO, iter(make_frames(2)))] == [0, 0]


@in_float64()
def test_track_queries_at_test_are_the_interaction_output_and_the_clipped_boxes():
    model = build(birth_threshold=0.0, keep_threshold=0.0)
    frame = make_frames(1)[0]
    from methods.inspro_motr.lifecycle import LiveTracks

    start = no_tracks(1, 16)
    _, after, live = model.track_frame(0, frame, start, LiveTracks())
    sizes = torch.tensor([[48, 64]])
    slots = model.step(model.fpn(model.backbone(normalise_and_pad([frame]))), start, sizes)
    last = slots.outputs[-1]
    none = torch.zeros(1, 6, dtype=torch.bool)
    updated = model.interaction(last.object_features, slots.queries, none)
    assert_close_to_largest(after.queries, updated, terms=WHOLE_NETWORK)
    assert_close_to_largest(after.boxes, clip_boxes(last.boxes, sizes), terms=WHOLE_NETWORK)
    low, high = after.boxes[..., :2], after.boxes[..., 2:]
    assert (low >= 0).all()
    assert (high <= torch.tensor([64.0, 48.0])).all()
    assert live.identities == tuple(range(6))
    assert isinstance(after, TrackQueries)


# fewer masks are drawn at once: in float32 a pixel at the threshold might turn
@in_float64()
def test_presence_threshold_only_drops_masks():
    model = build(birth_threshold=0.0, keep_threshold=0.0, presence_threshold=0.0)
    everything = list(model.track(VIDEO, iter(make_frames(2))))
    scores = np.array([d.class_scores.max() for r in everything for d in r.detections])
    middle = float(np.median(scores))
    model = build(birth_threshold=0.0, keep_threshold=0.0, presence_threshold=middle)
    some = list(model.track(VIDEO, iter(make_frames(2))))
    found = [d for r in some for d in r.detections]
    np.testing.assert_array_equal([d.class_scores.max() for d in found], scores)
    assert all((d.segmentation is None) for d in found if d.class_scores.max() < middle)
    full = [d for r in everything for d in r.detections]
    assert all(
        a.segmentation == b.segmentation for a, b in zip(full, found, strict=True) if b.box is not None
    )


def test_no_state_survives_a_video():
    model = build(birth_threshold=0.0, keep_threshold=0.0)

    def scores(frames):
        return [[d.class_scores.tolist() for d in r.detections] for r in model.track(VIDEO, iter(frames))]

    one = scores(make_frames(3, seed=1))
    scores(make_frames(3, seed=2))
    assert scores(make_frames(3, seed=1)) == one


def test_scores_are_means_over_the_life_of_a_track():
    mask = rle.encode(np.ones((4, 4), dtype=bool))

    def seen(identity, a, b, present=True):
        return FrameDetection(identity, np.array([a, b], dtype=np.float32), mask if present else None)

    results = [
        FrameResult(0, (seen(0, 0.5, 0.25),)),
        FrameResult(1, (seen(0, 1.0, 0.75, present=False), seen(1, 0.125, 0.5))),
        FrameResult(2, (seen(1, 0.375, 0.0), seen(2, 1.0, 1.0, present=False))),
    ]
    tracks = summarise_live_tracks(results, 4, "mean_alive", 10)
    assert [(t.label, t.score) for t in tracks] == [(0, 0.75), (1, 0.5), (0, 0.25), (1, 0.25)]
    assert [m is not None for m in tracks[0].segmentations] == [True, False, False, False]
    assert [m is not None for m in tracks[2].segmentations] == [False, True, True, False]
    present = summarise_live_tracks(results, 4, "mean_present", 10)
    assert [(t.label, t.score) for t in present] == [(0, 0.5), (1, 0.25), (0, 0.25), (1, 0.25)]
    largest = summarise_live_tracks(results, 4, "max", 2)
    assert [(t.label, t.score) for t in largest] == [(0, 1.0), (1, 0.75)]
    assert summarise_live_tracks([], 4, "max", 2) == []
