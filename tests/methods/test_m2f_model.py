"""Mask2Former-VIS as a whole: the door, the joint attention mask, tracks, and learning one clip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from clip_batches import alone_and_together
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from methods.layers.pixel_decoder_config import PixelDecoderConfig
from methods.layers.query_masks import attention_allowed, mask_logits
from methods.layers.video_features import FrameSizes, resized_to_levels
from methods.mask2former_vis import SPEC
from methods.mask2former_vis import model as model_module
from methods.mask2former_vis.config import (
    CHOICES,
    PAPER,
    TINY,
    DecoderConfig,
    LossConfig,
    Mask2FormerVisConfig,
)
from methods.mask2former_vis.decoder import QueryOutput, VideoDecoder
from methods.mask2former_vis.model import Mask2FormerVis, instances
from vis_bench.errors import UsageError
from vis_bench.masks.rle import decode
from vis_bench.method import Clip
from vis_bench.types import Video

SMALL = replace(
    TINY,
    pixel_decoder=PixelDecoderConfig(dims=32, mask_dims=32, layers=1, heads=4, hidden=32),
    decoder=DecoderConfig(queries=6, layers=2, heads=4, hidden=32, levels=("res4", "res3")),
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


def test_listing_the_method_imports_no_torch() -> None:
    code = "import sys, methods.mask2former_vis as m; print(m.SPEC.info.name, 'torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["mask2former_vis", "False"]


def test_paper_configuration_is_the_published_training() -> None:
    train = PAPER.train
    assert (train.optimizer, train.lr, train.weight_decay, train.norm_weight_decay) == (
        "adamw",
        1e-4,
        0.05,
        0,
    )
    assert (train.iterations, train.lr_steps, train.batch_size) == (6_000, (4_000,), 16)
    assert (train.backbone_lr_factor, train.grad_clip_norm) == (0.1, 0.01)
    assert (train.sampling.frames, train.sampling.window) == (2, 20)
    assert train.augmentation.short_sides == (360, 480)
    assert (PAPER.test_short_side, PAPER.top_k, PAPER.decoder.queries, PAPER.decoder.layers) == (
        360,
        10,
        100,
        9,
    )
    assert not SPEC.info.online


def test_choices_name_configuration_values() -> None:
    for choice in CHOICES:
        value = PAPER
        for part in choice.key.split("."):
            value = getattr(value, part)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixel_decoder": PixelDecoderConfig(dims=36)}, "heads"),
        ({"pixel_decoder": PixelDecoderConfig(dims=6, heads=1)}, "decoder.heads"),
        ({"pixel_decoder": PixelDecoderConfig(encoded=("res3", "res4"))}, "encoded"),
        ({"decoder": DecoderConfig(levels=("res5", "p3"))}, "levels"),
        ({"decoder": DecoderConfig(queries=0)}, "queries"),
        ({"top_k": 0}, "top_k"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(change, message) -> None:
    with pytest.raises(UsageError, match=message):
        Mask2FormerVisConfig(train=PAPER.train, **change)


def test_attention_mask_is_joint_over_the_frames() -> None:
    # one query, two frames of 1 x 2 cells: inside its mask only at frame 0, cell 1
    features = torch.tensor([[[[[-1.0, 1.0]]], [[[-1.0, -1.0]]]]])
    allowed = attention_allowed(torch.ones(1, 1, 1), [features])
    assert allowed.tolist() == [[[False, True, False, False]]]  # frame 1 is not opened on its own
    assert attention_allowed(-torch.ones(1, 1, 1), [-features.abs()]).all()
    empty = attention_allowed(torch.ones(1, 1, 1), [-features.abs()])
    assert empty.all()  # empty in all frames: everything is opened


def test_attention_mask_equals_resized_mask_logits() -> None:
    torch.manual_seed(0)
    embeddings, features = torch.randn(1, 5, 8), torch.randn(1, 3, 8, 16, 24)
    full = mask_logits(embeddings, features).flatten(0, 1)
    small = torch.nn.functional.interpolate(full, size=(4, 6), mode="bilinear", align_corners=False)
    resized = torch.nn.functional.interpolate(features[0], size=(4, 6), mode="bilinear", align_corners=False)
    wanted = (small.sigmoid() >= 0.5).flatten(1)
    decided = small.abs().flatten(1) > 1e-4
    own = attention_allowed(embeddings, [resized[None]])[0]
    assert (own == wanted)[decided].all()
    assert decided.float().mean() > 0.9


def _read(
    decoder: nn.Module, maps: dict[str, torch.Tensor], features: torch.Tensor, cuts: int = 1, **how
) -> list:
    """What the decoder says of maps [B, T, ...] and mask features [B, T, ...] given in `cuts` parts."""
    resized = resized_to_levels(features, maps)
    return decoder(*({name: x.chunk(cuts, 1) for name, x in each.items()} for each in (maps, resized)), **how)


def _decoder_inputs(decoder: VideoDecoder, frames: int) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    maps = {"res4": torch.randn(1, frames, 16, 2, 3), "res3": torch.randn(1, frames, 16, 4, 6)}
    return maps, torch.randn(1, frames, 8, 8, 12)


def test_decoder_predicts_before_the_first_and_after_every_layer() -> None:
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=3, heads=2, levels=("res4", "res3")), 16, 8, 5)
    outputs = _read(decoder, *_decoder_inputs(decoder, 2))
    assert len(outputs) == 4
    for output in outputs:
        assert output.class_logits.shape == (1, 4, 6)
        assert output.mask_embeddings.shape == (1, 4, 8)


def test_decoder_reads_time_through_the_position_encoding() -> None:
    torch.manual_seed(0)
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=2, heads=2, levels=("res4", "res3")), 16, 8, 5)
    maps, features = _decoder_inputs(decoder, 3)
    order = [2, 1, 0]
    forward = _read(decoder, maps, features)[-1].class_logits
    backward = _read(decoder, {name: x[:, order] for name, x in maps.items()}, features[:, order])[
        -1
    ].class_logits
    assert (forward - backward).abs().max() > 1e-4  # without z, attention could not see the order of frames


def test_decoder_attends_over_all_frames_at_once() -> None:
    torch.manual_seed(0)
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=1, heads=2, levels=("res4",)), 16, 8, 5)
    maps, features = _decoder_inputs(decoder, 2)
    changed = {"res4": maps["res4"].clone()}
    changed["res4"][:, 1] += 1
    before, after = _read(decoder, maps, features)[-1], _read(decoder, changed, features)[-1]
    # the queries' class, one for the whole clip, depends on every frame
    assert (before.class_logits - after.class_logits).abs().amax(-1).min() > 1e-6


def test_decoder_leaves_a_frame_closed_in_which_a_query_is_empty() -> None:
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=1, heads=2, levels=("res4",)), 16, 8, 5)
    maps, features = _decoder_inputs(decoder, 3)
    seen = []
    decoder.layers[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2][2]))
    with torch.no_grad():  # every query has the mask embedding (1, .., 1)
        decoder.mask_head[-1].weight.zero_()
        decoder.mask_head[-1].bias.fill_(1.0)
    features[:] = -1.0
    features[:, 1] = 1.0  # inside in frame 1 alone
    _read(decoder, {"res4": maps["res4"]}, features, cuts=3)
    assert seen[0].shape == (1, 4, 3 * 2 * 3)
    assert seen[0].unflatten(2, (3, 6)).all(3).tolist() == [[[False, True, False]] * 4]
    assert seen[0].sum() == 4 * 6  # an empty frame stays closed as long as another one is open


def test_decoder_survives_queries_with_empty_masks() -> None:
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=2, heads=2, levels=("res4", "res3")), 16, 8, 5)
    maps, features = _decoder_inputs(decoder, 2)
    outputs = _read(decoder, maps, torch.zeros_like(features) - 0.0)
    assert outputs[-1].class_logits.isfinite().all()
    bias = decoder.mask_head[-1].bias
    with torch.no_grad():
        decoder.mask_head[-1].weight.zero_()
        bias.fill_(-1.0)
    outputs = _read(decoder, maps, features.abs() + 0.1)  # every mask logit is negative
    assert (mask_logits(outputs[0].mask_embeddings, features.abs() + 0.1) < 0).all()
    assert outputs[-1].class_logits.isfinite().all()


def test_one_norm_serves_every_prediction() -> None:
    decoder = VideoDecoder(DecoderConfig(queries=4, layers=2, heads=2, levels=("res4",)), 16, 8, 5)
    inputs = _decoder_inputs(decoder, 1)
    with torch.no_grad():
        decoder.norm.weight.zero_()
        decoder.norm.bias.zero_()
    for output in _read(decoder, *inputs):
        torch.testing.assert_close(output.class_logits, decoder.class_head.bias.expand(1, 4, -1))


def test_attending_part_by_part_is_attending_to_the_whole_clip() -> None:
    torch.manual_seed(0)
    decoder = VideoDecoder(DecoderConfig(queries=6, layers=4, heads=2, levels=("res4", "res3")), 16, 8, 5)
    decoder = decoder.double()
    maps, features = _decoder_inputs(decoder, 5)
    maps, features = {name: x.double() for name, x in maps.items()}, features.double()
    whole = _read(decoder, maps, features)
    for cuts, in_parts in ((3, False), (3, True), (5, True)):
        for own, wanted in zip(_read(decoder, maps, features, cuts, in_parts=in_parts), whole, strict=True):
            torch.testing.assert_close(own.class_logits, wanted.class_logits)
            torch.testing.assert_close(own.mask_embeddings, wanted.mask_embeddings)


def test_low_memory_keeps_16_bit_and_no_keys_of_the_whole_video(monkeypatch) -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(replace(SMALL, frames_per_pass=2, low_memory=True), 5).eval()
    kept, read = [], []
    joined = model_module.join_features
    monkeypatch.setattr(model_module, "join_features", lambda parts: kept.append(joined(parts)) or kept[0])
    attention = model.decoder.layers[0].cross_attention.attention
    heads_of = attention._heads_of
    monkeypatch.setattr(attention, "_heads_of", lambda x, i: read.append((i, x.shape[1])) or heads_of(x, i))
    tracks = model.track(VIDEO, iter(_frames(5)))
    (features,) = kept
    held = [
        *features.mask_features,
        *(x for each in (features.maps, features.resized) for p in each.values() for x in p),
    ]
    assert {x.dtype for x in held} == {torch.float16}
    # 50 x 70 is padded to 64 x 96: 4 x 6 cells of stride 16; passes of 2, 2 and 1 frames
    assert [n for i, n in read if i == 1] == [48, 48, 24]
    model.config = replace(model.config, low_memory=False)
    plain = model.track(VIDEO, iter(_frames(5)))
    assert held[0].dtype != kept[1].mask_features[0].dtype
    assert [t.label for t in tracks] == [t.label for t in plain]
    # features of 11 bits are off by 2^-12 of their size, and a softmax passes on a quarter of that
    assert [t.score for t in tracks] == pytest.approx([t.score for t in plain], abs=1e-3)
    assert _iou(tracks, plain) >= 0.99


def _iou(tracks, others) -> float:
    """Pixels in both over pixels in either, of all masks of two results with the same tracks."""
    both = either = 0
    for track, other in zip(tracks, others, strict=True):
        for one, two in zip(track.segmentations, other.segmentations, strict=True):
            a, b = (np.zeros((50, 70), bool) if s is None else decode(s) for s in (one, two))
            both, either = both + int((a & b).sum()), either + int((a | b).sum())
    return both / either


@in_float64()
def test_masks_are_resized_for_kept_queries_only_and_one_frame_at_a_time(monkeypatch) -> None:
    torch.manual_seed(0)
    sizes, drawn, full = FrameSizes((32, 32), (32, 32), (40, 40)), [], []
    original, resize = FrameSizes.masks, torch.nn.functional.interpolate
    monkeypatch.setattr(FrameSizes, "masks", lambda self, x: drawn.append(x.shape) or original(self, x))
    monkeypatch.setattr(
        "methods.layers.images.F.interpolate", lambda x, **how: full.append(x.shape[:2]) or resize(x, **how)
    )
    output, features = QueryOutput(torch.randn(1, 50, 5), torch.randn(1, 50, 3)), torch.randn(7, 3, 8, 8)
    tracks = instances(output, features, 4, sizes)
    best = output.class_logits[0].softmax(-1)[:, :-1].flatten().topk(4).indices // 4
    kept = len(best.unique())
    assert kept < 50
    assert drawn == [(kept, 8, 8)] * 7
    assert full == [(1, kept)] * 14  # to the padded size and to the original one
    for track, query in zip(tracks, best.tolist(), strict=True):
        logits = mask_logits(output.mask_embeddings[:, query : query + 1], features[None])[0, 0]
        for logit, segmentation in zip(logits, track.segmentations, strict=True):
            wanted = original(sizes, logit[None])[0].numpy()
            assert np.array_equal(decode(segmentation) if segmentation else wanted & False, wanted)


@pytest.mark.parametrize("objects", [0, 1, 2])
def test_losses_reach_every_parameter(objects) -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(SMALL, 5)
    losses = model.losses([_clip(objects), _clip(1)])
    assert set(losses) == {"class", "bce", "dice"}
    sum(losses.values()).backward()
    # no dead branch, even where a clip has no object
    unreached = [name for name, p in model.named_parameters() if p.grad is None]
    assert unreached == []


def test_losses_without_any_object() -> None:
    losses = Mask2FormerVis(SMALL, 5).losses([_clip(0), _clip(0)])
    assert losses["bce"].item() == losses["dice"].item() == 0
    assert losses["class"].item() > 0


def test_every_prediction_is_supervised(monkeypatch) -> None:
    calls = []
    original = model_module.prediction_losses

    def counting(*arguments, **keywords):
        calls.append(original(*arguments, **keywords))
        return calls[-1]

    monkeypatch.setattr(model_module, "prediction_losses", counting)
    losses = Mask2FormerVis(SMALL, 5).losses([_clip(2)])
    assert len(calls) == SMALL.decoder.layers + 1
    for name, value in losses.items():
        assert value.item() == pytest.approx(sum(call[name].item() for call in calls), rel=HUNDRED_ROUNDINGS)


@in_float64()
def test_masks_queries_and_objects_of_a_clip_stay_together(monkeypatch) -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(SMALL, 5).eval()
    for b, alone, together in alone_and_together(monkeypatch, model_module, model, [_clip(1), _clip(2)]):
        (logits, masks, (target,), _), (both_logits, both_masks, targets, _) = alone, together
        assert_close_to_largest(both_logits[b], logits[0], terms=WHOLE_NETWORK)
        assert_close_to_largest(both_masks[b], masks[0], terms=WHOLE_NETWORK)
        assert torch.equal(targets[b].masks, target.masks)


def test_clips_of_different_sizes_share_a_batch_and_different_lengths_do_not() -> None:
    model = Mask2FormerVis(SMALL, 5)
    losses = model.losses([_clip(1, size=(50, 70)), _clip(1, size=(64, 40))])
    assert all(value.isfinite() for value in losses.values())
    with pytest.raises(ValueError, match="same number of frames"):
        model.losses([_clip(1, frames=2), _clip(1, frames=3)])


def _frames(count: int, size: tuple[int, int] = (50, 70)) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randint(0, 256, (3, *size), dtype=torch.uint8, generator=generator) for _ in range(count)]


def test_tracks_cover_the_video_at_its_own_size() -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(SMALL, 5).eval()
    tracks = model.track(VIDEO, iter(_frames(5)))
    assert len(tracks) == SMALL.top_k
    assert [track.score for track in tracks] == sorted((track.score for track in tracks), reverse=True)
    for track in tracks:
        assert 0 <= track.label < 5
        assert 0 < track.score < 1
        assert len(track.segmentations) == 5
        assert {tuple(s["size"]) for s in track.segmentations if s} <= {(50, 70)}


@in_float64()
def test_tracks_do_not_depend_on_frames_per_pass_or_on_the_video_before() -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(SMALL, 5).eval()
    whole = model.track(VIDEO, iter(_frames(5)))
    again = model.track(VIDEO, iter(_frames(5)))
    assert whole == again
    model.config = replace(SMALL, frames_per_pass=2)
    parts = model.track(VIDEO, iter(_frames(5)))
    assert [(t.label, t.score) for t in parts] == [(t.label, pytest.approx(t.score, abs=1e-9)) for t in whole]


def test_flops_can_be_counted_while_tracking() -> None:
    model = Mask2FormerVis(SMALL, 5).eval()
    with FlopCounterMode(display=False) as one:
        model.track(VIDEO, iter(_frames(1)))
    with FlopCounterMode(display=False) as four:
        model.track(VIDEO, iter(_frames(4)))
    # all but the queries' own layers is work per frame
    assert 3 < four.get_total_flops() / one.get_total_flops() <= 4


def test_frames_are_resized_and_masks_come_back() -> None:
    torch.manual_seed(0)
    model = Mask2FormerVis(replace(SMALL, test_short_side=32), 5).eval()
    seen = []
    model.backbone.register_forward_hook(lambda _, args, __: seen.append(tuple(args[0].shape)))
    tracks = model.track(VIDEO, iter(_frames(3)))
    assert seen == [(3, 3, 32, 64)]  # 50 x 70 -> 32 x 45 -> padded
    assert {tuple(s["size"]) for track in tracks for s in track.segmentations if s} == {(50, 70)}


def test_large_frames_pass_one_by_one_on_a_cpu(monkeypatch) -> None:
    model, seen = Mask2FormerVis(SMALL, 5).eval(), []
    model.backbone.register_forward_hook(lambda _, args, __: seen.append(args[0].shape[0]))
    monkeypatch.setattr("methods.layers.video_features.CPU_PASS_PIXELS", 2 * 50 * 70)
    model.track(VIDEO, iter(_frames(5)))
    monkeypatch.setattr("methods.layers.video_features.CPU_PASS_PIXELS", 100)
    model.track(VIDEO, iter(_frames(2)))
    assert seen == [2, 2, 1, 1, 1]


def test_instances_worked_out_by_hand() -> None:
    # softmax over two classes and "no object"; three queries
    probabilities = torch.tensor([[0.5, 0.4, 0.1], [0.05, 0.05, 0.9], [0.3, 0.6, 0.1]])
    embeddings = torch.tensor([[1.0], [1.0], [-1.0]])
    features = torch.full((2, 1, 2, 2), 4.0)
    features[0, 0, :, 0] = -4.0  # left column of frame 0
    output = QueryOutput(probabilities.log()[None], embeddings[None])
    tracks = instances(output, features, 3, FrameSizes((8, 8), (8, 8), (8, 8)))
    assert [(t.label, round(t.score, 4)) for t in tracks] == [(1, 0.6), (0, 0.5), (1, 0.4)]
    # query 2 is outside in frame 1 altogether: absent there
    assert tracks[0].segmentations[1] is None
    first = decode(tracks[0].segmentations[0])
    assert np.array_equal(first, np.arange(8)[None].repeat(8, 0) < 4)
    # query 0 appears under both classes with the same masks
    assert tracks[1].segmentations == tracks[2].segmentations
    assert decode(tracks[1].segmentations[1]).all()


def test_padding_is_cut_before_the_masks_grow() -> None:
    output = QueryOutput(torch.zeros(1, 1, 2), torch.ones(1, 1, 1))
    features = torch.full((1, 1, 8, 8), -4.0)
    features[..., 6:] = 4.0  # only inside the padding
    tracks = instances(output, features, 1, FrameSizes((32, 32), (20, 20), (40, 40)))
    assert tracks[0].segmentations == (None,)


@pytest.mark.slow
def test_one_clip_is_learned() -> None:
    """Two objects of different colour and class, one leaves: boxes are not enough, the classes must bind."""
    torch.manual_seed(0)
    frames = torch.full((2, 3, 64, 96), 60, dtype=torch.uint8)
    masks = torch.zeros(2, 2, 64, 96, dtype=torch.bool)
    masks[0, 0, 8:28, 10:40] = True
    masks[0, 1, 34:56, 50:86] = True
    masks[1, 1, 34:56, 40:76] = True
    for t in range(2):
        for n, colour in enumerate(((220, 40, 40), (40, 200, 90))):
            frames[t, :, masks[t, n]] = torch.tensor(colour, dtype=torch.uint8)[:, None]
    clip = Clip(frames, torch.tensor([3, 1]), masks, torch.zeros(2, 2, 4), masks.flatten(2).any(-1))
    model = Mask2FormerVis(SMALL, 5)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(120):
        optimiser.zero_grad()
        loss = torch.stack(list(model.losses([clip, clip]).values())).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    tracks = model.eval().track(replace(VIDEO, width=96, height=64, file_names=("a", "b")), iter(frames))[:2]
    assert {track.label for track in tracks} == {3, 1}
    for track in tracks:
        assert track.score > 0.8
        n = 0 if track.label == 3 else 1
        own = np.stack([decode(s) if s else np.zeros((64, 96), bool) for s in track.segmentations])
        wanted = masks[:, n].numpy()
        assert (own & wanted).sum() / (own | wanted).sum() > 0.75
    leaving = next(track for track in tracks if track.label == 3)
    assert leaving.segmentations[1] is None or decode(leaving.segmentations[1]).mean() < 0.01
