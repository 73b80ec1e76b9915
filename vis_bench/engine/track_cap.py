"""The most tracks that a method puts out: `--max-tracks`, and a word where the cap is reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from vis_bench.errors import UsageError
from vis_bench.method import MethodSpec
from vis_bench.setup.config import override, value_of
from vis_bench.types import Dataset, Track

USUAL = 10
"""The cap of the papers and servers; it is no part of a record or hash."""


def cap_values(spec: MethodSpec, wanted: int | None) -> tuple[tuple[str, str], ...]:
    """What `--max-tracks` sets in the configuration of a method; nothing for None and the usual 10.

    Raises UsageError for a method that names no cap.
    """
    if wanted is None or wanted == USUAL:
        return ()
    if spec.track_cap is None:
        raise UsageError(
            f"--max-tracks: {spec.info.name} names no cap on its tracks (MethodSpec.track_cap). Leave it "
            "out, or "
            "set its own configuration value with --set."
        )
    return ((spec.track_cap[0], str(wanted)),)


def capped(config: Any, spec: MethodSpec, wanted: int | None) -> Any:
    """The configuration under `--max-tracks`. Raises UsageError as `cap_values`."""
    return override(config, dict(cap_values(spec, wanted)))


def cap_warning(methods: Sequence[tuple[MethodSpec, Any]], dataset: Dataset) -> str | None:
    """A sentence where the truth holds more objects than a method puts out, before hours are spent; or None.

    methods: description and configuration of each.
    """
    if dataset.tracks is None:
        return None
    counts = objects_at_once(dataset)
    capped: dict[tuple[int, str], dict[str, None]] = {}
    for spec, config in methods:
        if spec.track_cap is not None:
            key, kind = spec.track_cap
            capped.setdefault((value_of(config, key), kind), {})[spec.info.name] = None
    found = []
    for (cap, unit), names in capped.items():
        more = [count for count in counts[unit] if count > cap]
        if more:
            found.append(
                f"{len(more)} of {len(counts[unit])} {unit}s hold more objects (up to {max(more)}) than the "
                f"{cap} tracks a {unit} of {', '.join(names)}"
            )
    return f"{'; '.join(found)}: --max-tracks raises the cap" if found else None


def objects_at_once(dataset: Dataset) -> dict[str, list[int]]:
    """Objects of the truth in each video and in each frame, crowds left out; by `video` and `frame`."""
    videos = {video.id: 0 for video in dataset.videos}
    frames = {video.id: [0] * video.length for video in dataset.videos}
    for track in dataset.tracks or ():
        if not track.is_crowd:
            videos[track.video_id] += 1
            for frame, box in enumerate(track.boxes):
                frames[track.video_id][frame] += box is not None
    return {"video": list(videos.values()), "frame": [count for one in frames.values() for count in one]}


def cap_note(spec: MethodSpec, config: Any, dataset: Dataset, tracks: Sequence[Track]) -> str | None:
    """A sentence where the cap was reached, so that more objects may have been there; else None."""
    if spec.track_cap is None:
        return _unnamed_cap_note(spec, dataset, tracks)
    key, kind = spec.track_cap
    cap = value_of(config, key)
    if kind == "video":
        reached = sum(count >= cap for count in Counter(track.video_id for track in tracks).values())
        whole = len(dataset.videos)
    else:
        shown: Counter[tuple[int, int]] = Counter()
        for track in tracks:
            regions = zip(track.segmentations, track.boxes or track.segmentations, strict=True)
            shown.update((track.video_id, frame) for frame, pair in enumerate(regions) if any(pair))
        reached = sum(count >= cap for count in shown.values())
        whole = sum(video.length for video in dataset.videos)
    if not reached:
        return None
    return (
        f"the cap of {cap} tracks a {kind} ({key}) was reached in {reached} of {whole} {kind}s: what lies "
        "beyond it is cut off; --max-tracks raises it"
    )


def _unnamed_cap_note(spec: MethodSpec, dataset: Dataset, tracks: Sequence[Track]) -> str | None:
    """A sentence where a cap shows that lies in a project's own code, as Mask2Former-VIS has one; else None.

    It shows as one number of tracks, the largest, in videos that hold more objects; below the usual cap that
    says rather that little was found.
    """
    counts = Counter(track.video_id for track in tracks)
    most = max(counts.values(), default=0)
    full = [video for video, count in counts.items() if count == most]
    if dataset.tracks is None or most < USUAL or len(full) == 1:
        return None
    held = Counter(track.video_id for track in dataset.tracks if not track.is_crowd)
    cut = sum(held[video] > most for video in full)
    if not cut:
        return None
    return (
        f"{len(full)} of {len(dataset.videos)} videos came out with {most} tracks and none with more, while "
        f"{cut} of the {len(full)} hold more objects: it looks like a cap, and {spec.info.name} names none "
        "(MethodSpec.track_cap), so that --max-tracks cannot raise it; look for it in its own code and "
        "configuration"
    )
