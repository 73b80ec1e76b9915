"""Prints the unshared memory of a loader's worker after 200 clips, on the official size and on one video, as
JSON.

    python tests/benchmarks/loader_memory.py [--times N]

Every video has the same 30 frames of 720p, else 90,000 pictures would have to be made; the annotations are
those of `official_train.py`. The unshared memory is what `smaps_rollup` calls private: it would be freed if
the worker ended.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import pickle
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]

from official_train import FRAMES, VIDEOS, write_official_train  # noqa: E402
from photo_videos import write_photo_videos  # noqa: E402

from vis_bench.data.catalog import open_dataset  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler  # noqa: E402
from vis_bench.engine.training.loader import shard_batches  # noqa: E402
from vis_bench.method import Augmentation, ClipSampling  # noqa: E402

CLIPS = 200


def worker_cost(folder: Path, cache: Path, times: int, videos: int, frames: list[str]) -> dict[str, int]:
    """Bytes of the pickled sampler, of a clip, and unshared by one worker after 200 clips."""
    annotations = write_official_train(folder / "train" / "instances_train.json", times, frames, videos)
    dataset = open_dataset(folder, "train", cache_root=cache)
    sampler = ClipSampler(dataset, ClipSampling(frames=2), Augmentation(short_sides=(360,), flip=0.5), 1, 2)
    batches = shard_batches(sampler, ([i] for i in itertools.count()), workers=1, prefetch=1)
    before = set(multiprocessing.active_children())
    for (clip,) in itertools.islice(batches, CLIPS):
        clip_bytes = sum(part.nbytes for part in (clip.frames, clip.masks))
    (worker,) = set(multiprocessing.active_children()) - before
    lines = Path(f"/proc/{worker.pid}/smaps_rollup").read_text().splitlines()
    unshared = sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))
    batches.close()
    return {
        "annotation_bytes": annotations.stat().st_size,
        "pickled_sampler_bytes": len(pickle.dumps(sampler)),
        "clip_bytes": clip_bytes,
        "unshared_bytes": unshared,
    }


def main() -> None:
    """Measure both data sets."""
    parser = argparse.ArgumentParser(description="unshared memory of a worker, see above")
    parser.add_argument("--times", type=int, default=1)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as place:
        folder = write_photo_videos(Path(place) / "set", videos=1, frames=FRAMES, objects=1)
        frames = sorted(f"0001/{path.name}" for path in (folder / "train" / "JPEGImages" / "0001").iterdir())
        found = {
            name: worker_cost(folder, Path(place) / "cache", *size, frames)
            for name, size in (("one video", (1, 1)), ("official size", (times, VIDEOS)))
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
