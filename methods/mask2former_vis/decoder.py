"""The transformer decoder of Mask2Former-VIS: queries that look at all frames of a clip at once.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from methods.layers.attention import CrossAttention, FeedForward, SelfAttention
from methods.layers.position import sine_3d
from methods.layers.query_masks import attention_allowed, mask_head, resize_features
from methods.mask2former_vis.config import DecoderConfig


@dataclass(frozen=True, slots=True)
class QueryOutput:
    """What the queries say after one layer.

    class_logits: [B, Q, C+1], the last class is "no object". mask_embeddings: [B, Q, m], to be multiplied
    with the mask features by `mask_logits`.
    """

    class_logits: Tensor
    mask_embeddings: Tensor


class DecoderLayer(nn.Module):
    """Masked cross-attention, self-attention, feed-forward, in this order."""

    def __init__(self, dims: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(dims, heads)
        self.self_attention = SelfAttention(dims, heads)
        self.feed_forward = FeedForward(dims, hidden)

    def forward(
        self, queries: Tensor, position: Tensor, memory: Tensor, memory_position: Tensor, allowed: Tensor
    ) -> Tensor:
        queries = self.cross_attention(queries, position, memory, memory_position, allowed)
        queries = self.self_attention(queries, position)
        return self.feed_forward(queries)


class VideoDecoder(nn.Module):
    """Queries -> classes and masks of a clip of any length.

    forward: maps {level: [B, T, dims, h, w]}, mask features [B, T, mask_dims, H/4, W/4] -> one QueryOutput
    before the first layer and one after each layer.
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

    def forward(self, maps: Mapping[str, Tensor], mask_features: Tensor) -> list[QueryOutput]:
        clips = mask_features.shape[0]
        memory, positions = self._tokens([maps[name] for name in self.levels])
        small = [resize_features(mask_features.detach(), maps[name].shape[-2:]) for name in self.levels]
        # copies, not views: in inference mode a view of a parameter still says that it needs a gradient, and
        # torch's FLOP counter then fails in its module hooks
        queries = self.query_features.weight.repeat(clips, 1, 1)
        position = self.query_positions.weight.repeat(clips, 1, 1)
        outputs = [self._predict(queries)]
        for i, layer in enumerate(self.layers):
            level = i % len(self.levels)
            allowed = attention_allowed(outputs[-1].mask_embeddings, small[level])
            queries = layer(queries, position, memory[level], positions[level], allowed)
            outputs.append(self._predict(queries))
        return outputs

    def _predict(self, queries: Tensor) -> QueryOutput:
        """Classes and mask embeddings; one LayerNorm is shared by all predictions."""
        normed = self.norm(queries)
        return QueryOutput(self.class_head(normed), self.mask_head(normed))

    def _tokens(self, maps: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """All frames' cells of each level as one sequence [B, T*h*w, dims], and their positions [1, ...]."""
        memory, positions = [], []
        for x, embedding in zip(maps, self.level_embedding.weight, strict=True):
            _, frames, dims, height, width = x.shape
            memory.append(x.permute(0, 1, 3, 4, 2).flatten(1, 3) + embedding)
            encoding = sine_3d(frames, height, width, dims, x.device)
            positions.append(encoding.permute(0, 2, 3, 1).reshape(1, -1, dims).to(x.dtype))
        return memory, positions
