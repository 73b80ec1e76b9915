"""Prints what a training clip costs, for the paper configuration of every method: a table of text.

    python tests/benchmarks/loader_cost.py [--methods stc,inspro] [--clips 24] [--rounds 3]

On 720p frames that it makes (`photo_videos.py`), in CPU milliseconds of all processes, the median of the
rounds. `before` is the plain way (`reference_clips.py`), `after` is today's sampler; the two take turns, so
that a slow minute is slow for both. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE), str(HERE.parent / "engine")]

import torch  # noqa: E402
from photo_videos import write_photo_videos  # noqa: E402
from reference_clips import ReferenceSampler  # noqa: E402

from vis_bench.data.catalog import open_dataset  # noqa: E402
from vis_bench.engine.training.clips.sampler import ClipSampler  # noqa: E402
from vis_bench.engine.training.loader import shard_batches  # noqa: E402
from vis_bench.method import TrainConfig  # noqa: E402
from vis_bench.setup.plugins import load_spec, method_names  # noqa: E402
from vis_bench.types import Dataset  # noqa: E402

WORKERS = (0, 1, 2)
_TICKS = os.sysconf("SC_CLK_TCK")


class Way:
    """One sampler behind one loader, whose CPU time is read when nothing is at work."""

    def __init__(self, sampler: Any, workers: int) -> None:
        before = set(multiprocessing.active_children())
        self._batches: Iterator[list[Any]] = shard_batches(
            sampler, ([i] for i in itertools.count()), workers, prefetch=2
        )
        self.take(2 * workers + 2)
        self._pids = [child.pid for child in set(multiprocessing.active_children()) - before]

    def take(self, clips: int) -> None:
        """Take so many clips."""
        for _ in range(clips):
            next(self._batches)

    def milliseconds(self, clips: int) -> float:
        """CPU time of all processes for a clip; workers are full before and after, so they made as many."""
        before = self._rested()
        self.take(clips)
        return 1e3 * (self._rested() - before) / clips

    def close(self) -> None:
        """End the workers."""
        self._batches.close()  # type: ignore[attr-defined]

    def _rested(self) -> float:
        last = -1.0
        while (now := self._worker_seconds()) != last:
            last = now
            time.sleep(0.3 if self._pids else 0)
        return now + time.process_time()

    def _worker_seconds(self) -> float:
        total = 0
        for pid in self._pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS


def cost(dataset: Dataset, train: TrainConfig, workers: int, clips: int, rounds: int) -> tuple[float, float]:
    """CPU milliseconds a clip, (before, after)."""
    arguments = (dataset, train.sampling, train.augmentation, 1, 2)
    ways = [Way(sampler(*arguments), workers) for sampler in (ReferenceSampler, ClipSampler)]
    try:
        found = [[way.milliseconds(clips) for way in ways] for _ in range(rounds)]
    finally:
        for way in ways:
            way.close()
    before, after = (statistics.median(column) for column in zip(*found, strict=True))
    return before, after


def phases(method: str) -> list[tuple[str, TrainConfig]]:
    """The paper configuration of a method, by phase of its training."""
    config = load_spec(method).configs["paper"]
    later = getattr(config, "later_training", ())
    return [(method, config.train), *((f"{method} phase {i + 2}", train) for i, train in enumerate(later))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="what a training clip costs")
    parser.add_argument("--methods", default=",".join(method_names()))
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DeprecationWarning)
    print(
        f"CPU ms a clip, 720p JPEG frames; {given.rounds} rounds of {given.clips} clips; "
        f"torch {torch.__version__}"
    )
    print(
        f"{'paper configuration':<22}{'frames':>7}{'workers':>8}{'before':>8}{'after':>8}{'ratio':>7}",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(write_photo_videos(Path(folder)), "train")
        for method in given.methods.split(","):
            for name, train in phases(method):
                for workers in WORKERS:
                    before, after = cost(dataset, train, workers, given.clips, given.rounds)
                    numbers = f"{before:>8.1f}{after:>8.1f}{before / after:>7.2f}"
                    print(f"{name:<22}{train.sampling.frames:>7}{workers:>8}{numbers}", flush=True)


if __name__ == "__main__":
    main()
