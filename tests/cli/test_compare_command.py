"""`vis-bench compare`: numbers worked out by hand, the text, and everything that it refuses."""

import json

import numpy as np
import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.study import comparison as study

VIDEOS = 6
ALL = range(VIDEOS)
DATA = {"name": "x", "split": "train", "annotation_hash": "b" * 64, "split_hash": "s" * 64, "videos": 9}


@pytest.fixture
def data(tmp_path):
    write_split(tmp_path / "six", "val", VIDEOS)
    return tmp_path / "six"


@pytest.fixture
def runs(tmp_path, data):
    """`whole` finds every object with both seeds; `half` finds 3 with seed 0 and 4 with seed 1."""
    out = tmp_path / "runs"
    for seed in (0, 1):
        store_run(out, data, "whole", seed, ALL)
        store_run(out, data, "half", seed, range(3 + seed))
    return out


@pytest.fixture
def compare(vis_bench, tmp_path):
    def call(*arguments):
        return vis_bench("compare", *arguments, "--records", tmp_path / "runs")

    return call


def precision_of_finding(count, weights):
    """AP in points of finding some objects without an error: recall levels 0, 0.01, ... up to the recall."""
    recall = weights[:count].sum() / weights.sum()
    return 100 * sum(level <= recall + 1e-9 for level in np.linspace(0, 1, 101)) / 101 * (recall > 0)


def test_numbers_by_hand(compare, runs):
    """`half`: recall 3/6 reaches 51 levels, 4/6 reaches 67. Videos 3, 4, 5 are won, 0 to 2 are tied."""
    code, out, _ = compare("whole", "half", "--json", "-")
    assert code == 0
    study = json.loads(out)
    assert study["seeds"] == [0, 1]
    assert [one["by_seed"] for one in study["methods"]] == [
        {"0": 100.0, "1": 100.0},
        {"0": pytest.approx(100 * 51 / 101), "1": pytest.approx(100 * 67 / 101)},
    ]
    (one,) = study["comparisons"]
    gaps = np.array([100 * 50 / 101, 100 * 34 / 101])
    assert one["seeds"] == pytest.approx(gaps)
    assert one["mean"] == pytest.approx(gaps.mean())
    assert one["seed_variance"] == pytest.approx((gaps[0] - gaps[1]) ** 2 / 4)
    assert (one["wins"], one["ties"], one["losses"], one["probability"]) == (3, 3, 0, 1.0)
    assert one["p"] == one["p_unadjusted"]
    # the draws are those of a seeded generator, the same for both methods and all seeds
    weights = np.random.default_rng(0).multinomial(VIDEOS, [1 / VIDEOS] * VIDEOS, size=1000)
    draws = 100 - np.array([[precision_of_finding(k, w) for w in weights] for k in (3, 4)])
    own = (draws - draws.mean(axis=0)).var(axis=1, ddof=1).sum() / 2
    expected = (draws.mean(axis=0).var(ddof=1) - own) * VIDEOS / (VIDEOS - 1)
    assert one["video_variance"] == pytest.approx(expected)


def test_text(compare, runs):
    code, out, _ = compare("whole", "half")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "+41.58" in out
    assert "3 won, 3 tied, 0 lost" in out
    assert "undecided: 2 seeds and 6 videos find differences from" in " ".join(out.split())


def tuned(above, source="val"):
    """Fields of a record whose tracks, all scored 0.9, were measured above a threshold."""
    head = {"thresholds": [above], "metric": "IDF1", "source": source}
    return {"operating_point": head}


