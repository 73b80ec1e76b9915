"""Tracking by detection with InsPro's network: sizes, per-frame detection, samples, online inference."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from test_inspro_model import MICRO, VIDEO, make_frames, moving_squares
from torchvision.ops import box_iou

from methods.inspro.model import InsPro
from methods.inspro_tbd import SPEC
from methods.inspro_tbd.config import CONFIGS, TINY
from methods.inspro_tbd.model import InsProTbd
from methods.layers.images import normalise_and_pad
from vis_bench.errors import MethodError, UsageError
from vis_bench.setup.config import override

SHARED = ("backbone", "queries", "dim", "stages", "heads", "feedforward", "dynamic_hidden", "roi_resolution")
SMALL = replace(
    TINY,
    **{name: getattr(MICRO, name) for name in SHARED},
    mask_hidden=8,
    box_output_gain=1.0,
    embedding_hidden=12,
    embedding_width=6,
    score_threshold=0.0,
    nms_iou=None,
)


def build(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return InsProTbd(replace(SMALL, **changes), classes).eval()


def test_paper_configuration_adds_the_embedding_head_to_the_detector():
    with torch.device("meta"):
        model = InsProTbd(CONFIGS["paper"], 40)
    frozen_affine = sum(
        value.numel()
        for name, value in model.named_buffers()
        if name.startswith("backbone.") and name.endswith((".weight", ".bias"))
    )
    head = sum(p.numel() for p in model.embed_head.parameters())
    # Table 2(d): 119.9 - 106.1 = 13.8 million more than InsPro
    assert head == 13_895_680
    total = sum(p.numel() for p in model.parameters()) + frozen_affine
    assert total == 121_862_870
    # InsPro without the 257 parameters of its attention
    assert total - head == 107_967_447 - 257


def test_paper_values():
    config = CONFIGS["paper"]
    rule = config.association
    assert (rule.rule, rule.score_weight, rule.iou_weight, rule.label_weight) == ("masktrack", 1, 2, 10)
    assert (rule.dummy_logit, rule.refresh_label, rule.forget_after_frames) == (0, False, None)
    assert (config.score_threshold, config.detections_per_frame, config.identity_weight) == (0.05, 10, 1)
    assert (config.embedding_hidden, config.embedding_width, config.roi_resolution) == (1024, 1024, 7)
    detector = config.detector
    switches = ("propagate_query", "propagate_proposal", "consistent_matching", "dedup", "bank")
    assert not any(getattr(detector, name) for name in switches)
    assert (detector.queries, detector.stages, detector.dim) == (100, 6, 256)


def test_quick_is_tiny_with_a_shorter_schedule():
    tiny, quick = CONFIGS["tiny"], CONFIGS["quick"]
    assert quick.train.iterations < tiny.train.iterations
    assert replace(quick, train=tiny.train) == tiny


def test_listing_the_method_imports_no_torch():
    code = "import sys, methods.inspro_tbd as m; assert m.SPEC.info.online; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_choices_and_variants_name_configuration_values():
    for choice in SPEC.choices:
        value = CONFIGS["paper"]
        for part in choice.key.split("."):
            value = getattr(value, part)
    for changes in SPEC.variants.values():
        assert override(CONFIGS["tiny"], changes) != CONFIGS["paper"]


def test_wrong_configuration_values_are_refused():
    for name, value in {
        "identity_samples": "all",
        "score_threshold": 1.5,
        "detections_per_frame": 0,
        "nms_iou": 0.0,
        "heads": 3,
        "proposal_init": "gird",
    }.items():
        with pytest.raises(UsageError):
            replace(SMALL, **{name: value})


@in_float64()
def test_detector_losses_are_those_of_baseline_a():
    model = build()
    torch.manual_seed(1)
    baseline = InsPro(model.config.detector, 3).eval()
    weights = model.state_dict()
    baseline.load_state_dict({name: weights[name] for name in baseline.state_dict()})
    clips = [moving_squares(frames=2), moving_squares(frames=2, seed=1)]
    found, expected = model.losses(clips), baseline.losses(clips)
    assert set(found) == {*expected, "loss_identity"}
    for name, value in expected.items():
        assert_close_to_largest(found[name], value, terms=WHOLE_NETWORK)


@in_float64()
def test_the_detector_is_trained_as_baseline_a():
    """No gradient between frames, and between stages through features only, as in InsPro's own step."""
    model, clips = build(), [moving_squares(frames=2)]
    baseline = InsPro(model.config.detector, 3).eval()
    weights = model.state_dict()
    baseline.load_state_dict({name: weights[name] for name in baseline.state_dict()})
    sum(value for name, value in model.losses(clips).items() if name != "loss_identity").backward()
    sum(baseline.losses(clips).values()).backward()
    own = dict(model.named_parameters())
    for name, parameter in baseline.named_parameters():
        assert_close_to_largest(own[name].grad, parameter.grad, terms=WHOLE_NETWORK)


