"""How far a folder is, from its files alone."""

import json
import os

import pytest
from stored_runs import store_run

from vis_bench.engine.plan_file import FORMAT, read_plans
from vis_bench.engine.process import lease as leases
from vis_bench.engine.status import folder_status
from vis_bench.errors import DataError
from vis_bench.files import write_json


def planned(seed, folder, **changes):
    return {
        "method": "stc",
        "config": "default",
        "seed": seed,
        "data": "squares val",
        "protocol": "plain",
        "folder": folder,
        "trained": f"trained/stc-{seed}",
        "iterations": 400,
        "videos": 2,
        **changes,
    }


@pytest.fixture
def folder(tmp_path, squares):
    """Five units: done, failed, running, interrupted, never begun."""
    out = tmp_path / "runs"
    done = store_run(out, squares, "stc", 0, [0])
    failed = store_run(out, squares, "stc", 1, [0], status="failed", metrics=None, error="no\nmemory")
    units = [planned(0, done.name), planned(1, failed.name)]
    units += [planned(seed, f"squares-val/plain/stc-{seed}") for seed in (2, 3, 4)]
    write_json(out / "plans" / "x.json", {"format": FORMAT, "version": 1, "units": units})
    running = out / "squares-val/plain/stc-2"
    running.mkdir(parents=True)
    owner = {
        "nonce": "n",
        "host": "node7",
        "machine": leases.this_machine(),
        "pid": os.getpid(),
        "started": leases.started_at(os.getpid()),
        "stage": "train",
        "first": 100,
        "done": 150,
        "of": 400,
        "stage_seconds": 60.0,
    }
    (running / ".lease").write_text(json.dumps(owner))
    (out / "trained/stc-3").mkdir(parents=True)
    (out / "trained/stc-3/train.jsonl").write_text('{"iteration": 119, "seconds": 3}\n{"iterat')
    return out


def test_every_unit_has_its_state_and_steps(folder):
    found = folder_status(folder)
    assert [(unit.seed, unit.state, unit.done, unit.of) for unit in found.units] == [
        (0, "done", 400, 400),
        (1, "failed", 0, 400),
        (2, "running", 150, 400),
        (3, "waiting", 120, 400),
        (4, "waiting", 0, 400),
    ]
    assert found.counts == {"running": 1, "failed": 1, "waiting": 2, "done": 1}
    # 50 steps took a minute, 250 are left
    assert found.units[2].seconds_left == pytest.approx(300)
    assert found.units[2].reason == f"train on node7, process {os.getpid()}, about 5 min left"
    assert found.units[3].reason == "interrupted after 120 of 400 steps"
    # the done one took 64 s; one runs at a time
    assert found.seconds_left == pytest.approx(300 + 64 + 64)


def test_the_owner_that_is_gone_runs_nothing(folder):
    lease = folder / "squares-val/plain/stc-2/.lease"
    owner = json.loads(lease.read_text())
    lease.write_text(json.dumps({**owner, "started": "1"}))
    assert folder_status(folder).units[2].state == "waiting"
    assert folder_status(folder).units[2].reason.endswith("was ended")
    # of another machine: alive while its file changes
    lease.write_text(json.dumps({**owner, "machine": "other"}))
    assert folder_status(folder).units[2].state == "running"
    os.utime(lease, (1, 1))
    assert "gave no sign of life" in folder_status(folder).units[2].reason


def test_the_command_prints_json_and_watches_to_the_end(vis_bench, folder, monkeypatch):
    code, out, _ = vis_bench("status", folder, "--json")
    assert code == 0
    unit = json.loads(out)["units"][1]
    assert {name: unit[name] for name in ("method", "config", "seed", "state", "done", "of", "reason")} == {
        "method": "stc",
        "config": "default",
        "seed": 1,
        "state": "failed",
        "done": 0,
        "of": 400,
        "reason": "no\nmemory",
    }
    code, out, _ = vis_bench("status", folder)
    assert "1 running, 1 failed, 2 waiting, 1 done; about 7 min left" in out
    assert "failed          0/400  stc@default seed 1 on squares val (plain): no memory" in out

    def all_end(seconds):
        (folder / "squares-val/plain/stc-2/.lease").unlink()
        (folder / "plans/x.json").unlink()

    monkeypatch.setattr("time.sleep", all_end)
    code, out, _ = vis_bench("status", folder, "--watch", "--json")
    first, last = map(json.loads, out.splitlines())
    assert (first["counts"]["waiting"], last["counts"]["waiting"]) == (2, 0)


def test_folders_without_anything_are_refused(vis_bench, tmp_path):
    code, _, err = vis_bench("status", tmp_path / "none")
    assert code == 3
    assert "no such folder of results" in err
    with pytest.raises(DataError, match="holds no plan and no record"):
        folder_status(tmp_path)
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "x.json").write_text('{"format": "other"}')
    with pytest.raises(DataError, match="is no plan"):
        read_plans(tmp_path)
