"""Estimates for what was never run here: `run --dry-run`, and a warning of paper configurations on CPUs."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from vis_bench.data.shapes.workers import available_processes
from vis_bench.engine.estimate import (
    Estimate,
    Machine,
    Work,
    assumptions,
    estimate,
    estimate_texts,
    long_duration,
)
from vis_bench.engine.image_stage import STAGE, precision_of
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.environment import device_name
from vis_bench.engine.unseen_work import (
    can_be_timed,
    device_kind,
    is_paper,
    label_of,
    macs_of,
    plain_work,
    stage_work,
    train_frames_of,
    trains,
    work_of,
)
from vis_bench.setup.plugins import load_spec

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

# operations per second of the data sheet (dense), and which part of them whole methods are taken to reach
_CARD = "an H100-class card"
_CARD_FLOPS: Mapping[str, tuple[float, float]] = {
    "fp32": (67e12, 0.4), "tf32": (495e12, 0.15), "bf16": (990e12, 0.15), "fp16": (990e12, 0.15),
}  # fmt: skip
# of what one convolution reaches on the device that is here
_SHARE_OF_PROBE = {"cpu": 0.5, "cuda": 0.4}
_FEW_TRAINING_FRAMES = 2000


@dataclass(frozen=True, slots=True)
class Forecast:
    """texts: lines of the plan as (first word, text). covered: `method@configuration` that they speak of,
    estimated: those that could be counted. units: runs of these; seconds, disk_bytes: of all of them, image
    stages included, side by side."""

    texts: tuple[tuple[str, str], ...]
    covered: frozenset[str]
    estimated: frozenset[str] = frozenset()
    units: int = 0
    seconds: float = 0.0
    disk_bytes: int = 0


def unseen_forecast(
    runs: Sequence[RunSpec],
    data: OpenedData,
    unknown: Sequence[str],
    places: int,
    known_stages: Collection[str] = (),
) -> Forecast:
    """Time, memory, loader cores and disk of the configurations in `unknown`: of paper configurations, and of
    those that would be trained on a CPU, where a step of them is short enough to be timed.

    unknown: `method@configuration` of runs that no earlier one speaks of. places: runs side by side.
    known_stages: keys of image stages whose time is known. Counts, loads and runs one clip of each on the
    CPU, some seconds the first time; what was counted lies in the cache. Empty without torch. A method that
    cannot be counted is named with the reason.
    """
    chosen = {
        label_of(run): run
        for run in reversed(runs)
        if label_of(run) in unknown and (is_paper(run) or can_be_timed(run, data))
    }
    if not chosen or importlib.util.find_spec("torch") is None:
        return Forecast((), frozenset())
    settings = runs[0].settings
    seeds = len({run.seed for run in runs})
    works: list[_Asked] = []
    stages: dict[str, _Asked] = {}
    texts: list[tuple[str, str]] = []
    for label, run in reversed(chosen.items()):
        try:
            asked = _Asked(work_of(run, data), run.precision, _on_gpus(run.method, settings))
            stage = run.stage
            if stage is not None and not stage.checkpoint.exists() and stage.key not in known_stages:
                part = _Asked(
                    stage_work(stage, asked.work), stage.precision, _on_gpus(stage.part.method, settings)
                )
                stages.setdefault(stage.key, part)
            # last: what is estimated is not named as unknown too
            works.append(asked)
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
            texts.append(("unknown", f"{label}: not estimated: {type(error).__name__}: {error}"))
    probed = cache(partial(machine_of, settings))

    def machine(one: _Asked) -> Machine:
        return probed(one.precision) if one.work.frame_seconds is None else timed_machine(settings)

    found = [estimate(one.work, machine(one)) for one in works]
    texts += estimate_texts(found, [machine(one) for one in works], seeds, places)
    before = [estimate(one.work, machine(one)) for one in stages.values()]
    if before:
        texts.append(("before", _stages_text(before, places)))
    # how fast a card would take steps that were timed is not known
    counted = [*works, *stages.values()]
    if works and all(one.work.frame_seconds is None for one in counted) and not machine(works[0]).on_gpu:
        everything = [*works * seeds, *stages.values()]
        cards = [_card(one.on_gpus) for one in everything]
        there = [estimate(one.work, card) for one, card in zip(everything, cards, strict=True)]
        texts.append(on_a_card(there, cards))
    seconds = seeds * sum(one.seconds for one in found) + sum(one.seconds for one in before)
    return Forecast(
        tuple(texts),
        covered=frozenset(chosen),
        estimated=frozenset(one.label for one in found),
        units=seeds * len(found),
        seconds=seconds / max(1, places),
        disk_bytes=seeds * sum(one.disk_bytes for one in found),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """precision: of this run, on_gpus: that it would have there; words of --precision."""

    work: Work
    precision: str
    on_gpus: str


def _on_gpus(method: str, settings: Settings) -> str:
    return precision_of(load_spec(method), replace(settings, device="cuda"))


def _stages_text(found: Sequence[Estimate], places: int) -> str:
    each = ", ".join(f"{one.label.removesuffix(STAGE)} {long_duration(one.seconds)}" for one in found)
    total = long_duration(sum(one.seconds for one in found) / max(1, places))
    side_by_side = f" on {places} devices" if places > 1 else ""
    return f"image stages, each once for all seeds: {each}; together about {total}{side_by_side} in addition"


def on_a_card(found: Sequence[Estimate], cards: Sequence[Machine]) -> tuple[str, str]:
    """One line about the same runs, and the image stages before them, on another machine.

    cards: that machine in the precision of each.
    """
    total = sum(one.seconds for one in found)
    where = f"{cards[0].name} ({assumptions(cards)})"
    return "or", f"about {long_duration(total)} one after the other on {where}"


def cpu_warning(run: RunSpec, data: OpenedData) -> str | None:
    """Why not to train a paper configuration on a CPU, with how long it will take, or None.

    None for another configuration or device, where weights are there or nothing is trained, and for a
    training of a few steps. Counts the multiply-adds of a frame, some seconds the first time.
    """
    if run.settings.device.partition(":")[0] != "cpu" or not is_paper(run) or not trains(run, data):
        return None
    if train_frames_of(run) < _FEW_TRAINING_FRAMES or run.finished_record() is not None:
        return None
    label = label_of(run)
    label = f"{label} is made for GPUs:"
    repair = "Use --device cuda, or another configuration of the method (see `vis-bench methods show`)."
    try:
        macs = macs_of(run, load_spec(run.method), len(data.evaluated.categories))
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is shown as the reason
        reason = f"{type(error).__name__}: {error}"
        return f"{label} it may take weeks on a CPU, how many is not known ({reason}). {repair}"
    machine = machine_of(run.settings, run.precision)
    found = estimate(plain_work(run, data, macs), machine)
    return f"{label} about {long_duration(found.seconds)} on this CPU ({machine.assumed}). {repair}"


def machine_of(settings: Settings, word: str) -> Machine:
    """The device that is asked for, measured where it is here, else a card of the data sheet.

    word: of --precision, that of the run that is estimated.
    """
    import torch

    kind = device_kind(settings)
    if kind == "cuda" and not torch.cuda.is_available():
        return _card(word)
    from vis_bench.engine.measured_cost import probed_flops

    device = kind if settings.device == "auto" else settings.device
    threads = settings.protocol.threads_per_job
    reached, share = probed_flops(device, word, threads), _SHARE_OF_PROBE[kind]
    where = f"{threads} thread{'s' if threads > 1 else ''}" if kind == "cpu" else word
    assumed = f"{share:.0%} of the {_operations(reached)} that a convolution reaches here ({where})"
    return Machine(device_name(device), share * reached, assumed, available_processes(), kind == "cuda")


def timed_machine(settings: Settings) -> Machine:
    """This CPU, for work of which a step was timed."""
    threads = settings.protocol.threads_per_job
    assumed = (
        f"training steps as long as some that were made just now ({threads} thread{'s' * (threads > 1)}), a "
        "tracked frame a third of a trained one"
    )
    return Machine(device_name("cpu"), 0.0, assumed, available_processes(), on_gpu=False)


def _card(word: str) -> Machine:
    flops, share = _CARD_FLOPS[word]
    assumed = f"{share:.0%} of {_operations(flops)} in {word}, an H100's; none is here"
    return Machine(_CARD, share * flops, assumed, None, on_gpu=True)


def _operations(flops: float) -> str:
    return f"{flops / 1e12:.0f} TFLOP/s" if flops >= 10e12 else f"{flops / 1e9:.0f} GFLOP/s"
