"""What `vis-bench run` says before it starts: the plan, warnings, and what it will take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vis_bench.cli.options import say

if TYPE_CHECKING:
    from vis_bench.engine.opened_data import OpenedData
    from vis_bench.engine.run import Sweep


@dataclass
class Forecast:
    """What the sweeps of a study take together. units: that earlier runs tell of; estimated: units without
    one; seconds, disk_bytes: of both; unknown: names of the others."""

    seconds: float = 0.0
    disk_bytes: float = 0.0
    units: int = 0
    estimated: int = 0
    unknown: tuple[str, ...] = ()


def print_plan(sweep: Sweep) -> None:
    from vis_bench.engine.start_facts import start_texts

    runs, data = sweep.runs, sweep.data
    evaluated = data.evaluated
    trained = (
        f"trained on {data.train.name} {data.train.split} ({len(data.train.videos)} videos)"
        f"{_extra_text(data)}, "
        if data.train
        else ""
    )
    say(
        f"{len(runs)} run{'s' if len(runs) > 1 else ''}, {trained}evaluated on {evaluated.name} "
        f"{evaluated.split} ({len(evaluated.videos)} videos), protocol {runs[0].settings.protocol.name}, "
        f"on {_devices_text(sweep)}"
    )
    for run in runs:
        state = "cached" if run.finished_record() is not None else "to do"
        say(f"{state:<10} {run.label}")
    for word, text in start_texts(runs):
        say_after(word, text)


def warnings(sweep: Sweep) -> list[str]:
    """One for each paper configuration that would train on a CPU; of the data, what spoils a result."""
    from vis_bench.data.lessons import unlearnt_text
    from vis_bench.engine.track_cap import cap_warning
    from vis_bench.engine.unseen_forecast import cpu_warning
    from vis_bench.setup.plugins import load_spec

    firsts = {(run.method, run.config_name): run for run in reversed(sweep.runs)}
    found = [cpu_warning(run, sweep.data) for run in reversed(firsts.values())]
    train = sweep.data.train
    found += [sweep.data.overlap_note, unlearnt_text(train) if train is not None else None]
    described = [(load_spec(run.method), run.config) for run in reversed(firsts.values())]
    found.append(cap_warning(described, sweep.data.evaluated))
    return [text for text in found if text is not None]


def _devices_text(sweep: Sweep) -> str:
    """`the CPU`, `cuda:0`, or `2 x 4 CUDA devices`."""
    devices, slots = sweep.settings.devices, len(sweep.slots)
    if len(devices) == 1 and slots == 1:
        return "the CPU" if devices[0] == "cpu" else devices[0]
    if devices[0] == "cpu":
        return f"{len(devices)} processes of the CPU for each run"
    if len(devices) == 1:
        return f"{slots} CUDA devices, one for each run"
    return f"{slots * len(devices)} CUDA devices, {len(devices)} for each run"


def print_forecast(sweep: Sweep) -> Forecast:
    """Time, disk and the smallest difference that can be found, from the runs that lie in the same folder."""
    from vis_bench.engine.forecast import detectable_difference, earlier_records, expected_cost
    from vis_bench.engine.process.progress import duration
    from vis_bench.engine.unseen_forecast import unseen_forecast

    settings, runs, data, side_by_side = sweep.settings, sweep.runs, sweep.data, sweep.jobs
    earlier = earlier_records(settings.out)
    cost = expected_cost(runs, data, earlier, side_by_side)
    if cost.known or cost.seconds:
        say_after(
            "time",
            f"about {duration(cost.seconds)}, {side_by_side} side by side; "
            f"disk about {cost.disk_bytes / 1e6:.0f} MB (both from earlier runs below {settings.out})",
        )
    unseen = unseen_forecast(runs, data, cost.unknown, side_by_side, cost.stages)
    for word, text in unseen.texts:
        say_after(word, text)
    silent = [label for label in cost.unknown if label not in unseen.covered]
    if silent:
        say_after("unknown", f"no earlier run to tell time and disk of: {', '.join(silent)}")
    told = Forecast(
        cost.seconds + unseen.seconds,
        cost.disk_bytes + unseen.disk_bytes,
        cost.known,
        unseen.units,
        tuple(label for label in cost.unknown if label not in unseen.estimated),
    )
    found = detectable_difference(runs, data, earlier)
    if found is None:
        say_after(
            "finds",
            "unknown; needs earlier runs of two methods on these videos under this protocol, with two shared "
            "seeds",
        )
        return told
    study = (
        f"{found.seeds} seeds" if found.seeds > 1 else "one seed (fixed checkpoints, no claim on training)"
    )
    say_after(
        "finds",
        f"differences from {found.points:.1f} AP points on, in 80 % of studies, with {study} and "
        f"{found.videos} videos; from {' and '.join(found.methods)}, "
        f"seeds {', '.join(map(str, found.earlier_seeds))}",
    )
    return told


def print_total(forecasts: Sequence[Forecast]) -> None:
    """A line on all sweeps of a study together: hours and bytes."""
    hours = sum(one.seconds for one in forecasts) / 3600
    size = sum(one.disk_bytes for one in forecasts)
    units = sum(one.units for one in forecasts)
    unknown = sum(len(one.unknown) for one in forecasts)
    told = f"{units} unit{'s' if units != 1 else ''} that earlier runs tell of"
    estimated = sum(one.estimated for one in forecasts)
    if estimated:
        told += f" and {estimated} that {'is' if estimated == 1 else 'are'} estimated"
    text = f"{hours:.2f} h and {size:,.0f} bytes for {told}"
    say_after("in all", text + (f"; {unknown} rows are unknown" if unknown else ""))


def say_after(word: str, text: str) -> None:
    """A line of the plan; what is too long goes on below its text."""
    from vis_bench.report.tables.text import wrap_behind

    for line in wrap_behind(f"{word:<10} ", text):
        say(line)


def _extra_text(data: OpenedData) -> str:
    if data.extra is None or data.train is None:
        return ""
    images, share = data.extra.dataset, float(data.extra.share_beside(data.train))
    return f" and {images.name} {images.split} ({len(images.videos)} images, {share:.0%} of the clips)"
