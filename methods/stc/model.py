"""STC: CondInst (FCOS, dynamic masks) with a tracking head; one stage, online.

Source: STC, Section 3 and Figure 1 (specification 3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.layers.backbone import build_backbone
from methods.layers.condmask import MaskBranch, num_dynamic_parameters
from methods.layers.fcos import FcosHead, conv_tower, flatten_levels, make_grid, output_conv
from methods.layers.fpn import Fpn, level_stride
from methods.layers.images import normalise_and_pad, padded_size
from methods.stc.association import associate, summarise
from methods.stc.config import StcConfig
from methods.stc.inference import detect_frame
from methods.stc.losses import stc_losses, stc_normalisers
from methods.stc.outputs import StcOutputs
from methods.tracking.bank import RawDetections
from vis_bench.method import Clip, FrameResult, VideoInstance
from vis_bench.types import Video

TRACKING_LEVELS = ("p3", "p4", "p5")


class TrackingHead(nn.Module):
    """Embeddings at stride 8 from P3, P4 and P5; the convolutions are shared by levels and frames.

    forward: {"p3": [B, channels, H/8, W/8], "p4", "p5"} -> [B, width, H/8, W/8]. Source: STC Section 3.3;
    SipMask-VIS public code for the fusion (bilinear to stride 8, concatenation, 1x1 convolution).
    """

    def __init__(self, channels: int, width: int, convs: int, groups: int) -> None:
        super().__init__()
        self.tower = conv_tower(channels, channels, convs, groups)
        self.fuse = nn.Conv2d(len(TRACKING_LEVELS) * channels, width, 1)

    def forward(self, pyramid: dict[str, Tensor]) -> Tensor:
        levels = [self.tower(pyramid[level]) for level in TRACKING_LEVELS]
        size = levels[0].shape[-2:]
        resized = [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in levels[1:]]
        return self.fuse(torch.cat((levels[0], *resized), dim=1))


class Stc(nn.Module):
    """The method as the harness calls it. num_classes: C."""

    def __init__(self, config: StcConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.num_classes = num_classes
        self.strides = tuple(level_stride(level) for level in config.levels)
        self.backbone = build_backbone(config.backbone)
        self.fpn = Fpn(self.backbone.channels, config.channels, extra_p6p7="p7" in config.levels)
        self.detection = FcosHead(
            config.channels,
            num_classes,
            self.strides,
            convs=config.tower_convs,
            groups=config.norm_groups,
            box_bias=config.box_bias,
        )
        own = config.kernel_source == "own"
        self.kernel_tower = (
            conv_tower(config.channels, config.channels, config.kernel_convs, config.norm_groups)
            if own
            else None
        )
        self.kernels = output_conv(
            config.channels,
            num_dynamic_parameters(config.mask_channels, config.dynamic_hidden, config.coordinates),
        )
        self.mask_branch = MaskBranch(
            config.channels,
            config.mask_hidden,
            config.mask_channels,
            config.mask_levels,
            convs=config.mask_convs,
        )
        self.tracking = TrackingHead(
            config.channels, config.embedding_width, config.tracking_convs, config.norm_groups
        )

    def forward(self, images: Tensor) -> StcOutputs:
        """images: [B, 3, H, W] normalised, H and W multiples of 32."""
        pyramid = self.fpn(self.backbone(images))
        features = [pyramid[level] for level in self.config.levels]
        detection = self.detection(features)
        if self.kernel_tower is None:
            kernel_features: Sequence[Tensor] = detection.box_features
        else:
            kernel_features = [self.kernel_tower(level) for level in features]
        sizes = [(level.shape[-2], level.shape[-1]) for level in features]
        return StcOutputs(
            grid=make_grid(sizes, self.strides, images.device),
            class_logits=detection.class_logits,
            ltrb=detection.ltrb,
            centre_logits=detection.centre_logits,
            kernels=flatten_levels([self.kernels(level) for level in kernel_features]),
            mask_feature=self.mask_branch(pyramid),
            embedding=self.tracking(pyramid),
        )

    def normalisers(self, clips: Sequence[Clip]) -> dict[str, list[float]]:
        """Positive points and their centre-ness, see `stc_normalisers`."""
        height, width = padded_size([clip.frames for clip in clips])
        sizes = [(-(-height // stride), -(-width // stride)) for stride in self.strides]
        return stc_normalisers(clips, sizes, self.strides, self.config)

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, Tensor]:
        """Weighted loss terms of clips of two frames: frame 0 is the key, frame 1 the reference.

        Where neither tracking nor consistency has a term, clips may have one frame. Raises ValueError for
        clips of any other length.
        """
        lengths = {clip.frames.shape[0] for clip in clips}
        if lengths != {2} and (self.config.loss.pairs or lengths != {1}):
            raise ValueError(f"STC trains on clips of 2 frames, but was given clips of {sorted(lengths)}")
        images = normalise_and_pad([frame for clip in clips for frame in clip.frames])
        return stc_losses(self(images), clips, self.config, normalisers)

    @torch.no_grad()
    def detect(self, frame: Tensor) -> RawDetections:
        """Detections of one frame [3, H, W] uint8 RGB before association, best first."""
        return detect_frame(self, frame, self.config)

    def track(self, video: Video, frames: Iterator[Tensor]) -> Iterator[FrameResult]:
        """Online: the result of frame t is yielded before frame t + 1 is asked for."""
        yield from associate(self.config, (self.detect(frame) for frame in frames), self.num_classes)

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]:
        """Mean of the frame scores, majority vote over the classes."""
        return summarise(self.config, results, video.length)
