"""Executors place units: what a worker does, what is refused, and that results are those of one machine.

With real engines (long): six units on a cluster of Ray with two nodes, one worker killed in the middle;
through submitit's executors; moved from one to the other half-way.
"""

import importlib.util
import json
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from vis_bench.engine.executors.choose import open_executor
from vis_bench.engine.executors.unit_work import remote_devices, work_on
from vis_bench.engine.order import Order
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lease import read_owner
from vis_bench.engine.run import run
from vis_bench.errors import DataError, MethodError, UsageError

HERE = Path(__file__).parent
COUNTED = f"{HERE / 'counted_method.py'}:SPEC"
TOY = f"{HERE / 'toy_method.py'}:SPEC"


class Elsewhere:
    """A stand-in for an engine: everything is pickled there and back, and computed when it is asked for."""

    remote = True

    def __init__(self):
        self.placed, self.batches = [], 0

    def devices(self, device, devices):
        return remote_devices(device, devices, has_gpus=False)

    def jobs(self, units):
        return units

    def start(self, unit):
        self.placed.append(unit.label)
        order = pickle.dumps((Order.of(unit.run), unit.makes is not None))
        return Asked(order)

    def together(self):
        self.batches += 1
        return nullcontext()

    def working(self):
        return nullcontext()


class Asked:
    handles = ()

    def __init__(self, order):
        self.order = order

    def hear(self, progress):
        return pickle.loads(pickle.dumps(work_on(*pickle.loads(self.order))))

    def stop(self):
        pass


@pytest.fixture
def call(squares, protocol, tmp_path, monkeypatch):
    monkeypatch.setenv("TOY_COUNT", str(tmp_path / "steps"))
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))

    def run_it(method, out, seeds, **options):
        return run(
            method, squares, protocol=protocol, seeds=seeds, device="cpu", out=tmp_path / out, **options
        )

    return run_it


def numbers(records):
    return {record.seed: (record.metrics, record.checkpoint_hash) for record in records}


def test_units_that_are_computed_elsewhere_have_the_results_of_this_machine(call):
    place = Elsewhere()
    there = call(TOY, "there", "0,1", executor=place)
    assert sorted(place.placed) == ["toy_method@default seed 0", "toy_method@default seed 1"]
    assert place.batches == 1
    assert numbers(there) == numbers(call(TOY, "here", "0,1"))
    # half of it is done already, wherever that was: never again
    again = Elsewhere()
    call(TOY, "there", "0,1,2", executor=again)
    assert again.placed == ["toy_method@default seed 2"]


def test_what_fails_elsewhere_is_a_record_with_its_reason(call):
    (record,) = call(TOY, "there", "0,", executor=Elsewhere(), overrides={"fail_on_frame": 1})
    assert (record.status, record.error) == ("failed", "RuntimeError: the toy broke")

    class Lost(Elsewhere):
        def start(self, unit):
            lost = Asked(b"")
            lost.hear = lambda progress: Failure("the worker is gone", 4, "gone\n")
            return lost

    (record,) = call(TOY, "lost", "0,", executor=Lost())
    assert (record.status, record.error) == ("failed", "the worker is gone")


def test_a_worker_sees_its_own_devices_alone():
    assert remote_devices("auto", 1, has_gpus=False).slots == (("cpu",),)
    assert remote_devices("auto", 2, has_gpus=True).slots == (("cuda:0", "cuda:1"),)
    assert remote_devices("cuda", "4", has_gpus=False).per_run == 4
    for device, devices in (("cuda:1", 1), ("cuda", "0,1")):
        with pytest.raises(UsageError, match="the executor chooses which"):
            remote_devices(device, devices, has_gpus=True)
    with pytest.raises(UsageError, match="must be auto, cpu or cuda"):
        remote_devices("tpu", 1, has_gpus=False)


