"""Progress: bars on a terminal, plain lines in a log, in a terminal of 80 columns."""

import io
import sys

import pytest

from vis_bench.engine.process import progress
from vis_bench.engine.process.progress import Bars, SweepBars

STAGE_LABEL = "mask2former_vis@tiny image stage"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_log_holds_lines_and_nothing_that_moves(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    bars = SweepBars(["stc@tiny seed 0", "ifr@tiny seed 0"], 2)
    for done in (0, 600, 1200):
        bars.update("stc@tiny seed 0", "track", done, 2400)
    bars.finished("stc@tiny seed 0", "done       stc@tiny seed 0")
    bars.close()
    lines = stream.getvalue().splitlines()
    assert "stc@tiny seed 0: track: 600 of 2,400" in lines
    assert "done       stc@tiny seed 0" in lines
    assert not set("\r\x1b") & set(stream.getvalue())


def test_a_log_is_not_flooded(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bars = SweepBars(["stc@tiny seed 0"], 1)
    for done in range(100):
        bars.update("stc@tiny seed 0", "track", done, 100)
    bars.close()
    assert len(stream.getvalue().splitlines()) <= 1


@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
def test_an_image_stage_is_not_named_twice(kind, monkeypatch):
    stream = kind()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0)
    bars = Bars()
    for done in range(3):
        bars.update(STAGE_LABEL, "image stage", done, 3)
    bars.update("stc@tiny seed 0", "train", 0, 3)
    bars.update("stc@tiny seed 0", "train", 1, 3)
    bars.close()
    said = stream.getvalue()
    assert f"{STAGE_LABEL}:" in said
    assert "image stage: image stage" not in said
    assert "stc@tiny seed 0: train" in said
