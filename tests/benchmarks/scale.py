"""What a study takes on many devices, by the scheduler itself and the unit times of committed records.

    python tests/benchmarks/scale.py

Units (method x data set x seed) and the image stages that they start from are handed to the functions that
order them in a sweep (`vis_bench.engine.units`), on places that are never idle while something may start.
Three parts:

1. A check: the ten methods on two processor cores, beside the whole command as it was measured
   (results/training/run_times.txt).
2. The small study, from measured seconds alone: seed 0 of `results/study/main`.
3. The papers' configurations: multiply-adds and parameters of a frame as counted by `vis-bench speed`
   (`results/speed-paper`), frames of the papers' schedules, three forward passes for a step, seconds of a
   clip from `results/loader/clips.txt`. What is assumed stands in ASSUMED and in the output.

Needs no torch and no data; takes seconds.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from vis_bench.engine.units import Unit, in_order, may_start
from vis_bench.files import read_json
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import load_protocol, resolve_config
from vis_bench.setup.schedule import frames_seen

ROOT = Path(__file__).parents[2]
METHODS, SEEDS = 20, 5
DATA_SETS = ("ytvis19", "ytvis21", "ovis")
PLACES = (8, 64, 512)
EVALUATED_FRAMES = {"ytvis19": 11_000, "ytvis21": 13_000, "ovis": 6_300}
"""Of devval, about: 400, 534 and 91 videos of 27, 25 and 69 frames."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """tflops: operations that a device sustains in training, in 10^12 a second (two for a multiply-add).
    price: of an hour of one device. sharded: share of a perfect speed-up that eight devices of one run keep.
    file_bytes: a second that a shared file system takes in all."""

    tflops: float = 30.0
    price: float = 2.5
    sharded: float = 0.85
    file_bytes: float = 2e9


ASSUMED = Assumed()
CHECKPOINT_SECONDS = 600
"""Between two states of a training that are written to disk."""


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of unit on one place: seconds of its stage (once for all that share it), training and
    tracking."""

    stage: float
    train: float
    track: float
    parameters: float
    clip_seconds: float = 0.0
    clips: float = 0.0


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a simulation. busy: share of the places' time in use. longest: of a stage and a unit
    behind it."""

    seconds: float
    busy: float
    longest: float


def simulate(works: Sequence[tuple[str, Work, int]], places: int) -> Made:
    """Run units on places. works: (name of the stage, work, count of units that start from it)."""
    nowhere = Path("/nowhere")
    runs: list[Any] = []
    seconds: dict[int, float] = {}
    for name, work, count in works:
        stage = SimpleNamespace(key=name, checkpoint=nowhere / name, label=name)
        stage.part = SimpleNamespace(train=SimpleNamespace(iterations=work.stage))
        for k in range(count):
            run = SimpleNamespace(label=f"{name} {k}", train_dir=nowhere / f"{name}-{k}", stage=stage)
            run.iterations = work.train + work.track
            runs.append(run)
            seconds[id(run)] = work.train + work.track
    units = in_order(runs)
    stage_seconds = {name: work.stage for name, work, _ in works}

    def lasts(unit: Unit) -> float:
        return seconds[id(unit.run)] if unit.makes is None else stage_seconds[unit.makes.key]

    left, active, now, busy = list(units), list[tuple[float, int, Unit]](), 0.0, 0.0
    number = 0
    while left or active:
        while len(active) < places:
            running = [unit for _, _, unit in active]
            chosen = next((unit for unit in left if _may(unit, running, left)), None)
            if chosen is None:
                break
            left.remove(chosen)
            number += 1
            heapq.heappush(active, (now + lasts(chosen), number, chosen))
            busy += lasts(chosen)
        now, _, _ = heapq.heappop(active)
    longest = max(work.stage + work.train + work.track for _, work, _ in works)
    return Made(now, busy / (places * now), longest)


def _may(unit: Unit, running: Sequence[Unit], left: Sequence[Unit]) -> bool:
    if unit.makes is not None:
        return True
    # stages stand first: once none is left or running, every run may start
    stages = [other for other in (*running, *left[: METHODS + 1]) if other.makes is not None]
    return not stages or may_start(unit, [*running], stages)


def measured() -> dict[str, Work]:
    """Seconds of one core by method, from the committed records of seed 0 of the study on `shapes`."""
    found = {}
    for path in sorted((ROOT / "results" / "study" / "main").glob("*@tiny-seed-0-*/record.json")):
        record = read_json(path)
        timing, stage = record["timing"], record["image_stage"]
        found[record["method"]] = Work(
            stage["seconds"], timing["train_seconds"], timing["track_seconds"], record["parameters"]["total"]
        )
    return found


def papers(data: str) -> dict[str, Work]:
    """Seconds of one device by method, for the papers' schedules on a data set."""
    protocol = load_protocol("paper")
    clip_seconds = _clip_seconds()
    rules = protocol.image_stage
    assert rules is not None
    images = rules.images
    found = {}
    for path in sorted((ROOT / "results" / "speed-paper").rglob("stream.speed.json")):
        record = read_json(path)
        if record["config"] != "paper" or record["status"] != "done":
            continue
        method = record["method"]
        _, config = resolve_config(load_spec(method), "paper", protocol, (), data)
        forward = 2 * record["macs_per_frame"] / (ASSUMED.tflops * 1e12)
        frames = frames_seen(config)
        found[method] = Work(
            3 * forward * images,
            3 * forward * frames,
            forward * EVALUATED_FRAMES[data],
            record["parameters"]["total"],
            clip_seconds.get(method, fmean(clip_seconds.values())),
            frames / config.train.sampling.frames,
        )
    return found


