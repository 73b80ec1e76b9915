"""Opening annotation files through a packed store, which is made once and found by the content of the file.

A store is a cache: the data set read from it equals the one read from the file, field by field. Where it
cannot be made (a cache that cannot be written, a file with something in it that a store would not give back)
the file is read as it is.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import Any

import vis_bench
from vis_bench.cache import default_cache_root
from vis_bench.data.json_stream import Element, JsonStream, Member, NotStreamableError, text_hash
from vis_bench.data.official import hides_truth
from vis_bench.data.records import paused_garbage_collection, require_list
from vis_bench.data.splits import split_hash
from vis_bench.data.store.build import NotStorableError, StoreBuilder
from vis_bench.data.store.known import remember_hash, remembered_hash
from vis_bench.data.store.lazy import StoredTracks, StoredVideos, opened
from vis_bench.data.store.packed import DamagedStoreError, PackedWriter, open_packed
from vis_bench.data.ytvis import read_categories, read_dataset, read_tracks, read_videos
from vis_bench.errors import DataError, UsageError
from vis_bench.files import atomic_path, sha256
from vis_bench.types import Category, Dataset, TruthTrack, Video

# a smaller file is read as fast as it is looked up
WORTH_BYTES = 1_000_000
# how many tracks are checked together
_BATCH_TRACKS = 256
# what decides which masks a file is read as: a store that older rules made is not used
_RULES = (
    *(f"data/{name}.py" for name in ("coco", "ytvis", "segmentations", "records", "json_stream", "stored")),
    *(f"data/store/{name}.py" for name in ("build", "packed")),
    *(f"masks/{name}.py" for name in ("rle_check", "rle_quick", "kernels")),
)


def open_annotations(
    annotations: Path, image_root: Path | None, name: str, split: str, cache_root: Path | None = None
) -> Dataset:
    """`read_dataset`, from a packed store where the file is large enough to be worth one.

    cache_root: where stores are kept, default_cache_root when None. Raises DataError as read_dataset.
    """
    folder = (default_cache_root() if cache_root is None else cache_root) / "annotations"
    try:
        worth = annotations.stat().st_size >= WORTH_BYTES
    except OSError:
        worth = False
    path = ensure_store(annotations, folder) if worth else None
    if path is None:
        return read_dataset(annotations, image_root, name, split)
    about = opened(path).about
    tracks = StoredTracks(path) if about["has_truth"] else None
    if tracks is not None and not len(tracks) and hides_truth(name, split):
        tracks = None
    return Dataset(
        name=name,
        split=split,
        videos=StoredVideos(path),
        categories=tuple(Category(number, text) for number, text in about["categories"]),
        tracks=tracks,
        image_root=image_root,
        annotation_hash=about["annotation_hash"],
        split_hash=about["split_hash"],
    )


def ensure_store(annotations: Path, folder: Path) -> Path | None:
    """The store of an annotation file below `folder`, made if need be; None where there can be none.

    A damaged store is renamed to `<name>.damaged` and made again.
    """
    try:
        before = annotations.stat()
        annotation_hash = remembered_hash(folder, annotations)
        known = annotation_hash is not None
        annotation_hash = annotation_hash or text_hash(annotations)
        path = folder / f"{annotation_hash[:32]}-{reading_rules()[:12]}.store"
        if not _is_whole(path, annotation_hash):
            with atomic_path(path) as temporary:
                _build(annotations, annotation_hash, temporary)
            opened.cache_clear()
        if not known:
            remember_hash(folder, annotations, before, annotation_hash)
    except (OSError, UsageError, DataError, NotStreamableError, NotStorableError):
        # reading the file itself says what is wrong with it, if anything
        return None
    return path


def packed_copy(dataset: Dataset, annotations: Path, key: str, cache_root: Path | None = None) -> Dataset:
    """The same data set, read on demand from a store, so that it is small when pickled.

    annotations: the file it was read from; a small one is worth no store. key: names everything besides the
    reading rules that decides the content. The data set itself where a store cannot be made.
    """
    folder = (default_cache_root() if cache_root is None else cache_root) / "annotations"
    path = folder / f"{sha256(key.encode(errors='surrogatepass'))[:32]}-{reading_rules()[:12]}.store"
    try:
        if annotations.stat().st_size < WORTH_BYTES:
            return dataset
        if not _is_whole(path, dataset.annotation_hash):
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                builder = StoreBuilder(PackedWriter(file), dataset.videos)
                builder.add(dataset.tracks or ())
                builder.finish({"annotation_hash": dataset.annotation_hash})
            opened.cache_clear()
    except (OSError, UsageError, NotStorableError):
        return dataset
    return replace(dataset, videos=StoredVideos(path), tracks=StoredTracks(path))


@functools.cache
def reading_rules() -> str:
    """SHA-256 of the sources that decide how a file is read."""
    home = Path(vis_bench.__file__).parent
    return sha256("".join(sha256((home / name).read_bytes()) for name in _RULES).encode())


def _is_whole(path: Path, annotation_hash: str) -> bool:
    """Whether the store is there and undamaged; a damaged one is set aside."""
    try:
        if open_packed(path).about["annotation_hash"] == annotation_hash:
            return True
    except FileNotFoundError:
        return False
    except DamagedStoreError:
        pass
    path.replace(path.with_suffix(".damaged"))
    return False


def _build(annotations: Path, annotation_hash: str, target: Path) -> None:
    where = str(annotations)
    videos, categories = _head(annotations)
    with target.open("wb") as file, paused_garbage_collection():
        builder = StoreBuilder(PackedWriter(file), videos)
        stream, has_truth, track_ids = JsonStream(annotations), False, set[int]()
        batch: list[Any] = []
        for part in stream.parts("annotations"):
            if isinstance(part, Element):
                batch.append(part.value)
            elif part.key == "annotations" and part.value is not None:
                # the beginning of a list; anything else is an error that read_dataset names
                require_list({"annotations": part.value}, "annotations", where)
                has_truth = True
            if len(batch) == _BATCH_TRACKS:
                track_ids |= _add(builder, read_tracks(batch, videos, categories, where))
                batch.clear()
        track_ids |= _add(builder, read_tracks(batch, videos, categories, where))
        if stream.sha256 != annotation_hash or len(track_ids) < builder.tracks:
            raise NotStorableError("the file has changed meanwhile, or an id occurs twice")
        builder.finish(
            {
                "annotation_hash": annotation_hash,
                "split_hash": split_hash(video.name for video in videos),
                "has_truth": has_truth,
                "categories": [[category.id, category.name] for category in categories],
            }
        )


def _head(annotations: Path) -> tuple[tuple[Video, ...], tuple[Category, ...]]:
    """Videos and categories, wherever they stand; nothing is read after the later of them."""
    head: dict[str, Any] = {}
    for part in JsonStream(annotations).parts("annotations"):
        if isinstance(part, Member) and part.key in ("videos", "categories"):
            head[part.key] = part.value
        if len(head) == 2:
            break
    where = str(annotations)
    videos = read_videos(require_list(head, "videos", where), where)
    return videos, read_categories(require_list(head, "categories", where), where)


def _add(builder: StoreBuilder, tracks: tuple[TruthTrack, ...]) -> set[int]:
    builder.add(tracks)
    return {track.id for track in tracks}
