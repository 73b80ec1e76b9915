"""Mask2Former-VIS: backbone and pixel decoder per frame, one transformer decoder over the whole clip.

Source: Cheng et al., Mask2Former for Video Instance Segmentation; specification 5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.layers.backbone import build_backbone
from methods.layers.clip_target import ClipTarget, clip_target
from methods.layers.images import normalise_and_pad
from methods.layers.matching import hungarian_all
from methods.layers.pixel_decoder import build_pixel_decoder
from methods.layers.query_masks import mask_logits
from methods.layers.top_instances import pair_instances, queries_of, top_pairs
from methods.layers.video_features import (
    FrameSizes,
    features_in_passes,
    join_features,
    resized_to_levels,
)
from methods.mask2former_vis.config import Mask2FormerVisConfig
from methods.mask2former_vis.decoder import QueryOutput, VideoDecoder
from methods.mask2former_vis.losses import prediction_costs, prediction_losses
from vis_bench.method import Clip, VideoInstance
from vis_bench.types import Video


class Mask2FormerVis(nn.Module):
    """Offline, clip-level: a query is one object in all frames, so there is no association step.

    config: sizes, losses and training. num_classes: C, without "no object".
    """

    def __init__(self, config: Mask2FormerVisConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        pixel = config.pixel_decoder
        self.backbone = build_backbone(config.backbone)
        self.pixel_decoder = build_pixel_decoder(pixel, self.backbone.channels)
        self.decoder = VideoDecoder(config.decoder, pixel.dims, pixel.mask_dims, num_classes)

    def frame_features(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Features of frames taken one by one.

        images: [n, 3, H, W] normalised, H and W multiples of 32. Returns ({level: [n, dims, h, w]} for the
        attended levels, mask features [n, mask_dims, H/4, W/4]). Padding is not masked (public code).
        """
        maps, mask_features = self.pixel_decoder(self.backbone(images))
        return {name: maps[name] for name in set(self.config.decoder.levels)}, mask_features

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Instances of a shard, which public code takes over all devices (`num_masks`)."""
        return {"instances": [sum(len(clip.labels) for clip in clips)]}

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted losses `class`, `bce`, `dice`, each summed over the initial and all layers' predictions.

        Clips may differ in size (they are padded together) and in their number of objects (0 is fine), not
        in their number of frames (ValueError).
        """
        instances = None if normalisers is None else normalisers["instances"][0]
        lengths = {clip.frames.shape[0] for clip in clips}
        if len(lengths) != 1:
            raise ValueError(f"all clips of a batch need the same number of frames, not {sorted(lengths)}")
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        padded = (images.shape[-2], images.shape[-1])
        targets = [clip_target(clip, padded) for clip in clips]
        maps, mask_features = self.frame_features(images)
        shape = (len(clips), lengths.pop())
        features = mask_features.unflatten(0, shape)
        resized = resized_to_levels(features, maps)
        outputs = self.decoder(
            {name: [x.unflatten(0, shape)] for name, x in maps.items()},
            {name: [x] for name, x in resized.items()},
        )
        matches = self._matches(outputs, features, targets)
        per_layer = [
            prediction_losses(
                output.class_logits,
                mask_logits(output.mask_embeddings, features),
                targets,
                self.config.loss,
                matches=matches[i * len(targets) : (i + 1) * len(targets)],
                instances=instances,
            )
            for i, output in enumerate(outputs)
        ]
        return {name: torch.stack([losses[name] for losses in per_layer]).sum() for name in per_layer[0]}

    @torch.no_grad()
    def _matches(
        self, outputs: Sequence[QueryOutput], features: Tensor, targets: Sequence[ClipTarget]
    ) -> list[tuple[Tensor, Tensor]]:
        """(queries, objects) of every clip for every prediction, prediction by prediction.

        The masks of a prediction are drawn here, and again for its loss, so that those of one prediction are
        held at a time.
        """
        costs = [
            prediction_costs(
                output.class_logits, mask_logits(output.mask_embeddings, features), targets, self.config.loss
            )
            for output in outputs
        ]
        return hungarian_all([cost for of_clips in costs for cost in of_clips])

    @torch.inference_mode()
    def track(self, video: Video, frames: Iterator[Tensor]) -> list[VideoInstance]:
        """All tracks of one video; reads every frame before it answers (offline).

        frames: [3, H, W] uint8 RGB at the original size. Returns at most `top_k` instances, best first.
        """
        config = self.config
        parts = features_in_passes(
            frames,
            self.frame_features,
            config.test_short_side,
            config.test_max_long_side,
            config.frames_per_pass,
            half=config.low_memory,
        )
        features = join_features(list(parts))
        # fused attention over the whole video is worth its memory on a GPU only
        in_parts = config.low_memory or features.mask_features[0].device.type == "cpu"
        output = self.decoder(features.maps, features.resized, in_parts)[-1]
        return instances(output, features.mask_features, config.top_k, features.sizes)


def instances(
    output: QueryOutput, mask_features: Iterable[Tensor], top_k: int, sizes: FrameSizes
) -> list[VideoInstance]:
    """The best `top_k` (query, class) pairs of one video, best first, with run-length masks.

    output: of one clip (B = 1). mask_features: [m, h, w] of each frame. Only the kept queries get
    masks, one frame at a time, so memory does not grow with queries times frames. A frame without a pixel is
    None. Source: specification 5 (softmax without the last class, flatten, top 10, masks > 0) and 0.2 (order
    of resizing).
    """
    pairs = top_pairs(output.class_logits[0].softmax(-1)[:, :-1], top_k)
    embeddings = output.mask_embeddings[:, queries_of(pairs)]
    logits = (
        mask_logits(embeddings, frame[None, None].to(embeddings.dtype))[0, :, 0] for frame in mask_features
    )
    return pair_instances(pairs, map(sizes.masks, logits))
