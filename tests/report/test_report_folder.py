"""What a report of runs on two datasets holds, and what it takes from records of speed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from browser_pages import right_tracks, switched_tracks, two_squares
from PIL import Image
from record_samples import make_record
from test_speed_table import record as timed_record

from vis_bench.data.predictions import write_results
from vis_bench.files import write_json
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME, Record
from vis_bench.records.speed import write_speed
from vis_bench.report.folder import write_run_report
from vis_bench.report.videos.sheet import GAP_PX, tile_size
from vis_bench.report.videos.side_by_side import MOST_ROWS


def _run(folder: Path, dataset: str, annotation_hash: str, tracks: list) -> tuple[Record, Path]:
    data = {
        "name": dataset,
        "split": "test",
        "annotation_hash": annotation_hash,
        "split_hash": "s",
        "videos": 2,
    }
    record = make_record("stc", 0.5, dataset=dataset, data=data)
    write_results(folder / PREDICTIONS_NAME, tracks)
    return Record.model_validate(record), folder


def _two_runs(folder: Path) -> tuple[list, list]:
    first = two_squares(folder / "frames")
    second = replace(first, name="other", annotation_hash="b")
    runs = [
        _run(folder / "1", "shapes", "a", [*right_tracks(1), *right_tracks(2)]),
        _run(folder / "2", "other", "b", [*right_tracks(1), *switched_tracks(2)]),
    ]
    return runs, [first, second]


def test_every_dataset_has_its_pictures_and_plots_and_the_viewer_says_whose_videos_it_shows(tmp_path: Path):
    runs, datasets = _two_runs(tmp_path)
    page = write_run_report(tmp_path / "report", runs, datasets, protocols={}, thorough=True)
    text = page.with_name("report.md").read_text()
    for name in ("shapes", "other"):
        for video in ("v1", "v2"):
            assert f"### Video {video} of {name} test" in text
            assert (tmp_path / f"report/video-{name}-test-{video}.png").is_file()
    # the first dataset's tracks are right everywhere, the second's exchange their objects
    assert {path.name for path in (tmp_path / "report/plots").glob("*-curves.png")} == {
        "1-curves.png", "2-curves.png",
    }  # fmt: skip
    assert "The videos are those of shapes test" in page.read_text()


def test_captions_name_the_seeds_that_are_shown(tmp_path: Path):
    """At the end of a run one of several seeds is shown; vis-bench report draws the curves of all."""
    dataset = two_squares(tmp_path / "frames")
    tracks = [*right_tracks(1), *right_tracks(2)]
    runs = []
    for seed in (3, 4):
        record, folder = _run(tmp_path / str(seed), "shapes", "a", tracks)
        runs.append((record.model_copy(update={"seed": seed}), folder))
    page = write_run_report(tmp_path / "report", runs, [dataset], protocols={})
    text = page.with_name("report.md").read_text()
    assert "### Video v1 of shapes test, seed 3" in text
    assert "Seeds: 3 of 3, 4." in text
    assert "Seeds: 3, 4." not in text
    page = write_run_report(tmp_path / "report", runs, [dataset], protocols={}, thorough=True)
    text = page.with_name("report.md").read_text()
    assert "### Video v1 of shapes test, seed 3" in text
    assert "Seeds: 3, 4." in text
    assert "Seeds: 3 of" not in text


def test_a_dataset_that_is_not_at_hand_is_named_and_the_other_one_is_shown(tmp_path: Path):
    runs, datasets = _two_runs(tmp_path)
    page = write_run_report(tmp_path / "report", runs, datasets[:1], protocols={}, thorough=True)
    assert sorted(path.name for path in (tmp_path / "report").glob("*.png")) == [
        "video-v1.png", "video-v2.png",
    ]  # fmt: skip
    assert "the dataset at hand is shapes test" in page.with_name("report.md").read_text()


def test_records_of_speed_beside_runs_give_the_frames_per_second(vis_bench, tmp_path: Path):
    record = make_record("stc", 0.5)
    write_json(tmp_path / "runs/1/record.json", record)
    write_speed(tmp_path / "speed/stream.speed.json", timed_record("stc", seconds=(5.0,)))
    code, out, err = vis_bench(
        "report", tmp_path / "runs", tmp_path / "speed", "--out", tmp_path / "report", "--no-pictures"
    )
    assert (code, "stream on shapes test" in out) == (0, True), err
    text = (tmp_path / "report/report.md").read_text()
    assert "Frames per second end to end by vis-bench speed" in text
    assert "stream on shapes test" in text


def test_nothing_is_written_outside_for_names_that_are_paths(tmp_path: Path):
    runs, datasets = _two_runs(tmp_path)
    hostile = [(record.model_copy(update={"method": "../../x"}), folder) for record, folder in runs[:1]]
    first, *others = datasets[0].videos
    videos = replace(datasets[0], videos=(replace(first, name="../../x"), *others))
    before = set(tmp_path.rglob("*"))
    write_run_report(tmp_path / "a" / "report", hostile, [videos], protocols={}, thorough=True)
    new = set(tmp_path.rglob("*")) - before - {tmp_path / "a"}
    assert new
    assert all(path.is_relative_to(tmp_path / "a" / "report") for path in new)
    assert len(list((tmp_path / "a" / "report").glob("video-*.png"))) == 2


def test_more_methods_than_a_picture_has_rows_go_on_in_a_further_one(tmp_path: Path):
    dataset = two_squares(tmp_path / "frames")
    data = {"name": "shapes", "split": "test", "annotation_hash": "a", "split_hash": "s", "videos": 2}
    runs = []
    for number in range(MOST_ROWS + 1):
        folder = tmp_path / f"{number}"
        write_results(folder / PREDICTIONS_NAME, right_tracks(1))
        runs.append((Record.model_validate(make_record(f"m{number:02d}", 0.5, data=data)), folder))
    write_run_report(tmp_path / "report", runs, [dataset], protocols={})
    names = sorted(path.name for path in (tmp_path / "report").glob("*.png"))
    assert names == ["video-v1-1.png", "video-v1-2.png", "video-v2-1.png", "video-v2-2.png"]
    heights = [Image.open(tmp_path / "report" / name).height for name in names[:2]]
    row = tile_size(80, 48)[1] + GAP_PX
    assert heights[0] - heights[1] == (MOST_ROWS - 1) * row  # 13 rows with the truth, and 2


def test_where_nothing_can_be_written_the_table_is_shown_and_another_folder_asked_for(
    vis_bench, tmp_path: Path
):
    run = tmp_path / "run"
    write_json(run / RECORD_NAME, make_record("stc", 0.5))
    taken = tmp_path / "taken"
    taken.write_text("a file")
    code, out, err = vis_bench("report", run, "--no-pictures", "--out", taken / "report")
    assert (code, "50.0" in out) == (2, True)
    assert "cannot be written" in err
    assert "--out" in err
    assert vis_bench("report", run, "--no-pictures", "--out", tmp_path / "other")[0] == 0
