"""A conversion of many videos shows a bar on a terminal, once it takes long."""

import io
import sys

import pytest
from square_videos import write_split

from vis_bench.data import bar
from vis_bench.integrations.formats.convert import convert


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("davis", "writing pictures", "reading pictures"),
        ("mots-png", "writing pictures", "reading pictures"),
        ("sav", "writing", "reading"),
    ],
)
def test_videos_are_counted_when_written_and_when_read(tmp_path, monkeypatch, name, written, read):
    write_split(tmp_path, "val", 3)
    annotations = tmp_path / "val" / "instances_val.json"
    # MOTS has no class 0
    text = annotations.read_text().replace('"category_id": 0', '"category_id": 1')
    annotations.write_text(text.replace('{"id": 0, "name"', '{"id": 1, "name"'))
    monkeypatch.setattr(bar, "AFTER_SECONDS", 0)
    for source, target, label in (
        (annotations, tmp_path / name, written),
        (tmp_path / name, tmp_path / "back.json", read),
    ):
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        convert(source, target, target_format=name if label == written else None)
        assert label in stream.getvalue()
        assert "/3" in stream.getvalue()
