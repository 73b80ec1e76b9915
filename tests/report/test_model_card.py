"""Numbers for hubs: the YAML is read by a YAML reader, the badge is XML, and both have the numbers of the
records."""

import json
from xml.etree import ElementTree

import pytest
from stored_runs import store_run

from vis_bench.report.formats.badge import badge_svg
from vis_bench.report.formats.model_index import yaml_text


@pytest.fixture
def runs(tmp_path, squares):
    store_run(tmp_path / "runs", squares, "stc", 0, [0], title='A "quoted": name\n')
    store_run(tmp_path / "runs", squares, "stc", 1, [0, 1], title='A "quoted": name\n')
    return tmp_path / "runs"


def test_the_model_index_has_means_over_seeds_and_what_was_scored(vis_bench, runs):
    yaml = pytest.importorskip("yaml")
    code, out, _ = vis_bench("model-card", runs)
    assert code == 0
    (model,) = yaml.safe_load(out)["model-index"]
    assert model["name"] == 'A "quoted": name\n (stc@default)'
    (result,) = model["results"]
    assert result["task"]["type"] == "video-instance-segmentation"
    record = json.loads(next(runs.rglob("record.json")).read_text())
    assert result["dataset"]["revision"] == record["data"]["annotation_hash"]
    metrics = {one["type"]: one for one in result["metrics"]}
    # one of two objects is found by seed 0, both by seed 1: 50 and 100
    assert metrics["AR10"]["value"] == 75.0
    assert metrics["AR10"]["args"] == {"seeds": 2, "standard_deviation": pytest.approx(35.355)}


def test_yaml_of_nested_values():
    text = yaml_text({"a": [{"b": [1, 2], "c": {}}, "x: y"], "d": {"e": None, "f": True}})
    assert text == 'a:\n- b:\n  - 1\n  - 2\n  c: {}\n- "x: y"\nd:\n  e: null\n  f: true\n'


def test_a_badge_is_one_picture_with_the_number(vis_bench, runs, tmp_path):
    code, _, err = vis_bench("model-card", runs, "-o", tmp_path / "m.yaml", "--badge", tmp_path / "b.svg")
    assert code == 0
    text = (tmp_path / "b.svg").read_text()
    title = ElementTree.fromstring(text).find("{http://www.w3.org/2000/svg}title").text
    # 51 of 101 thresholds and all: 50.5 and 100
    assert title.startswith("vis-bench: AP 75.2 ± 35.0 on ")
    assert text.count("http") == 1
    assert (tmp_path / "m.yaml").read_text().startswith("model-index:\n- name:")
    assert "written" in err
    assert "<b>" not in badge_svg("<b>&")
    code, _, _ = vis_bench("model-card", runs, "--metric", "nothing")
    assert code == 2
