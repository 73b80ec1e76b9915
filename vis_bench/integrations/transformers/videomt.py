"""VidEoMT: a query is one object in all frames, so a track is the index of its query.

The library's processor numbers the segments of every frame anew; its numbers are no identities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vis_bench.integrations.native import Native, as_picture
from vis_bench.integrations.transformers.classes import in_order, map_classes
from vis_bench.integrations.transformers.kinds import VideoConfig
from vis_bench.masks.rle import encode_or_none
from vis_bench.method import VideoInstance
from vis_bench.types import Dataset, Video


class VideoQueries(Native):
    """labels: names of the model's classes by label. num_classes: of the data set."""

    def __init__(
        self, native: Any, processor: Any, labels: Sequence[str], config: VideoConfig, num_classes: int
    ) -> None:
        super().__init__()
        self.native = native
        self.processor = processor
        self.labels = tuple(labels)
        self.config = config
        self.num_classes = num_classes
        self.to_own = in_order(len(labels), num_classes)

    def prepare_for(self, dataset: Dataset) -> Sequence[str]:
        """Match the labels to the classes of a data set. Raises DataError where none is one of them."""
        found = map_classes(self.labels, [category.name for category in dataset.categories])
        self.to_own = found.to_own
        return (found.note,)

    @torch.no_grad()
    def track(self, video: Video, frames: Iterator[Tensor]) -> list[VideoInstance]:
        """The best pairs of query and class; the model encodes every frame before its first answer."""
        given = list(frames)
        pictures = [as_picture(frame) for frame in given]
        inputs = self.processor(videos=[pictures], return_tensors="pt", do_sample_frames=False)
        output = self.native(pixel_values_videos=inputs["pixel_values_videos"].to(given[0].device))
        return query_tracks(
            output.class_queries_logits,
            output.masks_queries_logits,
            self.to_own,
            (video.height, video.width),
            self.config.tracks_per_video,
        )


def query_tracks(
    class_logits: Tensor, mask_logits: Tensor, to_own: np.ndarray, size: tuple[int, int], most: int
) -> list[VideoInstance]:
    """Tracks of queries, best first.

    class_logits: [T, Q, labels + 1], the last is "no object". mask_logits: [T, Q, h, w]. to_own: [labels],
    the class of the data set or -1. size: (H, W) of the masks. The score of a pair is the mean over all
    frames of its probability; a frame where the query's mask has no pixel is one where the object is absent.
    """
    probabilities = class_logits.float().softmax(-1)[..., :-1].mean(0).cpu().numpy()
    kept = np.flatnonzero(to_own >= 0)
    pairs = probabilities[:, kept]
    best = np.argsort(-pairs, axis=None, kind="stable")[:most]
    queries, columns = np.unravel_index(best, pairs.shape)
    wanted = torch.from_numpy(queries).to(mask_logits.device)
    by_frame = [
        encode_or_none(
            (F.interpolate(frame[None, wanted].float(), size, mode="bilinear", align_corners=False)[0] > 0)
            .cpu()
            .numpy()
        )
        for frame in mask_logits
    ]
    return [
        VideoInstance(
            label=int(to_own[kept[column]]),
            score=float(pairs[query, column]),
            segmentations=tuple(masks[number] for masks in by_frame),
        )
        for number, (query, column) in enumerate(zip(queries, columns, strict=True))
    ]
