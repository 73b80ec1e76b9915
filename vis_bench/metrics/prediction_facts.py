"""What predictions look like before they are scored, and what is worth a warning about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vis_bench.types import Dataset, Track


@dataclass(frozen=True, slots=True)
class PredictionFacts:
    """count: predictions. silent_videos: videos without any. lowest, highest: scores, None without any.

    by_category: predictions by category id.
    """

    count: int
    silent_videos: int
    lowest: float | None
    highest: float | None
    by_category: Mapping[int, int]


def prediction_facts(dataset: Dataset, tracks: Sequence[Track]) -> PredictionFacts:
    """Count the predictions of a data set."""
    scores = [track.score for track in tracks]
    return PredictionFacts(
        count=len(tracks),
        silent_videos=len(dataset.videos) - len({track.video_id for track in tracks}),
        lowest=min(scores, default=None),
        highest=max(scores, default=None),
        by_category=Counter(track.category_id for track in tracks),
    )


def prediction_warnings(facts: PredictionFacts) -> list[str]:
    """Sentences about predictions that are valid and yet seldom what their maker meant."""
    if facts.lowest is None or facts.highest is None:
        return ["holds no predictions; the score is 0."]
    result = []
    if facts.lowest < 0 or facts.highest > 1:
        result.append(
            f"scores lie between {facts.lowest:g} and {facts.highest:g}, not in 0..1. AP takes only their "
            "order, but MOT, HOTA and the errors keep predictions by score thresholds within 0..1."
        )
    if facts.count > 1 and facts.lowest == facts.highest:
        result.append(
            f"all {facts.count} scores are {facts.lowest:g}, so that AP depends on the order of the file. "
            "Write the confidence of each prediction."
        )
    return result
