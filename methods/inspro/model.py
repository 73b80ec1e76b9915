"""InsPro: wiring of training and online inference.

Source: He et al., InsPro (NeurIPS 2022); specification 6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.inspro.config import InsProConfig
from methods.inspro.frames import boxes_to_original, encode_slots, prepare_frame
from methods.inspro.host_copies import host_copies
from methods.inspro.losses import Targets, stack_targets, visible_objects
from methods.inspro.masks import MaskHead
from methods.inspro.matching import empty_tables, match_frame, reserved_slots
from methods.inspro.parts import frames_of, initial_boxes, initial_queries, query_stages
from methods.inspro.propagation import IntraQueryAttention, PropagatedState
from methods.inspro.sequence import summarise_slots
from methods.inspro.supervision import weighted_losses
from methods.layers.backbone import build_backbone
from methods.layers.box_codec import clip_boxes, normalised_to_pixels
from methods.layers.fpn import Fpn
from methods.layers.images import normalise_and_pad
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import to_device, to_host
from vis_bench.errors import MethodError
from vis_bench.method import Clip, FrameDetection, FrameResult, VideoInstance
from vis_bench.types import Box, Rle, Video


class InsPro(nn.Module):
    """Online video instance segmentation by propagation of query-proposal pairs; a slot is an identity.

    107,967,447 parameters in the paper's configuration at 40 classes, frozen BatchNorm's affine included.
    masks: False leaves out mask branch, weight generators and mask losses; tracks are boxes (InsPro-VID).
    """

    def __init__(self, config: InsProConfig, num_classes: int, masks: bool = True) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.dim, config.pyramid_levels)
        self.mask_head = MaskHead(config) if masks else None
        self.stages = query_stages(config, num_classes)
        self.attention = IntraQueryAttention(
            config.dim, config.frames_attended, config.bank_weights == "per_channel"
        )
        self.initial_queries = nn.Parameter(initial_queries(config))
        self.initial_boxes = nn.Parameter(initial_boxes(config))

    def pyramid(self, images: Tensor) -> dict[str, Tensor]:
        """Everything before the heads: images [n, 3, H, W] float -> pyramid levels by name, such as "p2"."""
        return self.fpn(self.backbone(images))

    def start(self, sizes: Tensor) -> PropagatedState:
        """The state before the first frame for frames of un-padded `sizes` [B, 2] (height, width)."""
        queries = self.initial_queries[None].expand(sizes.shape[0], -1, -1)
        return PropagatedState(queries, normalised_to_pixels(self.initial_boxes, sizes))

    def step(
        self, pyramid: Mapping[str, Tensor], state: PropagatedState, sizes: Tensor, clip_proposals: bool
    ) -> tuple[list[StageOutput], PropagatedState]:
        """One frame of B videos: the outputs of all stages, and the state for the next frame.

        Every slot is propagated, whatever its score. Gradients flow through queries and bank, not through
        propagated boxes. Source: InsPro, Sec 3.1; specification 6.1.
        """
        queries, boxes = state.queries, state.boxes
        outputs = []
        for stage in self.stages:
            output = stage(pyramid, queries, boxes)
            outputs.append(output)
            queries, boxes = output.object_features, output.boxes.detach()
        queries, bank = self.attention(queries, state.bank)
        if clip_proposals:
            boxes = clip_boxes(boxes, sizes)
        if not self.config.propagate_query:
            queries = self.start(sizes).queries
        if not self.config.propagate_proposal:
            boxes = self.start(sizes).boxes
        return outputs, PropagatedState(queries, boxes, bank)

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Visible objects by frame, see `visible_objects`."""
        return visible_objects(clips)

    def read_clips(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> tuple[dict[str, Tensor], Targets]:
        """Pyramid levels of all frames of B clips, clip after clip, and what is to be found in them.

        Raises MethodError where the clips differ in their number of frames.
        """
        lengths = {clip.frames.shape[0] for clip in clips}
        if len(lengths) != 1:
            raise MethodError(
                f"inspro: clips of one batch have {sorted(lengths)} frames; give them equal lengths"
            )
        # clip after clip, in one backbone call: the auxiliary loss of a protocol relies on this order
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        height, width = images.shape[-2:]
        return self.pyramid(images), stack_targets(clips, (height, width), normalisers)

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted loss terms, summed over stages and averaged over frames; the total is their sum.

        Raises MethodError where the clips of a batch differ in their number of frames.
        """
        pyramid, targets = self.read_clips(clips, normalisers)
        frames = targets.visible.shape[0]
        state, outputs = self.start(targets.sizes), []
        for t in range(frames):
            frame = frames_of(pyramid, frames, [t])
            stages, state = self.step(frame, state, targets.sizes, self.config.clip_training_proposals)
            outputs.append(stages)
        slots, reserved = self.match_clips(outputs, targets)
        return weighted_losses(
            outputs,
            slots,
            reserved,
            targets,
            self.mask_head,
            pyramid,
            self.config,
        )

    def match_clips(self, outputs: Sequence[list[StageOutput]], targets: Targets) -> tuple[Tensor, Tensor]:
        """Slots [S, T, B, M] and reserved slots [T, B, N] of `outputs[frame][stage]`, on the host."""
        copies, objects = host_copies(outputs, targets)
        tables = empty_tables(objects.labels)
        slots, reserved = [], []
        for t, stages in enumerate(copies):
            frame_slots, frame_reserved, tables = self.match(t, stages, tables, objects)
            slots.append(frame_slots)
            reserved.append(frame_reserved)
        return torch.stack(slots, 1), torch.stack(reserved)

    def match(
        self, frame: int, stages: list[StageOutput], tables: list[Tensor], targets: Targets
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Slots [S, B, M], reserved slots [B, N] and the tables after one frame; everything on the host."""
        logits = torch.stack([output.class_logits for output in stages]).detach()
        boxes = torch.stack([output.boxes for output in stages]).detach()
        slots, reserved, after = [], [], []
        for b, table in enumerate(tables):
            visible = targets.visible[frame, b]
            match = match_frame(
                table,
                visible,
                logits[:, b],
                boxes[:, b],
                targets.labels[b],
                targets.boxes[frame, b],
                (int(targets.sizes[b, 0]), int(targets.sizes[b, 1])),
                self.config.weights,
                share_stages=self.config.stage_matching == "shared",
            )
            slots.append(match.slots)
            reserved.append(reserved_slots(match.table, visible, logits.shape[2]))
            after.append(match.table if self.config.consistent_matching else table)
        return torch.stack(slots, 1), torch.stack(reserved), after

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Yield the result of each uint8 frame [3, H, W] before the next is asked for.

        The state lives in this generator only, so nothing survives from one video to the next.
        """
        state: PropagatedState | None = None
        for index, frame in enumerate(frames):
            result, state = self.track_frame(index, frame, state)
            yield result

    def advance(
        self, index: int, pyramid: Mapping[str, Tensor], state: PropagatedState, sizes: Tensor
    ) -> tuple[StageOutput, int, PropagatedState]:
        """Frame `index` at inference: (the reported output, its weight generator, the state after)."""
        outputs, state = self.step(pyramid, state, sizes, clip_proposals=True)
        return outputs[-1], self.config.stages - 1, state

    @torch.no_grad()
    def track_frame(
        self, index: int, frame: Tensor, state: PropagatedState | None
    ) -> tuple[FrameResult, PropagatedState]:
        """One frame and the state before it (None at the start of a video) -> its result, the state after."""
        config = self.config
        given = prepare_frame(frame, config.test_short_side, config.test_max_long_side)
        sizes, pyramid = given.sizes, self.pyramid(given.images)
        if state is None:
            state = self.start(sizes)
        last, generator, state = self.advance(index, pyramid, state, sizes)
        scores = last.class_logits[0].sigmoid()
        scores, places = to_host(scores, boxes_to_original(last.boxes[0], given))
        present = (scores.amax(dim=1) >= config.presence_threshold).nonzero().squeeze(1)
        encoded: dict[int, Rle | None] = {}
        if self.mask_head is not None and len(present):
            (slots,) = to_device(present, device=last.boxes.device)
            masks = encode_slots(self.mask_head, generator, pyramid, last, slots, given)
            encoded = dict(zip(present.tolist(), masks, strict=True))
        seen = {slot for slot in present.tolist() if self.mask_head is None or encoded[slot] is not None}
        boxes, class_scores = places.tolist(), scores.float().numpy()
        detections = []
        for slot in range(config.queries):
            x1, y1, x2, y2 = boxes[slot]
            box: Box | None = (x1, y1, x2 - x1, y2 - y1) if slot in seen else None
            detections.append(FrameDetection(slot, class_scores[slot], encoded.get(slot), box))
        return FrameResult(index, tuple(detections)), state

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Tracks of a video: the best (slot, class) pairs by the configured sequence score."""
        return summarise_slots(
            results,
            self.config.sequence_score,
            self.config.presence_threshold,
            self.config.tracks_per_video,
            boxes=self.mask_head is None,
        )
