"""Gate of this repository's CI: every method of the run before it must have learned.

Usage: python tests/gate/check_floors.py RUNS. Floors are held-out AP50 on `shapes` test, seed 0.
"""

from __future__ import annotations

import sys
from pathlib import Path

from vis_bench.records import find_records, read_record

FLOORS_AP50 = {"stc": 0.50, "inspro": 0.40, "mask2former_vis": 0.35}


def main(runs: Path) -> int:
    records = [read_record(path) for path in find_records([runs])]
    scores = {
        record.method: record.metrics["video_ap"]["AP50"]
        for record in records
        if record.dataset == "shapes" and record.split == "test" and record.metrics is not None
    }
    failed = 0
    for method, floor in FLOORS_AP50.items():
        score = scores.get(method)
        passed = score is not None and score >= floor
        failed += not passed
        shown = "no record" if score is None else f"AP50 {score:.3f}"
        print(f"{'pass' if passed else 'FAIL':<5} {method:<18} {shown}, floor {floor:.2f}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