def test_each_run_is_read_at_its_own_operating_point(compare, data, tmp_path):
    """`strict` keeps none of its tracks at its threshold of 0.95, though they are those of `whole`."""
    for seed in (0, 1):
        store_run(tmp_path / "runs", data, "whole", seed, ALL, **tuned(0.3))
        store_run(tmp_path / "runs", data, "strict", seed, ALL, **tuned(0.95))
    code, out, _ = compare("whole", "strict", "--metric", "IDF1", "--json", "-")
    study = json.loads(out)
    assert (code, study["scored_above"], study["no_verdict"]) == (0, "operating point", "")
    assert [one["mean"] for one in study["methods"]] == [100.0, 0.0]
    text = " ".join(compare("whole", "strict", "--metric", "IDF1")[1].split())
    assert "Tracks above each run's operating point." in text
    assert "The thresholds of the operating points are held fixed." in text
    code, out, _ = compare("whole", "strict", "--metric", "IDF1", "--threshold", "0.3", "--json", "-")
    assert json.loads(out)["scored_above"] == "0.3"
    assert [one["mean"] for one in json.loads(out)["methods"]] == [100.0, 100.0]
    assert compare("whole", "strict", "--metric", "HOTA", "--threshold", "0.5")[0] == 2


def test_a_record_without_an_operating_point_puts_both_above_the_fixed_score(compare, data, tmp_path):
    for seed in (0, 1):
        store_run(tmp_path / "runs", data, "older", seed, ALL)
        store_run(tmp_path / "runs", data, "strict", seed, ALL, **tuned(0.95))
    code, out, _ = compare("older", "strict", "--metric", "IDF1", "--json", "-")
    study = json.loads(out)
    assert (code, study["scored_above"]) == (0, "0.3")
    assert [one["mean"] for one in study["methods"]] == [100.0, 100.0]
    assert any("since older have no operating point" in note for note in study["notes"])


def test_no_verdict_from_thresholds_that_the_scored_videos_chose(compare, data, tmp_path):
    for seed in (0, 1):
        store_run(tmp_path / "runs", data, "whole", seed, ALL, **tuned(0.3, "same videos"))
        store_run(tmp_path / "runs", data, "none", seed, (), **tuned(0.3, "same videos"))
    code, out, _ = compare("whole", "none", "--metric", "IDF1", "--json", "-")
    study = json.loads(out)
    assert (code, study["comparisons"][0]["verdict"]) == (0, "undecided")
    assert "too few to halve" in study["no_verdict"]
    assert "verdict none: the thresholds were chosen on" in " ".join(
        compare("whole", "none", "--metric", "IDF1")[1].split()
    )
    # AP has no threshold, and its verdict stands
    assert json.loads(compare("whole", "none", "--json", "-")[1])["comparisons"][0]["verdict"] == "better"


def test_text_of_a_verdict_that_the_resamples_do_not_allow(compare, runs, monkeypatch):
    monkeypatch.setattr(study, "hides_videos", lambda a, b, kept: True)
    code, out, _ = compare("whole", "half")
    assert code == 0
    text = " ".join(out.split())
    assert "undecided: single videos disagree, and the resamples do not show it" in text
    assert "points on" not in text


def test_equal_methods_are_equivalent(compare, runs, data):
    for seed in (0, 1):
        store_run(runs, data, "twin", seed, ALL)
    code, out, _ = compare("whole", "twin", "half", "--json", "-", "--metric", "IDF1")
    assert code == 0
    twin, half = json.loads(out)["comparisons"]
    assert (twin["verdict"], twin["mean"], twin["p"]) == ("equivalent", 0.0, 1.0)
    # Holm over two comparisons; IDF1 of half and of 4 of 6 found: 2 x 3 / (3 + 6), 2 x 4 / (4 + 6)
    assert half["p"] == pytest.approx(2 * half["p_unadjusted"])
    assert half["seeds"] == pytest.approx([100 / 3, 20.0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"train_data": DATA},
            "they differ in train_annotation_hash (bbbbbbbb... and none), train_split_hash",
        ),
        ({"train_data": DATA, "extra_data": DATA}, "extra_annotation_hash (bbbbbbbb... and none)"),
    ],
)
def test_methods_with_other_training_data_are_not_compared(compare, runs, data, fields, message):
    store_run(runs, data, "more", 0, ALL, **fields)
    code, _, err = compare("more", "half")
    assert code == 5
    assert message in " ".join(err.split())


