"""QueryTrack: wiring of training and online inference.

Source: Yang et al., Tracking Instances as Queries; specification 2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from methods.layers.backbone import build_backbone
from methods.layers.box_codec import QUERYINST_MAX_LOG_SCALE, normalised_to_pixels
from methods.layers.dynamic_mask_head import DynamicMaskHead
from methods.layers.fpn import Fpn
from methods.layers.images import normalise_and_pad
from methods.layers.proposals import grid_proposals, image_proposals
from methods.layers.query_stage import QueryStage, QueryStageConfig, StageOutput
from methods.layers.roi import pyramid_roi_align
from methods.layers.transfer import to_host
from methods.querytrack.association import associate, summarise
from methods.querytrack.config import QueryTrackConfig
from methods.querytrack.inference import detect_frame
from methods.querytrack.losses import detection_losses, mask_loss, track_loss
from methods.querytrack.targets import StageMatch, Targets, flatten_targets, match_queries, stage_matches
from methods.querytrack.track_head import TrackHead
from methods.tracking.bank import RawDetections
from vis_bench.errors import MethodError
from vis_bench.method import Clip, FrameResult, VideoInstance
from vis_bench.types import Video


class QueryTrack(nn.Module):
    """QueryInst with a contrastive tracking head per stage; online.

    Every stage has its own box, mask and track branch with its own dynamic convolutions.
    """

    def __init__(self, config: QueryTrackConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.dim, config.pyramid_levels)
        stage = QueryStageConfig(
            dim=config.dim,
            heads=config.heads,
            feedforward=config.feedforward,
            dynamic_hidden=config.dynamic_hidden,
            resolution=config.box_resolution,
            canonical_size=config.roi_canonical_size,
            max_log_scale=QUERYINST_MAX_LOG_SCALE,
            box_output_gain=config.box_output_gain,
        )
        self.stages = nn.ModuleList(QueryStage(num_classes, stage) for _ in range(config.stages))
        self.mask_heads = nn.ModuleList(
            DynamicMaskHead(
                num_classes,
                config.dim,
                config.dynamic_hidden,
                config.mask_resolution,
                config.mask_channels,
                config.mask_convs,
                config.mask_norm,
            )
            for _ in range(config.stages)
        )
        self.track_heads = nn.ModuleList(
            TrackHead(config.dim, config.dynamic_hidden, config.track_resolution, config.embedding_width)
            for _ in range(config.track_heads)
        )
        queries = torch.randn(1 if config.query_init == "shared" else config.queries, config.dim)
        self.initial_queries = nn.Parameter(queries.expand(config.queries, -1).clone())
        proposals = grid_proposals if config.proposal_init == "grid" else image_proposals
        self.initial_boxes = nn.Parameter(proposals(config.queries))

    def pyramid(self, images: Tensor) -> dict[str, Tensor]:
        """Everything before the heads: images [I, 3, H, W] float -> pyramid levels by name, such as "p2"."""
        return self.fpn(self.backbone(images))

    def refine(self, pyramid: Mapping[str, Tensor], sizes: Tensor) -> list[StageOutput]:
        """Outputs of all stages for images of un-padded `sizes` [I, 2] (height, width).

        Each stage reads the boxes of the one before without a gradient into them; its queries keep theirs.
        The initial boxes are not detached, since decoding is their only path. Source: QueryTrack, Eq 1.
        """
        # not expand: counting operations does not accept views of parameters
        queries = self.initial_queries.repeat(sizes.shape[0], 1, 1)
        boxes = normalised_to_pixels(self.initial_boxes, sizes)
        outputs = []
        for stage in self.stages:
            output = stage(pyramid, queries, boxes)
            outputs.append(output)
            queries, boxes = output.object_features, output.boxes.detach()
        return outputs

    def _read(self, pyramid: Mapping[str, Tensor], boxes: Tensor, image: Tensor, resolution: int) -> Tensor:
        return pyramid_roi_align(
            pyramid, boxes, image, resolution, canonical_size=self.config.roi_canonical_size
        )

    def masks(
        self, stage: int, pyramid: Mapping[str, Tensor], image: Tensor, queries: Tensor, boxes: Tensor
    ) -> Tensor:
        """Mask logits [n, C, m, m] of one stage (Eq 2).

        image: [n] int64. queries: [n, dim], `attended` of that stage. boxes: [n, 4] px, refined by it.
        """
        return self.mask_heads[stage](queries, self._read(pyramid, boxes, image, self.config.mask_resolution))

    def embeddings(
        self, stage: int, pyramid: Mapping[str, Tensor], image: Tensor, queries: Tensor, boxes: Tensor
    ) -> Tensor:
        """Instance embeddings [n, D] of one stage (Eq 4); arguments as `masks`.

        Raises IndexError for a stage without a tracking head.
        """
        first = self.config.stages - len(self.track_heads)
        if stage < first:
            raise IndexError(f"stage {stage} has no tracking head; the first is that of stage {first}")
        return self.track_heads[stage - first](
            queries, self._read(pyramid, boxes, image, self.config.track_resolution)
        )

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Targets of a shard, which public code takes over all devices (`avg_factor`)."""
        return {"targets": [float(sum(clip.visible.sum() for clip in clips))]}

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted loss terms, summed over stages, of pairs of frames: frame 0 is the key frame.

        Where the weight of the tracking term is 0, the term is missing, and clips may have one frame. Raises
        MethodError for clips of any other length.
        """
        lengths = {clip.frames.shape[0] for clip in clips}
        tracks = self.config.weights.track > 0
        if lengths != {2} and (tracks or lengths != {1}):
            raise MethodError(
                f"querytrack: clips have {sorted(lengths)} frames; it trains on pairs of frames."
            )
        # clip after clip, in one backbone call: the auxiliary loss of a protocol relies on this order
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        pyramid = self.pyramid(images)
        count = None if normalisers is None else normalisers["targets"][0]
        targets = flatten_targets(clips, (images.shape[-2], images.shape[-1]), count)
        outputs = self.refine(pyramid, targets.sizes)
        matches = self._match(outputs, targets)
        names = ("class", "l1", "giou", "dice", *(["track"] if tracks else []))
        terms = {f"loss_{name}": images.new_zeros(()) for name in names}
        for stage, output in enumerate(outputs):
            for name, value in self._stage_losses(stage, pyramid, output, matches[stage], targets).items():
                terms[name] = terms[name] + value
        return terms

    @torch.no_grad()
    def _match(self, outputs: Sequence[StageOutput], targets: Targets) -> list[StageMatch]:
        """The matches of all stages, made on the host from one copy and brought back by one."""
        logits, boxes, image, labels, places, sizes = to_host(
            torch.stack([output.class_logits for output in outputs]),
            torch.stack([output.boxes for output in outputs]),
            targets.image,
            targets.labels,
            targets.boxes,
            targets.sizes,
        )
        copies = replace(targets, image=image, labels=labels, boxes=places, sizes=sizes)
        queries = match_queries(logits, boxes, copies, self.config.weights)
        return stage_matches(queries, image, targets.image.device)

    def _stage_losses(
        self,
        stage: int,
        pyramid: Mapping[str, Tensor],
        output: StageOutput,
        match: StageMatch,
        targets: Targets,
    ) -> dict[str, Tensor]:
        config, weights = self.config, self.config.weights
        classes, l1, giou = detection_losses(output.class_logits, output.boxes, match, targets)
        entries = match.entries
        image, query = targets.image[entries], match.queries[entries]
        attended, boxes = output.attended[image, query], output.boxes[image, query].detach()
        logits = self.masks(stage, pyramid, image, attended, boxes)
        terms = {
            "loss_class": weights.classes * classes,
            "loss_l1": weights.l1 * l1,
            "loss_giou": weights.giou * giou,
            "loss_dice": weights.dice * mask_loss(logits, boxes, entries, targets),
        }
        if weights.track > 0 and (config.track_stages == "all" or stage == config.stages - 1):
            track_boxes = (
                boxes
                if config.reference_boxes == "predicted"
                else _with_truth(boxes, image, targets.boxes[entries])
            )
            embeddings = self.embeddings(stage, pyramid, image, attended, track_boxes)
            terms["loss_track"] = weights.track * track_loss(
                embeddings, entries, targets, weights, match.pairs
            )
        return terms

    @torch.no_grad()
    def detect(self, frame: Tensor) -> RawDetections:
        """Candidates of one frame [3, H, W] uint8 RGB before association, best first."""
        return detect_frame(self, frame, self.config)

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Online: the result of frame t is yielded before frame t + 1 is asked for."""
        yield from associate(self.config, (self.detect(frame) for frame in frames), self.num_classes)

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Mean of the frame scores, majority vote over the classes."""
        return summarise(self.config, results, video.length)


def _with_truth(boxes: Tensor, image: Tensor, truth: Tensor) -> Tensor:
    """Predicted boxes in key frames (even images), true boxes in reference frames; all [K, 4]."""
    return torch.where((image % 2 == 0)[:, None], boxes, truth)
