"""Usage and data errors of `vis-bench run`: one line, the right exit code, no traceback."""

import json
from pathlib import Path

import pytest

from vis_bench.cli.run import report_folder
from vis_bench.engine.run import Settings
from vis_bench.setup.protocol import load_protocol

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--methods", "inspo", "--dataset", "shapes"], 2, "Did you mean 'inspro'"),
        (["--methods", "stc@tinny", "--dataset", "shapes"], 2, "Did you mean 'tiny'"),
        (["--methods", "nowhere.py:SPEC", "--dataset", "shapes"], 2, "no such file"),
        (["--methods", TOY.replace("SPEC", "SPEK"), "--dataset", "shapes"], 2, "Did you mean 'SPEC'"),
        (
            ["--methods", TOY.replace("SPEC", "NOT_A_METHOD"), "--dataset", "shapes"],
            2,
            "neither a MethodSpec",
        ),
        (["--methods", "stc", "--dataset", "shape"], 2, "Did you mean 'shapes'"),
        (["--methods", "stc", "--dataset", "shapes", "--protocol", "shaps"], 2, "Did you mean 'shapes'"),
        (["--methods", "stc", "--dataset", "shapes", "--split", "devval"], 2, "split"),
        (["--methods", "stc", "--dataset", "ytvis21", "--quick"], 2, "no short version"),
        (["--methods", "stc", "--dataset", "shapes", "--seeds", "0"], 2, "at least 1"),
        (["--methods", "stc", "--dataset", "shapes", "--seeds", "one"], 2, "--seeds"),
        (["--methods", "stc,,inspro", "--dataset", "shapes"], 2, "empty name"),
        (["--methods", "stc", "--dataset", "shapes", "--set", "train.lr"], 2, "KEY=VALUE"),
        (["--methods", "stc", "--dataset", "shapes", "--no-train"], 2, "--weights"),
        (
            ["--methods", "stc", "--dataset", "shapes", "--no-train", "--seeds", "3"],
            2,
            "one checkpoint has one",
        ),
        (
            ["--methods", "stc", "--dataset", "shapes", "--weights", "none.safetensors"],
            3,
            "no such checkpoint",
        ),
        (["--methods", "stc", "--dataset", "shapes", "--protocol", "none.toml"], 3, "none.toml"),
        (["--methods", "stc", "--dataset", "ytvis21"], 3, "VIS_BENCH_DATA"),
        (["--methods", "stc", "--dataset", "shapes", "--jobs", "0"], 2, "jobs"),
        (["--methods", "stc", "--dataset", "shapes", "--nonsense"], 2, "nonsense"),
    ],
)
def test_wrong_calls(vis_bench, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    got, out, err = vis_bench("run", *arguments)
    assert got == code
    assert message in err
    assert "Traceback" not in err
    assert not out


def test_unknown_setting_names_the_closest_field(vis_bench, squares, protocol):
    code, _, err = vis_bench(
        "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--set", "train.iteration=3"
    )
    assert code == 2
    assert "Did you mean 'iterations'" in err


def test_a_missing_training_split_says_which_exist(vis_bench, squares, protocol, tmp_path):
    (squares / "train" / "instances_train.json").rename(squares / "train" / "hidden.txt")
    code, _, err = vis_bench(
        "run", "--methods", TOY, "--dataset", squares, "--split", "val", "--protocol", protocol,
        "--out", tmp_path / "runs",
    )  # fmt: skip
    assert code in (2, 3)
    assert "train" in err


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_frame_stops_before_any_work(vis_bench, squares, protocol, tmp_path, split):
    (squares / split / "JPEGImages" / f"{split}1" / "00002.jpg").unlink()
    code, _, err = vis_bench(
        "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--out", tmp_path / "runs",
        "--jobs", 1,
    )  # fmt: skip
    assert code == 3
    assert "00002.jpg" in err
    assert not (tmp_path / "runs").exists()


def test_a_truncated_frame_ends_the_run_and_keeps_what_was_tracked(vis_bench, squares, protocol, tmp_path):
    frame = squares / "val" / "JPEGImages" / "val1" / "00002.jpg"
    frame.write_bytes(frame.read_bytes()[:-200])
    call = ("run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--jobs", 1)
    code, _, err = vis_bench(*call, "--out", tmp_path / "runs")
    assert code == 3
    assert "00002.jpg" in err
    assert "Traceback" not in err
    (path,) = tmp_path.glob("runs/squares-val/**/record.json")
    record = json.loads(path.read_text())
    assert (record["status"], record["error_code"], record["metrics"]) == ("failed", 3, None)
    # the first video is not lost
    (partial,) = tmp_path.glob("runs/squares-val/**/predictions.partial.jsonl")
    assert len(partial.read_text().splitlines()) == 1


def test_a_device_that_is_not_there(vis_bench, squares, protocol):
    for device in ("gpu", "cuda:99", "meta"):
        code, _, err = vis_bench(
            "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--device", device
        )
        assert code == 2
        assert device in err


def test_report_of_runs_on_a_path(vis_bench, squares, protocol, tmp_path):
    """Runs on a path have no dataset name: the table is made, pictures need the path."""
    call = ("run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--jobs", 1)
    assert vis_bench(*call, "--out", tmp_path / "runs")[0] == 0
    code, out, err = vis_bench("report", tmp_path / "runs", "--out", tmp_path / "report")
    assert code == 0
    assert "toy" in out
    assert "no pictures" in err
    code, _, err = vis_bench("report", tmp_path / "runs", "--out", tmp_path / "with", "--dataset", squares)
    assert code == 0
    assert list((tmp_path / "with").glob("video-*.png"))
    assert vis_bench("report", tmp_path / "nothing", "--out", tmp_path / "report")[0] == 3


def test_a_place_for_json_that_is_a_folder_is_refused_before_any_work(vis_bench, squares, protocol, tmp_path):
    code, out, err = vis_bench(
        "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--out", tmp_path / "runs",
        "--jobs", 1, "--json", tmp_path,
    )  # fmt: skip
    assert (code, out) == (2, "")
    assert f"{tmp_path}: is a folder" in err
    assert not list(tmp_path.glob("runs/**/record.json"))


def test_a_report_of_many_methods_has_a_name_that_can_be_written(tmp_path):
    settings = Settings("shapes", "test", load_protocol("shapes"), tmp_path)
    names = [",".join(f"stc@lambda-{n}-{'x' * 30}" for n in range(first, first + 20)) for first in (0, 1)]
    folders = [report_folder(methods, settings) for methods in names]
    for folder in folders:
        folder.mkdir(parents=True)
        assert folder.name.startswith("shapes-test-shapes-stc_lambda-")
    assert folders[0] != folders[1]
    assert report_folder("all", settings).name == "shapes-test-shapes"
    plugins = report_folder("mine/m.py:A,mine/m.py:B@wide", settings)
    assert plugins.name == "shapes-test-shapes-m_A-m_B_wide"


def test_an_unexpected_error_is_shown_in_full_and_is_no_failed_gate(vis_bench, monkeypatch):
    def fail():
        raise RuntimeError("a bug")

    monkeypatch.setattr("vis_bench.engine.run.check_shadowing", fail)
    code, out, err = vis_bench("run", "--methods", "stc", "--dataset", "shapes")
    assert (code, out) == (70, "")
    assert "Traceback" in err
    assert "RuntimeError: a bug" in err
