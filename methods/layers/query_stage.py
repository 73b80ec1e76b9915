"""One stage of a query-based detector: queries talk to each other, read their boxes, refine class and box.

This is Sparse R-CNN's iteration, QueryInst's box branch and InsPro's dynamic instance interaction module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.layers.box_codec import SPARSE_RCNN_LOG_SCALES, decode_deltas
from methods.layers.dynconv import QUERYINST_DYNAMIC_CONV, DynamicConv
from methods.layers.roi import pyramid_roi_align


@dataclass(frozen=True, slots=True)
class QueryStageConfig:
    """Sizes of a stage.

    dim: query and feature channels. heads: of the self-attention. feedforward, dynamic_hidden: inner widths.
    resolution: side of the RoI in cells. class_layers, box_layers: Linear-LN-ReLU blocks before the outputs.
    canonical_size: px, box side that reads pyramid level 4. log_scales: bounds of a box's change of size.
    box_output_gain: factor on the initial weights of the box output; 0 makes the first boxes the input boxes.
    """

    dim: int = 256
    heads: int = 8
    feedforward: int = 2048
    dynamic_hidden: int = 64
    resolution: int = 7
    class_layers: int = 1
    box_layers: int = 3
    canonical_size: float = 224.0
    log_scales: tuple[float, float] = SPARSE_RCNN_LOG_SCALES
    box_output_gain: float = 1.0


@dataclass(frozen=True, slots=True)
class StageOutput:
    """What a stage predicts for B images and N queries.

    class_logits: [B, N, C]. boxes: [B, N, 4] px, not clipped, with gradient into this stage's deltas only if
    the input boxes were detached. object_features: [B, N, dim], input queries of the next stage. attended:
    [B, N, dim], the queries after self-attention and LayerNorm, which QueryInst's mask and QueryTrack's track
    branch read.
    """

    class_logits: Tensor
    boxes: Tensor
    object_features: Tensor
    attended: Tensor


def _branch(dim: int, layers: int) -> nn.Sequential:
    """`layers` x (Linear without bias, LayerNorm, ReLU)."""
    blocks = [(nn.Linear(dim, dim, bias=False), nn.LayerNorm(dim), nn.ReLU()) for _ in range(layers)]
    return nn.Sequential(*[module for block in blocks for module in block])


class QueryStage(nn.Module):
    """Self-attention, dynamic convolution, feed-forward, class and box branch; residual and LayerNorm each.

    13,225,132 parameters at 40 classes and the default sizes.
    Source: Sun et al., Sparse R-CNN, Sec 3; specification 2.1, steps 1 to 4 (InsPro 6.1).
    """

    def __init__(self, num_classes: int, config: QueryStageConfig) -> None:
        super().__init__()
        dim = config.dim
        self.config = config
        self.attention = nn.MultiheadAttention(dim, config.heads, batch_first=True)
        self.attention_norm = nn.LayerNorm(dim)
        self.interaction = DynamicConv(dim, config.dynamic_hidden, config.resolution)
        self.interaction_norm = nn.LayerNorm(dim)
        self.feedforward = nn.Sequential(
            nn.Linear(dim, config.feedforward), nn.ReLU(), nn.Linear(config.feedforward, dim)
        )
        self.feedforward_norm = nn.LayerNorm(dim)
        self.class_branch = _branch(dim, config.class_layers)
        self.class_output = nn.Linear(dim, num_classes)
        self.box_branch = _branch(dim, config.box_layers)
        self.box_output = nn.Linear(dim, 4)
        self.reset_parameters()

    def reset_parameters(self, prior: float = 0.01) -> None:
        """Xavier-uniform for every matrix; the class bias starts at probability `prior`.

        Source: Sparse R-CNN's public code (specification 2.1, initialisation).
        """
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        nn.init.constant_(self.class_output.bias, -math.log((1 - prior) / prior))
        with torch.no_grad():
            self.box_output.weight.mul_(self.config.box_output_gain)
            self.box_output.bias.mul_(self.config.box_output_gain)

    def interact(self, queries: Tensor, roi: Tensor, padding: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Update queries [B, N, dim] with their RoI features [B * N, dim, r, r].

        padding: [B, N] bool, True where a slot is filler that no query may attend to; not all of an image.
        Returns (object features, attended queries), both [B, N, dim].
        """
        mixed = self.attention(queries, queries, queries, key_padding_mask=padding, need_weights=False)[0]
        attended = self.attention_norm(queries + mixed)
        read = self.interaction(attended.flatten(0, 1), roi).view_as(attended)
        features = self.interaction_norm(attended + read)
        return self.feedforward_norm(features + self.feedforward(features)), attended

    def predict(self, object_features: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits [B, N, C] and box deltas [B, N, 4] of object features [B, N, dim]."""
        return (
            self.class_output(self.class_branch(object_features)),
            self.box_output(self.box_branch(object_features)),
        )

    def forward(
        self, features: Mapping[str, Tensor], queries: Tensor, boxes: Tensor, padding: Tensor | None = None
    ) -> StageOutput:
        """features: pyramid levels of B images, such as "p2".."p5". queries: [B, N, dim].

        boxes: [B, N, 4] px, read and refined. padding: [B, N] bool, filler slots (see `interact`); their
        outputs mean nothing.
        """
        batch, count = queries.shape[:2]
        image_index = torch.arange(batch, device=boxes.device).repeat_interleave(count)
        roi = pyramid_roi_align(
            features,
            boxes.flatten(0, 1),
            image_index,
            self.config.resolution,
            canonical_size=self.config.canonical_size,
        )
        object_features, attended = self.interact(queries, roi, padding)
        class_logits, deltas = self.predict(object_features)
        refined = decode_deltas(deltas, boxes, log_scales=self.config.log_scales)
        return StageOutput(class_logits, refined, object_features, attended)


_QUERYINST_STAGE = {
    "attention.attn": "attention",
    "attention_norm": "attention_norm",
    **{f"instance_interactive_conv.{a}": f"interaction.{b}" for a, b in QUERYINST_DYNAMIC_CONV.items()},
    "instance_interactive_conv_norm": "interaction_norm",
    "ffn.layers.0.0": "feedforward.0",
    "ffn.layers.1": "feedforward.2",
    "ffn_norm": "feedforward_norm",
    "cls_fcs": "class_branch",
    "reg_fcs": "box_branch",
    "fc_cls": "class_output",
    "fc_reg": "box_output",
}


def stage_from_queryinst(weights: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    """Rename one box head of QueryInst's public checkpoints to a `QueryStage` state.

    weights: the checkpoint's tensors by name. prefix: what precedes the names of one stage,
    `roi_head.bbox_head.0.` for the first stage of a published checkpoint; other names are left out. Raises
    KeyError for a name under the prefix that belongs to no part of a stage.
    """
    renamed = {}
    for name, value in weights.items():
        if not name.startswith(prefix):
            continue
        inner = name.removeprefix(prefix)
        matches = [part for part in _QUERYINST_STAGE if inner.startswith(part + ".")]
        if not matches:
            raise KeyError(
                f"{name!r} is no parameter of a QueryInst box head; is the prefix {prefix!r} right?"
            )
        part = max(matches, key=len)
        target = _QUERYINST_STAGE[part] + inner.removeprefix(part)
        renamed[target] = value
    return renamed
