"""Scoring shows a bar where it was given a name, on a terminal, once it takes long."""

import io
import sys

import pytest
from square_videos import write_split

from vis_bench.data import bar
from vis_bench.data.catalog import open_dataset
from vis_bench.scoring.evaluate import evaluate


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("label", "shown"), [("scoring", True), ("", False)])
def test_videos_are_counted(tmp_path, monkeypatch, label, shown, jobs):
    write_split(tmp_path, "val", 3)
    data = open_dataset(str(tmp_path), "val")
    monkeypatch.setattr(bar, "AFTER_SECONDS", 0)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    evaluate(data, [], jobs=jobs, label=label)
    assert ("scoring" in stream.getvalue() and "/3" in stream.getvalue()) == shown
