"""Development splits of official training sets, made by a rule that anyone can repeat without a list.

The official validation truth is hidden, so results are measured on videos held out from the training set.
A video's rank is its place when all folder names of the training file are sorted by the SHA-256 of the name:
`devval` is the first part of that order, `train` the rest.

How many: 400 of 2,238 videos for ytvis19 (the IFR paper holds out 400 videos of the 2019 training set), the
same fraction for ytvis21, and 15 % for ovis.

ytvis19 and ytvis21 share most of their videos, and one that is held out in one year must not be trained on in
the other. ytvis21 is therefore cut at ytvis19's own threshold, the hash of its last held-out video, when the
2019 training file lies under the same data root. Without that file the threshold cannot be known: the same
fraction of the 2021 list is held out by rank. If 2021 holds all 2,238 videos of 2019 among its 2,985, the two
cuts then put 7 shared videos on different sides on average, 17 at the 95th percentile (400 simulated draws;
a constant threshold at 400/2238 of the hash space gives 14 and 32). The split hash in every record tells the
two cases apart, and who trains on one year and tests on the other finds the videos with `crossing_videos`.
Source: IFR paper, section 4.3 (400 held-out videos); the hash rule is ours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction

from vis_bench.errors import DataError
from vis_bench.types import Dataset, TracksOnDemand, VideosOnDemand

HELD_OUT_FRACTION = {
    "ytvis19": Fraction(400, 2238),
    "ytvis21": Fraction(400, 2238),
    "ytvis22": Fraction(400, 2238),
    "ovis": Fraction(15, 100),
}


def name_hash(name: str) -> str:
    """Hexadecimal SHA-256 of a video's folder name."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def split_hash(names: Iterable[str]) -> str:
    """Hexadecimal SHA-256 of the sorted video names, one per line: the identity of a split."""
    return hashlib.sha256("\n".join(sorted(names)).encode(errors="surrogatepass")).hexdigest()


def held_out_names(names: Sequence[str], fraction: Fraction) -> frozenset[str]:
    """The first ceil(V * fraction) of V different names in the order of their hashes."""
    ranked = sorted(set(names), key=name_hash)
    count = -(-len(ranked) * fraction.numerator // fraction.denominator)
    return frozenset(ranked[:count])


def keep_videos(dataset: Dataset, split: str, ids: frozenset[int]) -> Dataset:
    """The videos with these ids, and their truth, as a split of their own. Order of the file is kept."""
    videos, tracks = dataset.videos, dataset.tracks
    if isinstance(videos, VideosOnDemand):
        videos = videos.only(ids)
    else:
        videos = tuple(video for video in videos if video.id in ids)
    if isinstance(tracks, TracksOnDemand):
        tracks = tracks.only(ids)
    elif tracks is not None:
        tracks = tuple(track for track in tracks if track.video_id in ids)
    return replace(
        dataset,
        split=split,
        videos=videos,
        tracks=tracks,
        split_hash=split_hash(video.name for video in videos),
    )


def first_videos(dataset: Dataset, count: int) -> Dataset:
    """The first `count` videos of a split, which keeps its name: what `vis-bench run --limit` scores."""
    return keep_videos(dataset, dataset.split, frozenset(video.id for video in dataset.videos[:count]))


def threshold_of(names: Sequence[str], fraction: Fraction) -> str:
    """The largest name hash that is held out of `names`: the cut between devval and train."""
    return max(name_hash(name) for name in held_out_names(names, fraction))


def development_split(full: Dataset, split: str, threshold: str | None = None) -> Dataset:
    """`train` or `devval` of an official training set.

    full: the whole training file (split `train-full`) of ytvis19, ytvis21 or ovis. threshold: hash up to
    which names are held out (ytvis19's, for ytvis21); None, or one that would leave a side empty, holds out
    by rank.
    Raises DataError when no video is left.
    """
    names = [video.name for video in full.videos]
    held_out = held_out_names(names, HELD_OUT_FRACTION[full.name])
    if threshold is not None:
        below = frozenset(name for name in names if name_hash(name) <= threshold)
        held_out = below if 0 < len(below) < len(set(names)) else held_out
    chosen = held_out if split == "devval" else frozenset(names) - held_out
    if not chosen:
        raise DataError(
            f"{full.name}: split {split!r} has no video, because the training file holds only "
            f"{len(full.videos)}. Use the complete training file or `train-full`."
        )
    return keep_videos(full, split, frozenset(video.id for video in full.videos if video.name in chosen))


def crossing_videos(train: Dataset, test: Dataset) -> tuple[str, ...]:
    """Names of videos that are in both datasets, sorted: what a model trained on `train` has already seen."""
    return tuple(sorted({video.name for video in train.videos} & {video.name for video in test.videos}))
