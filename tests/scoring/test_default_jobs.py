"""More than 50 videos are shared by all cores that the process may use."""

import os

import pytest

from vis_bench.scoring.files import default_jobs


def test_cores_above_fifty_videos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    assert default_jobs(50) == 1
    assert default_jobs(51) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert default_jobs(51) == 7
