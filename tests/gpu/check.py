"""Whether everything works on one GPU, and what it takes there, in minutes. Goes on where it stopped.

    python tests/gpu/check.py --out results/gpu
    python tests/gpu/check.py --pretend --out FOLDER    # the same on a CPU, at tiny size

Ten methods at paper size: trained for 20 iterations, one step looked into (synchronisations, memory), their
loader timed, tracked beside the CPU, and timed for 5 s (`stream` and `offline`, two precisions). Every step
leaves a record in OUT/METHOD; a step whose record is there is not done again, one that failed is. Exits with
0 when all is done and well, 1 when something failed, differs from the CPU or waits for the device more often
than the tests allow, 3 when the time was up before.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "methods"), str(HERE.parents[1])]

from check_material import write_material  # noqa: E402
from check_steps import Bench, Scale, agreeing, loading, one_step, speed, train  # noqa: E402
from full_protocol import full_text  # noqa: E402
from transfer_limits import limit_of_a_shard, limit_of_a_video  # noqa: E402

from vis_bench.engine.process.environment import (  # noqa: E402
    git_state,
    hardware,
    package_versions,
    require_torch,
)
from vis_bench.engine.process.failure import Failure  # noqa: E402
from vis_bench.engine.speed.gpu import gpu_state  # noqa: E402
from vis_bench.engine.speed.prepare import effort_of  # noqa: E402
from vis_bench.files import read_json, write_json  # noqa: E402
from vis_bench.records.speed import SUFFIX, Scenario, SpeedRecord, read_speed, write_speed  # noqa: E402
from vis_bench.report.speed.table import frames_per_second  # noqa: E402
from vis_bench.setup.plugins import method_names  # noqa: E402

ON_A_CARD = Scale(
    config="paper", device="cuda:0", iterations=20, videos=4, frames=20, size=(720, 1280),
    train_precision="bf16", precisions=("bf16", "tf32"), agreement_frames=4, effort=effort_of("cuda", True),
)  # fmt: skip
PRETENDED = Scale(
    config="tiny", device="cpu", iterations=2, videos=1, frames=3, size=None, train_precision="fp32",
    precisions=("fp32",), agreement_frames=2, effort={"frames": 3}, batch_size=1,
)  # fmt: skip
EXIT_WRONG, EXIT_TIME_UP = 1, 3


@dataclass(frozen=True, slots=True)
class Step:
    """act: does it. path: of the record; its existence means that the step is done."""

    name: str
    method: str
    path: Path
    act: Callable[[], Any]


def all_steps(bench: Bench, methods: Sequence[str], out: Path) -> list[Step]:
    """What tells most first; the second precision last, for when the time is up."""
    steps = [
        Step(name, method, out / method / f"{name}.json", partial(act, bench, method))
        for name, act in (("train", train), ("step", one_step), ("agreement", agreeing), ("loader", loading))
        for method in methods
    ]
    for word in bench.scale.precisions:
        for method in methods:
            for scenario in get_args(Scenario):
                name = f"{scenario}-{word}"
                act = partial(speed, bench, method, word, scenario)
                steps.append(Step(name, method, out / method / f"{name}{SUFFIX}", act))
    return steps


def is_done(step: Step) -> bool:
    """Whether there is a record of this step that ended well."""
    return step.path.exists() and read_json(step.path).get("status") == "done"


def perform(step: Step, scale: Scale, pretended: bool) -> str:
    """Do a step and leave its record; returns its status. A failure is recorded too."""
    begin = time.perf_counter()
    try:
        result = step.act()
    except Exception as error:  # noqa: BLE001 - whatever breaks on a card is what the check is for
        failure = Failure.of(error)
        result = {"status": "failed", "error": failure.text, "trace": failure.trace}
    if isinstance(result, SpeedRecord):
        notes = (*result.notes, *(["pretended: a CPU at tiny size"] if pretended else []))
        write_speed(step.path, result.model_copy(update={"notes": notes}))
        return result.status
    facts = {
        "step": step.name, "method": step.method, "config": scale.config, "status": "done",
        "pretended": pretended, "seconds": time.perf_counter() - begin, **result,
        "hardware": {**hardware(scale.device, scale.threads), **gpu_state(scale.device)},
        "versions": package_versions(), "git": git_state(),
    }  # fmt: skip
    write_json(step.path, facts)
    return str(facts["status"])


def usable(device: str) -> bool:
    """Whether this process can still use the device; after some errors it never can again."""
    if not device.startswith("cuda"):
        return True
    import torch

    try:
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def run_steps(steps: Sequence[Step], scale: Scale, pretended: bool, minutes: float) -> bool:
    """Do what is missing while the time lasts; returns whether all was tried."""
    begin = time.perf_counter()
    longest: dict[str, float] = {}
    for number, step in enumerate(steps):
        label = f"{step.method} {step.name} ({number + 1} of {len(steps)})"
        if is_done(step):
            print(f"{'done':<8} {label}", flush=True)
            continue
        spent = time.perf_counter() - begin
        # steps of one name take about the same time
        if spent + longest.get(step.name, 0.0) > 60 * minutes:
            print(f"time is up after {spent:.0f} s; the same command goes on from here", flush=True)
            return False
        at = time.perf_counter()
        status = perform(step, scale, pretended)
        took = time.perf_counter() - at
        longest[step.name] = max(took, longest.get(step.name, 0.0))
        print(f"{status:<8} {label}: {took:.1f} s", flush=True)
        if status == "failed":
            print(f"         {_error(step)}", flush=True)
            if not usable(scale.device):
                print("this process can use the device no more; the same command goes on from here")
                return False
    return True


def _error(step: Step) -> str:
    return str(read_json(step.path).get("error", "")).splitlines()[0][:300]


def summary(steps: Sequence[Step], scale: Scale) -> tuple[list[str], bool]:
    """(lines, whether all is well) from the records that are there."""
    found = {(step.method, step.name): read_json(step.path) for step in steps if step.path.exists()}
    well = all(record.get("status") == "done" for record in found.values())
    lines, rates, costs = [], {}, {}
    for method in dict.fromkeys(step.method for step in steps):
        trained, looked = found.get((method, "train"), {}), found.get((method, "step"), {})
        beside, loaded = found.get((method, "agreement"), {}), found.get((method, "loader"), {})
        if trained.get("step_seconds"):
            costs[method] = (trained["step_seconds"], trained["iterations_of_the_paper"])
        waits = waits_above_the_limits(method, looked)
        well = well and beside.get("within", True) and not waits
        parts = [
            _cell("s a step", trained.get("step_seconds"), ".3f"),
            _cell("GB peak", (looked.get("peak_memory_bytes") or 0) / 1e9 or None, ".1f"),
            _cell("waits a step", looked.get("training_syncs"), ".0f"),
            _cell("a frame", looked.get("tracking_syncs_per_frame"), ".1f"),
            _cell("clips a CPU s", loaded.get("clips_per_cpu_second"), ".1f"),
            _cell("IoU", beside.get("with_the_cpu_in_fp32", {}).get("fp32", {}).get("mean_iou"), ".3f"),
        ]
        lines.append(f"{method:<16} " + ", ".join(parts))
        lines += [f"{method:<16} {text}" for text in waits]
    speeds = [read_speed(step.path) for step in steps if step.path.name.endswith(SUFFIX) and is_done(step)]
    for record in speeds:
        rate, protocol = frames_per_second(record), record.protocol
        lines.append(
            f"{record.method:<16} {_cell(f'FPS {protocol.scenario} {protocol.precision}', rate, '.1f')}"
        )
        if rate and protocol.scenario == "stream" and protocol.precision == scale.precisions[0]:
            rates[record.method] = rate
    kind = "cuda" if scale.device.startswith("cuda") else "cpu"
    return lines + full_text(rates, costs, effort_of(kind, False)), well


def waits_above_the_limits(method: str, looked: Mapping[str, Any]) -> list[str]:
    """What is wrong with the counts of a record of `one_step`; nothing where none were taken."""
    found = []
    training, frame = looked.get("training_syncs"), looked.get("tracking_syncs_per_frame")
    if training is not None:
        limit = limit_of_a_shard(method, looked["clip_frames"])
        if training > limit:
            found.append(
                f"TOO MANY WAITS: {training} in a shard, at most {limit}: {looked['training_places']}"
            )
    if frame is not None:
        video, limit = round(frame * looked["frames"]), limit_of_a_video(method, looked["frames"])
        if video > limit:
            found.append(
                f"TOO MANY WAITS: {video} in {looked['frames']} tracked frames, at most {limit}: "
                f"{looked['tracking_places']}"
            )
    return found


def _cell(name: str, value: float | None, form: str) -> str:
    return f"{name} {'-' if value is None else format(value, form)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/gpu"), help="folder of the records")
    parser.add_argument("--work", type=Path, default=Path("runs/gpu-check"), help="data, runs, checkpoints")
    parser.add_argument("--pretend", action="store_true", help="on a CPU, at tiny size")
    parser.add_argument("--device", default=None, help="cuda:0 by default")
    parser.add_argument("--methods", default="all", help="names, with commas")
    parser.add_argument("--minutes", type=float, default=8.5, help="no step is begun that would end later")
    given = parser.parse_args(arguments)
    scale = PRETENDED if given.pretend else ON_A_CARD
    if given.device is not None:
        scale = replace(scale, device=given.device)
    require_torch(scale.device)
    names = method_names() if given.methods == "all" else given.methods.split(",")
    data = write_material(given.work / "data", scale.videos, scale.frames, scale.size)
    steps = all_steps(Bench(scale, data, given.work), names, given.out)
    complete = run_steps(steps, scale, given.pretend, given.minutes)
    lines, well = summary(steps, scale)
    print("\n".join(lines))
    if not well:
        return EXIT_WRONG
    return 0 if complete else EXIT_TIME_UP


if __name__ == "__main__":
    sys.exit(main())
