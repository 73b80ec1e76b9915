"""QueryTrack as a whole: sizes, what each branch reads, gradients, online inference, published names."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from querytrack_samples import MICRO, SIZES, build, make_clip, make_frames

from methods.layers.images import normalise_and_pad, resize_frame
from methods.querytrack import SPEC
from methods.querytrack.checkpoint import head_name, sources
from methods.querytrack.config import CONFIGS, TINY
from methods.querytrack.inference import select_candidates
from methods.querytrack.model import QueryTrack
from methods.querytrack.targets import flatten_targets, match_queries
from methods.tracking.querytrack_association import QueryTrackRule
from vis_bench.errors import MethodError, UsageError
from vis_bench.masks import rle
from vis_bench.method import ClipSampling
from vis_bench.setup.config import choose_config
from vis_bench.types import Video
from vis_bench.weights.source import convert

VIDEO = Video(1, "v", 64, 48, ("a", "b", "c", "d"))


def count(module):
    return sum(p.numel() for p in module.parameters())


def paper_model(**changes):
    with torch.device("meta"):
        return QueryTrack(replace(CONFIGS["paper"], **changes), 40)


def total(model):
    """Parameters with the affine of frozen BatchNorm, as the public counts have it."""
    return count(model) + sum(
        value.numel()
        for name, value in model.named_buffers()
        if name.startswith("backbone.") and name.endswith((".weight", ".bias"))
    )


def test_parameters_of_the_paper_configuration():
    model = paper_model()
    assert total(model) == pytest.approx(242.8e6, rel=0.001)
    assert total(model) == 242_770_632
    assert count(model.track_heads[0]) == 11_699_840
    assert total(model) - count(model.track_heads) == pytest.approx(172.6e6, rel=0.001)
    assert total(paper_model(track_stages="last")) == pytest.approx(184.3e6, rel=0.001)


def test_paper_values():
    config = CONFIGS["paper"]
    train, weights = config.train, config.weights
    assert (config.stages, config.queries, config.dim) == (6, 100, 256)
    assert (config.box_resolution, config.mask_resolution, config.track_resolution) == (7, 14, 7)
    assert (weights.classes, weights.l1, weights.giou, weights.dice, weights.track) == (2, 5, 2, 8, 1)
    assert (weights.track_alpha, weights.track_gamma, weights.track_entries) == (0.25, 2, "all")
    assert (train.lr, train.batch_size, train.optimizer, train.weight_decay) == (1.25e-5, 32, "adamw", 1e-4)
    assert np.array(train.lr_steps) / train.iterations == pytest.approx([9 / 12, 11 / 12], abs=1e-3)
    assert (train.augmentation.short_sides[0], train.augmentation.short_sides[-1]) == (320, 800)
    assert train.augmentation.crop[0] == 0
    assert train.sampling == ClipSampling(frames=2, window=None, ordered=False)
    assert (config.test_short_side, config.test_max_long_side, config.detections_per_frame) == (360, 640, 10)
    rule = config.association
    assert (rule.init_threshold, rule.similarity_gate, rule.factor_floor, rule.losers) == (
        0.05,
        0.0,
        0.0,
        "new",
    )


def test_variants():
    for name in SPEC.variants:
        for base in CONFIGS:
            _, config = choose_config(SPEC, f"{base}+{name}", base)
            assert config != CONFIGS[base] or name == "embedding64"  # tiny has that width
    _, challenge = choose_config(SPEC, "paper+challenge", "paper")
    assert (challenge.queries, challenge.test_short_side, challenge.train.augmentation.crop[0]) == (
        300,
        640,
        0.5,
    )
    _, quick = choose_config(SPEC, "quick", "tiny")
    assert replace(quick, train=TINY.train) == TINY
    assert quick.train.iterations < TINY.train.iterations


def test_listing_the_method_imports_no_torch():
    code = "import sys, methods.querytrack as m; assert m.SPEC.info.online; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_choice_names_a_configuration_value():
    for choice in SPEC.choices:
        value = CONFIGS["paper"]
        for part in choice.key.split("."):
            value = getattr(value, part)
    assert {choice.id for choice in SPEC.choices} >= {"D1", "D2", "D3", "D4"}


def test_wrong_configuration_values_are_refused():
    with pytest.raises(UsageError, match="predicted"):
        replace(MICRO, reference_boxes="predict")
    with pytest.raises(UsageError, match="multiple of heads"):
        replace(MICRO, heads=3)
    with pytest.raises(UsageError, match="pairs"):
        replace(MICRO, train=replace(MICRO.train, sampling=ClipSampling(frames=3)))
    with pytest.raises(UsageError, match="group norm"):
        replace(MICRO, mask_norm="group", mask_channels=24)
    with pytest.raises(UsageError, match="score_threshold"):
        replace(MICRO, score_threshold=2.0)
    with pytest.raises(UsageError, match="queries"):
        replace(MICRO, queries=0)


def test_no_branch_and_no_stage_shares_parameters():
    model = build()
    conv = [
        module
        for s in range(2)
        for module in (
            model.stages[s].interaction,
            model.mask_heads[s].interaction,
            model.track_heads[s].interaction,
        )
    ]
    assert len({id(p) for module in conv for p in module.parameters()}) == sum(
        len(list(module.parameters())) for module in conv
    )
    assert len(build(track_stages="last").track_heads) == 1


@pytest.fixture
def spied(monkeypatch):
    """A model that records what its mask and track heads read, in float64: (head, queries, features)."""
    with in_float64():
        model = build()
        read = []
        for kind in ("mask_heads", "track_heads"):
            for s, head in enumerate(getattr(model, kind)):
                head.register_forward_pre_hook(
                    lambda _, inputs, kind=kind, s=s: read.append((kind, s, *(x.detach() for x in inputs)))
                )
        yield model, read


def test_mask_and_track_read_the_refined_box_and_the_query_after_self_attention(spied):
    """Not the input box b_(t-1), and not the object feature q_t."""
    model, read = spied
    frame = make_frames(1)[0]
    list(model.detect(frame).segmentations)
    pyramid = model.pyramid(normalise_and_pad([frame]))
    outputs = model.refine(pyramid, SIZES[:1])
    last, before = outputs[-1], outputs[-2]
    queries, _ = select_candidates(last.class_logits[0].sigmoid(), 10, 0.0, True)
    assert [(kind, stage) for kind, stage, *_ in read] == [("track_heads", 1), ("mask_heads", 1)]
    image = torch.zeros_like(queries)
    for (_, _, used, features), resolution in zip(read, (3, 4), strict=True):
        assert_close_to_largest(used, last.attended[0, queries], terms=WHOLE_NETWORK)
        assert not torch.allclose(used, last.object_features[0, queries], atol=1e-3)
        refined = model._read(pyramid, last.boxes[0, queries], image, resolution)
        assert_close_to_largest(features, refined, terms=WHOLE_NETWORK)
        stale = model._read(pyramid, before.boxes[0, queries], image, resolution)
        assert not torch.allclose(features, stale, atol=1e-3)


def test_inference_runs_the_last_heads_on_the_candidates_only(spied):
    model, read = spied
    model.config = replace(model.config, detections_per_frame=2)
    found = model.detect(make_frames(1)[0])
    # masks are drawn when they are read
    assert [(kind, stage, len(queries)) for kind, stage, queries, _ in read] == [("track_heads", 1, 2)]
    assert len(list(found.segmentations)) == 2
    assert [(kind, stage, len(queries)) for kind, stage, queries, _ in read[1:]] == [("mask_heads", 1, 2)]


def test_training_reads_the_same_for_matched_queries_of_both_frames_at_every_stage(spied):
    model, read = spied
    clip = make_clip()
    model.losses([clip])
    assert sorted((kind, stage) for kind, stage, *_ in read) == [
        ("mask_heads", 0),
        ("mask_heads", 1),
        ("track_heads", 0),
        ("track_heads", 1),
    ]
    images = normalise_and_pad(list(clip.frames))
    pyramid = model.pyramid(images)
    outputs = model.refine(pyramid, SIZES)
    targets = flatten_targets([clip], (64, 64))
    queries = match_queries(
        torch.stack([o.class_logits for o in outputs]),
        torch.stack([o.boxes for o in outputs]),
        targets,
        model.config.weights,
    )
    for kind, stage, used, features in read:
        output = outputs[stage]
        assert_close_to_largest(used, output.attended[targets.image, queries[stage]], terms=WHOLE_NETWORK)
        resolution = 4 if kind == "mask_heads" else 3
        boxes = output.boxes[targets.image, queries[stage]]
        assert_close_to_largest(
            features, model._read(pyramid, boxes, targets.image, resolution), terms=WHOLE_NETWORK
        )


def test_truth_boxes_for_reference_embeddings(spied):
    model, read = spied
    model.config = replace(model.config, reference_boxes="truth")
    clip = make_clip()
    model.losses([clip])
    pyramid = model.pyramid(normalise_and_pad(list(clip.frames)))
    features = next(roi for kind, stage, _, roi in read if (kind, stage) == ("track_heads", 1))
    wanted = model._read(pyramid, clip.boxes[1, :1], torch.tensor([1]), 3)
    # the only object of the reference frame comes last
    assert_close_to_largest(features[2:], wanted, terms=WHOLE_NETWORK)


def test_boxes_are_detached_between_stages_and_queries_are_not():
    model = build()
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    first, last = model.refine(pyramid, SIZES[:1])
    deltas = model.stages[0].box_output.weight
    assert torch.autograd.grad(last.boxes.sum(), deltas, retain_graph=True, allow_unused=True)[0] is None
    own = torch.autograd.grad(first.boxes.sum(), deltas, retain_graph=True)[0]
    assert own.abs().sum() > 0
    feedforward = model.stages[0].feedforward[2].weight
    through = torch.autograd.grad(last.class_logits.sum(), feedforward, retain_graph=True)[0]
    assert through.abs().sum() > 0


def test_learnable_boxes_and_queries_and_every_head_receive_gradients():
    model = build().train()
    losses = model.losses([make_clip(), make_clip(seed=3)])
    assert set(losses) == {"loss_class", "loss_l1", "loss_giou", "loss_dice", "loss_track"}
    sum(losses.values()).backward()
    # boxes of this size read the finest level of the pyramid only
    without = [
        name
        for name, p in model.named_parameters()
        if (p.grad is None or (p.grad.abs().sum() == 0 and "bias" not in name)) and "layer_blocks" not in name
    ]
    assert without == []


def test_one_backbone_call_per_step_clip_after_clip():
    model = build().train()
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    clips = [make_clip(seed=1), make_clip(seed=2)]
    model.losses(clips)
    assert len(seen) == 1
    torch.testing.assert_close(seen[0], normalise_and_pad([f for c in clips for f in c.frames]))


def test_loss_terms_are_summed_over_stages_with_their_weights():
    clips = [make_clip()]
    one = build().losses(clips)
    heavy = build(weights=replace(MICRO.weights, dice=16.0, track=3.0)).losses(clips)
    assert heavy["loss_dice"].item() == pytest.approx(2 * one["loss_dice"].item(), rel=HUNDRED_ROUNDINGS)
    assert heavy["loss_track"].item() == pytest.approx(3 * one["loss_track"].item(), rel=HUNDRED_ROUNDINGS)
    # the head of the last stage alone gives less than both
    last = build(track_stages="last")
    full = build()
    last.load_state_dict(
        {
            **{k: v for k, v in full.state_dict().items() if not k.startswith("track_heads.")},
            **{
                k.replace("heads.1.", "heads.0."): v
                for k, v in full.state_dict().items()
                if k.startswith("track_heads.1.")
            },
        }
    )
    assert 0 < last.losses(clips)["loss_track"] < one["loss_track"]


def test_a_batch_without_objects_has_finite_losses_and_statistics():
    model = build().train()
    clip = make_clip()
    empty = replace(
        clip,
        labels=clip.labels[:0],
        masks=clip.masks[:, :0],
        boxes=clip.boxes[:, :0],
        visible=clip.visible[:, :0],
    )
    losses = model.losses([empty])
    sum(losses.values()).backward()
    assert losses["loss_dice"] == losses["loss_track"] == 0
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_clips_that_are_no_pairs_are_refused():
    with pytest.raises(MethodError, match="pairs"):
        build().losses([make_clip(3)])


def test_candidates_are_the_best_pairs_with_each_query_once():
    scores = torch.tensor([[0.9, 0.8, 0.1], [0.3, 0.04, 0.2], [0.5, 0.6, 0.7]])

    def pairs(*arguments):
        queries, labels = select_candidates(scores, *arguments)
        return list(zip(queries.tolist(), labels.tolist(), strict=True))

    assert pairs(10, 0.05, True) == [(0, 0), (2, 2), (1, 0)]
    assert pairs(2, 0.05, True) == [(0, 0), (2, 2)]
    assert pairs(4, 0.05, False) == [(0, 0), (0, 1), (2, 2), (2, 1)]
    assert pairs(10, 0.65, True) == [(0, 0), (2, 2)]
    assert pairs(10, 0.65, False) == [(0, 0), (0, 1), (2, 2)]
    assert pairs(10, 0.95, True) == []


def test_detections_are_in_original_pixels_whatever_the_network_sees():
    frame = make_frames(1, height=96, width=130)[0]
    model = build(test_short_side=48, test_max_long_side=64, detections_per_frame=3)
    found = model.detect(frame)
    assert len(found) == 3
    assert all(mask is None or tuple(mask["size"]) == (96, 130) for mask in found.segmentations)
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert (found.boxes[:, [0, 2]] <= 130).all()
    assert (found.boxes[:, [1, 3]] <= 96).all()
    assert found.embeddings.shape == (3, 6)
    # a mask stays inside its box, up to the pixels that the border cells reach
    for mask, (x1, y1, x2, y2) in zip(found.segmentations, found.boxes, strict=True):
        if mask is not None:
            rows, columns = np.nonzero(rle.decode(mask))
            assert columns.min() >= np.floor(x1) - 1
            assert columns.max() <= np.ceil(x2)
            assert rows.min() >= np.floor(y1) - 1
            assert rows.max() <= np.ceil(y2)


@in_float64()
def test_candidates_have_the_boxes_of_the_last_stage_scaled_to_original_pixels():
    """The association compares them with stored boxes of other frames, which are in original pixels."""
    frame = make_frames(1, height=96, width=192)[0]
    model = build(test_short_side=48, test_max_long_side=64)  # 32 x 64
    found = model.detect(frame)
    resized = resize_frame(frame, 48, 64)
    last = model.refine(model.pyramid(normalise_and_pad([resized])), torch.tensor([[32, 64]]))[-1]
    order = last.class_logits[0].sigmoid().amax(1).argsort(descending=True)
    scaled = 3 * last.boxes[0, order].detach().numpy()
    assert found.boxes == pytest.approx(np.clip(scaled, 0, [192, 96, 192, 96]), abs=1e-6)


def test_the_mask_of_a_candidate_is_the_channel_of_its_class():
    model = build(detections_per_frame=4)
    with torch.no_grad():
        model.mask_heads[1].output.weight.zero_()
        model.mask_heads[1].output.bias.copy_(torch.tensor([9.0, -9.0, 9.0]))
        # every query prefers class 1, whose masks are empty
        model.stages[1].class_output.weight.zero_()
        model.stages[1].class_output.bias.copy_(torch.tensor([-1.0, 2.0, -1.0]))
    assert set(model.detect(make_frames(1)[0]).segmentations) == {None}
    with torch.no_grad():
        model.stages[1].class_output.bias.copy_(torch.tensor([2.0, -1.0, -1.0]))
    assert None not in model.detect(make_frames(1)[0]).segmentations


def test_online_one_result_before_the_next_frame_and_nothing_kept_between_videos():
    model, frames = build(association=QueryTrackRule(init_threshold=0.0)), make_frames()
    asked = []

    def feed():
        for index, frame in enumerate(frames):
            asked.append(index)
            yield frame

    results = model.track(VIDEO, feed())
    first = next(results)
    assert (first.index, asked) == (0, [0])
    once = [first, *results]
    again = list(model.track(VIDEO, iter(frames)))
    for a, b in zip(once, again, strict=True):
        assert [d.identity for d in a.detections] == [d.identity for d in b.detections]
        assert [d.segmentation for d in a.detections] == [d.segmentation for d in b.detections]
    assert [d.identity for d in once[0].detections] == list(range(5))
    tracks = model.summarise(VIDEO, once)
    assert all(len(track.segmentations) == 4 for track in tracks)


def test_a_frame_without_candidates_keeps_the_video_going():
    model = build(score_threshold=1.0)
    results = list(model.track(VIDEO, iter(make_frames(2))))
    assert [len(r.detections) for r in results] == [0, 0]
    assert model.summarise(VIDEO, results) == []


HEAD = {
    "stages": (
        "roi_head.bbox_head",
        {
            "attention.": "attention.attn.",
            "attention_norm.": "attention_norm.",
            "interaction.generate.": "instance_interactive_conv.dynamic_layer.",
            "interaction.norm_hidden.": "instance_interactive_conv.norm_in.",
            "interaction.norm_out.": "instance_interactive_conv.norm_out.",
            "interaction.project.": "instance_interactive_conv.fc_layer.",
            "interaction.norm_project.": "instance_interactive_conv.fc_norm.",
            "interaction_norm.": "instance_interactive_conv_norm.",
            "feedforward.0.": "ffn.layers.0.0.",
            "feedforward.2.": "ffn.layers.1.",
            "feedforward_norm.": "ffn_norm.",
            "class_branch.": "cls_fcs.",
            "box_branch.": "reg_fcs.",
            "class_output.": "fc_cls.",
            "box_output.": "fc_reg.",
        },
    ),
    "mask_heads": (
        "roi_head.mask_head",
        {
            "interaction.generate.": "instance_interactive_conv.dynamic_layer.",
            "interaction.norm_hidden.": "instance_interactive_conv.norm_in.",
            "interaction.norm_out.": "instance_interactive_conv.norm_out.",
            **{
                f"convs.{i}.{j}.": f"convs.{i}.{name}."
                for i in range(4)
                for j, name in ((0, "conv"), (1, "bn"))
            },
            "upsample.": "upsample.",
            "output.": "conv_logits.",
        },
    ),
}


def published_name(own):
    """The name of a parameter in a QueryInst checkpoint, written apart from the map under test."""
    for module, (theirs, parts) in HEAD.items():
        if own.startswith(module + "."):
            _, stage, inner = own.split(".", 2)
            mine = max((part for part in parts if inner.startswith(part)), key=len)
            return f"{theirs}.{stage}.{parts[mine]}{inner.removeprefix(mine)}"
    for mine, theirs in (
        ("backbone.body.", "backbone."),
        ("fpn.pyramid.inner_blocks.", "neck.lateral_convs."),
        ("fpn.pyramid.layer_blocks.", "neck.fpn_convs."),
    ):
        if own.startswith(mine):
            return theirs + own.removeprefix(mine).replace(".0.", ".conv.", 1 if "fpn" in own else 0)
    return {
        "initial_boxes": "rpn_head.init_proposal_bboxes.weight",
        "initial_queries": "rpn_head.init_proposal_features.weight",
    }[own]


def test_published_queryinst_names_cover_everything_but_the_tracking_heads():
    own = {n: v for n, v in paper_model().state_dict().items() if not n.startswith("track_heads.")}
    published = {published_name(name): value for name, value in own.items()}
    assert "roi_head.bbox_head.5.attention.attn.in_proj_weight" in published
    assert "roi_head.mask_head.0.convs.3.bn.running_mean" in published
    assert "neck.fpn_convs.3.conv.bias" in published
    assert "backbone.layer4.2.bn3.running_var" in published
    published["backbone.bn1.num_batches_tracked"] = torch.zeros(())
    assert not set(published) & set(own)
    converted = convert(sources(CONFIGS["paper"])[0], published).state
    assert converted.pop("backbone.body.bn1.num_batches_tracked") is not None
    assert {name: value.shape for name, value in converted.items()} == {n: v.shape for n, v in own.items()}
    assert all(converted[name] is value for name, value in own.items())


def test_an_unknown_published_name_has_no_counterpart():
    assert head_name("roi_head.bbox_head.0.fc_cls.bias") == "stages.0.class_output.bias"
    assert head_name("roi_head.bbox_head.0.fc_iou.weight") is None
    assert head_name("track_head.weight") is None
