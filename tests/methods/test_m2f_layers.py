"""Blocks of the clip-level decoder against loops, third-party code and numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.profiler import profile

from methods.layers.attention import Attention, CrossAttention, FeedForward, SelfAttention, reopen
from methods.layers.deformable import (
    DeformableAttention,
    DeformableEncoderLayer,
    cell_centres,
    sample_and_mix,
)
from methods.layers.pixel_decoder import PixelDecoder
from methods.layers.points import sample_points, uncertain_points
from methods.layers.position import sine_2d, sine_3d, sine_axis


def test_sine_axis_worked_out_by_hand() -> None:
    # positions 1, 2 of 2 -> pi, 2 pi; four channels: frequencies 1 and 1 / 10000^(2/4) = 1 / 100
    encoding = sine_axis(2, 4)
    wanted = [[0.0, -1.0, math.sin(math.pi / 100), math.cos(math.pi / 100)]]
    wanted.append([0.0, 1.0, math.sin(math.pi / 50), math.cos(math.pi / 50)])
    # 1e-6 is added to the length, so that the largest angle, 2 pi, is off by 3e-6
    torch.testing.assert_close(encoding, torch.tensor(wanted), atol=1e-5, rtol=0)


def test_3d_encoding_is_the_2d_one_plus_time() -> None:
    encoding = sine_3d(3, 2, 5, 8)
    assert encoding.shape == (3, 8, 2, 5)
    time = encoding - sine_2d(2, 5, 8)
    torch.testing.assert_close(time[:, :, 0, 0], sine_axis(3, 8))
    torch.testing.assert_close(time, time[:, :, :1, :1].expand_as(time))


def test_3d_encoding_tells_frames_apart() -> None:
    encoding = sine_3d(4, 3, 3, 8)
    for i in range(4):
        for j in range(i):
            assert (encoding[i] - encoding[j]).abs().max() > 0.1


def test_2d_encoding_has_y_before_x() -> None:
    encoding = sine_2d(4, 6, 8)
    torch.testing.assert_close(encoding[:4, :, 3], sine_axis(4, 4).t())
    torch.testing.assert_close(encoding[4:, 2], sine_axis(6, 4).t())


@pytest.mark.parametrize(("function", "sizes"), [(sine_axis, (3, 5)), (sine_2d, (3, 3, 6))])
def test_encodings_refuse_channel_numbers_that_do_not_fit(function, sizes) -> None:
    with pytest.raises(ValueError, match="sine encoding needs"):
        function(*sizes)


@in_float64()
def test_attention_equals_torch_with_a_mask() -> None:
    torch.manual_seed(0)
    own, torchs = Attention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    nn.init.normal_(own.in_proj_bias)
    nn.init.normal_(own.out_proj.bias)
    torchs.load_state_dict(own.state_dict())
    query, key, value = torch.randn(2, 3, 16), torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    allowed = reopen(torch.rand(2, 3, 7) > 0.5)
    per_head = ~allowed.repeat_interleave(4, dim=0)
    wanted = torchs(query, key, value, attn_mask=per_head, need_weights=False)[0]
    assert_close_to_largest(own(query, key, value, allowed), wanted, terms=WHOLE_NETWORK)
    assert (own(query, key, value) - wanted).abs().max() > 1e-3


def test_reopen_only_changes_rows_that_allow_nothing() -> None:
    allowed = torch.tensor([[[True, False], [False, False], [True, True]]])
    assert reopen(allowed).tolist() == [[[True, False], [True, True], [True, True]]]


@in_float64()
def test_a_fully_masked_row_attends_to_everything_and_is_finite() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2)
    query, memory = torch.randn(1, 2, 8), torch.randn(1, 5, 8)
    nothing = torch.zeros(1, 2, 5, dtype=torch.bool)
    result = attention(query, memory, memory, reopen(nothing))
    assert_close_to_largest(result, attention(query, memory, memory), terms=WHOLE_NETWORK)
    assert result.isfinite().all()


def test_blocks_add_the_residual_and_keep_positions_out_of_the_values() -> None:
    torch.manual_seed(0)
    x, position, memory, where = (torch.randn(1, 4, 8) for _ in range(4))
    cross = CrossAttention(8, 2)
    mixed = cross.attention(x + position, memory + where, memory)
    torch.testing.assert_close(cross(x, position, memory, where), cross.norm(x + mixed))
    own = SelfAttention(8, 2)
    mixed = own.attention(x + position, x + position, x)
    torch.testing.assert_close(own(x, position), own.norm(x + mixed))
    feed = FeedForward(8, 16)
    torch.testing.assert_close(feed(x), feed.norm(x + feed.linear2(feed.linear1(x).clamp(min=0))))


def _bilinear(plane: torch.Tensor, x: float, y: float) -> torch.Tensor:
    """Value [c] of plane [c, h, w] at the fraction (x, y); pixel middles at (i + 0.5) / w; zero outside."""
    channels, height, width = plane.shape
    column, row = x * width - 0.5, y * height - 0.5
    total = torch.zeros(channels, dtype=plane.dtype)
    for i in (math.floor(row), math.floor(row) + 1):
        for j in (math.floor(column), math.floor(column) + 1):
            if 0 <= i < height and 0 <= j < width:
                total += plane[:, i, j] * (1 - abs(row - i)) * (1 - abs(column - j))
    return total


@pytest.mark.parametrize(("dtype", "operation"), [(torch.float64, "grid_sampler"), (torch.float32, "bag")])
def test_deformable_sampling_against_a_loop(dtype, operation) -> None:
    torch.manual_seed(0)
    sizes, batch, heads, channels, queries, points = [(2, 3), (4, 5)], 2, 2, 3, 4, 2
    value = torch.randn(batch, 26, heads, channels, dtype=torch.float64).to(dtype).double()
    # beyond the image by a fifth of it, that is by more than a cell of the fine level
    locations = torch.rand(batch, queries, heads, 2, points, 2, dtype=torch.float64) * 1.4 - 0.2
    locations[0, 0, 0, 0, 0] = torch.tensor([-7.0, 1.0])
    locations[0, 1, 0, 1, 0] = torch.tensor([1.0, 9.0])
    weights = torch.rand(batch, queries, heads, 2, points, dtype=torch.float64)
    # the loop gets the very numbers of `dtype`
    locations, weights = (x.to(dtype).double() for x in (locations, weights))
    wanted = torch.zeros(batch, queries, heads, channels, dtype=torch.float64)
    for b in range(batch):
        for q in range(queries):
            for h in range(heads):
                start = 0
                for level, (height, width) in enumerate(sizes):
                    plane = value[b, start : start + height * width, h].t().reshape(channels, height, width)
                    start += height * width
                    for p in range(points):
                        x, y = locations[b, q, h, level, p].tolist()
                        wanted[b, q, h] += weights[b, q, h, level, p] * _bilinear(plane, x, y)
    with profile() as seen:
        own = sample_and_mix(value.to(dtype), sizes, locations.to(dtype), weights.to(dtype))
    # 16 terms; positions of up to 5 cells round by 5 eps, by which the weight of a corner changes
    assert_close_to_largest(own, wanted.flatten(2).to(dtype), terms=100)
    assert any(operation in event.key for event in seen.key_averages())


def test_deformable_sampling_is_the_same_with_and_without_gradients() -> None:
    torch.manual_seed(0)
    sizes = [(3, 4), (6, 8)]
    inputs = torch.randn(2, 60, 2, 4), torch.rand(2, 5, 2, 2, 3, 2), torch.rand(2, 5, 2, 2, 3)
    value, locations, weights = (x.clone().requires_grad_() for x in inputs)
    trained = sample_and_mix(value, sizes, locations, weights)
    trained.sum().backward()
    assert all(x.grad.abs().sum() > 0 for x in (value, locations, weights))
    # 24 terms, and positions of up to 8 cells
    assert_close_to_largest(sample_and_mix(inputs[0], sizes, *inputs[1:]), trained.detach(), terms=200)


def test_undefined_offsets_give_undefined_numbers_and_no_error() -> None:
    locations = torch.full((1, 1, 1, 1, 2, 2), 0.5)
    locations[..., 0, :] = torch.nan
    assert (
        sample_and_mix(torch.ones(1, 4, 1, 2), [(2, 2)], locations, torch.ones(1, 1, 1, 1, 2)).isnan().all()
    )


def test_deformable_offsets_are_in_cells_of_each_level() -> None:
    attention = DeformableAttention(4, 1, 2, 1)
    sizes = [(1, 2), (2, 4)]
    for linear in (attention.value, attention.output):
        nn.init.eye_(linear.weight)
    with torch.no_grad():
        attention.offsets.bias.copy_(torch.tensor([1.0, 0.0, 1.0, 0.0]))  # one cell to the right
    value = torch.zeros(1, 10, 4)
    value[0, 1] = 1.0  # coarse level, row 0, column 1
    value[0, 2 + 1] = 10.0  # fine level, row 0, column 1
    # from the middle of the coarse cell 0: coarse reads the middle of cell 1; fine starts at column 0.5,
    # row 0.5, and one fine cell further, at column 1.5, half a cell below row 0, reads a quarter of the 10
    result = attention(torch.zeros(1, 1, 4), cell_centres(sizes)[:1], value, sizes)
    torch.testing.assert_close(result, torch.full((1, 1, 4), 0.5 * 1.0 + 0.5 * 10.0 / 4))


def test_deformable_start_looks_in_spread_directions() -> None:
    bias = DeformableAttention(8, 4, 1, 3).offsets.bias.detach().reshape(4, 3, 2)
    directions = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    wanted = directions[:, None] * torch.tensor([1.0, 2.0, 3.0])[None, :, None]
    # angles of up to 1.5 pi round by 5 eps, three times as far out by 15
    assert_close_to_largest(bias, wanted, terms=20)


def test_cell_centres_by_hand() -> None:
    wanted = [[0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]
    assert cell_centres([(1, 2), (2, 1)]).tolist() == wanted


def test_encoder_layer_is_two_post_norm_blocks() -> None:
    torch.manual_seed(0)
    sizes = [(2, 2)]
    layer = DeformableEncoderLayer(8, 2, 1, 2, 16)
    x, position = torch.randn(1, 4, 8), torch.randn(4, 8)
    centres = cell_centres(sizes)
    mixed = layer.norm(x + layer.attention(x + position, centres, x, sizes))
    torch.testing.assert_close(layer(x, position, centres, sizes), layer.feed_forward(mixed))


@pytest.mark.parametrize("encoded", [("res5", "res4", "res3"), ("res5", "res4"), ("res5",)])
def test_pixel_decoder_gives_every_level_and_mask_features_at_stride_4(encoded) -> None:
    channels = {"res2": 4, "res3": 6, "res4": 8, "res5": 10}
    decoder = PixelDecoder(channels, dims=16, mask_dims=12, encoded=encoded, layers=1, heads=2, hidden=8)
    features = {f"res{i}": torch.randn(2, channels[f"res{i}"], 128 >> i, 192 >> i) for i in (2, 3, 4, 5)}
    maps, mask_features = decoder(features)
    assert {name: tuple(x.shape) for name, x in maps.items()} == {
        f"res{i}": (2, 16, 128 >> i, 192 >> i) for i in (2, 3, 4, 5)
    }
    assert mask_features.shape == (2, 12, 32, 48)


def test_pixel_decoder_treats_each_frame_by_itself() -> None:
    torch.manual_seed(0)
    channels = {"res2": 4, "res3": 4, "res4": 4, "res5": 4}
    decoder = PixelDecoder(channels, dims=8, mask_dims=8, layers=2, heads=2, hidden=8).eval()
    features = {f"res{i}": torch.randn(3, 4, 64 >> i, 64 >> i) for i in (2, 3, 4, 5)}
    together = decoder(features)[1]
    alone = decoder({name: x[1:2] for name, x in features.items()})[1]
    # in float32, which is sampled in another way than float64: two layers of sampling, attention output and
    # feed-forward with 8 channels, three 3x3 convolutions of 72 terms
    assert_close_to_largest(together[1:2], alone, terms=1000)


def test_mask_features_may_know_where_they_are() -> None:
    """By nothing but the encoding of their own place; the maps that queries read stay as they are."""
    torch.manual_seed(0)
    channels = {"res2": 4, "res3": 4, "res4": 4, "res5": 4}
    sizes = {"dims": 8, "mask_dims": 12, "layers": 1, "heads": 2, "hidden": 8}
    plain = PixelDecoder(channels, **sizes).eval()
    placed = PixelDecoder(channels, **sizes, mask_positions=True).eval()
    placed.load_state_dict(plain.state_dict())
    features = {f"res{i}": torch.randn(2, 4, 64 >> i, 96 >> i) for i in (2, 3, 4, 5)}
    (maps, masks), (own_maps, own_masks) = plain(features), placed(features)
    assert all(torch.equal(maps[name], own_maps[name]) for name in maps)
    moved = torch.einsum("oc,chw->ohw", plain.mask_features.weight[..., 0, 0], sine_2d(16, 24, 8))
    torch.testing.assert_close(own_masks - masks, moved.expand_as(masks), atol=1e-4, rtol=0)
    assert moved.std(dim=(1, 2)).max() > 0.1


def test_pixel_decoder_refuses_levels_out_of_order() -> None:
    channels = dict.fromkeys(("res2", "res3", "res4", "res5"), 4)
    with pytest.raises(ValueError, match="encoded levels"):
        PixelDecoder(channels, dims=8, encoded=("res3", "res4"))


def test_attention_refuses_channels_that_heads_do_not_divide() -> None:
    for build in (lambda: Attention(10, 4), lambda: DeformableAttention(10, 4, 1, 1)):
        with pytest.raises(ValueError, match="cannot be split"):
            build()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_point_sampling_against_a_loop(height: int, width: int, x: float, y: float, seed: int) -> None:
    plane = torch.randn(2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    points = torch.tensor([[[x, y]]], dtype=torch.float64)
    torch.testing.assert_close(sample_points(plane[None], points)[0, :, 0], _bilinear(plane, x, y))


def test_point_sampling_shares_points_over_maps() -> None:
    maps, points = torch.randn(3, 2, 4, 4), torch.rand(1, 5, 2)
    shared = sample_points(maps, points)
    for i in range(3):
        torch.testing.assert_close(shared[i : i + 1], sample_points(maps[i : i + 1], points))


def test_uncertain_points_prefer_the_contour() -> None:
    torch.manual_seed(0)
    x = torch.linspace(-8, 8, 32)
    logits = x.expand(2, 1, 32, 32)  # undecided only around x = 0.5
    points = uncertain_points(logits, 400)
    assert points.shape == (2, 400, 2)
    assert points.min() >= 0
    assert points.max() <= 1
    near = ((points[..., 0] - 0.5).abs() < 0.13).float().mean(1)
    # 300 of 1,200 uniform points are the 25 % within 0.125 of the middle, plus a quarter of the other 100
    assert near.min() > 0.77
    assert near.max() < 0.87
    uniform = uncertain_points(logits, 400, importance=0.0)
    assert ((uniform[..., 0] - 0.5).abs() < 0.13).float().mean() < 0.35
