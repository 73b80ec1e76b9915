import copy
import gzip
import json
import os
from pathlib import Path

import pytest
from ytvis_files import HEIGHT, WIDTH, payload, rle, square, write_json

from vis_bench.data.predictions import parse_results, read_results, write_results
from vis_bench.data.ytvis import read_dataset
from vis_bench.errors import EXIT_DATA, DataError
from vis_bench.masks.rle import area
from vis_bench.types import Track


@pytest.fixture
def dataset(tmp_path):
    return read_dataset(write_json(tmp_path / "gt.json", payload()), None, "mine", "val")


def entry(**changes):
    return {
        "video_id": 1,
        "category_id": 7,
        "score": 0.25,
        "segmentations": [None, rle(square(0, 0, 5, 5))],
    } | changes


def test_reads_in_file_order_and_leaves_the_input_alone(dataset):
    given = [entry(score=1), entry(category_id=1)]
    before = copy.deepcopy(given)
    first, second = parse_results(given, dataset, "here")
    assert given == before
    assert (first.score, first.category_id, second.category_id) == (1.0, 7, 1)
    assert first.segmentations[0] is None
    assert area(first.segmentations[1]) == 25
    assert first.boxes is None


def test_empty_list_is_valid(dataset):
    assert parse_results([], dataset, "here") == []


@pytest.mark.parametrize("suffix", ["json", "json.gz"])
def test_written_results_read_back_equal(tmp_path, dataset, suffix):
    boxes_only = Track(1, 1, 0.5, (None, None), ((1.0, 2.0, 3.0, 4.5), None))
    tracks = [*parse_results([entry()], dataset, "here"), boxes_only]
    path = tmp_path / f"results.{suffix}"
    write_results(path, tracks)
    assert read_results(path, dataset) == tracks
    raw = gzip.decompress(path.read_bytes()) if suffix.endswith("gz") else path.read_bytes()
    assert set(json.loads(raw)[0]) == {"video_id", "category_id", "score", "segmentations"}
    assert set(json.loads(raw)[1]) == {"video_id", "category_id", "score", "bboxes"}


def test_box_only_entries_need_no_segmentations(dataset):
    given = [{"video_id": 1, "category_id": 1, "score": 0.1, "bboxes": [None, [1, 2, 3, 4]]}]
    (track,) = parse_results(given, dataset, "here")
    assert track.segmentations == (None, None)
    assert track.boxes == (None, (1.0, 2.0, 3.0, 4.0))


def box_entry(**changes):
    return {"video_id": 1, "category_id": 1, "score": 0.1, "bboxes": [None, [1, 2, 3, 4]]} | changes


def test_what_is_to_be_scored_has_to_be_there(dataset):
    """Boxes in every track; masks in some, since a track of a mask method may have none."""
    both = entry(bboxes=[None, [0, 0, 5, 5]])
    without = entry(segmentations=[None, None])
    assert len(parse_results([both, box_entry()], dataset, "here", iou_type="bbox")) == 2
    assert len(parse_results([both, box_entry(), without], dataset, "here", iou_type="segm")) == 3
    assert len(parse_results([without], dataset, "here", iou_type="segm")) == 1
    for kind in ("segm", "bbox"):
        assert parse_results([], dataset, "here", iou_type=kind) == []
    with pytest.raises(DataError, match=r"entry 1: has no `bboxes`.*--iou-type segm"):
        parse_results([both, entry()], dataset, "here", iou_type="bbox")
    empty_masks = box_entry(segmentations=[None, None])
    with pytest.raises(DataError, match=r"here: holds boxes and not one mask.*--iou-type bbox"):
        parse_results([box_entry(), empty_masks], dataset, "here", iou_type="segm")


def test_unknown_categories_are_dropped_only_on_request(dataset):
    given = [entry(category_id=99), entry()]
    with pytest.raises(DataError, match="entry 0: category 99 is not in mine"):
        parse_results(given, dataset, "here")
    assert [track.category_id for track in parse_results(given, dataset, "here", True)] == [7]


def test_writing_refuses_nan_scores(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_results(tmp_path / "x.json", [Track(1, 1, float("nan"), (None,))])
    assert not (tmp_path / "x.json").exists()


WRONG_SIZE = rle(square(0, 0, 2, 2, (WIDTH, HEIGHT)))
OVERRUN = {"size": [HEIGHT, WIDTH], "counts": rle(square(0, 0, 5, 5, (HEIGHT, WIDTH + 1)))["counts"]}
BAD_RESULTS = {
    "object": ({"annotations": []}, "must be a JSON list of tracks, found dict with keys annotations"),
    "text": ("x", "must be a JSON list"),
    "entry no object": ([[1]], "entry 0: must be a JSON object"),
    "no score": ([{k: v for k, v in entry().items() if k != "score"}], "`score` is missing"),
    "no segmentations": (
        [{k: v for k, v in entry().items() if k != "segmentations"}],
        "`segmentations` is missing",
    ),
    "short": ([entry(segmentations=[None])], "`segmentations` has 1 entries, the video has 2 frames"),
    "long": ([entry(), entry(segmentations=[None] * 3)], "entry 1: `segmentations` has 3 entries"),
    "negative box": ([entry(bboxes=[None, [3, 3, -1, 2]])], "frame 1: a box has no negative width or height"),
    "long boxes": ([entry(bboxes=[None] * 3)], "`bboxes` has 3 entries"),
    "nan": ([entry(score=float("nan"))], "`score` must be a finite number, found nan"),
    "infinite": ([entry(score=float("inf"))], "`score` must be a finite number"),
    "score huge": ([entry(score=10**400)], "`score` must be a finite number"),
    "score text": ([entry(score="0.5")], "`score` must be a finite number, found '0.5'"),
    "score true": ([entry(score=True)], "`score` must be a finite number, found True"),
    "video": ([entry(video_id=2)], "entry 0: video 2 is not in mine val"),
    "video text": ([entry(video_id="1")], "`video_id` must be a whole number"),
    "mask size": ([entry(segmentations=[WRONG_SIZE, None])], r"size \[20, 12\] in a video of .* \[12, 20\]"),
    "overrun": (
        [entry(), entry(segmentations=[None, OVERRUN])],
        r"entry 1 \(video 1\), frame 1: broken mask.*overrun",
    ),
}


@pytest.mark.parametrize("case", BAD_RESULTS)
def test_malformed_results_are_refused(tmp_path, dataset, case):
    value, message = BAD_RESULTS[case]
    path = write_json(tmp_path / "results.json", value)
    with pytest.raises(DataError, match=message) as caught:
        read_results(path, dataset)
    assert caught.value.exit_code == EXIT_DATA
    assert str(path) in str(caught.value)


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
@pytest.mark.parametrize(
    ("corpus", "suffix", "tracks", "results"), [("small", "", 73, 246), ("medium", ".gz", 146, 479)]
)
def test_reference_corpora_are_read_whole(corpus, suffix, tracks, results):
    root = Path(os.environ["VIS_BENCH_FIXTURES"]) / "metrics"
    truth = read_dataset(root / f"{corpus}_gt.json{suffix}", None, corpus, "val")
    assert len(truth.tracks) == tracks
    assert len(read_results(root / f"{corpus}_pred.json{suffix}", truth)) == results
    # Every area that the corpora's makers measured with pycocotools is the area of the mask as we hold it.
    for track in truth.tracks:
        assert [None if mask is None else area(mask) for mask in track.segmentations] == list(track.areas)
