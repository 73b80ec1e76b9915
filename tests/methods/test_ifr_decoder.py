"""The recurrent decoder against a plain loop over frames, and what must depend on what."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from torch import Tensor, nn

from methods.ifr.config import PAPER, DecoderConfig
from methods.ifr.decoder import RecurrentDecoder, RecurrentLayer, RecurrentOutput
from methods.ifr.model import Ifr
from methods.layers.position import sine_2d
from methods.layers.video_features import resized_to_levels
from vis_bench.errors import MethodError, UsageError

DIMS, MASK_DIMS, HEADS, QUERIES, CLASSES = 8, 4, 2, 3, 5
CONFIG = DecoderConfig(queries=QUERIES, layers=2, heads=HEADS, hidden=16, levels=("res4", "res3"))
SIZES = {"res4": (2, 3), "res3": (4, 6)}


def _read(decoder: nn.Module, maps: dict[str, Tensor], features: Tensor, cuts: int = 1) -> list:
    """What the decoder says of maps [B, T, ...] and mask features [B, T, ...] given in `cuts` parts."""
    resized = resized_to_levels(features, maps)
    return decoder(*({name: x.chunk(cuts, 1) for name, x in each.items()} for each in (maps, resized)))


def _decoder(**changes) -> RecurrentDecoder:
    torch.manual_seed(0)
    decoder = RecurrentDecoder(replace(CONFIG, **changes), DIMS, MASK_DIMS, CLASSES)
    for norm in decoder.modules():
        if isinstance(norm, nn.LayerNorm):  # as trained: at its start, a norm behind a norm changes nothing
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.3)
    return decoder.double()


def _inputs(frames: int, clips: int = 1) -> tuple[dict[str, Tensor], Tensor]:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape: int) -> Tensor:
        return torch.randn(clips, frames, *shape, generator=generator, dtype=torch.float64)

    return {name: normal(DIMS, *size) for name, size in SIZES.items()}, normal(MASK_DIMS, 8, 12)


def _attend(block, x: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
    """x: [q, d] with its position, key and value: [l, d]; softmax worked out head by head, row by row."""
    attention = block.attention
    (wq, wk, wv), (bq, bk, bv) = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    q, k, v = x @ wq.t() + bq, key @ wk.t() + bk, value @ wv.t() + bv
    width = DIMS // HEADS
    out = torch.zeros_like(x)
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        for row in range(len(x)):
            score = k[:, part] @ q[row, part] / width**0.5
            if allowed is not None and allowed[row].any():
                score = torch.where(allowed[row], score, -torch.inf)
            weight = (score - score.max()).exp()
            out[row, part] = (weight / weight.sum()) @ v[:, part]
    return out @ attention.out_proj.weight.t() + attention.out_proj.bias


def _loop(decoder: RecurrentDecoder, maps: dict[str, Tensor], features: Tensor) -> list[RecurrentOutput]:
    """Section 3.1 for one clip, written down frame by frame."""
    place = decoder.query_positions.weight
    clip = decoder.query_features.weight
    frames = features.shape[1]
    drawn = [decoder.mask_head(decoder.norm(clip))] * frames
    classes = decoder.class_head(decoder.norm(clip))
    outputs = [RecurrentOutput(classes[None], torch.stack(drawn)[None], True)]
    for i, layer in enumerate(decoder.layers):
        name = decoder.levels[i % len(decoder.levels)]
        height, width = SIZES[name]
        spot = sine_2d(height, width, DIMS).flatten(1).t().double()
        kept = []
        previous = clip  # Q_i^0 is a copy of the clip query
        for t in range(frames):
            cells = maps[name][0, t].flatten(1).t() + decoder.level_embedding.weight[i % len(decoder.levels)]
            small = nn.functional.interpolate(features[:, t], size=(height, width), mode="bilinear")
            inside = drawn[t] @ small[0].flatten(1) >= 0
            joint = torch.cat((previous, clip))
            where = torch.cat((place, place))
            mixed = _attend(
                layer.cross_attention, joint + where, cells + spot, cells, torch.cat((inside, inside))
            )
            joint = layer.cross_attention.norm(joint + mixed)
            mixed = _attend(layer.self_attention, joint + where, joint + where, joint, None)
            joint = layer.self_attention.norm(joint + mixed)
            previous = layer.frame_feed_forward(joint[:QUERIES])
            kept.append(previous)
        everything = torch.cat(kept)
        places = place.repeat(frames, 1)
        mixed = _attend(layer.temporal_attention, clip + place, everything + places, everything, None)
        clip = layer.temporal_attention.norm(clip + mixed)
        mixed = _attend(layer.clip_attention, clip + place, clip + place, clip, None)
        clip = layer.clip_feed_forward(layer.clip_attention.norm(clip + mixed))
        drawn = [decoder.mask_head(decoder.norm(x)) for x in kept]
        classes = decoder.class_head(decoder.norm(clip))
        outputs.append(RecurrentOutput(classes[None], torch.stack(drawn)[None]))
    return outputs


@pytest.mark.parametrize("feed_forwards", ["both", "clip", "none"])
def test_decoder_equals_the_loop_over_frames(feed_forwards) -> None:
    decoder = _decoder(ifr_ffn=feed_forwards)
    with torch.no_grad():
        for own, wanted in zip(_read(decoder, *_inputs(3), cuts=2), _loop(decoder, *_inputs(3)), strict=True):
            assert own.static == wanted.static
            torch.testing.assert_close(own.class_logits, wanted.class_logits, atol=1e-6, rtol=1e-6)
            torch.testing.assert_close(own.mask_embeddings, wanted.mask_embeddings, atol=1e-6, rtol=1e-6)


def test_clips_of_a_batch_do_not_mix() -> None:
    decoder = _decoder()
    maps, features = _inputs(2, clips=2)
    together = _read(decoder, maps, features)[-1]
    for clip in range(2):
        part = slice(clip, clip + 1)
        alone = _read(decoder, {name: x[part] for name, x in maps.items()}, features[part])[-1]
        torch.testing.assert_close(together.class_logits[part], alone.class_logits)
        torch.testing.assert_close(together.mask_embeddings[part], alone.mask_embeddings)


def _changed_frame(maps: dict[str, Tensor], frame: int) -> dict[str, Tensor]:
    changed = {name: x.clone() for name, x in maps.items()}
    for x in changed.values():
        x[:, frame] += 1
    return changed


def test_a_frame_query_carries_the_past_and_not_the_future() -> None:
    decoder = _decoder(layers=1)
    maps, features = _inputs(3)
    before = _read(decoder, maps, features)[-1]
    first, last = (_read(decoder, _changed_frame(maps, frame), features)[-1] for frame in (0, 2))
    moved = (first.mask_embeddings - before.mask_embeddings).abs().amax((0, 2, 3))
    assert (moved > 1e-6).all()  # frame 0 is passed on to frames 1 and 2
    moved = (last.mask_embeddings - before.mask_embeddings).abs().amax((0, 2, 3))
    assert moved[:2].tolist() == [0, 0]
    assert moved[2] > 1e-6
    for after in (first, last):  # the clip query reads all frames
        assert (after.class_logits - before.class_logits).abs().max() > 1e-6


def test_the_order_of_frames_matters_to_the_recurrence_alone() -> None:
    decoder = _decoder(layers=1)
    maps, features = _inputs(3)
    order = [2, 0, 1]
    shuffled = _read(decoder, {name: x[:, order] for name, x in maps.items()}, features[:, order])[-1]
    straight = _read(decoder, maps, features)[-1]
    assert (shuffled.mask_embeddings - straight.mask_embeddings[:, order]).abs().max() > 1e-6
    # the temporal attention has no encoding of time: any order of the same frame queries gives the same
    layer = decoder.layers[0]
    queries, position = torch.randn(2, 1, QUERIES, DIMS, dtype=torch.float64)
    frames = torch.randn(1, 3, QUERIES, DIMS, dtype=torch.float64)
    torch.testing.assert_close(
        layer.aggregate(queries, position, frames), layer.aggregate(queries, position, frames[:, order])
    )


def test_equal_frames_differ_only_by_what_the_recurrence_adds() -> None:
    # a layer that ignores the previous frame gives equal frames equal queries, at any length
    decoder = _decoder(layers=1)
    layer = decoder.layers[0]
    step = layer.frame_step
    layer.frame_step = lambda previous, queries, *rest: step(queries, queries, *rest)
    maps, features = _inputs(1)
    long = {name: x.repeat(1, 50, 1, 1, 1) for name, x in maps.items()}
    output = _read(decoder, long, features.repeat(1, 50, 1, 1, 1))[-1]
    torch.testing.assert_close(output.mask_embeddings, output.mask_embeddings[:, :1].expand(-1, 50, -1, -1))


def test_masks_come_from_frame_queries_and_classes_from_clip_queries() -> None:
    decoder = _decoder(layers=1)
    before = _read(decoder, *_inputs(2))[-1]
    with torch.no_grad():
        decoder.layers[0].temporal_attention.attention.out_proj.bias += torch.randn(DIMS)
    after = _read(decoder, *_inputs(2))[-1]
    assert torch.equal(after.mask_embeddings, before.mask_embeddings)
    assert (after.class_logits - before.class_logits).abs().max() > 1e-6


def test_every_layer_starts_its_frames_from_the_clip_queries() -> None:
    decoder = _decoder()
    starts, inputs = [], []
    for layer in decoder.layers:
        step = layer.frame_step

        def recording(previous, queries, *rest, step=step):
            starts.append(previous)
            inputs.append(queries)
            return step(previous, queries, *rest)

        layer.frame_step = recording
    _read(decoder, *_inputs(3))
    for i in (0, 3):  # the first frame of both layers
        assert torch.equal(starts[i], inputs[i])
        assert not torch.equal(starts[i + 1], inputs[i + 1])
    assert not torch.equal(inputs[0], inputs[3])  # Q_2 is not Q_1


def test_an_empty_mask_is_opened_in_its_own_frame() -> None:
    decoder = _decoder(layers=1)
    seen = []
    step = decoder.layers[0].frame_step

    def recording(*arguments):
        seen.append(arguments[-1])
        return step(*arguments)

    decoder.layers[0].frame_step = recording
    maps, features = _inputs(2)
    with torch.no_grad():
        decoder.mask_head[-1].weight.zero_()
        decoder.mask_head[-1].bias.fill_(1.0)
    features[:, 0] = -1.0  # frame 0: outside everywhere
    features[:, 1] = -1.0
    features[:, 1, :, :4, :4] = 1.0  # frame 1: inside the upper left corner
    _read(decoder, maps, features)
    assert seen[0].all()
    assert not seen[1].all()
    assert seen[1].any(-1).all()


def test_attention_masks_carry_no_gradient() -> None:
    decoder = _decoder(layers=1)
    maps, features = _inputs(2)
    features.requires_grad_()
    _read(decoder, maps, features)[-1].mask_embeddings.sum().backward()
    assert features.grad is None


@pytest.mark.parametrize(
    ("choice", "count"), [("both", 28_677_672), ("clip", 19_215_144), ("none", 9_752_616)]
)
def test_decoder_parameters_at_40_classes(choice, count) -> None:
    # a layer: 4 attentions of 4 (256^2 + 256) + a norm of 512, and 1,051,392 per feed-forward block
    layer = 4 * (4 * (256**2 + 256) + 512) + {"both": 2, "clip": 1, "none": 0}[choice] * 1_051_392
    rest = 2 * 100 * 256 + 3 * 256 + 512 + 40 * 257 + 3 * (256**2 + 256)
    assert count == 9 * layer + rest
    decoder = RecurrentDecoder(replace(PAPER.decoder, ifr_ffn=choice), 256, 256, 40)
    assert sum(parameter.numel() for parameter in decoder.parameters()) == count


def test_paper_configuration_has_58_million_parameters() -> None:
    model = Ifr(PAPER, 40)
    own = sum(parameter.numel() for parameter in model.parameters())
    buffers = sum(
        b.numel() for name, b in model.backbone.named_buffers() if name.endswith(("weight", "bias"))
    )
    assert own + buffers == 58_221_608


def test_every_class_starts_at_the_prior() -> None:
    decoder = RecurrentDecoder(replace(CONFIG, class_prior=0.02), DIMS, MASK_DIMS, CLASSES)
    prior = decoder.class_head.bias.sigmoid().tolist()
    assert prior == pytest.approx([0.02] * CLASSES, rel=HUNDRED_ROUNDINGS)


@in_float64()
def test_one_attention_serves_both_halves_and_the_first_is_kept() -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(DIMS, HEADS, 16)
    previous, queries, position = torch.randn(3, 1, QUERIES, DIMS)
    memory, spot = torch.randn(2, 1, 6, DIMS)
    allowed = torch.ones(1, QUERIES, 6, dtype=torch.bool)
    seen = []
    layer.cross_attention.register_forward_hook(lambda _, inputs, output: seen.append((inputs, output)))
    layer.self_attention.register_forward_hook(lambda _, inputs, output: seen.append((inputs, output)))
    kept = layer.frame_step(previous, queries, position, memory, spot, allowed)
    assert len(seen) == 2  # one call for both halves
    assert torch.equal(seen[0][0][0], torch.cat((previous, queries), 1))
    assert_close_to_largest(kept, layer.frame_feed_forward(seen[1][1][:, :QUERIES]), terms=WHOLE_NETWORK)


def test_without_aggregation_a_layer_on_one_frame_is_mask2formers() -> None:
    """Attention over a token twice is attention over it once: 2 Q tokens do what Q do alone."""
    decoder = _decoder(aggregation="none")
    layer = decoder.layers[0]
    torch.manual_seed(2)
    queries, position = torch.randn(2, 1, QUERIES, DIMS).double()
    memory, places = torch.randn(2, 1, 6, DIMS).double()
    allowed = torch.rand(1, QUERIES, 6) > 0.3
    allowed[..., 0] = True
    found = layer.frame_step(queries, queries, position, memory, places, allowed)
    alone = layer.cross_attention(queries, position, memory, places, allowed)
    alone = layer.frame_feed_forward(layer.self_attention(alone, position))
    assert_close_to_largest(found, alone, terms=WHOLE_NETWORK)


def test_without_aggregation_the_frame_queries_go_on_and_nothing_of_the_clip_part_is_there() -> None:
    decoder, whole = _decoder(aggregation="none"), _decoder()
    added = {name.split(".")[2] for name in {*whole.state_dict()} - {*decoder.state_dict()}}
    assert added == {"temporal_attention", "clip_attention", "clip_feed_forward"}
    assert not {*decoder.state_dict()} - {*whole.state_dict()}
    maps, features = _inputs(1)
    kept = []
    for layer in decoder.layers:
        original = layer.frame_step
        layer.frame_step = lambda *a, step=original: kept.append((a[1], step(*a))) or kept[-1][1]
    outputs = _read(decoder, maps, features)
    (_, first), (given, second) = kept
    assert torch.equal(given, first)
    # the query that draws is the one that classifies
    for output, queries in zip(outputs[1:], (first, second), strict=True):
        assert torch.equal(output.class_logits, decoder.class_head(decoder.norm(queries)))
        assert torch.equal(output.mask_embeddings[:, 0], decoder.mask_head(decoder.norm(queries)))


def test_without_aggregation_several_frames_are_refused() -> None:
    with pytest.raises(MethodError, match="single images; this clip has 2 frames"):
        _read(_decoder(aggregation="none"), *_inputs(2))
    with pytest.raises(UsageError, match="aggregation is 'mean'"):
        replace(PAPER, decoder=replace(PAPER.decoder, aggregation="mean"))