def test_executors_by_name(tmp_path):
    assert not open_executor("local").remote
    with pytest.raises(UsageError, match="Did you mean 'slurm'"):
        open_executor("slurmm")
    with pytest.raises(UsageError, match="--address is for --executor ray"):
        open_executor("local", address="auto")
    file = tmp_path / "e.toml"
    file.write_text("[local]\ncpus = 2\n")
    with pytest.raises(UsageError, match="takes no options, found: cpus"):
        open_executor("local", file)
    file.write_text("[rya]\n")
    with pytest.raises(DataError, match=r"\[rya\] is no executor\. Did you mean 'ray'"):
        open_executor("ray", file)
    file.write_text("[ray\n")
    with pytest.raises(DataError, match="not valid TOML"):
        open_executor("ray", file)


def test_an_engine_that_is_not_installed_is_one_clear_error(monkeypatch):
    for name, package in (("ray", "ray"), ("slurm", "submitit")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MethodError, match=rf"pip install 'vis-bench\[{name}\]'"):
            open_executor(name)


def requires(package, title):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{title} is not installed")


@pytest.fixture
def importable(monkeypatch):
    """Workers import the package from this checkout."""
    places = [str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))


@pytest.fixture
def cluster(importable, tmp_path, monkeypatch):
    """Two nodes with one processor each."""
    monkeypatch.setenv("TOY_COUNT", str(tmp_path / "steps"))
    monkeypatch.setenv("TOY_SECONDS", "0.5")
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # its workers would come after everything else on a busy machine
    monkeypatch.setenv("RAY_worker_niceness", "0")
    import ray
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.add_node(num_cpus=1)
    yield found
    ray.shutdown()
    found.shutdown()


def _kill_a_worker(out, killed):
    """Kill the process of the first unit that is in the middle of its training."""
    until = time.monotonic() + 600
    while time.monotonic() < until and not killed:
        for lease in (out / "squares-val").rglob(".lease"):
            owner = read_owner(lease.parent)[1]
            begun = list((out / "trained").rglob("resume.pt"))
            if owner is not None and begun:
                os.kill(owner.pid, signal.SIGKILL)
                killed.append(owner.pid)
                return
        time.sleep(0.1)


@requires("ray", "Ray")
@pytest.mark.slow
@pytest.mark.long
def test_six_units_on_two_nodes_of_ray_with_a_worker_killed_in_the_middle(
    call, cluster, tmp_path, monkeypatch
):
    killed = []
    killer = threading.Thread(target=_kill_a_worker, args=(tmp_path / "there", killed))
    killer.start()
    place = open_executor("ray", address=cluster.address, out=tmp_path / "there")
    there = call(COUNTED, "there", "6", executor=place)
    killer.join()
    assert killed
    assert {record.status for record in there} == {"done"}
    monkeypatch.setenv("TOY_SECONDS", "0")
    assert numbers(there) == numbers(call(COUNTED, "here", "6"))


@requires("ray", "Ray")
@requires("submitit", "submitit")
@pytest.mark.slow
@pytest.mark.long
def test_a_study_moves_from_ray_to_submitit_half_way(call, cluster, tmp_path, monkeypatch):
    place = open_executor("ray", address=cluster.address, out=tmp_path / "there")
    call(COUNTED, "there", "3", executor=place)
    steps = (tmp_path / "steps").stat().st_size
    monkeypatch.setenv("TOY_SECONDS", "0")
    there = call(COUNTED, "there", "6", executor=_submitit(tmp_path, "there"))
    # three of six were there: as many steps again, and no more
    assert (tmp_path / "steps").stat().st_size == 2 * steps
    assert numbers(there) == numbers(call(COUNTED, "here", "6"))


def _submitit(tmp_path, out, cluster="local"):
    file = tmp_path / "slurm.toml"
    file.write_text(f'[slurm]\ncluster = "{cluster}"\ntimeout_min = 10\n')
    return open_executor("slurm", file, out=tmp_path / out)


