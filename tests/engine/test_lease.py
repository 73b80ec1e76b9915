"""Leases: one owner, on any file system; the dead are replaced, and who was taken for dead stops."""

import json
import os
import platform
import subprocess
import sys
import threading
import time

import pytest

from vis_bench.engine.process import lease as leases
from vis_bench.engine.process import lock
from vis_bench.engine.process.lease import (
    LEASE_NAME,
    LeaseLostError,
    Owner,
    Watch,
    noting,
    read_owner,
    try_lease,
)
from vis_bench.errors import MethodError


@pytest.fixture
def quick(monkeypatch):
    """Everything a hundred times faster."""
    monkeypatch.setattr(leases, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(leases, "STALE_SECONDS", 0.4)
    monkeypatch.setattr(lock, "POLL_SECONDS", 0.02)


def left_behind(folder, machine="another machine", pid=1, started="7"):
    """A lease as an owner leaves it that was killed."""
    facts = {"nonce": "dead", "host": "gone", "machine": machine, "pid": pid, "started": started}
    (folder / LEASE_NAME).write_bytes(json.dumps({**facts, "beat": 3}).encode().ljust(1024))


def test_a_lease_has_one_owner_until_it_is_released(tmp_path):
    first = try_lease(tmp_path, Watch())
    raw, owner = read_owner(tmp_path)
    assert len(raw) == leases.BYTES
    assert (owner.pid, owner.host, owner.machine) == (os.getpid(), platform.node(), leases.this_machine())
    assert try_lease(tmp_path, Watch()) is None
    assert Watch().holder(tmp_path) == owner
    first.release()
    assert list(tmp_path.iterdir()) == []
    second = try_lease(tmp_path, Watch())
    assert second is not None
    second.release()


def test_a_process_of_this_machine_that_has_ended_holds_nothing(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left_behind(tmp_path, leases.this_machine(), ended.pid)
    assert Watch().holder(tmp_path) is None
    found = try_lease(tmp_path, Watch())
    assert found is not None
    found.release()


def test_a_number_that_another_process_has_by_now_is_not_the_owner(tmp_path):
    left_behind(tmp_path, leases.this_machine(), os.getpid(), started="1")
    assert Watch().holder(tmp_path) is None
    # the same number and the same start: it is this very process
    left_behind(tmp_path, leases.this_machine(), os.getpid(), leases.started_at(os.getpid()))
    assert Watch().holder(tmp_path) is not None


def test_a_lease_of_another_machine_is_stale_when_it_has_not_changed_for_a_while(tmp_path, quick):
    left_behind(tmp_path)
    watch = Watch()
    assert try_lease(tmp_path, watch) is None
    begin = time.monotonic()
    while (found := try_lease(tmp_path, watch)) is None:
        time.sleep(0.02)
    assert 0.35 < time.monotonic() - begin < 5
    assert read_owner(tmp_path)[1].pid == os.getpid()
    found.release()


def test_an_owner_that_lives_is_never_taken_for_dead(tmp_path, quick):
    owner = try_lease(tmp_path, Watch())
    # as another machine sees it
    watch = Watch()
    for _ in range(50):
        raw, found = read_owner(tmp_path)
        other = None if found is None else Owner(**{**_fields(found), "machine": "elsewhere"})
        assert not watch.is_stale(tmp_path, raw, other)
        time.sleep(0.02)
    owner.release()


def _fields(owner):
    return {name: getattr(owner, name) for name in owner.__dataclass_fields__}


def test_of_many_who_see_a_stale_lease_one_takes_it_over(tmp_path, quick):
    left_behind(tmp_path)
    taken, start = [], threading.Barrier(8)

    def take():
        watch = Watch()
        start.wait()
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            found = try_lease(tmp_path, watch)
            if found is not None:
                taken.append(found)
                return
            time.sleep(0.005)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    taken[0].check()
    taken[0].release()
    assert list(tmp_path.iterdir()) == []


def test_a_taker_that_was_killed_in_between_is_no_hindrance_for_ever(tmp_path, quick):
    left_behind(tmp_path)
    marker = tmp_path / leases.TAKEOVER_NAME
    marker.touch()
    os.utime(marker, (1, 1))
    watch = Watch()
    until = time.monotonic() + 10
    while (found := try_lease(tmp_path, watch)) is None and time.monotonic() < until:
        time.sleep(0.02)
    assert found is not None
    found.release()


def test_who_was_taken_for_dead_stops_and_leaves_the_lease_of_the_other(tmp_path, quick):
    mine = try_lease(tmp_path, Watch())
    other = tmp_path / "other"
    other.write_bytes(b"{}")
    other.replace(tmp_path / LEASE_NAME)
    told = noting(mine, lambda *step: None)
    time.sleep(0.3)
    with pytest.raises(LeaseLostError, match="has taken this work over"):
        told("train", 1, 10)
    mine.release()
    assert (tmp_path / LEASE_NAME).read_bytes() == b"{}"


def test_how_far_the_work_is_stands_in_the_lease(tmp_path, quick):
    mine = try_lease(tmp_path, Watch())
    for done in (20, 25, 30):
        mine.note("train", done, 100)
    time.sleep(0.3)
    owner = read_owner(tmp_path)[1]
    assert (owner.stage, owner.first, owner.done, owner.of) == ("train", 20, 30, 100)
    # ten steps took so long, seventy are left
    assert owner.seconds_left() == pytest.approx(7 * owner.stage_seconds)
    mine.release()


def test_a_lock_that_is_held_is_refused_or_waited_for(tmp_path, quick, monkeypatch):
    """Without file locks: the lease alone says so."""

    def no_locks(file, operation):
        raise OSError(95, "not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    said = []
    with lock.locked(tmp_path):
        with pytest.raises(MethodError, match=f"process {os.getpid()} on"), lock.locked(tmp_path):
            pass

        def other():
            with lock.locked(tmp_path, wait=True, waiting=said.append):
                said.append("mine")

        thread = threading.Thread(target=other)
        thread.start()
        time.sleep(0.2)
        assert said
        assert "mine" not in said
    thread.join()
    assert said[-1] == "mine"
    assert not (tmp_path / LEASE_NAME).exists()


def test_without_hard_links_a_lease_is_made_all_the_same(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError(1, "not permitted")

    monkeypatch.setattr(os, "link", no_links)
    mine = try_lease(tmp_path, Watch())
    assert try_lease(tmp_path, Watch()) is None
    mine.release()
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_that_listens_for_the_signal_to_save_hears_it_after_the_state_is_kept():
    """A job that is about to be taken away is submitted again by whoever listened before the training did."""
    import signal

    from vis_bench.engine.training.interrupts import listening

    said = []
    earlier = signal.signal(signal.SIGUSR1, lambda number, frame: said.append(number))
    try:
        with listening() as heard:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert heard.save
            assert said == []
            heard.saved()
            assert said == [signal.SIGUSR1]
            assert not heard.save
            # a state that was due anyway tells nobody
            heard.saved()
            os.kill(os.getpid(), signal.SIGUSR1)
        # the training ended before another state
        assert said == [signal.SIGUSR1] * 2
    finally:
        signal.signal(signal.SIGUSR1, earlier)