def test_one_checkpoint_under_two_seeds_is_refused(vis_bench, data, tmp_path):
    """The folders are taken for further seeds of one row; a table of them would claim no variance."""
    for seed in (0, 1):
        for method in ("fixed", "other"):
            store_run(tmp_path / method, data, method, seed, ALL, initial_weights="c" * 64)
    code, _, err = vis_bench("compare", tmp_path / "fixed", tmp_path / "other")
    assert code == 3
    assert "scored the same weights without training" in " ".join(err.split())


def test_all_pairs(compare, runs, data):
    for seed in (0, 1):
        store_run(runs, data, "none", seed, ())
    pairs = json.loads(compare("whole", "half", "none", "--all-pairs", "--json", "-")[1])["comparisons"]
    assert [(one["a"], one["b"]) for one in pairs] == [("whole", "half"), ("whole", "none"), ("half", "none")]
    # against a method that finds nothing the difference is 100 whatever the seed and the videos
    assert (pairs[1]["verdict"], pairs[1]["low"], pairs[1]["high"]) == ("better", 100.0, 100.0)


def test_one_seed_claims_nothing_about_training(compare, data, tmp_path):
    for method, found in (("whole", ALL), ("half", range(3))):
        store_run(tmp_path / "runs", data, method, 0, found)
    code, out, _ = compare("whole", "half")
    assert code == 0
    assert "fixed checkpoints, no claim on training" in " ".join(out.split())
    assert "with probability" not in out


def test_only_shared_seeds_count(compare, runs, data):
    store_run(runs, data, "whole", 7, ())
    code, out, _ = compare("whole", "half")
    assert code == 0
    assert "whole also has seed 7, which the others lack; left out" in " ".join(out.split())
    assert "+41.58" in out


def test_a_seed_that_failed_is_not_shared(compare, runs, data):
    store_run(runs, data, "whole", 2, ALL, status="failed", metrics=None, error="broke")
    store_run(runs, data, "half", 2, ALL)
    assert json.loads(compare("whole", "half", "--json", "-")[1])["seeds"] == [0, 1]


def test_run_directories(vis_bench, runs, data, tmp_path):
    """Before and after a change: two folders of the same method."""
    other = tmp_path / "other"
    for seed in (0, 1):
        store_run(other, data, "half", seed, ALL)
    code, out, _ = vis_bench("compare", runs / "half@default-seed-0-0000", other, "--json", "-")
    assert code == 0
    study = json.loads(out)
    assert study["seeds"] == [0]
    assert study["comparisons"][0]["mean"] == pytest.approx(100 * -50 / 101)
    # both would be called `half`
    assert [one["name"] for one in study["methods"]] == [str(runs / "half@default-seed-0-0000"), str(other)]
    code, _, err = vis_bench("compare", runs, other)
    assert code == 2
    assert "half" in err
    assert "whole" in err


def test_run_directories_of_further_seeds_are_one_side(vis_bench, runs):
    study = json.loads(vis_bench("compare", *sorted(runs.iterdir()), "--json", "-")[1])
    assert [one["name"] for one in study["methods"]] == ["half", "whole"]
    assert study["seeds"] == [0, 1]
    code, _, err = vis_bench("compare", *sorted(runs.glob("half*")))
    assert code == 2
    assert "seeds of one method" in err


