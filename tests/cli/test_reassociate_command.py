"""`vis-bench reassociate`: one run's detections under its own rule, under others, and without appearance."""

import gzip
import json
import subprocess
import sys

import numpy as np
import pytest

from vis_bench.data import catalog
from vis_bench.data.frame_predictions import read_frames
from vis_bench.data.predictions import result_record
from vis_bench.engine.frame_store import FrameStore
from vis_bench.engine.track import track_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.masks.rle import encode
from vis_bench.method import FrameResult, RawDetections
from vis_bench.scoring.reassociate import Rule, methods_with_rules, reassociate, stored_videos
from vis_bench.setup.plugins import load_spec

RULES = ["inspro_tbd", "masktrack_rcnn", "querytrack", "stc"]


@pytest.fixture
def dataset(squares):
    return catalog.open_dataset(str(squares), "val")


def square(dataset, left, top=4, side=8):
    mask = np.zeros((dataset.videos[0].height, dataset.videos[0].width), dtype=bool)
    mask[top : top + side, left : left + side] = True
    return encode(mask)


def two_objects(dataset, appearances, columns=((2, 20), (2, 20))):
    """One frame per entry of `columns`: two detections of one class at these columns."""
    frames = []
    for index, places in enumerate(columns):
        frames.append(
            RawDetections(
                np.array([0.9, 0.8]),
                np.zeros(2, dtype=np.int64),
                np.array([(left, 4, left + 8, 12) for left in places], dtype=float),
                np.array(appearances[index], dtype=float).reshape(2, -1),
                tuple(square(dataset, left) for left in places),
            )
        )
    return frames


def write(folder, dataset, frames, iou_type="segm"):
    folder.mkdir(exist_ok=True)
    store = FrameStore(folder, dataset, iou_type)
    for video in dataset.videos:
        padded = [*frames, *[frames[-1]] * video.length][: video.length]
        store.append(video, [FrameResult(t, (), one) for t, one in enumerate(padded)])
    store.finish()
    return folder / "frames.jsonl.gz"


def identities(name, dataset, path):
    """Column of the mask of each track of the first video in frames 0 and 1, by track; None where absent."""
    spec = load_spec(name)
    frames = read_frames(path, dataset)
    tracks = reassociate(Rule(name, spec, spec.configs["tiny"]), frames, dataset)
    column = {square(dataset, left)["counts"]: left for left in range(40)}
    return sorted(
        tuple(column[mask["counts"]] if mask else None for mask in track.segmentations[:2])
        for track in tracks
        if track.video_id == dataset.videos[0].id
    )


def test_the_methods_with_a_rule():
    assert methods_with_rules() == RULES


@pytest.mark.parametrize("name", RULES)
def test_without_appearance_the_boxes_decide(name, dataset, tmp_path):
    """Width 0: the objects keep their places, whatever the order of the detections."""
    frames = two_objects(dataset, [[], []], columns=((2, 20), (21, 3)))
    path = write(tmp_path / "run", dataset, frames)
    assert identities(name, dataset, path) == [(2, 3), (20, 21)]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("width", [2, 7])
def test_any_width_of_embeddings_is_compared(name, width, dataset, tmp_path):
    """Both objects jump beyond their boxes, so the embeddings alone say who is who: they changed places."""
    first, second = np.zeros(width), np.zeros(width)
    first[0], second[1] = 6.0, 6.0
    frames = two_objects(dataset, [[first, second], [second, first]], columns=((2, 20), (11, 30)))
    path = write(tmp_path / "run", dataset, frames)
    assert identities(name, dataset, path) == [(2, 30), (20, 11)]


