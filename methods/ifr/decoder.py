"""The inter-frame recurrent decoder: clip queries that classify, frame queries that draw.

Source: IFR Section 3.1, Eq 1 to 3, Figure 3; specification 4.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from methods.ifr.config import DecoderConfig, FeedForwards
from methods.layers.attention import CrossAttention, FeedForward, SelfAttention
from methods.layers.position import sine_2d
from methods.layers.query_masks import attention_allowed, mask_head
from methods.layers.video_features import Levels
from vis_bench.errors import MethodError


@dataclass(frozen=True, slots=True)
class RecurrentOutput:
    """What the queries say after one layer.

    class_logits: [B, Q, C] of the clip queries, for a sigmoid; there is no class "no object".
    mask_embeddings: [B, T, Q, m] of the frame queries; entry t times the mask features of frame t is the
    mask of frame t. static: the prediction before the first layer, the same embedding in every frame.
    """

    class_logits: Tensor
    mask_embeddings: Tensor
    static: bool = False


class RecurrentLayer(nn.Module):
    """One decoder layer: `frame_step` for the frames one after the other, then `aggregate`.

    feed_forwards: which parts a feed-forward block closes: the frame part (on the kept half) and the clip
    part, the clip part, or none. aggregates: whether there is a clip part; a layer without one is
    Mask2Former's and takes clips of one frame, whose two halves are equal: attention over each token twice is
    attention over each once.
    """

    def __init__(
        self,
        dims: int,
        heads: int,
        hidden: int,
        feed_forwards: FeedForwards = "both",
        aggregates: bool = True,
    ) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(dims, heads)
        self.self_attention = SelfAttention(dims, heads)
        frame, clip = feed_forwards == "both", feed_forwards != "none"
        self.frame_feed_forward = FeedForward(dims, hidden) if frame else nn.Identity()
        self.aggregates = aggregates
        if aggregates:
            self.temporal_attention = CrossAttention(dims, heads)
            self.clip_attention = SelfAttention(dims, heads)
            self.clip_feed_forward = FeedForward(dims, hidden) if clip else nn.Identity()

    def frame_step(
        self,
        previous: Tensor,
        queries: Tensor,
        position: Tensor,
        memory: Tensor,
        memory_position: Tensor,
        allowed: Tensor,
    ) -> Tensor:
        """Frame queries of frame t from those of frame t - 1 (Eq 2 and 3).

        previous, queries, position: [B, Q, d], frame queries of t - 1, clip queries, their common position.
        memory [B, L, d] and memory_position [1, L, d]: the frame's tokens; allowed: [B, Q, L] bool. One
        attention serves both halves, since Eq 2 prints the same W^K and W^V, and slot j of both halves has
        the same position and the same mask. Returns [B, Q, d]; the clip half is dropped.
        """
        joint = torch.cat((previous, queries), dim=1)
        where = position.repeat(1, 2, 1)
        joint = self.cross_attention(joint, where, memory, memory_position, allowed.repeat(1, 2, 1))
        joint = self.self_attention(joint, where)
        return self.frame_feed_forward(joint[:, : queries.shape[1]])

    def aggregate(self, queries: Tensor, position: Tensor, frames: Tensor) -> Tensor:
        """Clip queries of the next layer: clip queries [B, Q, d] read all frame queries [B, T, Q, d].

        A frame query has the position of its slot and none in time: the order of frames is carried by the
        recurrence, and a whole video has lengths that training never showed. Raises MethodError for several
        frames where nothing aggregates them.
        """
        length = frames.shape[1]
        if not self.aggregates:
            if length != 1:
                raise MethodError(
                    f"ifr: decoder.aggregation is 'none', which is for single images; this clip has {length} "
                    "frames. Set decoder.aggregation=attention for videos."
                )
            return frames[:, 0]
        queries = self.temporal_attention(
            queries, position, frames.flatten(1, 2), position.repeat(1, length, 1)
        )
        return self.clip_feed_forward(self.clip_attention(queries, position))


class RecurrentDecoder(nn.Module):
    """Queries -> classes and masks of a clip of any length.

    forward: maps {level: parts [B, t, dims, h, w]}, the features of consecutive frames; resized {level: parts
    [B, t, m, h, w]}, the mask features at the same size -> one RecurrentOutput before the first layer and one
    after each layer. A frame's tokens are made when the recurrence is there, and not kept.
    """

    def __init__(self, config: DecoderConfig, dims: int, mask_dims: int, num_classes: int) -> None:
        super().__init__()
        self.levels = config.levels
        self.layers = nn.ModuleList(
            RecurrentLayer(
                dims, config.heads, config.hidden, config.ifr_ffn, config.aggregation == "attention"
            )
            for _ in range(config.layers)
        )
        self.query_features = nn.Embedding(config.queries, dims)
        self.query_positions = nn.Embedding(config.queries, dims)
        self.level_embedding = nn.Embedding(len(config.levels), dims)
        self.norm = nn.LayerNorm(dims)
        self.class_head = nn.Linear(dims, num_classes)
        # every class starts at the prior, else the many empty slots dominate the focal loss at first
        nn.init.constant_(self.class_head.bias, -math.log((1 - config.class_prior) / config.class_prior))
        self.mask_head = mask_head(dims, mask_dims)

    def forward(self, maps: Levels, resized: Levels) -> list[RecurrentOutput]:
        cells = [_frames(maps[name]) for name in self.levels]
        small = [_frames(resized[name]) for name in self.levels]
        places = [_positions(frames[0]) for frames in cells]
        clips, length = cells[0][0].shape[0], len(cells[0])
        # copies, not views: in inference mode a view of a parameter still says that it needs a gradient, and
        # torch's FLOP counter then fails in its module hooks
        queries = self.query_features.weight.repeat(clips, 1, 1)
        position = self.query_positions.weight.repeat(clips, 1, 1)
        normed = self.norm(queries)
        embeddings = self.mask_head(normed)[:, None].repeat(1, length, 1, 1)
        outputs = [RecurrentOutput(self.class_head(normed), embeddings, static=True)]
        for i, layer in enumerate(cast(Iterable[RecurrentLayer], self.layers)):
            level = i % len(self.levels)
            drawn = outputs[-1].mask_embeddings
            previous, frames = queries, []  # the recurrence of every layer starts at the clip queries
            for t in range(length):
                # one frame's mask decides in that frame alone, and is opened there when it is empty
                allowed = attention_allowed(drawn[:, t], [small[level][t][:, None]])
                memory = cells[level][t].flatten(2).transpose(1, 2) + self.level_embedding.weight[level]
                previous = layer.frame_step(
                    previous, queries, position, memory, places[level].to(memory.dtype), allowed
                )
                frames.append(previous)
            stacked = torch.stack(frames, dim=1)
            queries = layer.aggregate(queries, position, stacked)
            outputs.append(
                RecurrentOutput(self.class_head(self.norm(queries)), self.mask_head(self.norm(stacked)))
            )
        return outputs


def _frames(parts: Sequence[Tensor]) -> list[Tensor]:
    """The frames [B, ...] of all parts [B, t, ...], one after the other."""
    return [frame for part in parts for frame in part.unbind(1)]


def _positions(x: Tensor) -> Tensor:
    """Position of the cells of a frame [B, dims, h, w], [1, h*w, dims] float32; the same in every frame."""
    dims, height, width = x.shape[1:]
    return sine_2d(height, width, dims, x.device).flatten(1).t()[None]