def test_variants_are_named_as_in_tables(compare, runs, data):
    for seed in (0, 1):
        store_run(runs, data, "whole", seed, range(2), config="default+A")
    labels = {"whole@default": 100.0, "whole@default+A": 100 * 34 / 101}
    study = json.loads(compare(*labels, "--json", "-")[1])
    assert {one["name"]: one["mean"] for one in study["methods"]} == {
        name: pytest.approx(value) for name, value in labels.items()
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"protocol_hash": "1" * 64}, ["protocol_hash"]),
        ({"iou_type": "bbox"}, ["iou_type", "segm", "bbox"]),
        ({"data": "other annotation_hash"}, ["annotation_hash"]),
    ],
)
def test_what_differs_is_not_compared(compare, data, tmp_path, fields, words):
    out = tmp_path / "runs"
    first = store_run(out, data, "whole", 0, ALL)
    if isinstance(fields.get("data"), str):
        identity = json.loads((first / "record.json").read_text())["data"]
        fields = {"data": identity | {"annotation_hash": "f" * 64}}
    store_run(out, data, "half", 0, range(3), **fields)
    code, out, err = compare("whole", "half")
    assert (code, out) == (5, "")
    assert all(word in err for word in words)
    assert "split_hash" not in err


def test_several_tables_need_a_choice(compare, runs, data):
    for method in ("whole", "half"):
        store_run(runs, data, method, 0, ALL, protocol="long", protocol_hash="1" * 64)
    code, _, err = compare("whole", "half")
    assert code == 2
    assert "protocol long" in err
    assert "--protocol" in err
    study = json.loads(compare("whole", "half", "--protocol", "long", "--json", "-")[1])
    assert (study["protocol"], study["seeds"]) == ("long", [0])


def test_a_folder_as_target_is_refused_before_scoring(compare, runs, tmp_path, monkeypatch):
    monkeypatch.delattr("vis_bench.study.compare.measure")
    code, out, err = compare("whole", "half", "--json", tmp_path)
    assert (code, out) == (2, "")
    assert f"{tmp_path}: is a folder" in err


def test_missing_predictions(compare, runs):
    (runs / "half@default-seed-1-0000" / PREDICTIONS_NAME).unlink()
    code, out, err = compare("whole", "half")
    assert (code, out) == (3, "")
    assert "half@default-seed-1" in err
    assert "no predictions" in err


def test_two_records_of_a_seed(compare, runs, data):
    store_run(runs / "again", data, "half", 1, ALL)
    code, _, err = compare("whole", "half")
    assert code == 3
    assert "more than one record for seed 1" in err


def test_other_videos_than_the_runs_had(compare, runs, data):
    path = data / "val" / "instances_val.json"
    truth = json.loads(path.read_text())
    truth["annotations"].pop()
    path.write_text(json.dumps(truth))
    code, _, err = compare("whole", "half")
    assert code == 3
    assert "hash" in err


def test_a_record_that_was_scored_otherwise_is_pointed_out(compare, runs):
    path = runs / "half@default-seed-0-0000" / "record.json"
    record = json.loads(path.read_text())
    record["metrics"]["video_ap"]["AP"] = 0.9
    path.write_text(json.dumps(record))
    code, out, _ = compare("whole", "half")
    assert code == 0
    assert "half seed 0: the record says 90.00, its predictions give 50.50" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["whole", "hafl"], 2, ["hafl"]),
        (["whole"], 2, ["at least two"]),
        (["whole", "whole"], 2, ["twice"]),
        (["whole", "half", "--metric", "IDs"], 2, ["points"]),
        # predicting nothing has the highest localisation accuracy
        (["whole", "half", "--metric", "LocA"], 2, ["better when higher"]),
        (["whole", "half", "--metric", "AP5"], 2, ["Did you mean"]),
        (["whole", "half", "--margin", "-1"], 2, ["--margin"]),
        (["whole", "half", "--best-of", "3"], 2, ["--best-of"]),
    ],
)
def test_bad_input(compare, runs, arguments, code, words):
    got, out, err = compare(*arguments)
    assert (got, out) == (code, "")
    assert all(word in err for word in words)


def test_no_shared_seed(compare, data, tmp_path):
    store_run(tmp_path / "runs", data, "whole", 0, ALL)
    store_run(tmp_path / "runs", data, "half", 1, ALL)
    code, _, err = compare("whole", "half")
    assert code == 3
    assert "share no seed" in err
