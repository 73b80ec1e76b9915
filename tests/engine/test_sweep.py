"""Which runs start when, and where: with stand-ins for jobs, so that no process is needed."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from vis_bench.engine import placing, sweep
from vis_bench.engine.process.devices import Devices
from vis_bench.engine.process.failure import Failure
from vis_bench.records.run import CHECKPOINT_NAME


@pytest.fixture(autouse=True)
def outcomes_without_records(monkeypatch):
    """What comes out of a job here is no record to tell a score of."""
    monkeypatch.setattr(sweep, "_ended", lambda run, record: str(record))


@dataclass
class Script:
    """A job that says one thing each time it is heard: progress as a tuple, or its result."""

    name: str
    words: list
    events: list
    made: Path | None = None
    pipe: tuple = field(default_factory=os.pipe)

    def __post_init__(self):
        os.write(self.pipe[1], b"always something to hear")

    @property
    def handles(self):
        return (self.pipe[0],)

    def hear(self, progress):
        word = self.words.pop(0)
        if word == "trained":
            (self.made / CHECKPOINT_NAME).touch()
            word = ("track", 1, 2)
        if isinstance(word, tuple):
            progress(*word)
            return None
        self.events.append(f"{self.name} ends")
        return word

    def stop(self):
        self.events.append(f"{self.name} stopped")


@pytest.fixture
def events(monkeypatch):
    monkeypatch.setattr(
        "vis_bench.engine.execute.record_failure", lambda run, data, failure: f"{run.label} {failure.text}"
    )
    return []


@pytest.fixture
def run_of(tmp_path, monkeypatch, events):
    """A stand-in for a RunSpec and the script of its job."""

    def make(name, words, weights=None, device="cpu", iterations=1):
        folder = tmp_path / (weights or name)
        folder.mkdir(exist_ok=True)
        settings = SimpleNamespace(device=device)
        return SimpleNamespace(
            label=name,
            train_dir=folder,
            run_dir=folder / f"run of {name}",
            words=words,
            settings=settings,
            iterations=iterations,
            stage=None,
            finished_record=lambda: None,
        )

    def start(run):
        events.append(f"{run.label} starts")
        return Script(run.label, list(run.words), events, run.train_dir)

    monkeypatch.setattr(placing, "start_job", start)
    monkeypatch.setattr(sweep, "_initialise_once", lambda runs, bars: None)
    monkeypatch.setattr(sweep, "execute", lambda run, data, progress: events.append(f"{run.label} here"))
    return make


STEP = ("train", 1, 2)


def records_of(outcomes):
    return [outcome.record for outcome in outcomes]


def test_the_place_of_a_dead_job_is_taken_while_the_others_talk(run_of, events):
    runs = [
        run_of("talks", [STEP] * 5 + ["done 0"]),
        run_of("dies", [Failure("died", 4, "")]),
        run_of("next", [STEP, "done 2"]),
    ]
    assert records_of(sweep.run_sweep(runs, None, 2)) == ["done 0", "dies died", "done 2"]
    assert events == [
        "talks starts", "dies starts", "dies ends", "next starts", "next ends", "talks ends",
    ]  # fmt: skip


def test_a_run_waits_for_weights_that_another_is_making_and_the_next_goes_before_it(run_of, events):
    runs = [
        run_of("first", [STEP, STEP, "done 0"], weights="same"),
        run_of("same", ["done 1"], weights="same"),
        run_of("other", [STEP] * 5 + ["done 2"]),
    ]
    assert records_of(sweep.run_sweep(runs, None, 2)) == ["done 0", "done 1", "done 2"]
    assert events == [
        "first starts", "other starts", "first ends", "same starts", "same ends", "other ends",
    ]  # fmt: skip


def test_a_run_waits_for_weights_no_longer_than_until_they_are_there(run_of, events):
    runs = [
        run_of("first", [STEP, "trained", STEP, STEP, "done 0"], weights="same"),
        run_of("same", ["done 1"], weights="same"),
    ]
    sweep.run_sweep(runs, None, 2)
    assert events == ["first starts", "same starts", "same ends", "first ends"]


def test_long_trainings_start_first_and_records_keep_the_order_of_the_runs(run_of, events):
    runs = [
        run_of("short", ["done 0"], iterations=10),
        run_of("long", ["done 1"], iterations=30),
        run_of("middle", ["done 2"], iterations=20),
    ]
    assert records_of(sweep.run_sweep(runs, None, 1)) == ["done 0", "done 1", "done 2"]
    assert events[::2] == ["long starts", "middle starts", "short starts"]


def test_only_a_single_run_on_a_cpu_stays_in_this_process(run_of, events):
    sweep.run_sweep([run_of("one", [])], None, 4)
    assert events == ["one here"]
    events.clear()
    assert records_of(sweep.run_sweep([run_of("gpu", ["done"], device="cuda")], None, 1)) == ["done"]
    assert events == ["gpu starts", "gpu ends"]
    events.clear()
    sweep.run_sweep([run_of("a", ["done"]), run_of("b", ["done"])], None, 1)
    assert events == ["a starts", "a ends", "b starts", "b ends"]


def test_an_interruption_ends_the_jobs(run_of, events, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "wait", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sweep.run_sweep([run_of("a", []), run_of("b", [])], None, 2)
    assert events[-2:] == ["a stopped", "b stopped"]


def test_the_number_of_jobs_follows_the_processors_that_may_be_used(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    assert sweep.default_jobs(Devices("cpu", (("cpu",),)), 1) == 4
    assert sweep.default_jobs(Devices("cpu", (("cpu",),)), 3) == 1
    assert sweep.default_jobs(Devices("cuda", (("cuda:0",), ("cuda:1",))), 1) == 2
