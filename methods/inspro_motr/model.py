"""InsPro's network with track queries and detect queries: wiring of training and online inference.

Source: He et al., InsPro (NeurIPS 2022), Table 2(e) and Sec 4.4; Zeng et al., MOTR; specification 6.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from methods.inspro.frames import boxes_to_original, encode_slots, prepare_frame
from methods.inspro.host_copies import host_copies
from methods.inspro.losses import Targets, stack_targets, visible_objects
from methods.inspro.masks import MaskHead
from methods.inspro.matching import match_frame
from methods.inspro.parts import initial_boxes, initial_queries, query_stages
from methods.inspro.supervision import weighted_losses
from methods.inspro_motr.config import InsProMotrConfig
from methods.inspro_motr.interaction import QueryInteraction
from methods.inspro_motr.lifecycle import LiveTracks, Thresholds, advance
from methods.inspro_motr.sequence import summarise_live_tracks
from methods.inspro_motr.training_tracks import (
    FILLER,
    TrackQueries,
    bound_table,
    free_slots,
    gather_tracks,
    next_tracks,
    no_tracks,
)
from methods.layers.backbone import build_backbone
from methods.layers.box_codec import clip_boxes, normalised_to_pixels
from methods.layers.fpn import Fpn
from methods.layers.images import normalise_and_pad
from methods.layers.query_stage import StageOutput
from methods.layers.transfer import constant, to_device, to_host
from vis_bench.errors import MethodError
from vis_bench.method import Clip, FrameDetection, FrameResult, VideoInstance
from vis_bench.types import Video


@dataclass(frozen=True, slots=True)
class FrameSlots:
    """All slots of a frame, detect queries first.

    outputs: of each stage, [B, N + P, ...]. queries: [B, N + P, dim], that entered. filler: [B, N + P] bool.
    """

    outputs: list[StageOutput]
    queries: Tensor
    filler: Tensor


class InsProMotr(nn.Module):
    """Online: detect queries find new objects in every frame, track queries follow those already found.

    110,333,654 parameters in the paper's configuration at 40 classes, frozen BatchNorm's affine included.
    """

    def __init__(self, config: InsProMotrConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        detector = config.detector
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.dim, config.pyramid_levels)
        self.mask_head = MaskHead(detector)
        self.stages = query_stages(detector, num_classes)
        self.interaction = QueryInteraction(
            config.dim, config.heads, config.feedforward, config.query_update == "residual"
        )
        self.initial_queries = nn.Parameter(initial_queries(detector))
        self.initial_boxes = nn.Parameter(initial_boxes(detector))
        self.thresholds = Thresholds(
            config.birth_threshold, config.keep_threshold, config.patience_frames, config.missed_reset
        )

    def step(self, pyramid: Mapping[str, Tensor], tracks: TrackQueries, sizes: Tensor) -> FrameSlots:
        """One frame of B videos with un-padded `sizes` [B, 2]: the same stages on both query sets together.

        Gradients flow through track queries, not through their boxes.
        """
        batch = sizes.shape[0]
        detect = self.initial_queries[None].expand(batch, -1, -1)
        queries = entered = torch.cat((detect, tracks.queries), dim=1)
        boxes = torch.cat((normalised_to_pixels(self.initial_boxes, sizes), tracks.boxes), dim=1)
        real = tracks.filler.new_zeros(batch, self.config.queries)
        filler = torch.cat((real, tracks.filler), dim=1)
        # one clip has no filler, and whether several have is known to the device alone
        hidden = filler if batch > 1 and tracks.filler.shape[1] else None
        outputs = []
        for stage in self.stages:
            output = stage(pyramid, queries, boxes, hidden)
            outputs.append(output)
            queries, boxes = output.object_features, output.boxes.detach()
        return FrameSlots(outputs, entered, filler)

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Visible objects by frame, see `visible_objects`."""
        return visible_objects(clips)

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted loss terms of InsPro, summed over stages and averaged over frames; the total is their sum.

        Raises MethodError where the clips of a batch differ in their number of frames.
        """
        lengths = {clip.frames.shape[0] for clip in clips}
        if len(lengths) != 1:
            raise MethodError(
                f"inspro_motr: clips of one batch have {sorted(lengths)} frames; give them equal lengths"
            )
        frames, detector = lengths.pop(), self.config.detector
        # clip after clip, in one backbone call: the auxiliary loss of a protocol relies on this order
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        pyramid = self.fpn(self.backbone(images))
        targets = stack_targets(clips, (int(images.shape[-2]), int(images.shape[-1])), normalisers)
        tracks = no_tracks(len(clips), self.config.dim, images.device)
        terms: dict[str, Tensor] = {}
        for t in range(frames):
            frame = {name: feature[t::frames].contiguous() for name, feature in pyramid.items()}
            now = replace(
                targets,
                boxes=targets.boxes[t : t + 1],
                visible=targets.visible[t : t + 1],
                masks=targets.masks[t : t + 1],
                counts=None if targets.counts is None else targets.counts[t : t + 1],
            )
            slots = self.step(frame, tracks, targets.sizes)
            matched, tables = self._match(slots, tracks, now)
            found = weighted_losses(
                [slots.outputs],
                matched[:, None],
                None,
                now,
                self.mask_head,
                frame,
                detector,
                filler=slots.filler[None],
            )
            for name, value in found.items():
                terms[name] = terms.get(name, 0.0) + value / frames
            if t + 1 < frames:
                tracks = self._next(slots, tables, now)
        return terms

    def _match(self, slots: FrameSlots, tracks: TrackQueries, targets: Targets) -> tuple[Tensor, Tensor]:
        """Slots [S, B, M] of the objects of the frame, and tables [B, M] of all that have a slot.

        A tracked object keeps its track query, also while it is not seen; a new one gets a detect query or a
        false track. They are on the host, and the next frame waits for them.
        """
        (outputs,), targets = host_copies([slots.outputs], targets)
        logits = torch.stack([output.class_logits for output in outputs])
        boxes = torch.stack([output.boxes for output in outputs])
        matched, tables = [], []
        for b in range(logits.shape[1]):
            match = match_frame(
                bound_table(tracks.objects[b], targets.labels.shape[1], self.config.queries),
                targets.visible[0, b],
                logits[:, b],
                boxes[:, b],
                targets.labels[b],
                targets.boxes[0, b],
                (int(targets.sizes[b, 0]), int(targets.sizes[b, 1])),
                self.config.weights,
                share_stages=self.config.stage_matching == "shared",
                allowed=free_slots(tracks.objects[b], self.config.queries),
            )
            matched.append(match.slots)
            tables.append(match.table)
        return torch.stack(matched, 1), torch.stack(tables)

    def _next(self, slots: FrameSlots, tables: Tensor, targets: Targets) -> TrackQueries:
        """The track queries of the next training frame; tables: [B, M] on the host, slots of the last stage.

        Which slots live on, and so how many, is decided on the host.
        """
        config, last = self.config, slots.outputs[-1]
        boxes = last.boxes.detach()
        places, truth, filler, visible = to_host(boxes, targets.boxes[0], slots.filler, targets.visible[0])
        chosen = [
            next_tracks(
                places[b],
                tables[b],
                visible[b],
                truth[b],
                filler[b],
                config.track_iou,
                torch.rand(tables.shape[1]) < config.drop_probability,
                torch.rand(tables.shape[1]) < config.false_probability,
            )
            for b in range(tables.shape[0])
        ]
        picked = to_device(*(part for part, _ in chosen), device=boxes.device)
        if config.clip_training_proposals:
            boxes = clip_boxes(boxes, targets.sizes)
        features, filler = gather_tracks(last.object_features, picked)
        entered, _ = gather_tracks(slots.queries, picked)
        # filler reads the whole frame: any box with a size will do, since nothing looks at the outcome
        whole = constant([0.5, 0.5, 1.0, 1.0], boxes.device, boxes.dtype)[None]
        frame = normalised_to_pixels(whole, targets.sizes)[:, 0]
        kept, _ = gather_tracks(boxes, picked, frame)
        objects = torch.full(filler.shape, FILLER, dtype=torch.int64)
        for b, (_, numbers) in enumerate(chosen):
            objects[b, : len(numbers)] = numbers
        return TrackQueries(self.interaction(features, entered, filler), kept, filler, objects)

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Yield the result of each uint8 frame [3, H, W] before the next is asked for.

        All state lives in this generator, so nothing survives from one video to the next.
        """
        queries, live = no_tracks(1, self.config.dim, self.initial_queries.device), LiveTracks()
        for index, frame in enumerate(frames):
            result, queries, live = self.track_frame(index, frame, queries, live)
            yield result

    @torch.no_grad()
    def track_frame(
        self, index: int, frame: Tensor, tracks: TrackQueries, live: LiveTracks
    ) -> tuple[FrameResult, TrackQueries, LiveTracks]:
        """One frame and the tracks before it -> its result and the tracks after it."""
        config = self.config
        given = prepare_frame(frame, config.test_short_side, config.test_max_long_side)
        pyramid = self.fpn(self.backbone(given.images))
        slots = self.step(pyramid, tracks, given.sizes)
        last = slots.outputs[-1]
        scores, boxes = to_host(last.class_logits[0].sigmoid(), boxes_to_original(last.boxes[0], given))
        best = scores.amax(dim=1)
        now = advance(best.tolist(), config.queries, live, self.thresholds)
        slot_numbers = torch.tensor(now.slots, dtype=torch.int64)
        seen = slot_numbers[best[slot_numbers] >= config.presence_threshold]
        held, present = to_device(slot_numbers, seen, device=last.boxes.device)
        masks = encode_slots(self.mask_head, config.stages - 1, pyramid, last, present, given)
        encoded = dict(zip(seen.tolist(), masks, strict=True))
        places, class_scores = boxes.tolist(), scores.float().numpy()
        detections = []
        for slot, identity in zip(now.slots, now.after.identities, strict=True):
            mask = encoded.get(slot)
            x1, y1, x2, y2 = places[slot]
            box = (x1, y1, x2 - x1, y2 - y1) if mask is not None else None
            # a copy, or every result would hold the scores of all slots
            detections.append(FrameDetection(identity, class_scores[slot].copy(), mask, box))
        features, filler = gather_tracks(last.object_features, [held])
        entered, _ = gather_tracks(slots.queries, [held])
        carried, _ = gather_tracks(clip_boxes(last.boxes, given.sizes), [held])
        unbound = torch.full(filler.shape, -1, dtype=torch.int64)
        after = TrackQueries(self.interaction(features, entered, filler), carried, filler, unbound)
        return FrameResult(index, tuple(detections)), after, now.after

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Tracks of a video: the best (track, class) pairs by the configured sequence score."""
        return summarise_live_tracks(
            results, video.length, self.config.sequence_score, self.config.tracks_per_video
        )
