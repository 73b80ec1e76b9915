"""Why results are hopeless, in a sentence or two: the first thing to mend, before any table is read."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from vis_bench.metrics.temporal_errors import SCORE_THRESHOLD
from vis_bench.report.tables.text import one_line, shorten
from vis_bench.types import Dataset, IouType, Track

_COLUMNS = 80
_MOST_CLASSES = 3
_REGIONS: Mapping[str, str] = {"segm": "mask", "bbox": "box"}


def hopeless(result: Mapping[str, Any]) -> bool:
    """Whether a result of `vis_bench.scoring.explain.explain_tracks` is 0, or has every object missed."""
    errors = result["errors"]
    return not result["oracles"]["as predicted"]["AP50"] or errors["missed"] == errors["truth_frames"]


def first_cause(
    dataset: Dataset, tracks: Sequence[Track], result: Mapping[str, Any], iou_type: IouType = "segm"
) -> str:
    """Lines of at most 80 columns that name the first cause of a hopeless result and what to look at.

    dataset: with truth. tracks: all that were scored. result: of `explain_tracks`. Empty where no cause is
    known.
    """
    text = _cause(dataset, tracks, result, _REGIONS[iou_type])
    return "\n".join(textwrap.wrap(text, _COLUMNS, break_on_hyphens=False))


def _cause(dataset: Dataset, tracks: Sequence[Track], result: Mapping[str, Any], region: str) -> str:
    best = result["best_masks"]
    with_objects = {one.video_id for one in dataset.tracks or ()}
    if not best["truth_masks"]:
        return "The truth shows no object, so that nothing can be right. Is it the split that was meant?"
    if not tracks:
        return (
            "Nothing is predicted: the results hold no track. Look at what wrote them: is there a least "
            "score that no track reaches, or a step that drops all of them?"
        )
    if not any(_shown(track) for track in tracks):
        return (
            f"Nothing is predicted: no track of the {len(tracks)} has a {region} in any frame. Look at what "
            "wrote them, e.g. at the threshold by which masks are cut out."
        )
    if not with_objects & {track.video_id for track in tracks if _shown(track)}:
        return (
            f"Predictions of other videos: all are of videos that show no object, and none is of the "
            f"{len(with_objects)} that show one. Compare the `video_id` of the results with the truth; was "
            "another split tracked?"
        )
    if not best["recall_50"]:
        return (
            f"No predicted {region} has an IoU of 0.5 or more with an object in its frame, whatever its "
            "class and score. Are these results of these videos and of all frames in order (another split "
            f"may have the same ids)? If so, look at the {region}: its place, its size, x and y exchanged."
        )
    if not best["right_class"]:
        return (
            f"All classes are wrong: of the {region} that fits an object best none has its class. "
            f"{_classes(dataset, tracks)} Are the `category_id` of the results those of the truth, or "
            "counted from 0?"
        )
    if not result["oracles"]["as predicted"]["AP50"]:
        return (
            f"No whole track is right: objects are found in single frames ({100 * best['recall_50']:.0f} % "
            "at IoU 0.5), but no track has this IoU over its whole video with the right class. Look at lost "
            "objects and identities among the errors below."
        )
    scores = [track.score for track in tracks]
    if max(scores) <= SCORE_THRESHOLD:
        same = f"All {len(scores)} scores are" if len(set(scores)) == 1 else "The highest score is"
        return (
            f"{same} {max(scores):g}: errors in time are those of tracks scored above {SCORE_THRESHOLD:g}, "
            "so every object counts as missed below. AP takes only the order of the scores. Write the "
            "confidence of each track, between 0 and 1."
        )
    return ""


def _shown(track: Track) -> bool:
    return any(one is not None for one in (*track.segmentations, *(track.boxes or ())))


def _classes(dataset: Dataset, tracks: Sequence[Track]) -> str:
    """The most frequent classes of results and truth, with their ids."""
    names = {category.id: shorten(one_line(category.name), 20) for category in dataset.categories}

    def listed(found: Counter[int]) -> str:
        most = [f"{names[one]} ({one})" for one, _ in found.most_common(_MOST_CLASSES)]
        return ", ".join(most) + (", ..." if len(found) > _MOST_CLASSES else "")

    predicted = Counter(track.category_id for track in tracks)
    true = Counter(one.category_id for one in dataset.tracks or ())
    return f"Results: {listed(predicted)}; truth: {listed(true)}."
