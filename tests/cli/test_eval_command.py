"""`vis-bench eval`: the machine contract, and every malformed input as one line with exit code 3."""

import copy
import gzip
import json

import pytest
from ytvis_files import HEIGHT, WIDTH, annotation, payload, rle, square, video_record, write_json

VIDEO_AP = {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"}
OCCLUSION = {"APso", "APmo", "APho", "ARso", "ARmo", "ARho"}
MOT = {"IDF1", "IDP", "IDR", "MOTA", "recall", "IDs", "FP", "FN", "MT", "ML", "Frag"}


def prediction(**changes):
    record = {
        "video_id": 1,
        "category_id": 1,
        "score": 0.9,
        "segmentations": [rle(square(2, 5, 3, 4)), None],
    }
    return record | changes


@pytest.fixture
def score(vis_bench, tmp_path):
    def call(predictions, truth=None, *extra):
        truth_path = write_json(tmp_path / "truth.json", payload() if truth is None else truth)
        path = tmp_path / "results.json"
        path.write_text(predictions if isinstance(predictions, str) else json.dumps(predictions))
        return vis_bench("eval", path, "--truth", truth_path, "--json", "-", *extra)

    return call


def test_contract(score):
    code, out, _ = score([prediction()])
    assert code == 0
    result = json.loads(out)
    assert set(result["video_ap"]) == VIDEO_AP | OCCLUSION
    assert result["video_ap"]["AP"] == pytest.approx(1, abs=1e-12)
    assert result["video_ap"]["APl"] is None
    assert set(result["per_category"]) == {"disc", "star"}
    assert set(result["per_category"]["disc"]) == VIDEO_AP
    assert result["per_category"]["star"]["AP"] is None
    assert result["frame_ap"] == pytest.approx({"AP": 1, "AP50": 1}, abs=1e-12)
    for mode in ("class_agnostic", "class_aware"):
        assert list(result["mot"][mode]) == ["0.0", "0.1", "0.3", "0.5"]
        for row in result["mot"][mode].values():
            assert set(row) == MOT
            assert row["IDF1"] == 1.0
            assert (row["IDs"], row["FP"], row["FN"]) == (0, 0, 0)
            assert isinstance(row["IDs"], int)


def test_gzip_and_a_file_as_target(vis_bench, tmp_path):
    (tmp_path / "t.json.gz").write_bytes(gzip.compress(json.dumps(payload()).encode()))
    (tmp_path / "p.json.gz").write_bytes(gzip.compress(json.dumps([prediction()]).encode()))
    code, out, _ = vis_bench(
        "eval", tmp_path / "p.json.gz", "--truth", tmp_path / "t.json.gz", "--json", tmp_path / "m.json"
    )
    assert code == 0
    assert json.loads((tmp_path / "m.json").read_text())["video_ap"]["AP50"] == pytest.approx(1, abs=1e-12)
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "undefined" in out


def test_a_folder_as_target_is_refused_before_scoring(vis_bench, tmp_path, monkeypatch):
    monkeypatch.delattr("vis_bench.scoring.files.measure")
    (tmp_path / "t.json").write_text(json.dumps(payload()))
    (tmp_path / "p.json").write_text(json.dumps([prediction()]))
    code, out, err = vis_bench(
        "eval", tmp_path / "p.json", "--truth", tmp_path / "t.json", "--json", tmp_path
    )
    assert (code, out) == (2, "")
    assert f"{tmp_path}: is a folder" in err


def test_empty_predictions_score_zero_with_a_warning(score):
    code, out, err = score([])
    assert code == 0
    result = json.loads(out)
    assert (result["video_ap"]["AP"], result["frame_ap"]["AP"]) == (0.0, 0.0)
    assert result["mot"]["class_agnostic"]["0.0"]["FN"] == 1
    assert "warning" in err


def test_id_zero_is_an_id_like_any_other(score):
    truth = payload(
        videos=[video_record(0)],
        categories=[{"id": 0, "name": "disc"}],
        annotations=[annotation(0, video_id=0, category_id=0)],
    )
    code, out, _ = score([prediction(video_id=0, category_id=0)], truth)
    assert code == 0
    assert json.loads(out)["video_ap"]["AP"] == pytest.approx(1, abs=1e-12)


def changed(**changes):
    return [prediction(**changes)]


BROKEN_RLE = {"size": [HEIGHT, WIDTH], "counts": rle(square(2, 5, 3, 4))["counts"] + "o5"}
CASES = {
    "cut short": (changed(segmentations=[rle(square(2, 5, 3, 4))]), "segmentations"),
    "too long": (changed(segmentations=[rle(square(2, 5, 3, 4)), None, None]), "segmentations"),
    "NaN score": (json.dumps(changed(score=float("nan"))), "score"),
    "infinite score": (json.dumps(changed(score=float("inf"))), "score"),
    "text score": (changed(score="high"), "score"),
    "wrong RLE size": (changed(segmentations=[rle(square(2, 5, 3, 4, (HEIGHT, WIDTH + 1))), None]), "size"),
    "overrunning RLE": (changed(segmentations=[BROKEN_RLE, None]), "results.json"),
    "unknown category": (changed(category_id=3), "category"),
    "unknown video": (changed(video_id=9), "video"),
    "object instead of list": ({"predictions": []}, "list"),
    "not JSON": ("[{", "JSON"),
    "list of numbers": ([1, 2], "results.json"),
}


@pytest.mark.parametrize("case", CASES)
def test_malformed_predictions(score, case):
    predictions, word = CASES[case]
    code, out, err = score(predictions)
    assert code == 3
    assert not out
    assert err.count("vis-bench: ") + err.count("vis-bench:\n") == 1
    assert "results.json" in err
    assert word in err
    assert "Traceback" not in err


def truth_with(**changes):
    whole = payload()
    whole["annotations"] = [annotation(**changes)] if changes else whole["annotations"]
    return whole


def duplicated():
    whole = payload()
    whole["annotations"] = [annotation(4), copy.deepcopy(annotation(4))]
    return whole


TRUTH_CASES = {
    "duplicate ids": (duplicated(), "4"),
    "list instead of object": ([1], "truth.json"),
    "no videos": ({"categories": [], "annotations": []}, "videos"),
    "no category": (payload(categories=[], annotations=[]), "categories"),
    "an empty list of videos": (payload(videos=[], annotations=[]), "videos"),
    "path out of the image folder": (
        payload(videos=[video_record(file_names=["../a/0.jpg", "a/1.jpg"])]),
        "outside",
    ),
    "absolute path": (payload(videos=[video_record(file_names=["/etc/0.jpg", "a/1.jpg"])]), "outside"),
    "track shorter than the video": (truth_with(segmentations=[None]), "segmentations"),
}


@pytest.mark.parametrize("case", TRUTH_CASES)
def test_malformed_truth(score, case):
    truth, word = TRUTH_CASES[case]
    code, out, err = score([prediction()], truth)
    assert code == 3
    assert not out
    assert word in err
    assert "Traceback" not in err


def test_unknown_categories_are_ignored_on_request(score):
    code, out, _ = score([prediction(), prediction(category_id=3)], None, "--ignore-unknown-categories")
    assert code == 0
    assert json.loads(out)["video_ap"]["AP"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["missing.json", "--truth", "{truth}"], 3, "no such file"),
        (["{results}", "--truth", "missing.json"], 3, "no such file"),
        (["{results}"], 2, "--truth"),
        (["{results}", "--truth", "{truth}", "--dataset", "shapes"], 2, "either"),
        (["{results}", "--truth", "{truth}", "--metrics", "app"], 2, "Did you mean 'ap'"),
        (["{results}", "--truth", "{truth}", "--iou-type", "mask"], 2, "segm"),
        (["{results}", "--dataset", "shaps"], 2, "Did you mean 'shapes'"),
        (["{results}", "--truth", "{truth}", "--jsn", "x"], 2, "--jsn"),
        (["."], 2, "--truth"),
    ],
)
def test_wrong_calls(vis_bench, tmp_path, monkeypatch, arguments, code, word):
    monkeypatch.chdir(tmp_path)
    names = {
        "truth": write_json(tmp_path / "truth.json", payload()),
        "results": write_json(tmp_path / "results.json", [prediction()]),
    }
    got, out, err = vis_bench("eval", *(text.format(**names) for text in arguments))
    assert got == code
    assert word in err
    assert not out


def test_a_split_without_truth_says_what_to_do(vis_bench, tmp_path):
    from vis_bench.data.catalog import class_names

    categories = [{"id": i + 1, "name": name} for i, name in enumerate(class_names("ytvis21"))]
    write_json(tmp_path / "ytvis_2021" / "valid.json", {"videos": [video_record()], "categories": categories})
    results = write_json(tmp_path / "results.json", [prediction()])
    code, out, err = vis_bench(
        "eval", results, "--dataset", "ytvis21", "--split", "valid", "--data-root", tmp_path
    )
    assert code == 3
    assert "no public truth" in err
    assert "devval" in err
    assert not out
    # the advice, followed
    assert "--truth FILE in place of --dataset" in " ".join(err.split())
    truth = json.loads((tmp_path / "ytvis_2021" / "valid.json").read_text()) | {"annotations": []}
    code, _, err = vis_bench("eval", results, "--truth", write_json(tmp_path / "mine.json", truth))
    assert code == 0, err
