"""Inference clip by clip: short overlapping clips, stitched into tracks by the soft IoU of their masks.

Source: IFR Appendix A.1, Table 4; specification 4.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from methods.ifr.config import InferenceConfig
from methods.ifr.decoder import RecurrentOutput
from methods.ifr.losses import own_frame_masks
from methods.layers.top_instances import top_pairs
from methods.layers.video_features import FrameSizes, VideoFeatures, join_features
from methods.tracking.clips import ClipPrediction, Tracks, add_clip, frame_logits, no_tracks, windows
from vis_bench.masks.rle import encode_or_none
from vis_bench.method import VideoInstance
from vis_bench.types import Rle


def clip_prediction(
    output: RecurrentOutput, features: VideoFeatures, first: int, min_score: float
) -> ClipPrediction:
    """The objects of one clip (B = 1): slots whose best class probability reaches `min_score`."""
    probabilities = output.class_logits[0].sigmoid()
    kept = probabilities.amax(1) >= min_score
    embeddings = output.mask_embeddings[0][:, kept]
    masks = own_frame_masks(embeddings, torch.stack(list(features.mask_features)).to(embeddings.dtype))
    return ClipPrediction(first, probabilities[kept], masks)


def track_clips(
    frames: Iterator[VideoFeatures],
    decode: Callable[[VideoFeatures], RecurrentOutput],
    classes: int,
    config: InferenceConfig,
    top_k: int,
) -> list[VideoInstance]:
    """Tracks of one video from its frames' features, which are computed once and held for one clip.

    frames: features of one frame each. A frame's masks are written when no later clip covers it. Returns at
    most `top_k` (track, class) pairs whose mean probability exceeds `config.min_score`, best first.
    """
    if config.clip_frames is None:
        raise ValueError("inference by clips needs their length")
    tracks, sizes = None, None
    written: list[dict[int, Rle]] = []
    end = 0
    for first, parts in windows(frames, config.clip_frames, config.clip_stride):
        features = join_features(list(parts))
        if tracks is None:
            sizes, tracks = features.sizes, no_tracks(classes, features.mask_features[0].device)
        while len(written) < first:
            written.append(_frame_masks(tracks, len(written), features.sizes))
        clip = clip_prediction(decode(features), features, first, config.clip_min_score)
        tracks, end = add_clip(tracks, clip, config.clip_match_above), clip.end
    if tracks is None or sizes is None:
        return []
    while len(written) < end:
        written.append(_frame_masks(tracks, len(written), sizes))
    return [
        VideoInstance(pair.label, pair.score, tuple(frame.get(pair.query) for frame in written))
        for pair in top_pairs(tracks.mean_probabilities, top_k, above=config.min_score)
    ]


def _frame_masks(tracks: Tracks, frame: int, sizes: FrameSizes) -> dict[int, Rle]:
    """Masks at the original size of the tracks found in one frame, without empty ones."""
    found, logits = frame_logits(tracks, frame)
    masks = encode_or_none(sizes.masks(logits).cpu().numpy())
    return {track: mask for track, mask in zip(found, masks, strict=True) if mask is not None}
