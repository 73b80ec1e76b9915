"""What locks refuse, and that a file system without locks refuses nothing."""

import errno
import os
import sys

import pytest

from vis_bench.engine.process.busy import machine_alone, machine_shared
from vis_bench.engine.process.lock import locked
from vis_bench.errors import MethodError, UsageError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no file locks")


@pytest.fixture
def flock(tmp_path, monkeypatch):
    """Make flock fail with a number of errno."""
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))

    def fail_with(number):
        def fail(file, operation):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr("fcntl.flock", fail)

    return fail_with


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_runs_go_on_and_speed_warns(tmp_path, flock, number):
    flock(number)
    with machine_shared(), locked(tmp_path / "run"):
        pass
    with machine_alone() as warning:
        assert "no file locks" in warning
        assert str(tmp_path / "cache") in warning


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EACCES])
def test_a_lock_that_another_process_holds_is_a_refusal(tmp_path, flock, number):
    flock(number)
    with pytest.raises(UsageError, match="is measuring"), machine_shared():
        pass
    with pytest.raises(UsageError, match="another vis-bench job"), machine_alone():
        pass
    with pytest.raises(MethodError, match="another vis-bench process"), locked(tmp_path / "run"):
        pass


def test_the_file_is_open_for_both_kinds_of_lock(tmp_path, monkeypatch):
    """NFS answers a shared lock on a file that cannot be read with EBADF, and an exclusive one likewise."""
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    seen = []
    monkeypatch.setattr(
        "fcntl.flock", lambda file, operation: seen.append(file.readable() and file.writable())
    )
    with machine_shared():
        pass
    with machine_alone() as warning:
        assert warning is None
    with locked(tmp_path / "run"):
        pass
    assert seen == [True, True, True]
