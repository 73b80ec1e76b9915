"""What a run leaves when something around it goes wrong: a result is never lost to a later attempt."""

import errno
import json
import os
import platform
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from vis_bench.engine.execute import execute_run, record_failure
from vis_bench.engine.frame_store import FrameStore
from vis_bench.engine.opened_data import open_data
from vis_bench.engine.plan import plan_runs, with_fresh
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lock import locked
from vis_bench.engine.process.progress import silent
from vis_bench.engine.run import Settings
from vis_bench.files import sha256
from vis_bench.records.run import CHECKPOINT_NAME, write_record
from vis_bench.setup.protocol import load_protocol

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
KILLED = Failure("killed", 4, "killed\n")


@pytest.fixture
def plan(squares, protocol, tmp_path):
    """(run, data) of the toy method, with other settings if wanted."""

    def call(**changes):
        changes = {"out": tmp_path / "runs", **changes}
        settings = Settings(str(squares), "val", load_protocol(str(protocol)), **changes)
        data = open_data(settings)
        (run,) = plan_runs([TOY], [0], settings, data)
        return run, data

    return call


@pytest.fixture
def finished(plan):
    run, data = plan()
    assert execute_run(run, data, silent).status == "done"
    return run, data


def stored(run):
    return json.loads((run.run_dir / "record.json").read_text())


def test_a_run_that_another_process_has_finished_is_not_computed_again(finished):
    run, data = finished
    os.utime(run.run_dir / "record.json", ns=(1, 1))
    assert execute_run(run, data, silent).model_dump(mode="json") == stored(run)
    assert (run.run_dir / "record.json").stat().st_mtime_ns == 1


def test_a_finished_record_outlives_a_failing_attempt_to_keep_its_frames(finished, plan, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no more")

    monkeypatch.setattr(FrameStore, "append", fail)
    before = stored(finished[0])
    run, data = plan(keep_frames=True)
    record = execute_run(run, data, silent)
    assert (record.status, record.error) == ("failed", "RuntimeError: no more")
    assert stored(run) == before
    assert "no more" in (run.run_dir / "error.txt").read_text()
    monkeypatch.undo()
    assert execute_run(run, data, silent).status == "done"
    assert not (run.run_dir / "error.txt").exists()


def test_a_directory_in_use_by_another_process_is_waited_for_and_its_result_taken(plan, tmp_path):
    """The other one finishes: nothing is computed twice."""
    run, data = plan()
    told = []

    def hear(stage, done, total):
        told.append(stage)
        if stage.startswith("waiting"):
            # the record that the other process leaves
            write_record(run.run_dir, made)
            other.close()

    run_elsewhere, _ = plan(out=tmp_path / "elsewhere")
    made = execute_run(run_elsewhere, data, silent)
    with ExitStack() as other:
        other.enter_context(locked(run.run_dir))
        assert record_failure(run, data, KILLED).error.startswith("killed (not kept on disk: ")
        record = execute_run(run, data, hear)
    assert record == made
    assert told == [f"waiting for another vis-bench process (process {os.getpid()} on {platform.node()})"]
    assert not run.train_dir.exists()


def test_weights_that_are_there_are_read_while_another_process_works_beside(finished, plan):
    run, data = plan(limit=1)
    assert run.train_dir == finished[0].train_dir
    with locked(run.train_dir):
        assert execute_run(run, data, silent).status == "done"


def test_weights_that_another_process_is_making_are_not_made_twice(finished, plan, tmp_path):
    run, data = plan(out=tmp_path / "elsewhere")
    with ExitStack() as other:
        other.enter_context(locked(run.train_dir))

        def hear(stage, done, total):
            if stage.startswith("waiting"):
                shutil.copy(finished[0].train_dir / CHECKPOINT_NAME, run.train_dir)
                other.close()

        assert execute_run(run, data, hear).status == "done"
    assert not (run.train_dir / "train.jsonl").exists()


def test_a_killed_process_replaces_the_reason_of_an_earlier_failure_and_no_result(plan, finished):
    run, data = plan(overrides=(("fail_on_frame", "1"),))
    assert execute_run(run, data, silent).error == "RuntimeError: the toy broke"
    assert record_failure(run, data, KILLED).error == "killed"
    assert stored(run)["error"] == "killed"
    assert (run.run_dir / "error.txt").read_text() == "killed\n"
    assert record_failure(*finished, KILLED).status == "done"
    assert stored(finished[0])["status"] == "done"


def test_a_full_disk_is_reported_and_ends_nothing(vis_bench, squares, protocol, tmp_path, monkeypatch):
    """Neither record nor traceback can be written: the outcome is in the table all the same."""
    write_bytes = Path.write_bytes

    def full(path, content):
        if path.name.startswith((".record.json", ".error.txt")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    call = ("run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--out", tmp_path / "runs")
    for setting, reason in (("noise=0", "cannot be written"), ("fail_on_frame=1", "the toy broke (not kept")):
        code, out, err = vis_bench(*call, "--set", setting)
        assert code == 4
        assert reason in err
        assert "No space left on device" in err
        assert "Traceback" not in err
        assert "failed" in out


def test_the_checkpoint_beside_a_record_is_the_one_that_was_scored(finished):
    """The weights were removed and trained again; the run directory still links the old ones."""
    run, data = finished
    torch.save({"old": torch.zeros(1)}, run.run_dir / "old")
    (run.run_dir / "old").replace(run.run_dir / "checkpoint.safetensors")
    (run.run_dir / "record.json").unlink()
    record = execute_run(run, data, silent)
    assert sha256((run.run_dir / "checkpoint.safetensors").read_bytes()) == record.checkpoint_hash


def test_what_killed_writers_left_is_removed(plan):
    run, data = plan()
    left = [run.run_dir / ".record.json.abc.tmp", run.train_dir / ".resume.pt.abc.tmp"]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_text("half")
    execute_run(run, data, silent)
    for folder in (run.run_dir, run.train_dir):
        assert sorted(path.name for path in folder.glob(".*")) == [".lock"]


def test_fresh_goes_on_with_what_a_killed_call_began(plan, squares):
    run, _ = plan()
    other, _ = plan(overrides=(("noise", "0.5"),))
    first = with_fresh([run, other])
    assert first[0].run_dir != run.run_dir
    assert first[0].train_dir != run.train_dir
    for one in first:
        one.run_dir.mkdir(parents=True)
    (first[0].run_dir / "record.json").write_text("{}")
    assert with_fresh([run, other]) == first
    (first[1].run_dir / "record.json").write_text("{}")
    second = with_fresh([run, other])
    assert {one.run_dir for one in second}.isdisjoint(one.run_dir for one in first)
    # weights that were trained fresh for another dataset are not fresh for this one
    second[0].train_dir.mkdir(parents=True)
    assert with_fresh([run, other])[0].train_dir not in (first[0].train_dir, second[0].train_dir)
