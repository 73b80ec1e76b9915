"""The gate: what passes, what fails, and what stays open."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from gate_samples import edit, make_run, seeds
from square_videos import write_split

import methods.tracking.association as association
from vis_bench.data.splits import first_videos
from vis_bench.gate.baseline import read_baseline
from vis_bench.gate.report import gate_junit, gate_markdown, gate_text
from vis_bench.gate.retrained import decide
from vis_bench.gate.stored import metric_changes
from vis_bench.gate.verdict import Check, overall
from vis_bench.study import comparison as study
from vis_bench.study.intervals import paired_difference


def test_a_dataset_that_is_nowhere_is_named_with_an_option_that_works(vis_bench, dataset, folder, tmp_path):
    run = make_run(tmp_path / "run", dataset)
    record = json.loads((run / "record.json").read_text())
    (run / "record.json").write_text(json.dumps({**record, "dataset": "nowhere"}))
    code, _, err = vis_bench("gate", "--make", tmp_path / "baseline", run)
    # as compare says of the same cause
    assert code == 3
    assert "--dataset PATH" in err
    assert vis_bench("gate", "--make", tmp_path / "baseline", run, "--dataset", folder)[0] == 0


def test_unchanged_code_passes(make, gate, dataset, tmp_path):
    run = make_run(tmp_path / "run", dataset)
    code, out, _ = make(run)
    assert code == 0
    stored = tmp_path / "baseline" / "stc@tiny-seed-0"
    assert {path.name for path in stored.iterdir()} == {
        "record.json", "predictions.json.gz", "frames.jsonl.gz",
    }  # fmt: skip
    code, out, _ = gate("--junit", tmp_path / "gate.xml", "--markdown", tmp_path / "gate.md")
    assert code == 0
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "PASS (2 passed, 0 failed, 0 inconclusive)" in " ".join(out.split())
    suite = ElementTree.parse(tmp_path / "gate.xml").getroot()
    assert [case.get("classname") for case in suite.iter("testcase")] == ["gate.tier1", "gate.tier2"]
    assert "| 2 | `stc@tiny seed 0` | pass |" in (tmp_path / "gate.md").read_text()


@pytest.mark.parametrize(("change", "code"), [(1e-8, 1), (1e-11, 0)])
def test_a_changed_number_fails(make, gate, dataset, tmp_path, change, code):
    make(make_run(tmp_path / "run", dataset, down=2))

    def move(record):
        record["metrics"]["video_ap"]["AP"] += change

    edit(tmp_path / "baseline" / "stc@tiny-seed-0" / "record.json", move)
    found, out, _ = gate()
    assert found == code
    assert ("video_ap.AP" in out) == bool(code)


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("box_iou", lambda real: lambda a, b: -real(a, b)),
        ("choose_rows", lambda real: lambda scores: real(-scores)),
        ("remember", lambda real: lambda bank, *rest: (bank, real(bank, *rest)[1])),
        ("masktrack_scores", lambda real: lambda d, bank, rule: real(d, bank, rule)[:, ::-1]),
    ],
)
def test_a_broken_association_rule_fails_tier_2_alone(
    make, gate, dataset, tmp_path, monkeypatch, name, broken
):
    make(make_run(tmp_path / "run", dataset))
    assert gate()[0] == 0
    monkeypatch.setattr(association, name, broken(getattr(association, name)))
    code, out, _ = gate("--junit", tmp_path / "gate.xml")
    assert code == 1
    assert "FAIL" in out
    cases = {
        case.get("classname"): case for case in ElementTree.parse(tmp_path / "gate.xml").iter("testcase")
    }
    assert cases["gate.tier1"].find("failure") is None
    assert "other tracks" in cases["gate.tier2"].find("failure").get("message")


def test_overrides_of_the_run_are_part_of_its_rule(make, gate, dataset, tmp_path):
    """Repelled by their boxes, the two detections change identities; only with the override is that right."""
    make(make_run(tmp_path / "run", dataset, overrides={"association.iou_weight": "-50"}))
    assert gate()[0] == 0
    edit(
        tmp_path / "baseline" / "stc@tiny-seed-0" / "record.json",
        lambda record: record.update(overrides={}),
    )
    assert gate()[0] == 1


def test_retrained_runs_that_are_equal_pass_and_worse_ones_fail(make, gate, dataset, tmp_path):
    make(*seeds(tmp_path, dataset, "old", (0, 1, 0)))
    seeds(tmp_path, dataset, "equal", (0, 1, 0))
    code, out, _ = gate("--runs", tmp_path / "equal")
    assert code == 0
    assert "3 seeds, 4 videos" in " ".join(out.split())
    seeds(tmp_path, dataset, "worse", (4, 4, 4))
    code, out, _ = gate("--runs", tmp_path / "worse", "--margin", "AP=5", "--margin", "AP75=5")
    assert code == 1
    assert "worse by more than 5 points" in " ".join(out.split())
    # a margin that allows the loss
    assert gate("--runs", tmp_path / "worse", "--margin", "AP=300")[0] == 0


def test_what_the_interval_does_not_decide_is_inconclusive(make, gate, dataset, tmp_path):
    make(*seeds(tmp_path, dataset, "old", (0, 0)))
    seeds(tmp_path, dataset, "new", (0, 2))
    code, out, _ = gate("--runs", tmp_path / "new", "--junit", tmp_path / "gate.xml")
    assert code == 6
    assert "run more seeds" in " ".join(out.split())
    skipped = [case for case in ElementTree.parse(tmp_path / "gate.xml").iter("testcase") if len(case)]
    assert [case.find("skipped") is not None for case in skipped] == [False] * 4 + [True]


def test_new_runs_on_more_videos_are_compared_on_the_baseline_s(make, gate, dataset, tmp_path):
    """The videos that the baseline lacks are much worse in the new runs, and do not count."""
    part = first_videos(dataset, 3)
    make(*seeds(tmp_path, part, "old", (0, 1)))
    bad = {video.id: 0 if video in part.videos else 6 for video in dataset.videos}
    slightly = {video.id: 1 if video in part.videos else 6 for video in dataset.videos}
    seeds(tmp_path, dataset, "new", (bad, slightly))
    code, out, _ = gate("--runs", tmp_path / "new")
    assert code == 0
    assert "difference +0.00 (+0.00 to +0.00), 2 seeds, 3 videos" in " ".join(out.split())


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([{"protocol_hash": "other"}], "no new run of the same protocol"),
        ([{"seed": 5}], "and starting weights for seed 0 of the baseline"),
        ([{}, {}], "either could be meant"),
        ([{"down": 1}], "one seed says nothing"),
    ],
)
def test_new_runs_that_cannot_be_compared_are_inconclusive(make, gate, dataset, tmp_path, runs, reason):
    make(make_run(tmp_path / "run", dataset))
    for number, values in enumerate(runs):
        make_run(tmp_path / "new" / str(number), dataset, **values)
    code, out, _ = gate("--runs", tmp_path / "new")
    assert code == 6
    assert reason in " ".join(out.split())


def test_a_new_run_that_failed_fails(make, gate, dataset, tmp_path):
    """The other two seeds are as they were, which would pass."""
    make(*seeds(tmp_path, dataset, "old", (0, 1, 0)))
    *_, third = seeds(tmp_path, dataset, "new", (0, 1, 0))
    broken = {"status": "failed", "metrics": None, "error": "the loss is not finite", "error_code": 4}
    edit(third / "record.json", lambda record: record.update(broken))
    code, out, _ = gate("--runs", tmp_path / "new")
    assert code == 1
    text = " ".join(out.split())
    assert "the new run of seed 2 failed: the loss is not finite" in text
    assert "2 seeds, 4 videos: not worse by 0.5 points or more" in text


@pytest.mark.parametrize("field", ["seed", "train_data", "extra_data"])
def test_a_seed_of_the_baseline_without_a_new_run_is_inconclusive(make, gate, dataset, tmp_path, field):
    """It is absent, or it learned from other videos."""
    make(*seeds(tmp_path, dataset, "old", (0, 1, 0)))
    *_, third = seeds(tmp_path, dataset, "new", (0, 1, 0))
    other = {"name": "mine", "split": "train", "annotation_hash": "a", "split_hash": "s", "videos": 3}
    edit(third / "record.json", lambda record: record.update({field: 7 if field == "seed" else other}))
    code, out, _ = gate("--runs", tmp_path / "new")
    assert code == 6
    text = " ".join(out.split())
    assert "no new run of the same protocol, data, training data and starting weights for seed 2" in text
    assert "2 seeds, 4 videos" in text


def test_a_difference_whose_resamples_hide_the_videos_is_inconclusive(
    make, gate, dataset, tmp_path, monkeypatch
):
    make(*seeds(tmp_path, dataset, "old", (0, 1)))
    seeds(tmp_path, dataset, "new", (0, 1))
    assert gate("--runs", tmp_path / "new")[0] == 0
    monkeypatch.setattr(study, "hides_videos", lambda new, old, kept: True)
    code, out, _ = gate("--runs", tmp_path / "new")
    assert code == 6
    assert "too few videos hold a category" in " ".join(out.split())


def difference(per_seed, videos=()):
    """New minus old with these differences per seed; videos: spread of the draws around them."""
    a = np.array(per_seed, dtype=float)
    draws = a[:, None] + np.array(videos or (0.0, 0.0))[None]
    return paired_difference(a, np.zeros(len(a)), draws, np.zeros_like(draws), 50)


@pytest.mark.parametrize(
    ("per_seed", "videos", "status"),
    [
        ((0.0,), (), "pass"),
        ((5.0,), (), "inconclusive"),
        ((-5.0,), (), "inconclusive"),
        # t(0.975, 2) = 4.303, standard error 0.1 / sqrt(3): -0.2 +- 0.248 lies above -0.5
        ((-0.1, -0.2, -0.3), (), "pass"),
        # -0.3 +- 0.248 holds -0.5
        ((-0.2, -0.3, -0.4), (), "inconclusive"),
        # -0.8 +- 0.248 lies below
        ((-0.7, -0.8, -0.9), (), "fail"),
        ((-0.1, -0.2, -0.3), (-2.0, 2.0), "inconclusive"),
        ((3.0, 3.1, 3.2), (), "pass"),
    ],
)
def test_the_verdict_on_an_interval(per_seed, videos, status):
    assert decide(difference(per_seed, videos), 0.5)[0] == status


def test_a_failure_beats_what_is_open():
    checks = [Check(t, "x", s, "") for t, s in ((1, "pass"), (2, "fail"), (3, "inconclusive"))]
    assert overall(checks) == "fail"
    assert overall([checks[0], checks[2]]) == "inconclusive"
    assert overall(checks[:1]) == "pass"


def test_metric_changes_name_what_changed():
    old = {"a": {"x": 0.5, "y": None, "z": 3}, "gone": {"v": 1.0}}
    new = {"a": {"x": 0.5 + 2e-9, "y": 0.0, "z": 3, "more": 1.0}}
    assert list(metric_changes(old, new)) == [
        "a.x: 0.5 -> 0.500000002",
        "a.y: undefined -> 0",
        "gone.v: 1 -> missing",
    ]


def test_reports_show_names_as_text():
    """Names and messages may hold what XML and Markdown read as their own."""
    checks = [
        Check(1, "a<b>|`c`", "fail", "5 < 6 & 7 @all www.x.org", tuple(f"change {i}" for i in range(30)))
    ]
    case = ElementTree.fromstring(gate_junit(checks)).find(".//testcase")
    assert case.get("name") == "a<b>|`c`"
    assert len(case.find("failure").text.splitlines()) == 30
    page = gate_markdown("base", checks)
    assert "| `a<b>\\|'c'` |" in page
    outside_code = "".join(page.split("`")[::2])
    assert not set(outside_code) & set("<@")
    assert "5 < 6" not in outside_code
    text = gate_text("base", checks)
    assert "and 22 more" in text
    assert text.splitlines()[-1] == "gate against base: FAIL (0 passed, 1 failed, 0 inconclusive)"


def test_renewing_a_baseline_replaces_its_runs_and_keeps_its_margins(make, dataset, tmp_path):
    make(*seeds(tmp_path, dataset, "old", (0, 0)))
    path = tmp_path / "baseline" / "baseline.json"
    edit(path, lambda value: value.update(margins={"AP50": 2.0}))
    assert make(make_run(tmp_path / "new", dataset, seed=7))[0] == 0
    content, runs = read_baseline(tmp_path / "baseline")
    assert content.margins == {"AP50": 2.0}
    assert [run.record.seed for run in runs] == [7]
    assert [p.name for p in path.parent.iterdir() if p.is_dir()] == ["stc@tiny-seed-7"]


def test_a_run_without_stored_detections_has_no_tier_2(make, gate, dataset, tmp_path):
    run = make_run(tmp_path / "run", dataset)
    (run / "frames.jsonl.gz").unlink()
    assert make(run)[0] == 0
    assert read_baseline(tmp_path / "baseline")[0].runs[0].tiers == (1, 3)
    assert "tier 2" not in gate()[1]


def test_a_baseline_is_renewed_from_its_own_runs(make, gate, dataset, tmp_path):
    """Seed 0 is kept as it is, seed 1 goes."""
    make(*seeds(tmp_path, dataset, "old", (0, 0)))
    stored = tmp_path / "baseline" / "stc@tiny-seed-0"
    before = {path.name: path.read_bytes() for path in stored.iterdir()}
    assert make(stored)[0] == 0
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == before
    assert sorted(path.name for path in stored.parent.iterdir()) == ["baseline.json", "stc@tiny-seed-0"]
    assert gate()[0] == 0


def test_a_baseline_that_cannot_be_renewed_stays_as_it_was(make, gate, dataset, tmp_path):
    make(make_run(tmp_path / "old", dataset))
    gone = make_run(tmp_path / "gone", dataset, seed=1)
    edit(gone / "record.json", lambda record: record.update(method="uninstalled"))
    assert make(gone)[0] == 2
    assert gate()[0] == 0
    (tmp_path / "baseline" / "stc@tiny-seed-1").mkdir()
    code, _, err = make(make_run(tmp_path / "new", dataset, seed=1))
    assert (code, "in the way" in err) == (2, True)
    assert gate()[0] == 0


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("baseline.json", lambda value: value["runs"][0].update(tiers=[])),
        ("baseline.json", lambda value: value["runs"][0].update(tiers=[4])),
        ("baseline.json", lambda value: value.update(margins={})),
        ("stc@tiny-seed-0/record.json", lambda value: value.update(metrics={})),
    ],
)
def test_a_baseline_that_checks_nothing_is_refused(make, gate, dataset, tmp_path, file, change):
    make(make_run(tmp_path / "run", dataset))
    edit(tmp_path / "baseline" / file, change)
    code, out, err = gate()
    assert (code, out) == (3, "")
    assert file.split("/")[0] in err


def test_new_runs_need_a_baseline_with_tier_3(make, gate, dataset, tmp_path):
    make(make_run(tmp_path / "run", dataset))
    edit(tmp_path / "baseline" / "baseline.json", lambda value: value["runs"][0].update(tiers=[1, 2]))
    code, out, err = gate("--runs", tmp_path / "run")
    assert (code, out) == (2, "")
    assert "compares nothing" in err


def test_what_cannot_be_checked_is_said(make, gate, vis_bench, dataset, tmp_path):
    assert gate()[0] == 3
    run = make_run(tmp_path / "run", dataset)
    assert make(run, run)[0] == 2
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline" / "notes.txt").write_text("mine")
    code, _, err = make(run)
    assert (code, "no baseline" in err) == (2, True)
    (tmp_path / "baseline" / "notes.txt").unlink()
    make(run)
    # of nothing, the localisation accuracy is the highest
    for text in ("IDs=1", "LocA=1", "AP=x", "AP=-1", "AP"):
        assert gate("--margin", text)[0] == 2, text
    assert gate("--make", tmp_path / "b")[0] == 2
    assert gate(run)[0] == 2
    write_split(tmp_path / "others", "val", 5)
    code, _, err = vis_bench("gate", "--against", tmp_path / "baseline", "--dataset", tmp_path / "others")
    assert code == 3
    assert "is not the data of the record" in err