def test_the_identity_loss_has_its_weight_and_trains_the_features():
    clips = [moving_squares(frames=2)]
    once, twice = build().losses(clips), build(identity_weight=2.0).losses(clips)
    torch.testing.assert_close(twice["loss_identity"], 2 * once["loss_identity"])
    # at the start all embeddings are nearly zero: the chance of the right one of three answers
    assert once["loss_identity"].item() == pytest.approx(np.log(3), rel=0.01)
    model = build().train()
    model.losses(clips)["loss_identity"].backward()
    assert (model.fpn.pyramid.inner_blocks[0][0].weight.grad != 0).any()
    assert all(p.grad is None for p in model.stages.parameters())


def test_every_parameter_receives_gradient():
    model = build().train()
    sum(model.losses([moving_squares(), moving_squares(seed=2)]).values()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()] == []


def test_the_backbone_is_called_once(monkeypatch):
    model = build()
    calls = []
    model.backbone.register_forward_hook(lambda module, inputs, output: calls.append(inputs[0].shape[0]))
    model.losses([moving_squares(frames=2), moving_squares(frames=2, seed=3)])
    assert calls == [4]


def test_clips_without_a_reference_frame_are_refused():
    with pytest.raises(MethodError, match="at least 2"):
        build().losses([moving_squares(frames=1)])
    with pytest.raises(MethodError, match="equal lengths"):
        build().losses([moving_squares(frames=2), moving_squares(frames=3)])


@in_float64()
def test_a_query_is_one_detection_with_its_best_class_and_no_suppression():
    model = build()
    frame = make_frames(1)[0]
    found = model.detections(frame)
    pyramid = model.fpn(model.backbone(normalise_and_pad([frame])))
    last = model.detect(pyramid, torch.tensor([[48, 64]]))[-1]
    best = last.class_logits[0].sigmoid().amax(1)
    order = best.argsort(descending=True)
    assert len(found) == 6
    np.testing.assert_allclose(found.scores, best[order].detach().numpy(), rtol=1e-9)
    assert found.labels.tolist() == last.class_logits[0].argmax(1)[order].tolist()
    # embeddings are read again at the final boxes, clipped to the frame
    clipped = last.boxes[0, order].detach().clone()
    clipped[:, 0::2] = clipped[:, 0::2].clamp(0, 64)
    clipped[:, 1::2] = clipped[:, 1::2].clamp(0, 48)
    inside = ((clipped[:, 2:] - clipped[:, :2]) >= 1).all(1)
    assert inside.any()
    embedded = model.embed(pyramid, clipped, torch.zeros(6, dtype=torch.int64)).detach()
    assert_close_to_largest(torch.from_numpy(found.embeddings[inside]), embedded[inside], terms=WHOLE_NETWORK)
    assert_close_to_largest(torch.from_numpy(found.boxes[inside]), clipped[inside], terms=WHOLE_NETWORK)


def test_threshold_and_number_of_detections():
    scores = build().detections(make_frames(1)[0]).scores
    middle = float(np.median(scores))
    assert build(score_threshold=middle).detections(make_frames(1)[0]).scores.min() > middle
    few = build(detections_per_frame=2).detections(make_frames(1)[0])
    np.testing.assert_allclose(few.scores, scores[:2])


def test_suppression_leaves_the_best_of_overlapping_queries_whatever_their_classes():
    assert CONFIGS["paper"].nms_iou is None
    frame = make_frames(1)[0]
    # with a gain of 0 the boxes are the grid's, whose neighbours overlap
    everything = build(box_output_gain=0.0).detections(frame)
    left = build(box_output_gain=0.0, nms_iou=0.1, detections_per_frame=3).detections(frame)
    expected = []
    for i, box in enumerate(torch.from_numpy(everything.boxes)):
        if all(box_iou(box[None], torch.from_numpy(everything.boxes[k])[None]) <= 0.1 for k in expected):
            expected.append(i)
    assert 0 < len(expected) < len(everything)
    np.testing.assert_allclose(left.scores, everything.scores[expected][:3])


def test_a_frame_is_detected_on_its_own_and_linked_online():
    model = build()
    handed_over = []

    def frames():
        for index, frame in enumerate(make_frames(3)):
            handed_over.append(index)
            yield frame

    results = []
    for result in model.track(VIDEO, frames()):
        assert handed_over == list(range(result.index + 1))
        identities = [d.identity for d in result.detections]
        assert len(set(identities)) == len(identities)
        results.append(result)
    # the scores of the last frame are those of that frame alone, whatever came before
    alone = model.detections(make_frames(3)[2]).scores
    linked = [d.class_scores.max() for d in results[2].detections]
    assert set(np.float32(linked)) <= set(np.float32(alone))
    assert len(results[0].detections) == 6
    assert [d.identity for d in results[0].detections] == list(range(6))


def test_no_state_survives_a_video():
    model = build()

    def outcome(frames):
        results = model.track(VIDEO, iter(frames))
        return [[(d.identity, d.class_scores.tolist()) for d in r.detections] for r in results]

    one = outcome(make_frames(4, seed=1))
    outcome(make_frames(4, seed=2))
    assert outcome(make_frames(4, seed=1)) == one