def _clip_seconds() -> dict[str, float]:
    """CPU seconds of a clip with two workers, by method."""
    text = (ROOT / "results" / "loader" / "clips.txt").read_text()
    rows = re.findall(r"^(\w+) +\d+ +2 +[\d.]+ +([\d.]+) ", text, re.MULTILINE)
    return {name: float(milliseconds) / 1000 for name, milliseconds in rows}


def study(kinds: dict[str, Work], count: int) -> list[tuple[str, Work, int]]:
    """Twenty methods from those that were measured, in turn. count: units of each."""
    names = [*kinds]
    return [(f"{names[k % len(names)]}-{k}", kinds[names[k % len(names)]], count) for k in range(METHODS)]


def sharded(work: Work, devices: int) -> Work:
    """A unit on several devices."""
    gain = 1 if devices == 1 else devices * ASSUMED.sharded
    return Work(work.stage / gain, work.train / gain, work.track / devices, work.parameters)


def main() -> None:
    """Print all three parts."""
    check_against_the_command()
    small_study()
    paper_study()


def check_against_the_command() -> None:
    kinds = measured()
    stages = {"inspro_lite": "inspro", "inspro_motr": "inspro", "inspro_tbd": "inspro"}
    works: dict[str, list[tuple[Work, str]]] = {}
    for name, work in kinds.items():
        works.setdefault(stages.get(name, name), []).append((work, name))
    rows = []
    for stage, found in works.items():
        for number, (work, _) in enumerate(found):
            # one stage for all that share it
            kept = Work(work.stage if number == 0 else 0.0, work.train, work.track, work.parameters)
            rows.append((f"{stage}-{number}", kept, 1))
    made = simulate(rows, 2)
    text = (ROOT / "results" / "training" / "run_times.txt").read_text()
    minutes, seconds = map(int, re.search(r"--dataset shapes +(\d+) min (\d+) s", text).groups())  # type: ignore[union-attr]
    whole = 60 * minutes + seconds
    print("1. The check: ten methods, one seed, two cores")
    print(f"   simulated {made.seconds / 60:.1f} min, measured {whole / 60:.1f} min ", end="")
    print(f"({made.seconds / whole:.0%}; scoring, reports and starting processes are left out)\n")


