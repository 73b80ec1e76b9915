"""MaskTrack R-CNN: wiring of training and online inference.

Source: Yang et al., Video Instance Segmentation (ICCV 2019); specification 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from methods.layers.backbone import build_backbone
from methods.layers.embed_head import EmbedHead
from methods.layers.fpn import Fpn
from methods.layers.images import normalise_and_pad, resize_frame
from methods.layers.mask_targets import crop_mask_targets
from methods.layers.paste import paste_masks
from methods.layers.roi import pyramid_roi_align
from methods.layers.transfer import constant, to_device, to_host
from methods.masktrack_rcnn.association import associate, summarise
from methods.masktrack_rcnn.config import MaskTrackConfig
from methods.masktrack_rcnn.heads import BoxHead, MaskHead
from methods.masktrack_rcnn.inference import select_detections
from methods.masktrack_rcnn.losses import (
    SampledRegions,
    box_head_losses,
    mask_loss,
    sample_regions,
    tracking_loss,
    usable_rows,
)
from methods.masktrack_rcnn.rpn import Rpn, level_counts, proposals_of_images, rpn_losses
from methods.tracking.bank import RawDetections
from methods.tracking.lazy_masks import LazyMasks
from vis_bench.masks.rle import encode_or_none
from vis_bench.method import Clip, FrameResult, VideoInstance
from vis_bench.types import Rle, Video


class MaskTrackRcnn(nn.Module):
    """The method as the harness calls it. num_classes: C."""

    def __init__(self, config: MaskTrackConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.channels, [f"res{p[1:]}" for p in config.roi_levels])
        self.rpn = Rpn(config.channels, config.rpn)
        roi = config.roi
        region = config.channels * roi.box_resolution**2
        self.box_head = BoxHead(region, roi.fc_width, num_classes)
        self.mask_head = MaskHead(config.channels, roi.mask_channels, roi.mask_convs, num_classes)
        self.track_head = EmbedHead(region, roi.embed_width)

    def pyramid(self, images: Tensor) -> dict[str, Tensor]:
        """Pyramid levels of images [B, 3, H, W], normalised, H and W multiples of 32."""
        return self.fpn(self.backbone(images))

    def pool(self, pyramid: Mapping[str, Tensor], boxes: Tensor, image: Tensor, resolution: int) -> Tensor:
        """Features [n, channels, resolution, resolution] of boxes [n, 4] px in images `image` [n] int64."""
        roi = self.config.roi
        return pyramid_roi_align(
            pyramid, boxes, image, resolution, roi.sampling_ratio, canonical_size=roi.canonical_size_px
        )

    def losses(self, clips: Sequence[Clip]) -> dict[str, Tensor]:
        """Weighted loss terms of clips of two frames: frame 0 is the key, frame 1 the reference.

        The reference frame has no detection loss, it lends the embeddings of its true boxes. Where the weight
        of the tracking term is 0, the term is missing, and clips may have one frame. Raises ValueError for
        clips of any other length.
        """
        config, weights = self.config, self.config.weights
        lengths = {clip.frames.shape[0] for clip in clips}
        if lengths != {2} and not (lengths == {1} and weights.tracking == 0):
            raise ValueError(
                f"MaskTrack R-CNN trains on clips of 2 frames, but was given clips of {sorted(lengths)}"
            )
        frames = lengths.pop()
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        pyramid = self.pyramid(images)
        sizes = [(int(clip.frames.shape[-2]), int(clip.frames.shape[-1])) for clip in clips]
        usable = usable_rows(clips)
        keys = [rows[0] for rows in usable]
        truth = [clip.boxes[0, rows] for clip, rows in zip(clips, keys, strict=True)]

        key_pyramid = {name: x[0::frames] for name, x in pyramid.items()}
        objectness, deltas, anchors, _ = self.rpn(key_pyramid)
        counts = level_counts(key_pyramid, config.rpn)
        proposals = proposals_of_images(objectness, deltas, anchors, counts, sizes, config.rpn)
        rpn_class, rpn_box = rpn_losses(objectness, deltas, anchors, truth, sizes, config.rpn)

        regions = sample_regions(proposals, clips, config.roi, keys)
        features = self.pool(pyramid, regions.boxes, frames * regions.pair, config.roi.box_resolution)
        logits, box_deltas = self.box_head(features)
        classes, box = box_head_losses(logits, box_deltas, regions, config.roi)
        terms = {
            "rpn_class": weights.rpn_class * rpn_class,
            "rpn_box": weights.rpn_box * rpn_box,
            "class": weights.classes * classes,
            "box": weights.box * box,
            "mask": weights.mask * self._mask_loss(key_pyramid, regions, clips),
        }
        if weights.tracking > 0:
            references = [rows[1] for rows in usable]
            tracking = self._tracking_loss(pyramid, features, regions, clips, references)
            terms["tracking"] = weights.tracking * tracking
        return terms

    def _mask_loss(
        self, key_pyramid: Mapping[str, Tensor], regions: SampledRegions, clips: Sequence[Clip]
    ) -> Tensor:
        rows = regions.positive
        boxes, pair = regions.boxes[rows], regions.pair[rows]
        logits = self.mask_head(self.pool(key_pyramid, boxes, pair, self.config.roi.mask_resolution))
        # regions are in the order of their pairs
        targets = [
            crop_mask_targets(clip.masks[0], regions.objects[own], regions.boxes[own], logits.shape[-1])
            for clip, own in zip(clips, regions.positive_of_pairs(len(clips)), strict=True)
        ]
        return mask_loss(logits, regions.labels[rows], torch.cat(targets))

    def _tracking_loss(
        self,
        pyramid: Mapping[str, Tensor],
        features: Tensor,
        regions: SampledRegions,
        clips: Sequence[Clip],
        present: Sequence[Tensor],
    ) -> Tensor:
        boxes = torch.cat([clip.boxes[1, rows] for clip, rows in zip(clips, present, strict=True)])
        counts = [len(rows) for rows in present]
        image = torch.cat([torch.full_like(rows, 2 * i + 1) for i, rows in enumerate(present)])
        reference = self.pool(pyramid, boxes, image, self.config.roi.box_resolution)
        # one call, so that both frames use the same weights
        embeddings, memory = self.track_head(torch.cat((features, reference))).split(
            [len(features), len(reference)]
        )
        return tracking_loss(
            embeddings, regions, memory.split(counts), present, self.config.association.dummy_logit
        )

    @torch.no_grad()
    def detect(self, frame: Tensor) -> RawDetections:
        """Detections of one frame [3, H, W] uint8 RGB before association, best first.

        Embeddings and masks are read at the refined boxes. Boxes and masks are in original pixels, so that
        boxes of frames can be compared whatever the size of the network's input.
        """
        config = self.config
        original = (int(frame.shape[-2]), int(frame.shape[-1]))
        resized = resize_frame(frame, config.test_short_side, config.test_max_long_side)
        height, width = int(resized.shape[-2]), int(resized.shape[-1])
        pyramid = self.pyramid(normalise_and_pad([resized]))

        objectness, deltas, anchors, _ = self.rpn(pyramid)
        counts = level_counts(pyramid, config.rpn)
        (proposals,) = proposals_of_images(objectness, deltas, anchors, counts, [(height, width)], config.rpn)
        logits, box_deltas = self.box_head(self._pool_one(pyramid, proposals, config.roi.box_resolution))
        found = select_detections(proposals, logits, box_deltas, (height, width), config)

        embeddings = self.track_head(self._pool_one(pyramid, found.boxes, config.roi.box_resolution))
        device = found.boxes.device
        boxes = found.boxes * constant([original[1] / width, original[0] / height] * 2, device)
        scores, labels, places, vectors = to_host(found.scores, found.labels, boxes, embeddings)

        @torch.no_grad()
        def draw(rows: np.ndarray) -> list[Rle | None]:
            (chosen,) = to_device(torch.from_numpy(rows), device=device)
            region = self._pool_one(pyramid, found.boxes[chosen], config.roi.mask_resolution)
            logits = self.mask_head(region)
            own = logits[torch.arange(len(chosen), device=device), found.labels[chosen] + 1]
            pasted = paste_masks(own, boxes[chosen], original, config.mask_threshold)
            return encode_or_none(pasted.cpu().numpy())

        return RawDetections(
            scores=scores.double().numpy(),
            labels=labels.numpy(),
            boxes=places.double().numpy(),
            embeddings=vectors.double().numpy(),
            segmentations=LazyMasks(len(boxes), draw),
        )

    def _pool_one(self, pyramid: Mapping[str, Tensor], boxes: Tensor, resolution: int) -> Tensor:
        image = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return self.pool(pyramid, boxes, image, resolution)

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Online: the result of frame t is yielded before frame t + 1 is asked for."""
        yield from associate(self.config, (self.detect(frame) for frame in frames), self.num_classes)

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Mean of the frame scores, majority vote over the classes."""
        return summarise(self.config, results, video.length)
