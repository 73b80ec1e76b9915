"""Whether the association rule that a method names is the one that it tracks with."""

from __future__ import annotations

from vis_bench.data import splits
from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.engine.contract.bench import Bench
from vis_bench.engine.contract.differences import tracks_difference
from vis_bench.engine.contract.result import Outcome, broken, not_applicable, passed
from vis_bench.engine.frame_store import FrameStore
from vis_bench.scoring.reassociate import Rule, reassociate
from vis_bench.types import Track

_VIDEOS = ("scene", "scene, then other")


def association(bench: Bench) -> Outcome:
    """`MethodSpec.associate` and `summarise` make of the stored detections the tracks of `track`.

    The detections go through the file of `vis-bench run --keep-frames`, so that what it loses shows too.
    """
    spec, config = bench.subject.spec, bench.subject.config
    if spec.associate is None and spec.summarise is None:
        return not_applicable("the method names no association rule")
    if spec.associate is None or spec.summarise is None:
        return broken("the specification has one of associate and summarise; it takes both or neither")
    ids = frozenset(video.id for video in bench.dataset.videos if video.name in _VIDEOS)
    dataset = splits.keep_videos(bench.dataset, bench.dataset.split, ids)
    store = FrameStore(bench.folder, dataset, spec.info.iou_type)
    tracks: list[Track] = []
    for video in dataset.videos:
        found = bench.track(bench.copy(), video.name)
        if found.results is None:
            return broken("`track` returned a list; a method with a rule yields one result per frame")
        bare = [result.index for result in found.results if result.candidates is None]
        if bare:
            return broken(f"video {video.name}, frame {bare[0]}: no FrameResult.candidates to associate")
        store.append(video, found.results)
        tracks += found.tracks
    store.finish()
    stored = read_frames(bench.folder / FRAMES_NAME, dataset)
    again = reassociate(Rule(bench.subject.name, spec, config), stored, dataset)
    gap = tracks_difference(tracks, again)
    if gap:
        return broken(f"the rule named in the specification gives other tracks than `track`: {gap}")
    return passed(f"{len(again)} tracks from stored detections, all as tracked")