def small_study() -> None:
    units = METHODS * SEEDS
    print(
        f"2. The small study: {METHODS} methods x {SEEDS} seeds on `shapes`, measured seconds of one core a "
        "unit"
    )
    print("   (other sets of shapes are tracked with the same weights, and add seconds)")
    print(f"{'places':>8}{'hours':>9}{'busy':>7}{'speed-up':>10}")
    rows = study(measured(), SEEDS)
    alone = simulate(rows, 1).seconds
    for places in (1, *PLACES):
        made = simulate(rows, places)
        print(f"{places:>8}{made.seconds / 3600:>9.2f}{made.busy:>7.0%}{alone / made.seconds:>10.1f}")
    print(f"   {units} units after {METHODS} stages; none ends before {made.longest / 60:.1f} min\n")


def paper_study() -> None:
    total = METHODS * SEEDS * len(DATA_SETS)
    print(
        f"3. The papers' configurations: {METHODS} methods x {SEEDS} seeds x {', '.join(DATA_SETS)} = "
        f"{total} units, "
        f"{METHODS} image stages"
    )
    print(
        f"   assumed: {ASSUMED.tflops:g} TFLOP/s sustained, {ASSUMED.price:g} a device hour, "
        f"{ASSUMED.sharded:.0%} of a "
        "perfect speed-up with several devices a unit"
    )
    print(f"{'devices':>8}{'a unit':>8}{'hours':>9}{'days':>7}{'busy':>7}{'device hours':>14}{'cost':>11}")
    for places in PLACES:
        for each in (1, 4, 8):
            made = simulate(_paper_rows(each), places // each)
            hours = made.seconds / 3600
            paid = hours * places
            print(
                f"{places:>8}{each:>8}{hours:>9.1f}{hours / 24:>7.1f}{made.busy:>7.0%}{paid:>14,.0f}"
                f"{paid * ASSUMED.price:>11,.0f}"
            )
    by_data = {data: papers(data) for data in DATA_SETS}
    kinds = [work for found in by_data.values() for work in found.values()]
    longest = max(work.stage + work.train + work.track for work in kinds) / 3600
    print(
        f"   a stage and the longest unit behind it: {longest:.1f} h on one device, which no number of them "
        "shortens"
    )
    weights = 4 * fmean(work.parameters for work in kinds)
    print(
        f"   disk: {total * weights / 1e9:.0f} GB of weights ({weights / 1e6:.0f} MB a unit), as many twice "
        "over"
    )
    print(f"   of states of trainings under way; {METHODS * weights / 1e9:.0f} GB of image stages")
    for places in PLACES:
        written = min(places, total) * 3 * weights / CHECKPOINT_SECONDS
        cores = places * fmean(work.clips * work.clip_seconds / work.train for work in kinds)
        print(
            f"   {places:>4} devices: {written / 1e6:,.0f} MB/s of checkpoints "
            f"({written / ASSUMED.file_bytes:.0%} of "
            f"{ASSUMED.file_bytes / 1e9:g} GB/s), {cores:,.1f} cores make clips, "
            f"{min(places, total) / 5:,.0f} heartbeats/s of 1 kB"
        )


def _paper_rows(each: int) -> list[tuple[str, Work, int]]:
    """Units of all data sets; they share the stage of their method, which only the first row of it has."""
    rows = []
    for number, data in enumerate(DATA_SETS):
        for name, work, count in study(papers(data), SEEDS):
            own = sharded(work, each)
            rows.append((name, own, count) if number == 0 else (f"{name}/{data}", own, count))
    return _sharing(rows)


def _sharing(rows: list[tuple[str, Work, int]]) -> list[tuple[str, Work, int]]:
    """One row a stage with the mean of its units: data sets of one method follow one stage."""
    joined: dict[str, list[tuple[Work, int]]] = {}
    for name, work, count in rows:
        joined.setdefault(name.partition("/")[0], []).append((work, count))
    return [
        (
            name,
            Work(
                found[0][0].stage,
                fmean(work.train for work, _ in found),
                fmean(work.track for work, _ in found),
                found[0][0].parameters,
            ),
            sum(count for _, count in found),
        )
        for name, found in joined.items()
    ]


if __name__ == "__main__":
    main()
