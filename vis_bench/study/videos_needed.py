"""How many videos would decide between two fixed checkpoints."""

from __future__ import annotations

from vis_bench.study.intervals import LEVEL, POWER, Difference, minimum_detectable

MOST_VIDEOS = 1_000_000


def videos_to_decide(
    difference: Difference, margin: float = 0.0, level: float = LEVEL, power: float = POWER
) -> int | None:
    """How many videos like these would decide if the true difference is the one seen; None: over a million.

    Deciding is finding the difference, or showing that it is inside +- margin, whichever takes fewer videos.
    The variance over videos falls as one over their number; that between trainings is no part of it, so this
    is for fixed checkpoints. None as well where the difference lies at the margin and no number would do.
    Source: the approximation of `minimum_detectable`, with the variance of V videos times V / n at n of them.
    """
    target = max(abs(difference.mean), margin - abs(difference.mean))
    per_video = difference.video_variance * difference.videos

    def enough(videos: int) -> bool:
        return minimum_detectable(0.0, per_video / videos, 1, videos, level, power) <= target

    if target <= 0 or not enough(MOST_VIDEOS):
        return None
    low, high = 2, MOST_VIDEOS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
