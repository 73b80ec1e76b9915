"""Opens an annotation file in this process, prints seconds and peak memory as JSON; see test_bench_store.py.

    python tests/benchmarks/store_cost.py plain|open FILE CACHE

plain: `read_dataset`, as before there was a store. open: `open_dataset`, which makes the store in CACHE where
there is none. Time after the imports; the peak is that of the whole process.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

from vis_bench.data.catalog import open_dataset
from vis_bench.data.ytvis import read_dataset


def main(way: str, annotations: Path, cache: Path) -> None:
    imported = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin = time.perf_counter()
    if way == "plain":
        dataset = read_dataset(annotations, None, "official size", "train")
    else:
        dataset = open_dataset(annotations, cache_root=cache)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracks = dataset.tracks or ()
    found = {
        "seconds": round(seconds, 3),
        "imported_bytes": imported * 1024,
        "peak_memory_bytes": peak * 1024,
        "videos": len(dataset.videos),
        "tracks": len(tracks),
        "on_demand": not isinstance(tracks, tuple),
        "store_bytes": sum(path.stat().st_size for path in cache.rglob("*.store")),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
