"""What a sweep is going to do, as a file in the folder of results, so that `status` knows what is still to
come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vis_bench.engine.plan import RunSpec
from vis_bench.errors import DataError
from vis_bench.files import dump_json, read_json, sha256, write_json
from vis_bench.records.merge import PLANS
from vis_bench.setup.plugins import load_spec

FORMAT = "vis-bench plan"


@dataclass(frozen=True, slots=True)
class PlannedUnit:
    """One run. folder, trained: below the folder of results. iterations: training steps, 0 for none. videos:
    that are tracked."""

    method: str
    config: str
    seed: int
    data: str
    protocol: str
    folder: str
    trained: str
    iterations: int
    videos: int


def write_plan(out: Path, runs: Sequence[RunSpec], videos: int) -> Path:
    """Write the plan of a sweep below `out/plans`; the same plan has the same name."""
    units = [
        PlannedUnit(
            method=load_spec(run.method).info.name,
            config=run.config_name,
            seed=run.seed,
            data=f"{Path(run.settings.dataset).name} {run.settings.split}",
            protocol=run.settings.protocol.name,
            folder=str(run.run_dir.relative_to(out)),
            trained=str(run.train_dir.relative_to(out)),
            iterations=run.iterations if run.settings.train else 0,
            videos=videos,
        )
        for run in runs
    ]
    content = {"format": FORMAT, "version": 1, "units": [asdict(unit) for unit in units]}
    path = out / PLANS / f"{sha256(dump_json(content).encode())[:16]}.json"
    if not path.exists():
        write_json(path, content)
    return path


def read_plans(out: Path) -> list[PlannedUnit]:
    """The units of all plans below a folder, each once. Raises DataError for a file that is none."""
    found: dict[str, PlannedUnit] = {}
    for path in sorted((out / PLANS).glob("*.json")):
        content: Any = read_json(path)
        try:
            if content["format"] != FORMAT:
                raise KeyError("format")
            units = [PlannedUnit(**unit) for unit in content["units"]]
        except (TypeError, KeyError):
            raise DataError(f"{path}: is no plan of vis-bench. Delete it.") from None
        found |= {unit.folder: unit for unit in units}
    return list(found.values())
