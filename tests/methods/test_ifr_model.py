"""IFR as a whole: the door, the configurations, and the three ways of inference."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from clip_batches import alone_and_together
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from torch.utils.flop_counter import FlopCounterMode

from methods.ifr import SPEC, augmentation
from methods.ifr import model as model_module
from methods.ifr.choices import CHOICES
from methods.ifr.config import (
    PAPER,
    QUICK,
    TINY,
    DecoderConfig,
    IfrConfig,
    InferenceConfig,
    LossConfig,
)
from methods.ifr.decoder import RecurrentOutput
from methods.ifr.model import Ifr, instances
from methods.layers.pixel_decoder_config import PixelDecoderConfig
from methods.layers.video_features import FrameSizes, VideoFeatures
from vis_bench.errors import UsageError
from vis_bench.masks.rle import decode
from vis_bench.method import Clip
from vis_bench.setup.config import override
from vis_bench.types import Video

SMALL = replace(
    TINY,
    pixel_decoder=PixelDecoderConfig(dims=32, mask_dims=32, layers=1, heads=4, hidden=32),
    decoder=DecoderConfig(queries=6, layers=2, heads=4, hidden=32, levels=("res4", "res3"), class_prior=0.3),
    loss=LossConfig(points=128),
)
VIDEO = Video(id=1, name="v", width=70, height=50, file_names=tuple(f"{i}.jpg" for i in range(5)))


def _clip(objects: int, frames: int = 2, size: tuple[int, int] = (50, 70)) -> Clip:
    masks = torch.zeros(frames, objects, *size, dtype=torch.bool)
    for n in range(objects):
        masks[:, n, 5 + 15 * n : 15 + 15 * n, 10:40] = True
    return Clip(
        frames=torch.randint(0, 256, (frames, 3, *size), dtype=torch.uint8),
        labels=torch.arange(objects),
        masks=masks,
        boxes=torch.zeros(frames, objects, 4),
        visible=torch.ones(frames, objects, dtype=torch.bool),
    )


def _frames(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(0, 256, (3, 50, 70), dtype=torch.uint8, generator=generator) for _ in range(count)]


def _model(**inference) -> Ifr:
    torch.manual_seed(0)
    return Ifr(replace(SMALL, inference=InferenceConfig(**inference)), 5).eval()


def test_listing_the_method_imports_no_torch() -> None:
    code = "import sys, methods.ifr as m; print(m.SPEC.info.name, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["ifr", "False"]


def test_paper_configuration_is_the_papers() -> None:
    train, loss = PAPER.train, PAPER.loss
    assert (loss.class_weight, loss.bce_weight, loss.dice_weight) == (2, 5, 5)
    assert loss.cross_frame_weight == 0.3
    assert (train.sampling.frames, train.sampling.window, train.backbone_lr_factor) == (2, 20, 0.1)
    assert train.augmentation.short_sides == (360, 480)
    assert (train.iterations, train.lr_steps, train.batch_size) == (6_000, (4_000,), 16)
    assert (PAPER.decoder.queries, PAPER.decoder.layers, PAPER.decoder.ifr_ffn) == (100, 9, "both")
    assert (PAPER.test_short_side, PAPER.top_k, PAPER.inference) == (360, 10, InferenceConfig())
    assert not SPEC.info.online
    assert SPEC.info.paradigm == "clip-level"
    assert replace(QUICK, train=TINY.train) == TINY
    assert QUICK.train.iterations < TINY.train.iterations


@pytest.mark.parametrize("name", sorted(SPEC.variants))
def test_every_variant_changes_the_paper_and_the_tiny_configuration(name) -> None:
    for config in (PAPER, TINY):
        changed = override(config, SPEC.variants[name])
        assert (changed == config) == (name == "lambda-e-0.3")


def test_sizes_of_the_augmentation_are_those_of_the_papers_scale() -> None:
    scales = override(PAPER, SPEC.variants["tta"]).inference.tta_scales
    assert [round(360 * scale) for scale in scales] == [360, 420, 480, 540]


def test_choices_name_configuration_values() -> None:
    for choice in CHOICES:
        value = PAPER
        for part in choice.key.split("."):
            value = getattr(value, part)
    assert {"D9", "D10"} <= {choice.id for choice in CHOICES}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_decoder": PixelDecoderConfig(dims=36)}, "heads"),
        ({"decoder": DecoderConfig(levels=("res5", "p3"))}, "levels"),
        ({"decoder": DecoderConfig(ifr_ffn="clips")}, "Did you mean 'clip'"),
        ({"decoder": DecoderConfig(class_prior=0.0)}, "class_prior"),
        ({"decoder": DecoderConfig(queries=0)}, "queries"),
        ({"loss": LossConfig(cross_frame_weight=-0.1)}, "negative"),
        ({"inference": InferenceConfig(clip_frames=2, clip_stride=2)}, "no frame in common"),
        ({"inference": InferenceConfig(clip_frames=1)}, "no frame in common"),
        ({"inference": InferenceConfig(tta_scales=(1.0, 0.0))}, "positive"),
        ({"inference": InferenceConfig(clip_frames=2, tta_scales=(1.0,))}, "whole videos"),
    ],
)
def test_values_that_do_not_fit_are_refused(change, message) -> None:
    with pytest.raises(UsageError, match=message):
        IfrConfig(train=PAPER.train, **change)


@pytest.mark.parametrize("objects", [0, 1, 2])
def test_losses_reach_every_parameter(objects) -> None:
    torch.manual_seed(0)
    model = Ifr(SMALL, 5)
    losses = model.losses([_clip(objects), _clip(1)])
    assert set(losses) == {"class", "bce", "dice", "cross_bce", "cross_dice"}
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_every_prediction_is_supervised_and_the_first_without_cross_terms(monkeypatch) -> None:
    calls = []
    original = model_module.prediction_losses

    def counting(*arguments, **keywords):
        calls.append(original(*arguments, **keywords))
        return calls[-1]

    monkeypatch.setattr(model_module, "prediction_losses", counting)
    losses = Ifr(SMALL, 5).losses([_clip(2)])
    assert len(calls) == SMALL.decoder.layers + 1
    assert ["cross_bce" in call for call in calls] == [False, True, True]
    for name, value in losses.items():
        assert value.item() == pytest.approx(
            sum(call[name].item() for call in calls if name in call), rel=HUNDRED_ROUNDINGS
        )


@in_float64()
def test_features_queries_and_objects_of_a_clip_stay_together(monkeypatch) -> None:
    torch.manual_seed(0)
    model = Ifr(SMALL, 5).eval()
    for b, alone, together in alone_and_together(monkeypatch, model_module, model, [_clip(1), _clip(2)]):
        (output, features, (target,), _), (both, both_features, targets, _) = alone, together
        assert_close_to_largest(both_features[b], features[0], terms=WHOLE_NETWORK)
        assert_close_to_largest(both.class_logits[b], output.class_logits[0], terms=WHOLE_NETWORK)
        assert_close_to_largest(both.mask_embeddings[b], output.mask_embeddings[0], terms=WHOLE_NETWORK)
        assert torch.equal(targets[b].masks, target.masks)


def test_one_backbone_call_per_training_step() -> None:
    model, seen = Ifr(SMALL, 5), []
    model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[0]))
    model.losses([_clip(1), _clip(2)])
    assert seen == [4]


def test_clips_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same number of frames"):
        Ifr(SMALL, 5).losses([_clip(1), _clip(1, frames=3)])


@pytest.mark.parametrize("inference", [{}, {"clip_frames": 2}, {"tta_scales": (1.0, 1.5)}])
def test_tracks_cover_the_video_at_its_own_size_and_leave_no_state(inference) -> None:
    model = _model(**inference)
    tracks = model.track(VIDEO, iter(_frames(5)))
    assert len(tracks) == SMALL.top_k
    assert [track.score for track in tracks] == sorted((track.score for track in tracks), reverse=True)
    for track in tracks:
        assert 0 <= track.label < 5
        assert 0 < track.score < 1
        assert len(track.segmentations) == 5
        assert {tuple(s["size"]) for s in track.segmentations if s} <= {(50, 70)}
    model.track(VIDEO, iter(_frames(3)))
    assert model.track(VIDEO, iter(_frames(5))) == tracks


@in_float64()
def test_frames_per_pass_changes_nothing() -> None:
    model = _model()
    whole = model.track(VIDEO, iter(_frames(5)))
    model.config = replace(model.config, frames_per_pass=2)
    parts = model.track(VIDEO, iter(_frames(5)))
    assert [(t.label, t.score) for t in parts] == [(t.label, pytest.approx(t.score, abs=1e-9)) for t in whole]


@pytest.mark.parametrize("inference", [{}, {"clip_frames": 3}, {"tta_scales": (1.0, 1.5)}])
def test_low_memory_keeps_16_bit_and_nearly_the_same_masks(inference, monkeypatch) -> None:
    model, dtypes = _model(**inference), []
    plain = model.track(VIDEO, iter(_frames(5)))
    model.config = replace(model.config, low_memory=True)
    decode_clip = model.decode

    def seen(features: VideoFeatures) -> RecurrentOutput:
        held = [*features.mask_features, *(x for p in features.maps.values() for x in p)]
        dtypes.extend(x.dtype for x in (*held, *(x for p in features.resized.values() for x in p)))
        return decode_clip(features)

    monkeypatch.setattr(model, "decode", seen)
    tracks = model.track(VIDEO, iter(_frames(5)))
    assert set(dtypes) == {torch.float16}
    assert [t.label for t in tracks] == [t.label for t in plain]
    # features of 11 bits are off by 2^-12 of their size, and a sigmoid passes on a quarter of that
    assert [t.score for t in tracks] == pytest.approx([t.score for t in plain], abs=1e-3)
    both = either = 0
    for track, other in zip(tracks, plain, strict=True):
        for one, two in zip(track.segmentations, other.segmentations, strict=True):
            a, b = (torch.zeros(50, 70).numpy() > 0 if s is None else decode(s) for s in (one, two))
            both, either = both + int((a & b).sum()), either + int((a | b).sum())
    assert both / either >= 0.99


def test_scores_are_sigmoids_and_masks_those_of_the_frames_own_query() -> None:
    # two frames, two slots; slot 0 draws the left column in frame 0 and everything in frame 1
    features = torch.zeros(2, 2, 2, 2)
    features[0, 0], features[0, 1] = torch.tensor([[4.0, -4], [4, -4]]), -4.0
    features[1, 0], features[1, 1] = -4.0, 4.0
    embeddings = torch.tensor([[[1.0, 0], [0, 1]], [[0, 1.0], [1, 0]]])
    logits = torch.tensor([[[2.0, 1.0], [-1.0, 1.5]]])
    output = RecurrentOutput(logits, embeddings[None])
    sizes = FrameSizes((8, 8), (8, 8), (8, 8))
    tracks = instances(output, VideoFeatures({}, {}, features, sizes), 3)
    wanted = [(0, 2.0), (1, 1.5), (1, 1.0)]
    assert [(t.label, t.score) for t in tracks] == [
        (label, pytest.approx(torch.tensor(x).sigmoid().item())) for label, x in wanted
    ]
    first = tracks[0].segmentations
    assert decode(first[0])[:, :3].all()
    assert not decode(first[0])[:, 5:].any()
    assert decode(first[1]).all()
    assert tracks[1].segmentations == (None, None)
    assert tracks[2].segmentations == first  # the same slot under another class


def test_masks_are_drawn_for_kept_slots_only_and_one_frame_at_a_time(monkeypatch) -> None:
    sizes, drawn = FrameSizes((32, 32), (32, 32), (32, 32)), []
    original = FrameSizes.masks
    monkeypatch.setattr(FrameSizes, "masks", lambda self, x: drawn.append(x.shape) or original(self, x))
    output = RecurrentOutput(torch.randn(1, 50, 4), torch.randn(1, 7, 50, 3))
    instances(output, VideoFeatures({}, {}, torch.randn(7, 3, 8, 8), sizes), 2)
    assert len(drawn) == 7
    assert all(shape[0] <= 2 for shape in drawn)


@in_float64()
def test_one_clip_over_the_whole_video_is_inference_per_video() -> None:
    whole = _model().track(VIDEO, iter(_frames(5)))
    stitched = _model(clip_frames=8, clip_min_score=0.0, min_score=0.0).track(VIDEO, iter(_frames(5)))
    assert [(t.label, t.segmentations) for t in stitched] == [(t.label, t.segmentations) for t in whole]
    assert [t.score for t in stitched] == pytest.approx([t.score for t in whole], abs=1e-9)


def test_clips_compute_each_frames_features_once_and_read_no_further_than_the_clip() -> None:
    model = _model(clip_frames=3)
    events: list[str] = []
    frames = (events.append("read") or frame for frame in _frames(6))
    model.backbone.register_forward_hook(lambda *_: events.append("backbone"))
    model.decoder.register_forward_hook(lambda *_: events.append("decode"))
    model.track(VIDEO, frames)
    one = ["read", "backbone"]
    assert events == [*one, *one, *one, "decode"] + [*one, "decode"] * 3


def test_slots_without_a_class_take_no_part_in_stitching_and_weak_tracks_are_not_put_out() -> None:
    assert _model(clip_frames=2, clip_min_score=0.99).track(VIDEO, iter(_frames(4))) == []
    assert _model(clip_frames=2, min_score=0.99).track(VIDEO, iter(_frames(4))) == []


@in_float64()
def test_augmentation_with_equal_sizes_is_the_plain_result() -> None:
    plain = _model().track(VIDEO, iter(_frames(4)))
    twice = _model(tta_scales=(1.0, 1.0)).track(VIDEO, iter(_frames(4)))
    assert [t.score for t in twice] == pytest.approx([t.score for t in plain], abs=1e-9)
    assert [t.segmentations for t in twice] == [t.segmentations for t in plain]


def test_augmentation_merges_results_whose_slots_follow_the_pivot(monkeypatch) -> None:
    matched, merged = [], []
    turned = torch.tensor([1, 2, 3, 4, 5, 0])
    monkeypatch.setattr(augmentation, "pivot_index", lambda *_: 1)
    monkeypatch.setattr(augmentation, "matched_order", lambda *a: matched.append(a) or turned)
    monkeypatch.setattr(augmentation, "merged_instances", lambda *a: merged.append(a) or [])
    _model(tta_scales=(1.0, 1.5, 2.0)).track(VIDEO, iter(_frames(2)))
    results, top_k = merged[0]
    assert top_k == SMALL.top_k
    assert [result.order.tolist() for result in results] == [turned.tolist(), list(range(6)), turned.tolist()]
    assert [pivot.sizes.resized for pivot, *_ in matched] == [(75, 105)] * 2
    assert [other.sizes.resized for _, other, _ in matched] == [(50, 70), (100, 140)]


def test_augmentation_runs_at_every_size() -> None:
    model, seen = _model(tta_scales=(1.0, 1.5, 2.0)), []
    model.backbone.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    model.track(VIDEO, iter(_frames(3)))
    # 50 x 70, 75 x 105 and 100 x 140, padded to multiples of 32
    assert seen == [(3, 3, 64, 96), (3, 3, 96, 128), (3, 3, 128, 160)]


def test_flops_can_be_counted_while_tracking() -> None:
    model = Ifr(SMALL, 5).eval()
    with FlopCounterMode(display=False) as one:
        model.track(VIDEO, iter(_frames(1)))
    with FlopCounterMode(display=False) as four:
        model.track(VIDEO, iter(_frames(4)))
    # all but the clip queries' own layers is work per frame
    assert 3 < four.get_total_flops() / one.get_total_flops() <= 4.01
