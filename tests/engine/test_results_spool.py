"""Frame results on disk: what comes back is what went in, and memory does not grow with the frames."""

from __future__ import annotations

import itertools
import os
import tracemalloc

import numpy as np
import pytest
from capped_method import SPEC

from vis_bench.data.predictions import result_record, write_results
from vis_bench.data.unlabelled import Source, as_dataset
from vis_bench.engine.results_spool import ResultsSpool
from vis_bench.engine.track import track_video
from vis_bench.errors import UsageError
from vis_bench.files import write_json
from vis_bench.masks.rle import area, decode, encode, has_pixels, tight_box
from vis_bench.method import FrameDetection, FrameResult
from vis_bench.setup.plugins import build_method
from vis_bench.types import Track, Video

SIZE = (40, 64)


def result(index: int, *detections: FrameDetection) -> FrameResult:
    return FrameResult(index, detections)


def mask(top: int, rows: int) -> np.ndarray:
    picture = np.zeros(SIZE, bool)
    picture[top : top + rows, 10:20] = True
    return picture


def test_what_went_in_comes_out(tmp_path) -> None:
    scores = np.array([0.25, 0.5], np.float32)
    given = [
        result(0, FrameDetection(3, scores, encode(mask(2, 5)), (10.0, 2.0, 10.0, 5.0))),
        result(1),
        result(2, FrameDetection(4, scores, None), FrameDetection(3, scores, encode(mask(9, 1)))),
    ]
    with ResultsSpool(tmp_path) as spool:
        first, second = spool.results(), spool.results()
        for one in given:
            first.append(one)
            second.append(one)
        for found in (first, second):
            assert [len(one.detections) for one in found] == [1, 0, 2]
            assert [one.index for one in found[1:]] == [1, 2]
        (one,) = first[0].detections
        assert (one.identity, one.box) == (3, (10.0, 2.0, 10.0, 5.0))
        assert one.class_scores.dtype == np.float32
        assert one.class_scores.tolist() == [0.25, 0.5]
        absent, last = first[-1].detections
        assert absent.segmentation is None
        # a mask is read anew each time, and serves wherever a mask does
        assert (decode(one.segmentation) == mask(2, 5)).all()
        assert (area(one.segmentation), tight_box(last.segmentation)) == (50, (10.0, 9.0, 10.0, 1.0))
        assert has_pixels(last.segmentation)
        assert dict(one.segmentation) == {
            "size": list(SIZE),
            "counts": given[0].detections[0].segmentation["counts"],
        }
        track = Track(1, 1, 0.5, (one.segmentation, None))
        plain = Track(1, 1, 0.5, (given[0].detections[0].segmentation, None))
        assert result_record(track) == result_record(plain)
        # the file has no name, so that nothing is left of it when the process is killed
        assert not os.listdir(tmp_path)
    with pytest.raises(ValueError, match="closed"):
        decode(one.segmentation)


def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    with pytest.raises(UsageError, match="nowhere"), ResultsSpool(tmp_path / "nowhere"):
        pass


def test_a_full_disk_is_said(tmp_path, monkeypatch) -> None:
    with ResultsSpool(tmp_path) as spool:
        spool._file.close()
        spool._file = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115 (closed by the spool)
        with pytest.raises(UsageError, match="No space left"):
            spool.results().append(result(0, FrameDetection(0, np.ones(1), encode(mask(0, 2)))))


def test_results_files_are_written_track_by_track_with_the_same_bytes(tmp_path) -> None:
    tracks = [Track(1, 2, 0.5 + n / 7, (encode(mask(n, 3)), None), None) for n in range(3)]
    for number in (0, 1, 3):
        write_results(tmp_path / "some.json", tracks[:number])
        write_json(tmp_path / "whole.json", [result_record(one) for one in tracks[:number]], indent=None)
        assert (tmp_path / "some.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        write_results(tmp_path / "bad.json", [Track(1, 1, float("nan"), (None,))])
    assert not (tmp_path / "bad.json").exists()


def memory_by_frame(spool: ResultsSpool | None, frames: int, at: int) -> tuple[int, int]:
    """(bytes held after frame `at`, after the last) of a method that sees ten masks of about 400 bytes."""
    random = np.random.default_rng(0)
    # noise, whose runs are long
    pictures = [encode(random.random((32, 48)) < 0.5) for _ in range(10)]
    held = []

    class Noisy:
        def track(self, video, frames):
            for index, _ in enumerate(frames):
                found = tuple(
                    FrameDetection(
                        n, np.ones(1, np.float32), one | {"counts": one["counts"][:-1] + one["counts"][-1:]}
                    )
                    for n, one in enumerate(pictures)
                )
                yield FrameResult(index, found)
                if index in (at, video.length - 1):
                    held.append(tracemalloc.get_traced_memory()[0])

        def summarise(self, video, results):
            return build_method(SPEC, SPEC.configs["default"], 1).summarise(video, results)

    video = Video(1, "long", 48, 32, tuple(f"long/{n}.jpg" for n in range(frames)))
    dataset = as_dataset([Source(video, None, (), None)], ["thing"])
    blank = np.zeros((32, 48, 3), np.uint8)
    tracemalloc.start()
    try:
        outcome = track_video(
            Noisy(), dataset, video, "cpu", pictures=itertools.repeat(blank, frames), spool=spool
        )
    finally:
        tracemalloc.stop()
    assert len(outcome.tracks) == 10
    assert all(len(track.segmentations) == frames for track in outcome.tracks)
    assert outcome.tracks[3].segmentations[-1]["counts"] == pictures[3]["counts"]
    before, after = held
    return before, after


def test_memory_is_flat_from_frame_200_to_2000(tmp_path) -> None:
    """1,800 frames more are 18,000 masks; what stays is where they lie, 16 bytes a frame."""
    with ResultsSpool(tmp_path) as spool:
        before, after = memory_by_frame(spool, 2000, 200)
    assert after - before < 100_000
    # without it they are all there: that is what the bound is about
    before, after = memory_by_frame(None, 2000, 200)
    assert after - before > 18_000 * 400
