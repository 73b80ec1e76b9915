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


def cap_note(spec: MethodSpec, config: Any, dataset: Dataset, tracks: Sequence[Track]) -> str | None:
    """A sentence where the cap was reached, so that more objects may have been there; else None."""
    if spec.track_cap is None:
        return None
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
        "beyond "
        "it is cut off; --max-tracks raises it"
    )
