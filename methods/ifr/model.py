"""IFR: backbone and pixel decoder per frame, then a decoder that goes through the frames one by one.

Source: You et al., Consistent Video Instance Segmentation with Inter-Frame Recurrent Attention;
specification 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.ifr.augmentation import track_augmented
from methods.ifr.clips import track_clips
from methods.ifr.config import IfrConfig
from methods.ifr.decoder import RecurrentDecoder, RecurrentOutput
from methods.ifr.losses import prediction_costs, prediction_losses
from methods.layers.backbone import build_backbone
from methods.layers.clip_target import clip_target
from methods.layers.images import normalise_and_pad
from methods.layers.matching import hungarian_all
from methods.layers.pixel_decoder import build_pixel_decoder
from methods.layers.top_instances import pair_instances, queries_of, top_pairs
from methods.layers.video_features import (
    VideoFeatures,
    features_in_passes,
    join_features,
    resized_to_levels,
)
from vis_bench.method import Clip, VideoInstance
from vis_bench.types import Video


class Ifr(nn.Module):
    """Clip-level: a slot is one object in all frames of a clip, with one clip query and a query per frame.

    config: sizes, losses, inference and training. num_classes: C; there is no class "no object".
    """

    def __init__(self, config: IfrConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        pixel = config.pixel_decoder
        self.backbone = build_backbone(config.backbone)
        self.pixel_decoder = build_pixel_decoder(pixel, self.backbone.channels)
        self.decoder = RecurrentDecoder(config.decoder, pixel.dims, pixel.mask_dims, num_classes)

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
        """Weighted losses `class`, `bce`, `dice`, `cross_bce`, `cross_dice`, summed over all predictions.

        The last two are missing where lambda_e is 0, and the prediction before the first layer has none.
        Clips may differ in size (they are padded together) and in their number of objects (0 is fine), not in
        their number of frames (ValueError).
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
        loss, count = self.config.loss, len(targets)
        # one wait for all predictions of all clips
        matches = hungarian_all(
            [cost for output in outputs for cost in prediction_costs(output, features, targets, loss)]
        )
        per_layer = [
            prediction_losses(
                output,
                features,
                targets,
                loss,
                matches=matches[i * count : (i + 1) * count],
                instances=instances,
            )
            for i, output in enumerate(outputs)
        ]
        # the last prediction has every term
        return {
            name: torch.stack([losses[name] for losses in per_layer if name in losses]).sum()
            for name in per_layer[-1]
        }

    def decode(self, features: VideoFeatures) -> RecurrentOutput:
        """What the last layer says about one clip (B = 1)."""
        return self.decoder(features.maps, features.resized)[-1]

    @torch.inference_mode()
    def track(self, video: Video, frames: Iterator[Tensor]) -> list[VideoInstance]:
        """All tracks of one video, best first, at most `top_k`.

        frames: [3, H, W] uint8 RGB at the original size. The whole video is one clip, or it is cut into
        overlapping clips (`inference.clip_frames`), or its results at several sizes are averaged
        (`inference.tta_scales`).
        """
        config, inference = self.config, self.config.inference
        if inference.tta_scales:
            return track_augmented(list(frames), video.id, self.frame_features, self.decode, config)
        passes = config.frames_per_pass if inference.clip_frames is None else 1
        parts = features_in_passes(
            frames,
            self.frame_features,
            config.test_short_side,
            config.test_max_long_side,
            passes,
            half=config.low_memory,
        )
        if inference.clip_frames is not None:
            return track_clips(parts, self.decode, self.num_classes, inference, config.top_k)
        features = join_features(list(parts))
        return instances(self.decode(features), features, config.top_k)


def instances(output: RecurrentOutput, features: VideoFeatures, top_k: int) -> list[VideoInstance]:
    """The best `top_k` (query, class) pairs of one video, best first, with run-length masks.

    output: of one clip (B = 1). Only the kept queries get masks, one frame at a time, so memory does not
    grow with queries times frames. Source: specification 4.4 (sigmoid, flatten, top 10, masks > 0).
    """
    pairs = top_pairs(output.class_logits[0].sigmoid(), top_k)
    embeddings = output.mask_embeddings[0][:, queries_of(pairs)]
    masks = (
        features.sizes.masks(torch.einsum("qm,mhw->qhw", queries, frame.to(queries.dtype)))
        for queries, frame in zip(embeddings, features.mask_features, strict=True)
    )
    return pair_instances(pairs, masks)
