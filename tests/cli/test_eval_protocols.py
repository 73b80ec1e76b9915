"""`vis-bench eval`: groups of metrics, class groups, short and long videos, and what it says about a file."""

from __future__ import annotations

import json

import pytest
from ytvis_files import annotation, payload, rle, square, video_record, write_json

from vis_bench.scoring.metric_names import GROUPS, METRICS


def prediction(**changes):
    return {
        "video_id": 1,
        "category_id": 1,
        "score": 0.9,
        "segmentations": [rle(square(2, 5, 3, 4)), None],
    } | changes


@pytest.fixture
def score(vis_bench, tmp_path):
    def call(predictions, *extra, truth=None):
        truth_path = write_json(tmp_path / "truth.json", payload() if truth is None else truth)
        path = write_json(tmp_path / "results.json", predictions)
        return vis_bench("eval", path, "--truth", truth_path, *extra)

    return call


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_a_group_of_metrics_gives_the_keys_of_its_metrics(score, group):
    code, out, _ = score([prediction()], "--metrics", group, "--json", "-")
    assert code == 0
    wanted = {"duplicates_per_100" if name == "duplicates" else name for name in GROUPS[group]}
    point = {"operating_point"} if {"mot", "hota"} & wanted else set()
    assert set(json.loads(out)) - {"per_category"} == wanted | point


def test_every_metric_is_printed_within_80_columns(score):
    code, out, _ = score([prediction()], "--metrics", "all")
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    for word in (
        "video AP",
        "class-agnostic AP",
        "empty masks counted",
        "MOTS class aware",
        "OWTA",
        "TETA",
        "operating point",
    ):
        assert word in out, word
    assert len(METRICS) == len(set(METRICS))


def test_an_unknown_metric_is_refused_with_a_suggestion(score):
    code, _, err = score([prediction()], "--metrics", "hota,tetra")
    assert code == 2
    assert "teta" in err


def test_the_old_name_of_video_ap_is_kept(score):
    _, out, _ = score([prediction()], "--metrics", "ap", "--json", "-")
    assert set(json.loads(out)) == {"video_ap", "per_category"}


def test_class_groups_are_means_over_their_classes(score, tmp_path):
    """disc is found (1.0), star is missed (0.0)."""
    truth = payload(annotations=[annotation(), annotation(id=2, category_id=7)])
    groups = write_json(tmp_path / "groups.json", {"base": ["disc"], "novel": [7], "both": ["disc", "star"]})
    arguments = ("--metrics", "official", "--class-groups", groups)
    code, out, _ = score([prediction()], *arguments, "--json", "-", truth=truth)
    assert code == 0
    found = json.loads(out)["class_groups"]
    assert {name: round(row["AP"], 9) for name, row in found.items()} == {"base": 1, "novel": 0, "both": 0.5}
    assert "groups of classes" in score([prediction()], *arguments, truth=truth)[1]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"base": ["disk"]}, "has no class 'disk'. Did you mean"),
        ({"base": []}, "group 'base': must be a list"),
        ([1], "must be an object"),
        ({"base": ["disc", 1]}, "names a class twice"),
    ],
)
def test_wrong_class_groups_are_refused(score, tmp_path, groups, message):
    path = write_json(tmp_path / "groups.json", groups)
    code, _, err = score([prediction()], "--class-groups", path)
    assert code == 3
    assert message in err


def test_crowds_may_count_as_objects(score):
    """The crowd is missed: not looked for by the official rule, half of the truth when counted."""
    second = annotation(id=2, iscrowd=1, segmentations=[rle(square(0, 0, 2, 2)), None])
    truth = payload(annotations=[annotation(), second])
    official = json.loads(score([prediction()], "--json", "-", "--metrics", "ap", truth=truth)[1])
    counted = score([prediction()], "--json", "-", "--metrics", "ap", "--count-crowds", truth=truth)[1]
    assert official["video_ap"]["AR100"] == pytest.approx(1.0)
    assert json.loads(counted)["video_ap"]["AR100"] == pytest.approx(0.5)


def test_short_and_long_videos_and_their_mean(vis_bench, tmp_path):
    short = write_json(tmp_path / "short.json", payload())
    long_truth = payload(videos=[video_record(id=7)], annotations=[annotation(video_id=7)])
    long = write_json(tmp_path / "long.json", long_truth)
    wrong = prediction(video_id=7, segmentations=[rle(square(0, 0, 1, 1)), None])
    results = write_json(tmp_path / "results.json", [wrong, prediction()])
    code, out, _ = vis_bench("eval", results, "--truth", short, "--truth-long", long, "--json", "-")
    assert code == 0
    numbers = json.loads(out)
    assert set(numbers) == {"short", "long", "mean"}
    found = [numbers[part]["video_ap"]["AP"] for part in ("short", "long", "mean")]
    assert found == pytest.approx([1.0, 0.0, 0.5])
    assert "mean of both" in vis_bench("eval", results, "--truth", short, "--truth-long", long)[1]


def test_one_file_of_both_needs_ids_of_their_own(vis_bench, tmp_path):
    truth = write_json(tmp_path / "truth.json", payload())
    results = write_json(tmp_path / "results.json", [prediction()])
    code, _, err = vis_bench("eval", results, "--truth", truth, "--truth-long", truth)
    assert code == 3
    assert "--predictions-long" in err
    arguments = ("--truth", truth, "--truth-long", truth, "--predictions-long", results, "--json", "-")
    code, out, _ = vis_bench("eval", results, *arguments)
    assert code == 0
    assert json.loads(out)["mean"]["video_ap"]["AP"] == pytest.approx(1.0)
    assert vis_bench("eval", results, "--truth", truth, "--predictions-long", results)[0] == 2


def test_scores_that_are_no_confidences_are_warned_of(score):
    _, _, err = score([prediction(score=-1), prediction(score=-1)])
    assert "scores lie between -1 and -1, not in 0..1" in err
    assert "all 2 scores are -1" in err
    _, _, err = score([prediction(score=90.0), prediction(score=30.0)])
    assert "between 30 and 90" in err
    assert "all 2 scores" not in err
    assert "warning" not in score([prediction(), prediction(score=0.5)])[2]


def test_videos_without_predictions_are_counted(score):
    truth = payload(videos=[video_record(), video_record(id=2)])
    assert "1 of 2 videos have no predictions." in score([prediction()], truth=truth)[1]
    assert "have no predictions" not in score([prediction()])[1]


def test_only_classes_with_something_are_listed_and_at_most_25(score):
    categories = [{"id": i, "name": f"class-{i}"} for i in range(1, 1197)]
    few = payload(categories=categories)
    out = score([prediction(category_id=3)], truth=few)[1]
    assert [line.split()[0] for line in out.splitlines() if line.startswith("class-")] == [
        "class-1",
        "class-3",
    ]
    many = payload(
        categories=categories,
        annotations=[annotation(id=i, category_id=i if i <= 30 else 30) for i in range(1, 32)],
    )
    out = score([prediction()], truth=many)[1]
    rows = [line.split()[0] for line in out.splitlines() if line.startswith("class-")]
    assert rows == [*(f"class-{i}" for i in range(1, 25)), "class-30"]
    assert "and 5 classes with less truth, see --json" in out