@requires("submitit", "submitit")
@pytest.mark.slow
@pytest.mark.long
def test_a_job_of_submitit_that_is_told_to_end_is_submitted_again_and_goes_on(
    call, importable, tmp_path, monkeypatch
):
    monkeypatch.setenv("TOY_SECONDS", "2")
    place = _submitit(tmp_path, "there")

    def interrupt():
        """Send the signal to the task once it has left a checkpoint."""
        until = time.monotonic() + 400
        while time.monotonic() < until:
            leases = list((tmp_path / "there" / "squares-val").rglob(".lease"))
            owner = read_owner(leases[0].parent)[1] if leases else None
            if owner is not None and list((tmp_path / "there" / "trained").rglob("resume.pt")):
                os.kill(owner.pid, signal.SIGUSR1)
                return
            time.sleep(0.1)

    thread = threading.Thread(target=interrupt)
    thread.start()
    (there,) = call(COUNTED, "there", "0,", executor=place)
    thread.join()
    assert there.status == "done"
    logs = "".join(path.read_text() for path in (tmp_path / "there" / "slurm").rglob("*_log.*"))
    assert "Caught signal SIGUSR1" in logs
    assert "Requeued job" in logs
    # it went on from the checkpoint
    assert (tmp_path / "steps").stat().st_size < 2 * 6
    monkeypatch.setenv("TOY_SECONDS", "0")
    assert numbers([there]) == numbers(call(COUNTED, "here", "0,"))


@requires("submitit", "submitit")
@pytest.mark.slow
@pytest.mark.long
def test_the_debug_executor_and_six_units_at_once(call, importable, tmp_path):
    debug = call(TOY, "debug", "0,", executor=_submitit(tmp_path, "debug", "debug"))
    there = call(TOY, "there", "6", executor=_submitit(tmp_path, "there"))
    here = call(TOY, "here", "6")
    assert numbers(there) == numbers(here)
    assert numbers(debug) == numbers(here[:1])


@requires("submitit", "submitit")
@pytest.mark.slow
@pytest.mark.long
def test_speed_is_measured_in_a_job_of_its_own(vis_bench, squares, importable, tmp_path, monkeypatch):
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "slurm.toml").write_text('[slurm]\ncluster = "local"\ntimeout_min = 10\n')
    code, out, err = vis_bench(
        "speed", "--methods", f"{HERE / 'speed_toys.py'}:SLEEPER", "--dataset", squares, "--split", "val",
        "--out", tmp_path / "speed", "--short", "--frames", 20, "--scenario", "stream", "--repeats", 1,
        "--executor", "slurm", "--executor-options", tmp_path / "slurm.toml",
    )  # fmt: skip
    assert code == 0, err
    assert "SHORT" in out
    assert list((tmp_path / "speed").rglob("stream.speed.json"))
    assert list((tmp_path / "speed" / "slurm").rglob("*_log.out"))


@requires("submitit", "submitit")
def test_parameters_of_slurm_that_are_wrong(tmp_path):
    file = tmp_path / "slurm.toml"
    file.write_text('[slurm]\ncluster = "pbs"\n')
    with pytest.raises(UsageError, match="must be slurm, local, debug"):
        open_executor("slurm", file, out=tmp_path)
    file.write_text('[slurm]\ncluster = "local"\ntimeout_minutes = 3\n')
    with pytest.raises(UsageError, match="timeout_minutes"):
        open_executor("slurm", file, out=tmp_path)
    file.write_text('[slurm]\ncluster = "local"\ngpus_per_node = 1\n')
    place = open_executor("slurm", file, out=tmp_path)
    assert place.devices("auto", 1).kind == "cuda"
    with pytest.raises(UsageError, match="ask for 1 GPUs"):
        place.devices("cuda", 2)


@requires("ray", "Ray")
def test_options_of_ray_that_are_unknown(tmp_path):
    file = tmp_path / "ray.toml"
    file.write_text("[ray]\ncpu = 1\n")
    with pytest.raises(UsageError, match=r"\[ray\] cpu: unknown\. Known: address, cpus"):
        open_executor("ray", file)
    assert json.dumps(open_executor("ray", address="x").options["address"]) == '"x"'
