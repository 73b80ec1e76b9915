"""The association of QueryTrack alone, for `vis-bench reassociate`. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from methods.querytrack.config import QueryTrackConfig
from methods.tracking.association import track_with
from methods.tracking.querytrack_association import associate_queries
from methods.tracking.sequence import summarise_tracks
from vis_bench.method import FrameResult, RawDetections, VideoInstance


def associate(
    config: QueryTrackConfig, frames: Iterable[RawDetections], num_classes: int
) -> Iterator[FrameResult]:
    """Frame results of one video, online: frame t + 1 is asked for after frame t is out. num_classes: C."""
    rule = config.association
    yield from track_with(
        frames, lambda detections, bank, index: associate_queries(detections, bank, rule, index), num_classes
    )


def summarise(config: QueryTrackConfig, results: Sequence[FrameResult], length: int) -> list[VideoInstance]:
    """Mean of the frame scores, majority vote over the classes. length: frames of the video."""
    return summarise_tracks(results, length)
