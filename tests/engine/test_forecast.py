"""What a dry run expects of time, disk and the smallest difference, from records made by hand."""

from pathlib import Path

import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.engine.forecast import detectable_difference, earlier_records, expected_cost
from vis_bench.engine.opened_data import open_data
from vis_bench.engine.plan import plan_runs
from vis_bench.engine.run import Settings
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.setup.protocol import load_protocol

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
VIDEOS = 6


@pytest.fixture
def videos(tmp_path):
    write_split(tmp_path / "six", "train", 2)
    write_split(tmp_path / "six", "val", VIDEOS)
    return tmp_path / "six"


@pytest.fixture
def sweep(videos, protocol, tmp_path):
    """(runs, opened data) of the toy with some seeds."""

    def plan(seeds):
        settings = Settings(str(videos), "val", load_protocol(str(protocol)), tmp_path / "runs")
        data = open_data(settings)
        return plan_runs([TOY], seeds, settings, data), data

    return plan


def test_time_is_the_mean_of_earlier_runs_side_by_side(sweep, videos, tmp_path):
    """60 s and 100 s of training, 0.1 s a frame for 24 frames: 82.4 s each, three runs in two places."""
    out = tmp_path / "runs"
    folder = store_run(out, videos, "toy", 0, range(3))
    timing = {"train_seconds": 100.0, "track_seconds": 4.0, "frames": 40}
    store_run(out, videos, "toy", 1, range(3), timing=timing)
    store_run(out, videos, "toy", 2, range(3), timing=timing, hardware={"device": "cuda:0"})
    store_run(out, videos, "toy", 3, range(3), timing=timing, protocol="another")
    cost = expected_cost(*sweep([0, 1, 2]), earlier_records(out), jobs=2)
    assert (cost.known, cost.unknown) == (3, ())
    assert cost.seconds == pytest.approx(2 * (80 + 24 * 0.1))
    predictions = (folder / "predictions.json.gz").stat().st_size
    assert cost.disk_bytes == pytest.approx(3 * (4_000_000 + predictions), abs=3)


def test_trained_weights_take_no_training(sweep, videos, tmp_path):
    store_run(tmp_path / "runs", videos, "toy", 0, range(3))
    runs, data = sweep([0])
    runs[0].train_dir.mkdir(parents=True)
    (runs[0].train_dir / CHECKPOINT_NAME).touch()
    cost = expected_cost(runs, data, earlier_records(tmp_path / "runs"), jobs=1)
    assert cost.seconds == pytest.approx(24 * 0.1)
    assert cost.disk_bytes < 1_000_000


def test_without_an_earlier_run_nothing_is_claimed(sweep, videos, tmp_path):
    store_run(tmp_path / "runs", videos, "other", 0, range(3))
    runs, data = sweep([0, 1])
    earlier = earlier_records(tmp_path / "runs")
    cost = expected_cost(runs, data, earlier, jobs=1)
    assert (cost.known, cost.seconds, cost.disk_bytes, cost.unknown) == (0, 0.0, 0, ("toy_method@default",))
    assert detectable_difference(runs, data, earlier) is None
    assert earlier_records(tmp_path / "nowhere") == []


def test_more_seeds_find_smaller_differences(sweep, videos, tmp_path):
    out = tmp_path / "runs"
    for seed, found in enumerate((range(5), range(6), range(4))):
        store_run(out, videos, "toy", seed, found)
        store_run(out, videos, "other", seed, range(3))
        store_run(out, videos, "third", seed, range(VIDEOS))
    found = {n: detectable_difference(*sweep(range(n)), earlier_records(out)) for n in (2, 3, 9)}
    assert found[2].points > found[3].points > found[9].points > 0
    assert (found[3].videos, found[3].earlier_seeds) == (VIDEOS, (0, 1, 2))
    assert "toy@default" in found[3].methods


def test_a_dry_run_prints_it(vis_bench, videos, protocol, tmp_path):
    out = tmp_path / "runs"
    for seed in (0, 1):
        store_run(out, videos, "toy", seed, range(3 + seed))
        store_run(out, videos, "other", seed, range(VIDEOS))
    code, _, err = vis_bench(
        "run", "--methods", TOY, "--dataset", videos, "--protocol", protocol, "--out", out, "--jobs", 1,
        "--seeds", 3, "--dry-run",
    )  # fmt: skip
    assert code == 0
    err = " ".join(err.split())
    assert "about 3 min, 1 side by side; disk about 12 MB" in err
    assert "with 3 seeds and 6 videos" in err
    assert not (out / "trained").exists()
