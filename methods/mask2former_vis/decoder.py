"""The transformer decoder of Mask2Former-VIS: queries that look at all frames of a clip at once.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.layers.attention import CrossAttention, FeedForward, SelfAttention
from methods.layers.position import sine_2d, sine_axis
from methods.layers.query_masks import attention_allowed, mask_head
from methods.layers.video_features import Levels
from methods.mask2former_vis.config import DecoderConfig


@dataclass(frozen=True, slots=True)
class QueryOutput:
    """What the queries say after one layer.

    class_logits: [B, Q, C+1], the last class is "no object". mask_embeddings: [B, Q, m], to be multiplied
    with the mask features by `mask_logits`.
    """

    class_logits: Tensor
    mask_embeddings: Tensor


MemoryPart = tuple[Tensor, Tensor, Tensor]


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention, feed-forward, in this order.

    forward: queries and position [B, Q, d]; memory: (tokens [B, L, d], their positions [1, L, d], allowed
    [B, Q, L] bool), or an iterator over such parts of it, of which one is held at a time -> [B, Q, d].
    """

    def __init__(self, dims: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(dims, heads)
        self.self_attention = SelfAttention(dims, heads)
        self.feed_forward = FeedForward(dims, hidden)

    def forward(self, queries: Tensor, position: Tensor, memory: MemoryPart | Iterator[MemoryPart]) -> Tensor:
        if isinstance(memory, tuple):
            queries = self.cross_attention(queries, position, *memory)
        else:
            queries = self.cross_attention.over_parts(queries, position, memory)
        queries = self.self_attention(queries, position)
        return self.feed_forward(queries)


class VideoDecoder(nn.Module):
    """Queries -> classes and masks of a clip of any length.

    forward: maps {level: parts [B, t, dims, h, w]}, the features of consecutive frames; resized {level: parts
    [B, t, m, h, w]}, the mask features at the same size -> one QueryOutput before the first layer and one
    after each layer. in_parts: attend to one part after the other; the result is the same up to rounding, and
    memory for keys and values does not grow with the length of the clip.
    """

    def __init__(self, config: DecoderConfig, dims: int, mask_dims: int, num_classes: int) -> None:
        super().__init__()
        self.levels = config.levels
        self.layers = nn.ModuleList(
            DecoderLayer(dims, config.heads, config.hidden) for _ in range(config.layers)
        )
        self.query_features = nn.Embedding(config.queries, dims)
        self.query_positions = nn.Embedding(config.queries, dims)
        self.level_embedding = nn.Embedding(len(config.levels), dims)
        self.norm = nn.LayerNorm(dims)
        self.class_head = nn.Linear(dims, num_classes + 1)
        self.mask_head = mask_head(dims, mask_dims)

    def forward(self, maps: Levels, resized: Levels, in_parts: bool = False) -> list[QueryOutput]:
        clips = maps[self.levels[0]][0].shape[0]
        whole = (
            [] if in_parts else [_joined(self._tokens(maps[name], i)) for i, name in enumerate(self.levels)]
        )
        # copies, not views: in inference mode a view of a parameter still says that it needs a gradient, and
        # torch's FLOP counter then fails in its module hooks
        queries = self.query_features.weight.repeat(clips, 1, 1)
        position = self.query_positions.weight.repeat(clips, 1, 1)
        outputs = [self._predict(queries)]
        for i, layer in enumerate(self.layers):
            level = i % len(self.levels)
            name = self.levels[level]
            allowed = attention_allowed(outputs[-1].mask_embeddings, resized[name])
            memory: MemoryPart | Iterator[MemoryPart]
            if in_parts:
                cells = [part.shape[1] * part[0, 0, 0].numel() for part in maps[name]]
                tokens = self._tokens(maps[name], level)
                memory = (
                    (*part, where) for part, where in zip(tokens, allowed.split(cells, dim=2), strict=True)
                )
            else:
                memory = (*whole[level], allowed)
            queries = layer(queries, position, memory)
            outputs.append(self._predict(queries))
        return outputs

    def _predict(self, queries: Tensor) -> QueryOutput:
        """Classes and mask embeddings; one LayerNorm is shared by all predictions."""
        normed = self.norm(queries)
        return QueryOutput(self.class_head(normed), self.mask_head(normed))

    def _tokens(self, parts: Sequence[Tensor], level: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Of each part [B, t, dims, h, w] its tokens [B, t*h*w, dims] and positions [1, t*h*w, dims]."""
        dims, height, width = parts[0].shape[2:]
        device, first = parts[0].device, 0
        plane = sine_2d(height, width, dims, device).flatten(1).t()
        times = sine_axis(sum(part.shape[1] for part in parts), dims, device)
        for part in parts:
            tokens = part.permute(0, 1, 3, 4, 2).flatten(1, 3) + self.level_embedding.weight[level]
            time = times[first : first + part.shape[1], None]
            yield tokens, (plane + time).flatten(0, 1)[None].to(tokens.dtype)
            first += part.shape[1]


def _joined(parts: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    tokens, positions = zip(*parts, strict=True)
    return torch.cat(tokens, dim=1), torch.cat(positions, dim=1)
