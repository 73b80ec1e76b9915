"""What evaluation servers take: `results.json` in a zip, checked before anybody waits for a refusal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vis_bench.data import catalog
from vis_bench.data.given_truth import with_truth
from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.formats import ytvis
from vis_bench.integrations.formats.content import results_content
from vis_bench.integrations.formats.scored import read_predictions_file
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.types import Dataset, Track

MOST_TRACKS = 100
"""Per video: the evaluators look at the 100 best of a class, and servers refused files beyond that."""
_NAMED = 5


def _nowhere(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What was packed. cut: tracks beyond the cap of their video, which were left out."""

    path: Path
    videos: int
    tracks: int
    cut: int


def submit(
    source: str | Path,
    dataset: str,
    out: str | Path,
    *,
    split: str | None = None,
    max_tracks: int = MOST_TRACKS,
    allow_empty: bool = False,
    format: str | None = None,
    data_root: str | Path | None = None,
    truth: str | Path | None = None,
    say: Callable[[str], object] = _nowhere,
) -> Submission:
    """Check predictions against a split and pack them as the servers take them; reading them back is equal.

    source: a run directory, or predictions of any format. dataset, split: what they are about; `valid` for an
    official data set when split is None. max_tracks: per video, the best scored are kept; what is cut is
    counted. allow_empty: a video without any prediction is an answer, not a mistake. truth: names the videos
    where the ids are those of a user's truth.

    Raises DataError (exit code 3) for a video without predictions, lists of another length, unknown classes
    and masks of another size; UsageError where the target is there already or no zip.
    """
    target = Path(out)
    if target.suffix != ".zip":
        raise UsageError(f"-o {target}: the servers take a zip; name a file that ends in .zip.")
    if target.exists():
        raise UsageError(f"{target}: is there already. Name a new file.")
    if max_tracks < 1:
        raise UsageError(f"--max-tracks {max_tracks}: at least 1 is needed.")
    place = None if data_root is None else Path(data_root)
    chosen = split or ("valid" if dataset in catalog.official_names() else catalog.default_split(dataset))
    opened = catalog.open_dataset(dataset, chosen, place)
    if truth is not None:
        opened = with_truth(opened, Path(truth))
    path = Path(source)
    if path.is_dir() and (path / PREDICTIONS_NAME).is_file():
        path = path / PREDICTIONS_NAME
    tracks = read_predictions_file(path, opened, named=format, say=say)
    if not allow_empty:
        _require_every_video(path, opened, tracks)
    kept = best_of_each_video(tracks, max_tracks)
    ytvis.write_tracks(results_content(kept, opened), target)
    back = read_predictions_file(target, opened)
    if [_plain(track) for track in back] != [_plain(track) for track in kept]:
        target.unlink()
        raise DataError(f"{target}: what was packed is not what was read back, so nothing is left there.")
    return Submission(target, len(opened.videos), len(kept), len(tracks) - len(kept))


def _plain(track: Track) -> tuple[object, ...]:
    """What equality of two predictions is about: an empty mask and none are the same."""
    masks = tuple(
        None if mask is None or mask.get("area") == 0 else mask["counts"] for mask in track.segmentations
    )
    return track.video_id, track.category_id, track.score, masks, track.boxes


def best_of_each_video(tracks: list[Track], most: int) -> list[Track]:
    """The `most` best scored tracks of every video, in the order of the file; of equal ones the first."""
    order = sorted(range(len(tracks)), key=lambda i: (-tracks[i].score, i))
    seen: Counter[int] = Counter()
    kept = []
    for i in order:
        seen[tracks[i].video_id] += 1
        if seen[tracks[i].video_id] <= most:
            kept.append(i)
    return [tracks[i] for i in sorted(kept)]


def _require_every_video(path: Path, dataset: Dataset, tracks: list[Track]) -> None:
    found = {track.video_id for track in tracks}
    missing = [video.name for video in dataset.videos if video.id not in found]
    if missing:
        names = ", ".join(missing[:_NAMED]) + (" ..." if len(missing) > _NAMED else "")
        raise DataError(
            f"{path}: {len(missing)} of {len(dataset.videos)} videos of {dataset.name} {dataset.split} have "
            "no "
            f"prediction: {names}. Track them, or say --allow-empty where nothing was found in them."
        )
