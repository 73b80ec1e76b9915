"""A bar shows itself in a terminal, once work takes over two seconds."""

from __future__ import annotations

import io

import pytest

from vis_bench.data import bar as module
from vis_bench.data.bar import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "delay", "shown"), [(Terminal, 0, True), (Terminal, 60, False), (io.StringIO, 0, False)]
)
def test_a_bar_is_for_terminals_and_for_long_work(
    stream: type[io.StringIO], delay: float, shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = stream()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(module, "AFTER_SECONDS", delay)
    assert list(bar([1, 2, 3], "scoring", "run")) == [1, 2, 3]
    assert ("scoring" in written.getvalue()) == shown


def test_quiet_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.AFTER_SECONDS == 2
    written = Terminal()
    monkeypatch.setattr("sys.stderr", written)
    monkeypatch.setattr(module, "AFTER_SECONDS", 0)
    monkeypatch.setenv("VIS_BENCH_QUIET", "1")
    assert list(bar([1], "scoring", "run")) == [1]
    assert written.getvalue() == ""
