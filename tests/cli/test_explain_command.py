"""`vis-bench explain`: the text within 80 columns, the JSON, the events, and bad input."""

import json
from pathlib import Path

import pytest


@pytest.fixture
def results(squares: Path, tmp_path: Path) -> Path:
    """Video 0 of `val` is followed perfectly, video 1 is lost after two frames."""
    truth = json.loads((squares / "val" / "instances_val.json").read_text())
    tracks = [
        {"video_id": one["video_id"], "category_id": 0, "score": 0.9, "segmentations": one["segmentations"]}
        for one in truth["annotations"]
    ]
    tracks[1]["segmentations"] = [*tracks[1]["segmentations"][:2], None, None]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(tracks))
    return path


def truth_of(squares: Path) -> Path:
    return squares / "val" / "instances_val.json"


def test_text(vis_bench, squares, results):
    code, out, _ = vis_bench("explain", results, "--truth", truth_of(squares))
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines() if line}
    # video 1 is found in half of its pixels: right at IoU 0.5 only; AP = (1 + 9 * 51 / 101) / 10
    assert lines["as predicted"][2:] == ["55.4", "100.0"]
    assert "the best mask on each of 8 masks of the truth" in out
    assert [lines[f"recall at IoU {level}, %"][-1] for level in ("0.5", "0.75")] == ["75.0", "75.0"]
    assert lines["its class is right, %"][-1] == "100.0"
    assert lines["early death"][2:] == ["2", "25.00"]
    assert "val1 (id 1)" in out


def test_json_and_events(vis_bench, squares, results, tmp_path):
    code, out, _ = vis_bench(
        "explain", results, "--truth", truth_of(squares), "--json", "-", "--events", tmp_path / "events.json"
    )
    assert code == 0
    content = json.loads(out)
    assert set(content) == {"oracles", "best_masks", "decomposition", "errors", "slices", "costly_videos"}
    # two objects in four frames each, the second one lost after two; its masks are those of the truth
    assert content["best_masks"] == {
        "truth_masks": 8,
        "recall_50": 0.75,
        "recall_75": 0.75,
        "right_class": 1.0,
    }
    assert [one["video"] for one in content["costly_videos"]] == [1]
    events = json.loads((tmp_path / "events.json").read_text())
    assert [(e["kind"], e["video"], e["frame"], e["objects"], e["tracks"]) for e in events] == [
        ("early_death", 1, 2, [1], [1]),
        ("early_death", 1, 3, [1], [1]),
    ]


def test_eval_names_the_costly_video(vis_bench, squares, results):
    code, out, _ = vis_bench("eval", results, "--truth", truth_of(squares), "--jobs", "2")
    assert code == 0
    assert "val1 (id 1)" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--iou-type", "mask"], 2, "segm"),
        (["--dataset", "shapes"], 2, "--truth"),
        (["--iou-type", "bbox"], 3, "bboxes"),
    ],
)
def test_bad_input(vis_bench, squares, results, arguments, code, message):
    got, out, err = vis_bench("explain", results, "--truth", truth_of(squares), *arguments)
    assert (got, out) == (code, "")
    assert message in err


def test_a_perfect_result_costs_nothing(vis_bench, squares, tmp_path):
    truth = json.loads(truth_of(squares).read_text())
    path = tmp_path / "perfect.json"
    path.write_text(
        json.dumps(
            [
                {**{k: one[k] for k in ("video_id", "category_id", "segmentations")}, "score": 1.0}
                for one in truth["annotations"]
            ]
        )
    )
    code, out, _ = vis_bench("explain", path, "--truth", truth_of(squares))
    assert code == 0
    assert "No video costs AP" in out


def hopeless_results(truth: dict, case: str) -> list[dict]:
    """Results of `val`, spoilt: they hold one thing that makes all of them worthless."""
    tracks = [
        {**{k: one[k] for k in ("video_id", "category_id", "segmentations")}, "score": 0.9}
        for one in truth["annotations"]
    ]
    for track in tracks:
        if case == "no region":
            track["segmentations"] = [None] * len(track["segmentations"])
        elif case == "no overlap":
            sizes = [one["size"] for one in track["segmentations"] if one is not None]
            # one column at the right edge: no object reaches it
            height, width = sizes[0]
            edge = {"size": [height, width], "counts": [height * (width - 1), height]}
            track["segmentations"] = [edge] * len(track["segmentations"])
        elif case == "classes":
            track["category_id"] = 7
        elif case == "scores":
            track["score"] = 0.0
        elif case == "whole tracks":
            track["segmentations"] = [track["segmentations"][0]] + [None] * (len(track["segmentations"]) - 1)
        elif case == "other videos":
            track["video_id"] = 9
    return [] if case == "nothing" else tracks


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("nothing", "Nothing is predicted: the results hold no track."),
        ("no region", "Nothing is predicted: no track of the 2 has a mask in any frame."),
        ("no overlap", "No predicted mask has an IoU of 0.5 or more"),
        (
            "classes",
            "none has its class. Results: never (7); truth: ",
        ),
        ("whole tracks", "No whole track is right: objects are found in single frames (25 % at IoU 0.5)"),
        ("scores", "All 2 scores are 0: errors in time"),
        ("other videos", "Predictions of other videos: all are of videos that show no object"),
        ("right", ""),
    ],
)
def test_the_first_cause_of_hopeless_results_stands_first(vis_bench, squares, tmp_path, case, words):
    truth = json.loads(truth_of(squares).read_text())
    truth["categories"].append({"id": 7, "name": "never"})
    truth["videos"].append({**truth["videos"][0], "id": 9})
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    path = tmp_path / "hopeless.json"
    path.write_text(json.dumps(hopeless_results(truth, case)))
    code, out, _ = vis_bench("explain", path, "--truth", tmp_path / "truth.json")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    first, _, rest = out.partition("\n\n")
    if words:
        assert words in first.replace("\n", " ")
        assert len(first.splitlines()) <= 4
        assert rest.startswith("oracle, %")
    else:
        assert out.startswith("oracle, %")
