"""The rows of the viewer's timeline, against a video worked out by hand."""

from __future__ import annotations

import numpy as np

from vis_bench.masks import rle
from vis_bench.metrics.temporal_errors import TemporalError
from vis_bench.report.videos.identity_timeline import LastingError, Span, lasting, spans, timeline
from vis_bench.types import Rle, Track, TruthTrack, Video

VIDEO = Video(1, "v", 40, 10, tuple(f"v/{t}.png" for t in range(6)))


def _square(column: int) -> Rle:
    mask = np.zeros((10, 40), dtype=bool)
    mask[2:8, column : column + 6] = True
    return rle.encode(mask)


A, B = _square(2), _square(22)


def _truth(number: int, mask: Rle, length: int = 6) -> TruthTrack:
    masks = tuple(mask if t < length else None for t in range(6))
    return TruthTrack(number, 1, 1, False, masks, (None,) * 6, (36.0,) * 6)


def test_spans_split_where_the_track_changes_and_leave_out_hidden_frames() -> None:
    assigned = np.array([3, 3, -1, 5, 5, 5])
    assert spans(assigned, np.array([1, 1, 1, 1, 0, 1], dtype=bool)) == (
        Span(0, 2, 3), Span(2, 3, None), Span(3, 4, 5), Span(5, 6, 5),
    )  # fmt: skip


def test_errors_of_consecutive_frames_are_one_lasting_error() -> None:
    found = [TemporalError("lost", 1, t, (0,), (2,)) for t in (1, 2, 4)]
    found.insert(2, TemporalError("merged", 1, 2, (1, 0), (2,)))
    assert lasting(found) == (
        LastingError("lost", 1, 2, (0,), (2,)),
        LastingError("merged", 2, 1, (1, 0), (2,)),
        LastingError("lost", 4, 1, (0,), (2,)),
    )


def test_an_exchange_and_a_loss_on_a_timeline() -> None:
    """Tracks p and q follow A and B, exchange their objects at frame 2; p leaves B in frame 4; a third is
    scored 0.3, which is not above 0.3, and one is of another video."""
    p = Track(1, 1, 0.8, (A, A, B, B, None, B))
    q = Track(1, 1, 0.9, (B, B, A, A, None, None))
    low, other = Track(1, 1, 0.3, (A,) * 6), Track(2, 1, 0.9, (A,) * 6)
    found = timeline(VIDEO, (_truth(7, A, 4), _truth(8, B)), [p, low, other, q])
    assert found.tracks == (q, p)
    # q: IoU 2/4 frames with A (union 2+2+2), 2/6 of B; p: 2 of A, 3 of B (union 2 + 6)
    assert found.low == (low,)
    assert found.closest == (0, 1, 0)
    assert found.objects == (
        (Span(0, 2, 1), Span(2, 4, 0)),
        (Span(0, 2, 0), Span(2, 4, 1), Span(4, 5, None), Span(5, 6, 1)),
    )
    assert found.errors == (
        LastingError("identity_switch", 2, 1, (0, 1), (0, 1)),
        LastingError("lost", 4, 1, (1,), (1,)),
    )
