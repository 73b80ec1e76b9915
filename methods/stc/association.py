"""The association of STC alone, for `vis-bench reassociate`. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from methods.stc.config import StcConfig
from methods.tracking.association import track_detections
from methods.tracking.sequence import summarise_tracks
from vis_bench.method import FrameResult, RawDetections, VideoInstance


def associate(config: StcConfig, frames: Iterable[RawDetections], num_classes: int) -> Iterator[FrameResult]:
    """Frame results of one video, online: frame t + 1 is asked for after frame t is out. num_classes: C."""
    yield from track_detections(frames, config.association, num_classes)


def summarise(config: StcConfig, results: Sequence[FrameResult], length: int) -> list[VideoInstance]:
    """Mean of the frame scores, majority vote over the classes. length: frames of the video."""
    return summarise_tracks(results, length)
