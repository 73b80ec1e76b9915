"""Benchmarks as ratios: every time divided by that of a fixed reference in the same run.

    export OMP_NUM_THREADS=1
    pytest tests/benchmarks --benchmark-enable --benchmark-only --benchmark-json=bench.json \
        --benchmark-timer=time.process_time
    python tests/benchmarks/ratios.py compare bench.json     # beside the stored ratios
    python tests/benchmarks/ratios.py store bench.json       # replace them

Absolute times say what a machine is; ratios say what the code does, on other machines too. `compare` marks
what takes 1.5 times its stored ratio or more, and exits with 1 when there is such a benchmark; two runs of
one code on a busy machine differ by less.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

STORED = Path(__file__).with_name("ratios.json")
REFERENCE = "test_reference"
SLOWER = 1.5


def ratios_of(run: dict[str, Any]) -> dict[str, float]:
    """By benchmark: its shortest round over the reference's. Raises ValueError for a run without one."""
    seconds = {one["name"]: float(one["stats"]["min"]) for one in run["benchmarks"]}
    if REFERENCE not in seconds:
        raise ValueError(f"the run holds no {REFERENCE}; run the whole folder tests/benchmarks")
    return {name: value / seconds[REFERENCE] for name, value in sorted(seconds.items()) if name != REFERENCE}


def comparison(now: dict[str, float], stored: dict[str, float]) -> tuple[str, list[str]]:
    """(a table of now, stored and now over stored, `-` where one is missing; names that became slower)."""
    slower = [name for name, value in now.items() if name in stored and value / stored[name] >= SLOWER]
    width = max(map(len, (*now, *stored)), default=4)
    lines = [f"{'time / reference':<{width}} {'now':>9} {'stored':>9} {'ratio':>6}"]
    for name in sorted({*now, *stored}):
        one, other = now.get(name), stored.get(name)
        cells = [f"{'-' if value is None else format(value, '.3f'):>9}" for value in (one, other)]
        change = "-" if one is None or other is None else f"{one / other:.2f}"
        mark = "  slower" if name in slower else ""
        lines.append(f"{name:<{width}} {cells[0]} {cells[1]} {change:>6}{mark}")
    return "\n".join(lines), slower


def main(task: str, path: Path) -> int:
    """`store` or `compare` one file of pytest-benchmark."""
    run = json.loads(path.read_text(encoding="utf-8"))
    now = ratios_of(run)
    if task == "store":
        kept = json.loads(STORED.read_text(encoding="utf-8"))
        kept |= {"made_with": _environment(run), "ratios": {name: round(v, 4) for name, v in now.items()}}
        STORED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        return 0
    table, slower = comparison(now, json.loads(STORED.read_text(encoding="utf-8"))["ratios"])
    print(table)
    return 1 if slower else 0


def keep_peers(now: dict[str, float]) -> None:
    """Replace what is stored of peers: by comparison, how many times the CPU time of ours theirs is."""
    kept = json.loads(STORED.read_text(encoding="utf-8"))
    kept["peers"] = {**kept.get("peers", {}), **{name: round(value, 2) for name, value in now.items()}}
    STORED.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def behind_peers(now: dict[str, float]) -> list[str]:
    """Comparisons in which ours has fallen back against a peer by the factor that counts as slower."""
    stored = json.loads(STORED.read_text(encoding="utf-8")).get("peers", {})
    return [name for name, value in now.items() if name in stored and value * SLOWER <= stored[name]]


def _environment(run: dict[str, Any]) -> dict[str, str]:
    """What ratios still depend on: processor, Python, torch."""
    import torch

    machine = run["machine_info"]
    return {
        "cpu": machine.get("cpu", {}).get("brand_raw", "unknown"),
        "python": machine["python_version"],
        "torch": torch.__version__,
        "threads": "1",
    }


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("store", "compare"):
        sys.exit("usage: ratios.py store|compare BENCHMARK.json")
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
