"""Gate of this repository's CI: every installed method of the run before it must have learned.

Usage: python tests/gate/check_floors.py RUNS. The quick protocol promises time, not a score: no run may have
failed, and each must be above its untrained self, the same network with its random start, on the 60 videos of
`shapes` test (AP50, of boxes for a box method). Two records of one method are an error, since either could be
meant.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import vis_bench
from vis_bench.data import catalog
from vis_bench.engine.training.loop import seed_everything
from vis_bench.engine.training.weights import save_weights
from vis_bench.records.run import Record, find_records, read_record
from vis_bench.setup.plugins import build_method, load_spec, method_names
from vis_bench.setup.protocol import load_protocol, resolve_config
from vis_bench.setup.seeds import axis_seed

PROTOCOL, CONFIG, SEED = "shapes-quick", "quick", 0


def meant(record: Record) -> bool:
    data = (record.dataset, record.split, record.data.videos)
    return (
        data == ("shapes", "test", 60)
        and (record.protocol, record.config, record.seed) == (PROTOCOL, CONFIG, SEED)
        and not record.overrides
    )


def untrained_ap50(method: str, folder: Path) -> float:
    """AP50 of the random start of the seed."""
    spec = load_spec(method)
    _, config = resolve_config(spec, CONFIG, load_protocol(PROTOCOL), ())
    seed_everything(axis_seed(SEED, "init"))
    model = build_method(spec, config, len(catalog.open_dataset("shapes", "test").categories))
    weights = folder / f"{method}.safetensors"
    save_weights(weights, model.state_dict())
    (record,) = vis_bench.run(
        f"{method}@{CONFIG}", "shapes", protocol=PROTOCOL, out=folder, weights=weights, train=False
    )
    if record.metrics is None:
        raise SystemExit(f"{method}, untrained: {record.error}")
    return float(record.metrics["video_ap"]["AP50"])


def main(runs: Path) -> int:
    records = [record for record in map(read_record, find_records([runs])) if meant(record)]
    failed = 0
    with TemporaryDirectory() as folder, ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        # all are begun at once; they come back in the order of the names
        floors = pool.map(untrained_ap50, method_names(), repeat(Path(folder)))
        for method, floor in zip(method_names(), floors, strict=True):
            scores = [r.metrics["video_ap"]["AP50"] for r in records if r.method == method and r.metrics]
            passed = len(scores) == 1 and scores[0] > floor
            failed += not passed
            shown = f"AP50 {scores[0]:.3f}" if len(scores) == 1 else f"{len(scores)} records"
            print(f"{'pass' if passed else 'FAIL':<5} {method:<18} {shown}, untrained {floor:.3f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
