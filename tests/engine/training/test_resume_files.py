"""Files from which a killed run goes on: nothing finished is lost while they are read."""

import json
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vis_bench.data import catalog
from vis_bench.engine.frame_store import PARTIAL_NAME as FRAMES_PARTIAL
from vis_bench.engine.frame_store import FrameStore
from vis_bench.engine.track import VideoOutcome, _append_partial, _read_partial
from vis_bench.engine.training.log import TrainLog
from vis_bench.method import FrameResult, RawDetections


@pytest.fixture
def no_rewriting(monkeypatch):
    """A file that is opened for writing is empty until it is written again: too long for a kill."""

    def refuse(path, *arguments, **options):
        raise OSError("killed here")

    monkeypatch.setattr(Path, "write_text", refuse)


def many_detections(n=200, width=64):
    draw = np.random.default_rng(0)
    return RawDetections(
        draw.random(n), np.zeros(n, np.int64), draw.random((n, 4)), draw.normal(size=(n, width)), (None,) * n
    )


def test_tracks_of_finished_videos_stay_on_disk(squares, tmp_path, no_rewriting):
    dataset = catalog.open_dataset(str(squares), "val")
    path = tmp_path / "predictions.partial.jsonl"
    for video in dataset.videos:
        _append_partial(path, video, VideoOutcome((), 0, 1.5))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"video_id": 7, "tra')
    finished = _read_partial(path, dataset)
    assert {number: one.seconds for number, one in finished.items()} == {0: 1.5, 1: 1.5}
    assert path.read_bytes() == whole


def test_frames_of_finished_videos_stay_on_disk(squares, tmp_path, no_rewriting):
    dataset = catalog.open_dataset(str(squares), "val")
    FrameStore(tmp_path, dataset, "segm").append(dataset.videos[0], None)
    path = tmp_path / FRAMES_PARTIAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"video_id": 1, "fra')
    assert set(FrameStore(tmp_path, dataset, "segm").finished) == {0}
    assert path.read_bytes() == whole


def test_stored_frames_take_no_memory(squares, tmp_path):
    """Before and after a kill: 16 videos are megabytes on disk, and places of lines in memory."""
    dataset = catalog.open_dataset(str(squares), "val")
    videos = tuple(replace(dataset.videos[0], id=number, name=str(number)) for number in range(16))
    dataset, given = replace(dataset, videos=videos), many_detections()
    tracemalloc.start()
    store = FrameStore(tmp_path, dataset, "segm")
    begin = tracemalloc.get_traced_memory()[0]
    for video in videos:
        store.append(video, [FrameResult(t, (), given) for t in range(video.length)])
    again = FrameStore(tmp_path, dataset, "segm")
    grown = tracemalloc.get_traced_memory()[0] - begin
    assert len(again.finished) == len(videos)
    size = (tmp_path / FRAMES_PARTIAL).stat().st_size
    tracemalloc.reset_peak()
    again.finish()
    peak = tracemalloc.get_traced_memory()[1] - begin
    tracemalloc.stop()
    assert size > 8e6
    assert grown < size / 20
    assert peak < size / 2


def test_the_log_of_a_training_is_cut_without_a_moment_of_nothing(tmp_path, no_rewriting):
    path, linked = tmp_path / "train.jsonl", tmp_path / "linked.jsonl"
    lines = [json.dumps({"iteration": n, "seconds": 1.0}) + "\n" for n in (0, 20, 40)]
    path.write_bytes("".join(lines).encode())
    os.link(path, linked)
    os.utime(path, ns=(1, 1))
    TrainLog(path, 41, "cpu")
    assert path.stat().st_mtime_ns == 1
    TrainLog(path, 40, "cpu")
    assert path.read_text() == "".join(lines[:2])
    # a finished run keeps the log of its own training
    assert linked.read_text() == "".join(lines)