@pytest.mark.parametrize("name", RULES)
def test_own_rule_gives_the_run_s_predictions_exactly(name, dataset, tmp_path):
    """A micro model with random weights, tracked by the engine: stored detections give the same bytes."""
    torch = pytest.importorskip("torch")
    from vis_bench.setup.config import override
    from vis_bench.setup.plugins import build_method

    torch.manual_seed(3)
    spec = load_spec(name)
    # random weights are sure of nothing
    config = override(spec.configs["tiny"], {"score_threshold": 0.0, "detections_per_frame": 6})
    model = build_method(spec, config, len(dataset.categories))
    predictions = tmp_path / "predictions.json.gz"
    tracks, _, _ = track_dataset(
        model, dataset, "cpu", tmp_path, predictions, lambda *_: None, 0, "segm", keep_frames=True
    )
    frames = read_frames(tmp_path / "frames.jsonl.gz", dataset)
    assert sum(len(frame) for frame in next(iter(frames.videos.values()))) > 4
    again = reassociate(Rule(name, spec, config), frames, dataset)
    assert len(tracks) > 2
    assert [result_record(track) for track in again] == [result_record(track) for track in tracks]


def test_command_scores_all_rules_and_one_changed_rule(vis_bench, squares, dataset, tmp_path):
    frames = two_objects(dataset, [[], []], columns=((2, 20), (21, 3)))
    path = write(tmp_path / "run", dataset, frames)
    common = ("--dataset", squares, "--split", "val")
    code, out, _ = vis_bench("reassociate", path.parent, "--method", "all", *common, "--json", "-")
    assert code == 0
    assert sorted(json.loads(out)) == RULES
    code, out, _ = vis_bench("reassociate", path, "--method", "all", *common)
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert [line.split()[0] for line in out.splitlines()[2:6]] == RULES

    written = tmp_path / "tracks.json.gz"
    arguments = ("reassociate", path, "--method", "stc", *common, "--predictions", written)
    assert vis_bench(*arguments)[0] == 0
    whole = json.loads(gzip.decompress(written.read_bytes()))
    assert vis_bench(*arguments, "--set", "association.iou_weight=-100")[0] == 0
    repelled = json.loads(gzip.decompress(written.read_bytes()))
    assert (len(whole), len(repelled)) == (4, 4)
    assert whole[0]["segmentations"][1] == repelled[1]["segmentations"][1]


def test_a_key_that_only_some_rules_have(vis_bench, squares, dataset, tmp_path):
    path = write(tmp_path / "run", dataset, two_objects(dataset, [[], []]))
    common = ("reassociate", path, "--method", "all", "--dataset", squares, "--split", "val")
    assert vis_bench(*common, "--set", "association.iou_weight=0")[0] == 0
    code, _, err = vis_bench(*common, "--set", "association.iou_wait=0")
    assert code == 2
    assert "iou_wait" in err


def test_a_run_of_some_videos_is_scored_on_these(vis_bench, squares, dataset, tmp_path):
    from vis_bench.data.splits import keep_videos

    part = keep_videos(dataset, "val", frozenset({dataset.videos[1].id}))
    path = write(tmp_path / "run", part, two_objects(dataset, [[], []]))
    assert [v.id for v in stored_videos(dataset, read_frames(path, dataset)).videos] == [part.videos[0].id]
    code, _, err = vis_bench("reassociate", path, "-m", "stc", "-d", squares, "--split", "val")
    assert code == 0
    assert "1 of 2 videos" in err


def test_what_cannot_be_associated_is_refused(dataset, tmp_path):
    frames = two_objects(dataset, [[], []])
    boxes = read_frames(write(tmp_path / "boxes", dataset, frames, "bbox"), dataset)
    stc, inspro = load_spec("stc"), load_spec("inspro")
    with pytest.raises(DataError, match="boxes without masks"):
        reassociate(Rule("stc", stc, stc.configs["tiny"]), boxes, dataset)
    masks = read_frames(write(tmp_path / "masks", dataset, frames), dataset)
    with pytest.raises(UsageError, match=r"no association rule.*stc"):
        reassociate(Rule("inspro", inspro, inspro.configs["tiny"]), masks, dataset)


def test_rules_import_no_torch():
    code = (
        "import sys, importlib\n"
        "from vis_bench.setup.plugins import load_object, load_spec\n"
        f"for name in {RULES}:\n"
        "    spec = load_spec(name)\n"
        "    load_object(spec.associate), load_object(spec.summarise)\n"
        "import vis_bench.cli.reassociate, vis_bench.scoring.transplant\n"
        "print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "False"
