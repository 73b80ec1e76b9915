"""InsPro's per-frame network with MaskTrack R-CNN's tracking head: wiring of training and inference.

Source: He et al., InsPro (NeurIPS 2022), Table 2(d) and Sec 4.4; specification 6.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.ops import nms

from methods.inspro.frames import boxes_to_original, encode_slots, prepare_frame
from methods.inspro.host_copies import host_copies
from methods.inspro.losses import Targets, stack_targets, visible_objects
from methods.inspro.masks import MaskHead
from methods.inspro.matching import empty_table, match_frame
from methods.inspro.parts import initial_boxes, initial_queries, query_stages
from methods.inspro.supervision import weighted_losses
from methods.inspro_tbd.association import associate, summarise
from methods.inspro_tbd.config import InsProTbdConfig
from methods.inspro_tbd.identity import clip_identity_loss
from methods.layers.backbone import build_backbone
from methods.layers.box_codec import clip_boxes, normalised_to_pixels
from methods.layers.embed_head import EmbedHead
from methods.layers.fpn import Fpn
from methods.layers.images import normalise_and_pad
from methods.layers.query_stage import StageOutput
from methods.layers.roi import pyramid_roi_align
from methods.layers.transfer import to_device, to_host
from methods.tracking.bank import RawDetections
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.errors import MethodError
from vis_bench.method import Clip, FrameResult, VideoInstance
from vis_bench.types import Rle, Video


def frame_output(output: StageOutput, frame: int, frames: int) -> StageOutput:
    """Frame `frame` of clips of `frames` frames, from an output on all of them, clip after clip."""
    return StageOutput(
        *(
            value[frame::frames]
            for value in (output.class_logits, output.boxes, output.object_features, output.attended)
        )
    )


class InsProTbd(nn.Module):
    """Online tracking by detection: every frame starts from the same queries, a learned embedding links them.

    121,862,870 parameters in the paper's configuration at 40 classes, frozen BatchNorm's affine included.
    """

    def __init__(self, config: InsProTbdConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        detector = config.detector
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.dim, config.pyramid_levels)
        self.mask_head = MaskHead(detector)
        self.stages = query_stages(detector, num_classes)
        self.initial_queries = nn.Parameter(initial_queries(detector))
        self.initial_boxes = nn.Parameter(initial_boxes(detector))
        self.embed_head = EmbedHead(
            config.dim * config.roi_resolution**2, config.embedding_hidden, config.embedding_width
        )

    def detect(self, pyramid: Mapping[str, Tensor], sizes: Tensor) -> list[StageOutput]:
        """Outputs of all stages on n images of un-padded `sizes` [n, 2]; images do not see each other."""
        queries = self.initial_queries[None].expand(sizes.shape[0], -1, -1)
        boxes = normalised_to_pixels(self.initial_boxes, sizes)
        outputs = []
        for stage in self.stages:
            output = stage(pyramid, queries, boxes)
            outputs.append(output)
            queries, boxes = output.object_features, output.boxes.detach()
        return outputs

    def embed(self, pyramid: Mapping[str, Tensor], boxes: Tensor, image_index: Tensor) -> Tensor:
        """Identity embeddings [n, D] of boxes [n, 4] px of images `image_index` [n] int64."""
        return self.embed_head(
            pyramid_roi_align(
                pyramid,
                boxes,
                image_index,
                self.config.roi_resolution,
                canonical_size=self.config.roi_canonical_size,
            )
        )

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Visible objects by frame, see `visible_objects`."""
        return visible_objects(clips)

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted loss terms: those of InsPro without deduplication on every frame, and the identity loss.

        Raises MethodError for clips of one frame, which have no reference, and of unequal lengths.
        """
        lengths = {clip.frames.shape[0] for clip in clips}
        if len(lengths) != 1 or min(lengths) < 2:
            raise MethodError(
                f"inspro_tbd: clips of one batch have {sorted(lengths)} frames; "
                "give them equal lengths of at least 2"
            )
        frames, config = lengths.pop(), self.config
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        pyramid = self.fpn(self.backbone(images))
        targets = stack_targets(clips, (int(images.shape[-2]), int(images.shape[-1])), normalisers)
        stages = self.detect(pyramid, targets.sizes.repeat_interleave(frames, dim=0))
        outputs = [[frame_output(stage, t, frames) for stage in stages] for t in range(frames)]
        copies, objects = host_copies(outputs, targets)
        slots = torch.stack([self._match(copies[t], t, objects) for t in range(frames)], 1)
        terms = weighted_losses(outputs, slots, None, targets, self.mask_head, pyramid, config.detector)
        identity = clip_identity_loss(
            lambda boxes, index: self.embed(pyramid, boxes, index),
            torch.stack([output[-1].boxes for output in outputs]),
            slots[-1],
            targets,
            config.identity_samples,
            config.identity_iou,
            config.association.dummy_logit,
        )
        terms["loss_identity"] = config.identity_weight * identity
        return terms

    def _match(self, stages: list[StageOutput], frame: int, targets: Targets) -> Tensor:
        """Slots [S, B, M]: Hungarian matching of each frame on its own, at each stage; all on the host."""
        logits = torch.stack([output.class_logits for output in stages]).detach()
        boxes = torch.stack([output.boxes for output in stages]).detach()
        nobody = empty_table(targets.labels.shape[1], logits.device)
        return torch.stack(
            [
                match_frame(
                    nobody,
                    targets.visible[frame, b],
                    logits[:, b],
                    boxes[:, b],
                    targets.labels[b],
                    targets.boxes[frame, b],
                    (int(targets.sizes[b, 0]), int(targets.sizes[b, 1])),
                    self.config.weights,
                ).slots
                for b in range(logits.shape[1])
            ],
            1,
        )

    @torch.no_grad()
    def detections(self, frame: Tensor) -> RawDetections:
        """Detections of one uint8 frame [3, H, W] before association, best first, in original pixels.

        A query is one detection at most, with its best class.
        """
        config = self.config
        given = prepare_frame(frame, config.test_short_side, config.test_max_long_side)
        pyramid = self.fpn(self.backbone(given.images))
        last = self.detect(pyramid, given.sizes)[-1]
        clipped, device = clip_boxes(last.boxes, given.sizes)[0], last.boxes.device
        # a query is a row, so that suppression on the host is cheap and its outcome known there
        scores, labels, boxes, places = to_host(
            *last.class_logits[0].sigmoid().max(dim=1), last.boxes[0], boxes_to_original(clipped, given)
        )
        kept = scores.argsort(descending=True, stable=True)
        kept = kept[scores[kept] > config.score_threshold]
        if config.nms_iou is not None:
            kept = kept[nms(boxes[kept], scores[kept], config.nms_iou)]
        kept = kept[: config.detections_per_frame]
        (picked,) = to_device(kept, device=device)
        (embeddings,) = to_host(self.embed(pyramid, clipped[picked], torch.zeros_like(picked)))

        @torch.no_grad()
        def draw(rows: np.ndarray) -> list[Rle | None]:
            (chosen,) = to_device(kept[torch.from_numpy(rows)], device=device)
            return encode_slots(self.mask_head, config.stages - 1, pyramid, last, chosen, given)

        return RawDetections(
            scores=scores[kept].double().numpy(),
            labels=labels[kept].numpy(),
            boxes=places[kept].double().numpy(),
            embeddings=embeddings.double().numpy(),
            segmentations=LazyMasks(len(kept), draw),
        )

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Online: the result of frame t is yielded before frame t + 1 is asked for."""
        yield from associate(self.config, (self.detections(frame) for frame in frames), self.num_classes)

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Mean of the frame scores, majority vote over the classes."""
        return summarise(self.config, results, video.length)
