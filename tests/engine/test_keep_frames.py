"""`vis-bench run --keep-frames`: what is stored, exactly, and across an interruption."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from vis_bench.data import catalog
from vis_bench.data.frame_predictions import emitted, frame_record, read_frames
from vis_bench.engine.frame_store import FrameStore
from vis_bench.errors import DataError, MethodError
from vis_bench.masks.rle import encode
from vis_bench.method import FrameDetection, FrameResult, RawDetections

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra):
        return vis_bench(
            "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol,
            "--out", tmp_path / "runs", "--jobs", 1, *extra,
        )  # fmt: skip

    return call


def detections(n=2, width=3, size=(48, 64), dtype=np.float64):
    """Detections with numbers that have no short decimal form."""
    draw = np.random.default_rng(n)
    mask = np.zeros(size, dtype=bool)
    mask[:5, :7] = True
    return RawDetections(
        draw.random(n),
        np.zeros(n, dtype=np.int64),
        draw.random((n, 4)) * 40,
        draw.normal(size=(n, width)).astype(dtype),
        tuple(encode(mask) if i % 2 == 0 else None for i in range(n)),
    )


def store_of(folder, dataset, frames):
    store = FrameStore(folder, dataset, "segm")
    for video in dataset.videos:
        store.append(video, [FrameResult(t, (), frames) for t in range(video.length)])
    store.finish()
    return folder / "frames.jsonl.gz"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_detections_come_back_exactly(squares, tmp_path, dtype):
    dataset = catalog.open_dataset(str(squares), "val")
    size = (dataset.videos[0].height, dataset.videos[0].width)
    given = detections(3, size=size, dtype=dtype)
    stored = read_frames(store_of(tmp_path, dataset, given), dataset)
    assert list(stored.videos) == [video.id for video in dataset.videos]
    back = stored.videos[dataset.videos[1].id][2]
    for name in ("scores", "labels", "boxes", "embeddings"):
        assert np.array_equal(getattr(back, name), getattr(given, name)), name
    assert back.segmentations[0]["counts"] == given.segmentations[0]["counts"]
    assert back.segmentations[1] is None
    assert frame_record(given, "x")["embeddings"]["dtype"] == ("<f4" if dtype == np.float32 else "<f8")


def test_frames_without_detections_come_back(squares, tmp_path):
    dataset = catalog.open_dataset(str(squares), "val")
    stored = read_frames(store_of(tmp_path, dataset, detections(0, 4)), dataset)
    back = stored.videos[dataset.videos[0].id][0]
    assert (back.boxes.shape, back.embeddings.shape, back.segmentations) == ((0, 4), (0, 4), ())


def test_emitted_detections_stand_in_for_candidates():
    mask = np.zeros((8, 10), dtype=bool)
    mask[2:5, 3:9] = True
    result = FrameResult(
        0,
        (
            FrameDetection(7, np.array([0.25, 0.75], np.float32), encode(mask)),
            FrameDetection(8, np.array([0.5, 0.25], np.float32), None, (1.0, 2.0, 3.0, 4.0)),
        ),
    )
    found = emitted(result, "segm")
    # the second has no mask: it counts as absent in this frame
    assert (found.scores.tolist(), found.labels.tolist()) == ([0.75], [1])
    assert found.boxes.tolist() == [[3.0, 2.0, 9.0, 5.0]]
    assert found.embeddings.shape == (1, 0)
    boxes = emitted(result, "bbox")
    assert (boxes.boxes.tolist(), boxes.labels.tolist()) == ([[1.0, 2.0, 4.0, 6.0]], [0])


def test_run_keeps_frames_only_when_asked_and_then_tracks_again(run, squares, tmp_path):
    assert run()[0] == 0
    assert not list(tmp_path.glob("runs/**/frames.jsonl.gz"))
    (before,) = (path.read_bytes() for path in tmp_path.glob("runs/**/predictions.json.gz"))
    code, _, err = run("--keep-frames")
    assert code == 0
    assert "cached" not in err
    (path,) = tmp_path.glob("runs/**/frames.jsonl.gz")
    assert not list(path.parent.glob("*.partial.jsonl"))
    assert (path.parent / "predictions.json.gz").read_bytes() == before
    stored = read_frames(path, catalog.open_dataset(str(squares), "val"))
    tracks = json.loads(gzip.decompress(before))
    for track in tracks:
        frames = stored.videos[track["video_id"]]
        masks = [frame.segmentations[0]["counts"].decode() if len(frame) else None for frame in frames]
        assert masks == [mask and mask["counts"] for mask in track["segmentations"]]
    assert "cached" in run("--keep-frames")[2]


def test_an_interrupted_run_keeps_the_frames_of_finished_videos(run, tmp_path, monkeypatch):
    whole = tmp_path / "whole"
    assert run("--keep-frames", "--out", whole)[0] == 0
    (expected,) = (path.read_bytes() for path in whole.glob("**/frames.jsonl.gz"))

    real = FrameStore.append

    def stop_at_the_second(self, video, results):
        if self.finished:
            with self._partial.open("a") as file:
                file.write('{"video_id": 1, "fra')
            raise KeyboardInterrupt
        real(self, video, results)

    monkeypatch.setattr(FrameStore, "append", stop_at_the_second)
    assert run("--keep-frames")[0] == 130
    appended = []

    def count(self, video, results):
        appended.append(video.id)
        real(self, video, results)

    monkeypatch.setattr(FrameStore, "append", count)
    assert run("--keep-frames")[0] == 0
    assert appended == [1]
    (path,) = (tmp_path / "runs").glob("**/frames.jsonl.gz")
    assert path.read_bytes() == expected


def test_candidates_that_do_not_fit_together_are_refused():
    given = detections(2)
    broken = RawDetections(given.scores, given.labels, given.boxes[:1], given.embeddings, given.segmentations)
    with pytest.raises(MethodError, match=r"boxes \(1, 4\)"):
        frame_record(broken, "video a, frame 0")
    endless = given.embeddings.copy()
    endless[0, 0] = np.nan
    with pytest.raises(MethodError, match="not finite"):
        frame_record(
            RawDetections(given.scores, given.labels, given.boxes, endless, given.segmentations), "x"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda head, video: head.update(version=2), "version 1"),
        (lambda head, video: head.update(categories=[5]), "other categories"),
        (lambda head, video: head.update(iou_type="masks"), "iou_type"),
        (lambda head, video: video.update(video_id=99), "not in"),
        (lambda head, video: video["frames"].pop(), "the video has"),
        (lambda head, video: video["frames"][0]["labels"].append(0), "labels"),
        (lambda head, video: video["frames"][0].update(labels=[0, 9]), "whole numbers from 0"),
        (lambda head, video: video["frames"][0]["scores"].__setitem__(0, "high"), "must hold numbers"),
        (lambda head, video: video["frames"][1]["embeddings"].update(width=2), "2 x 2 finite numbers"),
        (lambda head, video: video["frames"][1]["embeddings"].update(data="%%"), "broken"),
        (lambda head, video: video["frames"][1]["embeddings"].update(width=0, data=""), "widths"),
        (lambda head, video: video["frames"][1]["segmentations"][0].update(size=[3, 3]), "size"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(squares, tmp_path, change, message):
    dataset = catalog.open_dataset(str(squares), "val")
    size = (dataset.videos[0].height, dataset.videos[0].width)
    path = store_of(tmp_path, dataset, detections(2, size=size))
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(lines[0], lines[1])
    path.write_text("\n".join(json.dumps(line) for line in lines))
    with pytest.raises(DataError, match=message):
        read_frames(path, dataset)
