"""Results of several machines in one folder."""

import json
import os

import pytest
from stored_runs import store_run

from vis_bench.errors import DataError, UsageError
from vis_bench.records.equal import same
from vis_bench.records.merge import merge
from vis_bench.records.run import read_record


@pytest.fixture
def folders(tmp_path, squares):
    """Seeds 0 and 1 on one machine, 1 and 2 on the other."""
    for name, seeds in (("a", (0, 1)), ("b", (1, 2))):
        for seed in seeds:
            store_run(tmp_path / name / "squares-val" / "plain", squares, "stc", seed, [0])
    return tmp_path / "a", tmp_path / "b"


def seeds(folder):
    return sorted(read_record(path).seed for path in folder.rglob("record.json"))


def test_equal_units_are_one_and_the_sources_stay(folders, tmp_path):
    found = merge(folders, tmp_path / "c")
    assert seeds(tmp_path / "c") == [0, 1, 2]
    assert found.units == 3
    ((first, second),) = found.equal
    assert (first.parents[2].name, second.parents[2].name) == ("a", "b")
    assert len(list((tmp_path / "c").rglob("predictions.json.gz"))) == 3
    assert seeds(folders[0]) == [0, 1]


def test_a_unit_with_two_results_is_refused_with_both_named(vis_bench, folders, tmp_path):
    path = next(path for path in folders[1].rglob("record.json") if read_record(path).seed == 1)
    record = json.loads(path.read_text())
    record["metrics"]["video_ap"]["AP"] += 1e-6
    path.write_text(json.dumps(record))
    code, _, err = vis_bench("merge", *folders, "-o", tmp_path / "c")
    assert code == 5
    assert str(path.parent) in err
    assert str(folders[0] / path.parent.relative_to(folders[1])) in err
    assert "video_ap.AP is" in err
    assert not (tmp_path / "c").exists()


def test_a_result_is_taken_before_a_failure(folders, tmp_path, squares):
    path = next(path for path in folders[0].rglob("record.json") if read_record(path).seed == 1)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "status": "failed", "metrics": None, "error": "broke"}))
    found = merge(folders, tmp_path / "c")
    assert found.replaced == (path.parent,)
    assert all(read_record(one).status == "done" for one in (tmp_path / "c").rglob("record.json"))


def test_weights_come_along_once_and_locks_do_not(folders, tmp_path):
    run = next(folders[0].rglob("record.json")).parent
    trained = folders[0] / "trained" / "stc"
    trained.mkdir(parents=True)
    (trained / "checkpoint.safetensors").write_bytes(b"weights")
    os.link(trained / "checkpoint.safetensors", run / "checkpoint.safetensors")
    (run / ".lock").touch()
    begun = folders[1] / "trained" / "stc"
    begun.mkdir(parents=True)
    (begun / "resume.pt").write_bytes(b"half")
    (folders[1] / "trained" / "other").mkdir()
    (folders[1] / "trained" / "other" / "resume.pt").write_bytes(b"half")
    merge(folders, tmp_path / "c")
    copied = tmp_path / "c" / run.relative_to(folders[0])
    assert (copied / "checkpoint.safetensors").samefile(tmp_path / "c/trained/stc/checkpoint.safetensors")
    assert not (copied / ".lock").exists()
    # finished weights need no half of a training, others go on from it
    assert not (tmp_path / "c/trained/stc/resume.pt").exists()
    assert (tmp_path / "c/trained/other/resume.pt").read_bytes() == b"half"


def test_what_cannot_be_merged(folders, tmp_path):
    with pytest.raises(UsageError, match="at least two"):
        merge(folders[:1], tmp_path / "c")
    with pytest.raises(UsageError, match="is not empty"):
        merge(folders, folders[0])
    with pytest.raises(UsageError, match="lies in"):
        merge(folders, folders[0] / "c")
    with pytest.raises(DataError, match="no such folder"):
        merge([*folders, tmp_path / "none"], tmp_path / "c")
    (folders[1] / "x").mkdir()
    (folders[1] / "x" / ".lease").touch()
    with pytest.raises(UsageError, match="a process is working there"):
        merge(folders, tmp_path / "c")
    # of a process that was killed long ago
    os.utime(folders[1] / "x" / ".lease", (1, 1))
    assert merge(folders, tmp_path / "c").units == 3


def test_equal_numbers():
    assert same({"a": [1.0, None]}, {"a": [1.0 + 1e-12, None]})
    assert not same({"a": 1.0}, {"a": 1.0 + 1e-6})
    assert not same({"a": 1.0}, {"a": 1.0, "b": 2.0})
    assert not same(1, True)
    assert not same(None, 0.0)
