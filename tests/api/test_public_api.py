"""The public Python API: what docs/api.md shows runs, names are what they are after every import, and errors
have exit codes."""

from __future__ import annotations

import doctest
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import vis_bench

ROOT = Path(__file__).parents[2]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", API, flags=re.DOTALL)
FUNCTIONS = ("evaluate", "explain", "compare", "run", "write_report", "open_dataset", "results")
TOY = f"{ROOT / 'tests' / 'engine' / 'toy_method.py'}:SPEC"
COLUMNS = [
    *("method", "config", "seed", "dataset", "split", "protocol", "protocol_hash", "status"),
    *("AP", "AP50", "AP75", "AR10", "frame_AP50", "HOTA", "IDF1", "MOTA", "id_switches", "scored_above"),
    *("train_seconds", "track_seconds", "folder"),
]
SQUARE = {"size": [2, 2], "counts": "04"}
TRUTH = {
    "videos": [{"id": 1, "width": 2, "height": 2, "file_names": ["a/0.jpg"]}],
    "categories": [{"id": 1, "name": "square"}],
    "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [SQUARE]}],
}
FOUND = [{"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [SQUARE]}]


def python(code: str, cwd: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_neither_torch_nor_pandas(tmp_path: Path) -> None:
    code = (
        "import vis_bench, sys; print(sorted({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    assert python(code, tmp_path) == "[]\n"


def test_the_example_prints_what_its_comments_say(tmp_path: Path) -> None:
    script, *_ = BLOCKS
    assert python(script, tmp_path).splitlines() == re.findall(r"print\(.*\)  # (.+)$", script, re.M)


def test_an_example_reads_the_committed_records() -> None:
    block = next(one for one in BLOCKS if "results/shapes-quick" in one)
    assert "masktrack_rcnn" in python(block, ROOT)


def test_docs_name_every_public_name() -> None:
    for name in vis_bench.__all__:
        assert f"`{name}" in API or name == "__version__"
    assert set(FUNCTIONS) < set(vis_bench.__all__)


def test_public_names_are_themselves_after_every_submodule_was_imported(tmp_path: Path) -> None:
    names = [
        name
        for _, name, _ in pkgutil.walk_packages(vis_bench.__path__, "vis_bench.")
        if "__main__" not in name
    ]
    code = f"""
import importlib
import vis_bench
for name in {names!r}:
    importlib.import_module(name)
print([name for name in {FUNCTIONS!r} if not callable(getattr(vis_bench, name))], vis_bench.Record.__name__)
"""
    assert python(code, tmp_path) == "[] Record\n"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstrings_have_examples_that_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = getattr(vis_bench, name)
    module = importlib.import_module(function.__module__)
    monkeypatch.chdir(tmp_path)
    (found,) = doctest.DocTestFinder(recurse=False).find(function, name, globs=vars(module).copy())
    assert found.examples
    assert doctest.DocTestRunner().run(found).failed == 0
    hints = inspect.get_annotations(function)
    assert set(hints) == {*inspect.signature(function).parameters, "return"}


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'evalute'"):
        vis_bench.evalute  # noqa: B018
    assert set(vis_bench.__all__) <= set(dir(vis_bench))


def test_evaluate_gives_what_the_command_writes(vis_bench: object, tmp_path: Path) -> None:
    """Files, parsed content, and the command line: one result."""
    import vis_bench as api

    truth, predictions = tmp_path / "truth.json", tmp_path / "predictions.json"
    truth.write_text(json.dumps(TRUTH))
    predictions.write_text(json.dumps(FOUND))
    arguments = (predictions, "--truth", truth, "--json")
    for command, function in (("eval", api.evaluate), ("explain", api.explain)):
        code, _, _ = vis_bench(command, *arguments, tmp_path / f"{command}.json")  # type: ignore[operator]
        written = json.loads((tmp_path / f"{command}.json").read_text())
        assert code == 0
        assert function(FOUND, TRUTH) == function(predictions, truth) == function(str(predictions), TRUTH)
        assert function(FOUND, TRUTH) == written


def test_evaluate_takes_opened_truth_bytes_and_chosen_metrics(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
    opened = vis_bench.open_dataset(tmp_path / "truth.json")
    counts = {**SQUARE, "counts": b"04"}
    found = vis_bench.evaluate([{**FOUND[0], "segmentations": [counts]}], opened, metrics=["ap"])
    assert set(found) == {"video_ap", "per_category"}
    truth = {**TRUTH, "annotations": [{**TRUTH["annotations"][0], "segmentations": [counts]}]}
    assert vis_bench.evaluate(FOUND, truth, metrics="ap") == found


@pytest.mark.parametrize(
    ("arguments", "options", "code", "text"),
    [
        (("nowhere.json", TRUTH), {}, 3, "nowhere.json: no such file"),
        ((FOUND, "nowhere.json"), {}, 3, "nowhere.json: no such file"),
        ((FOUND, TRUTH), {"metrics": "ap,hot"}, 2, "Did you mean 'hota'"),
        ((FOUND, TRUTH), {"metrics": []}, 2, "names no metric"),
        ((FOUND, TRUTH), {"iou_type": "mask"}, 2, "must be one of"),
        ((FOUND, TRUTH), {"dataset": "shapes"}, 2, "Give the truth"),
        ((FOUND, None), {}, 2, "Give the truth"),
        ((FOUND, {**TRUTH, "videos": {1}}), {}, 3, "must be what an annotation file holds"),
        ((FOUND, []), {}, 3, "is a list"),
        (([{**FOUND[0], "score": float("nan")}], TRUTH), {}, 3, "predictions, entry 0: `score`"),
        (({"a": 1}, TRUTH), {}, 3, "must be a JSON list"),
    ],
)
def test_errors_have_the_exit_code_of_the_command(arguments, options, code, text) -> None:
    with pytest.raises(vis_bench.VisBenchError, match=re.escape(text)) as caught:
        vis_bench.evaluate(*arguments, **options)
    assert caught.value.exit_code == code


def test_run_results_compare_and_report(squares: Path, protocol: Path, tmp_path: Path) -> None:
    """From a data set to a verdict in Python; finished runs are reused by both doors."""
    out = tmp_path / "runs"
    options = {"protocol": protocol, "out": out, "overrides": {"train.iterations": 2}, "jobs": 1}
    records = vis_bench.run([TOY], squares, seeds=[0, 2], **options)
    assert [(record.seed, record.status) for record in records] == [(0, "done"), (2, "done")]
    assert {record.overrides["train.iterations"] for record in records} == {"2"}
    again = vis_bench.run(TOY, str(squares), seeds="0,2", **options)
    assert again == records
    table = vis_bench.results(out)
    assert list(table.columns) == COLUMNS
    assert table["seed"].tolist() == [0, 2]
    assert table["AP"].tolist() == [record.metrics["video_ap"]["AP"] for record in records]
    assert (table["id_switches"] == records[0].metrics["operating_point"]["mot"]["IDs"]).all()
    assert set(table["scored_above"]) == {"operating point"}
    folders = [str(folder) for folder in table["folder"]]
    assert all((Path(folder) / "record.json").is_file() for folder in folders)
    with pytest.raises(vis_bench.UsageError, match="are seeds of one method"):
        vis_bench.compare(folders, dataset=str(squares))
    report = vis_bench.write_report(out, tmp_path / "report", dataset=str(squares))
    assert (report / "report.md").is_file()


def test_a_failed_run_is_a_record(squares: Path, protocol: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    source = (ROOT / "tests" / "engine" / "toy_method.py").read_text()
    broken = "def losses(self, clips):\n        raise ValueError('a bug')\n\n    def unused("
    plugin.write_text(source.replace("def losses(", broken))
    (record,) = vis_bench.run(f"{plugin}:SPEC", squares, protocol=protocol, out=tmp_path / "runs")
    assert record.status == "failed"
    assert "a bug" in (record.error or "")
