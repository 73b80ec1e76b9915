"""The gate on metrics that need a score threshold."""

import json

from gate_samples import edit, make_run, seeds


def test_a_threshold_from_val_is_kept_when_predictions_are_scored_again(make, gate, dataset, tmp_path):
    """Every track scores 0.6 or 0.9; above 0.95 none is left, which no choice here would take."""
    code, _, _ = make(make_run(tmp_path / "run", dataset, above=0.95))
    assert code == 0
    record = tmp_path / "baseline" / "stc@tiny-seed-0" / "record.json"
    assert json.loads(record.read_text())["metrics"]["operating_point"]["mot"]["recall"] == 0.0
    assert gate()[0] == 0
    edit(record, lambda value: value["operating_point"].update(thresholds=[0.0]))
    code, out, _ = gate()
    assert code == 1
    assert "operating_point.mot.recall: 0 -> 1" in out


def test_tier_3_reads_operating_points_unless_a_score_is_named(make, gate, dataset, tmp_path):
    """The same tracks, but the new runs were tuned to keep nothing: worse there, equal above 0.3.

    Beside every object stands a patch that scores 0.6: IDF1 2 * 16 / (16 + 32).
    """
    make(*seeds(tmp_path, dataset, "old", (0, 0, 0), above=0.3))
    seeds(tmp_path, dataset, "new", (0, 0, 0), above=0.95)
    code, out, _ = gate("--runs", tmp_path / "new", "--margin", "IDF1=1")
    assert code == 1
    assert "IDF1 66.67 -> 0.00" in " ".join(out.split())
    assert gate("--runs", tmp_path / "new", "--margin", "IDF1=1", "--threshold", "0.3")[0] == 0
    code, _, err = gate("--runs", tmp_path / "new", "--margin", "IDF1=1", "--threshold", "0.2")
    assert (code, "records are scored above" in err) == (2, True)


def test_thresholds_of_the_scored_videos_themselves_decide_nothing(make, gate, dataset, tmp_path):
    def alone(folder):
        edit(folder / "record.json", lambda value: value["operating_point"].update(source="same videos"))

    old = seeds(tmp_path, dataset, "old", (0, 0, 0), above=0.3)
    make(*old)
    for new in seeds(tmp_path, dataset, "new", (0, 0, 0), above=0.3):
        alone(new)
    code, out, _ = gate("--runs", tmp_path / "new", "--margin", "IDF1=1")
    assert code == 6
    assert "chosen on the scored videos themselves" in " ".join(out.split())
