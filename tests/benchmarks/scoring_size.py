"""Time and memory of `vis-bench eval` for data sets of many sizes: the table of docs/metrics.md.

    python tests/benchmarks/scoring_size.py FOLDER [CASE ...] > results/scoring/sizes.txt

The data sets are written below FOLDER once (2 GB, some minutes) and used again. Every row is a process of its
own on one thread. CPU seconds are those of the whole process tree; memory is the largest sum over the tree of
the proportional set sizes (what processes share counts once), looked at twenty times a second. `bytes per
byte` compares the memory with that of the row before, for the videos of official size.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from official_size import write_official_size

METRICS = {"AP": "video_ap", "default": None}
CASES: dict[str, dict[str, Any]] = {
    "100 videos": {"videos": 100},
    "400 videos": {"videos": 400},
    "1,600 videos": {"videos": 400, "copies": 4},
    "1,684 videos": {"videos": 421, "copies": 4},
    "dense: 12 videos, 50 objects, 100 predictions": {
        "videos": 12,
        "predictions": 100,
        "objects": (50, 50),
        "scale": 0.3,
        "categories": 10,
    },
    "long: 4 videos of 1,000 frames, 1080p": {
        "videos": 4,
        "frames": (1000, 1000),
        "size": (1080, 1920),
        "speed": 0.2,
    },
    "1,196 classes, 400 videos": {"videos": 100, "copies": 4, "categories": 1196},
    "51,000 classes, 400 videos": {"videos": 100, "copies": 4, "categories": 51_000},
}
LINEAR = ("100 videos", "400 videos", "1,600 videos", "1,684 videos")


@dataclass(frozen=True, slots=True)
class Cost:
    cpu_seconds: float
    wall_seconds: float
    memory_bytes: int


def written(folder: Path, name: str) -> tuple[Path, Path]:
    """Truth and results of a case, written unless they are there."""
    place = folder / "".join(c if c.isalnum() else "-" for c in name)
    if not (place / "results.json").exists():
        write_official_size(place, **CASES[name])
    return place / "truth.json", place / "results.json"


def cost(truth: Path, results: Path, metrics: str | None, jobs: int | None) -> Cost:
    """Of one command. jobs: None leaves the number of processes to it."""
    command = [sys.executable, "-m", "vis_bench", "eval", str(results), "--truth", str(truth)]
    command += ["--json", os.devnull]
    command += [] if metrics is None else ["--metrics", metrics]
    command += [] if jobs is None else ["--jobs", str(jobs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin, peak = time.perf_counter(), 0
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(proportional_bytes(one) for one in tree(process.pid)))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall, peak)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children = (thread / "children").read_text().split()
            found += [one for child in children for one in tree(int(child))]
    except OSError:
        pass  # it has just ended
    return found


def proportional_bytes(pid: int) -> int:
    """Proportional set size: pages that n processes share count 1/n for each."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def main(folder: Path, names: list[str]) -> None:
    columns = (
        f"{'JSON MB':>8}{'metrics':>9}{'jobs':>6}{'CPU s':>8}{'wall s':>8}{'GB':>7}{'bytes per byte':>16}"
    )
    print(f"{'':<46}{columns}", flush=True)
    before: dict[tuple[str, int | None], tuple[int, int]] = {}
    for name in names or CASES:
        truth, results = written(folder, name)
        size = truth.stat().st_size + results.stat().st_size
        for title, metrics in METRICS.items():
            for jobs in (1, None):
                one = cost(truth, results, metrics, jobs)
                more = ""
                if name in LINEAR:
                    known = before.get((title, jobs))
                    if known is not None and size > 1.5 * known[0]:
                        more = f"{(one.memory_bytes - known[1]) / (size - known[0]):.2f}"
                    before[title, jobs] = size, one.memory_bytes
                shown = "all" if jobs is None else str(jobs)
                print(
                    f"{name:<46}{size / 1e6:>8.0f}{title:>9}{shown:>6}{one.cpu_seconds:>8.2f}"
                    f"{one.wall_seconds:>8.2f}{one.memory_bytes / 1e9:>7.2f}{more:>16}",
                    flush=True,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
