"""Gate of this repository's CI: every installed method of the run before it must have learned.

Usage: python tests/gate/check_floors.py RUNS. The floor is held-out AP50 (of boxes for a box method) on the
60 videos of `shapes` test, seed 0, quick schedule. Two records of one method are an error, since either could
be meant.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vis_bench.records.run import Record, find_records, read_record
from vis_bench.setup.plugins import method_names

FLOOR_AP50 = 0.20


def meant(record: Record) -> bool:
    data = (record.dataset, record.split, record.data.videos)
    return (
        data == ("shapes", "test", 60)
        and (record.config, record.seed) == ("quick", 0)
        and not record.overrides
    )


def main(runs: Path) -> int:
    records = [record for record in map(read_record, find_records([runs])) if meant(record)]
    failed = 0
    for method in method_names():
        scores = [r.metrics["video_ap"]["AP50"] for r in records if r.method == method and r.metrics]
        passed = len(scores) == 1 and scores[0] >= FLOOR_AP50
        failed += not passed
        shown = f"AP50 {scores[0]:.3f}" if len(scores) == 1 else f"{len(scores)} records"
        print(f"{'pass' if passed else 'FAIL':<5} {method:<18} {shown}, floor {FLOOR_AP50:.2f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
