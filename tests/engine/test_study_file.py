"""Study files: what they decide, what may stand beside them, and that their hash is in the records."""

import json
from pathlib import Path

import pytest

from vis_bench.engine.study_file import read_study
from vis_bench.errors import DataError
from vis_bench.files import sha256

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def study(tmp_path, squares, protocol):
    def write(**more):
        lines = {"methods": TOY, "data": str(squares), "protocol": str(protocol), "seeds": 2, **more}
        path = tmp_path / "study.toml"
        path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in lines.items()))
        return path

    return write


@pytest.mark.slow
def test_a_study_runs_and_its_hash_is_in_the_records(vis_bench, study, tmp_path):
    path, out = study(columns=["AP50"]), tmp_path / "runs"
    common = ("run", path, "--device", "cpu", "--out", out)
    code, _, err = vis_bench(*common, "--dry-run")
    assert code == 0
    assert "2 runs" in err
    assert "for 0 units that earlier runs tell of and 2 that are estimated" in err
    code, text, err = vis_bench(*common, "--json", tmp_path / "all.json")
    assert code == 0, err
    assert "AP50" in text
    assert "HOTA" not in text.split("\n\n")[0]
    records = json.loads((tmp_path / "all.json").read_text())
    assert {record["study"] for record in records} == {sha256(path.read_bytes())}
    assert [record["seed"] for record in records] == [0, 1]
    # what it takes and finds is known from these runs
    code, _, err = vis_bench("run", study(seeds=3), "--device", "cpu", "--out", out, "--dry-run")
    assert "h and" in err
    assert "for 1 unit that earlier runs tell of" in err
    code, text, _ = vis_bench("status", out, "--json")
    assert {unit["state"] for unit in json.loads(text)["units"]} == {"done"}


def test_an_option_that_would_make_it_another_study_is_refused(vis_bench, study):
    code, _, err = vis_bench("run", study(), "--seeds", 3)
    assert code == 2
    assert "--seeds: stands in" in err
    code, _, err = vis_bench("run", study(), "--dataset", "shapes")
    assert code == 2
    code, _, err = vis_bench("run", study(), "--no-train")
    assert code == 2
    code, _, err = vis_bench("run", "--methods", "stc")
    assert code == 2
    assert "--dataset is missing" in err


def test_what_a_study_says(study, tmp_path):
    found = read_study(study(data=["shapes", "ovis"], seeds=[4], methods=["a", "b@c"], set={}))
    assert found.datasets == ("shapes", "ovis")
    assert (found.options["methods"], found.options["seeds"]) == ("a,b@c", "4,")
    path = tmp_path / "other.toml"
    for text, said in (
        ("methods = 'a'\n", "data: Field required"),
        ("methods = 'a'\ndata = 'b'\nsede = 1\n", "sede: Extra inputs"),
        ("methods = \n", "not valid TOML"),
        ("methods = 'a'\ndata = []\n", "names no data set"),
        ("methods = 'a'\ndata = 'b'\nlimit = 0\n", "limit: Input should be greater"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_study(path)
    path.write_text("methods = 'a'\ndata = 'b'\n[set]\n'train.lr' = 0.1\n'x' = true\n")
    assert read_study(path).options["overrides"] == {"train.lr": "0.1", "x": "true"}
