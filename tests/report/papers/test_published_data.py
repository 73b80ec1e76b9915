"""The papers' tables as data: complete, as printed, and pointing at runs that exist."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vis_bench.errors import DataError, UsageError
from vis_bench.report.papers.published import (
    PublishedPaper,
    PublishedRow,
    PublishedTable,
    published_library,
    read_library,
)
from vis_bench.report.papers.runs import parse_run
from vis_bench.setup.config import choose_config, override, to_dict
from vis_bench.setup.plugins import load_spec


def _rows() -> Iterator[tuple[PublishedPaper, PublishedTable, PublishedRow]]:
    for paper in published_library().papers.values():
        for table in paper.tables:
            for row in table.rows:
                yield paper, table, row


def _row(where: str, method: str, **wanted: Any) -> PublishedRow:
    paper, _, name = where.partition(":")
    table = published_library().paper(paper).table(name)
    found = [
        row
        for row in table.rows
        if row.method == method and all(getattr(row, key) == value for key, value in wanted.items())
    ]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("where", "method", "wanted", "values"),
    [
        # read off the printed tables, one line each
        ("querytrack:1", "QueryTrack (Ours)", {}, [38.8, 62.0, 42.3]),
        ("querytrack:2", "QueryTrack (Ours)", {}, [52.3, 76.7, 57.7, 43.9, 57.0]),
        ("querytrack:3", "MaskProp", {}, [46.6, 51.2, None]),
        ("querytrack:3", "QueryTrack", {"backbone": "Swin-L"}, [52.7, 78.9, 57.9]),
        ("stc:1", "STC (Ours)", {"backbone": "ResNet-50"}, [36.7, 57.2, 38.6, 36.9, 44.5, 40.3]),
        ("stc:1", "MaskProp", {}, [40.0, None, 42.9, None, None, None, 6.2]),
        ("stc:1", "CrossVIS", {"backbone": "ResNet-101"}, [36.6, 57.3, 39.7, 36.0, 42.0, 35.6]),
        ("stc:2", "MaskTrack R-CNN", {}, [31.7, 52.5, 34.0, 30.8, 37.8]),
        ("stc:5", "ablation", {"setting": "no contrastive, bidirectional, embedding width=256"}, [35.4]),
        ("ifr:1", "Mask2Former", {"backbone": "Swin-L"}, [60.4, 84.4, 67.0, None, None]),
        ("ifr:1", "Ours (IFR)", {"backbone": "ResNet-101"}, [49.3, 75.2, 59.7, 48.5, 58.2]),
        ("ifr:3", "Mask2Former", {"backbone": "ResNet-50", "dataset": "YouTube-VIS-2021"},
         [55.1, -1.6, 47.3, 66.2, 790]),
        ("ifr:3", "Ours (IFR)", {"backbone": "ResNet-50", "dataset": "YouTube-VIS-2019"},
         [72.2, 47.6, 74.7, 70.0, 50]),
        ("ifr:4", "Ours (IFR)", {"dataset": "YouTube-VIS-2021", "setting": "clips of 2 frames"},
         [56.6, 79.2, 63.0, 45.6, 60.3]),
        ("inspro:2b", "with BDL", {}, [38.4, 57.7, 41.6, 26.3]),
        ("inspro:2d", "Tracking-by-detection", {}, [31.5, 49.3, 34.1, 119.9, 48.3, 25.4]),
        ("inspro:2e", "Track-and-detect query (MOTR style)", {}, [37.4, 56.9, 40.3]),
    ],
)  # fmt: skip
def test_spot_checks_of_printed_rows(
    where: str, method: str, wanted: dict[str, Any], values: list[float | None]
) -> None:
    assert list(_row(where, method, **wanted).published.values()) == values


def test_the_papers_have_all_their_tables() -> None:
    tables = {
        name: [table.table for table in paper.tables] for name, paper in published_library().papers.items()
    }
    assert tables == {
        "querytrack": ["1", "2", "3"],
        "stc": list("12345678"),
        "ifr": ["1", "2", "3", "4", "figure4"],
        "inspro": ["1", *(f"2{x}" for x in "abcde"), "3", "4", "5", *(f"6{x}" for x in "abcd")],
    }


def test_every_contradiction_is_there_and_points_at_printed_cells() -> None:
    library = published_library()
    ids = [conflict.id for conflict in library.conflicts]
    wanted = [f"{letter}{n}" for letter, last in (("A", 20), ("B", 5), ("C", 31)) for n in range(1, last + 1)]
    assert ids == wanted
    for conflict in library.conflicts:
        papers = {cells.table.partition(":")[0] for cells, _, _ in library.selected(conflict)}
        # A20 is between two tables of one paper
        assert len(papers) >= 2 or conflict.id[0] != "A" or conflict.id == "A20"


def test_cells_that_contradict_each_other_do_differ() -> None:
    library = published_library()
    (swap,) = [conflict for conflict in library.conflicts if conflict.id == "A1"]
    values = {cells.table: row.published["AP"] for cells, _, row in library.selected(swap)}
    assert values == {"querytrack:1": 28.6, "stc:2": 31.7, "inspro:1": 28.6}


def test_every_run_exists_and_has_the_backbone_of_its_row() -> None:
    terms = published_library().terms
    checked = 0
    for paper, table, row in _rows():
        for position, text in enumerate(row.runs):
            run = parse_run(text)
            spec = load_spec(run.method)
            name = "+".join(part for part in (run.config, run.variant) if part) or None
            _, config = choose_config(spec, name, "paper")
            values = to_dict(override(config, dict(run.values)))
            assert spec.info.iou_type == table.iou_type
            printed = row.backbone or row.backbone_assumed
            if position == 0:
                assert printed is not None, (paper.paper, table.table, row.method)
                assert values["backbone"]["name"] == terms.backbones[printed], (table.table, row)
                checked += 1
    assert checked > 80


@pytest.mark.parametrize(
    ("where", "setting", "key", "value"),
    [
        ("inspro:2c", "T=9", "bank_length", 9),
        ("inspro:2c", "T=36", "bank_length", 36),
        ("inspro:3", "K=15", "key_interval", 15),
        ("inspro:6c", "beta=0.15", "weights.dedup_beta", 0.15),
        ("stc:5", "no contrastive, no bidirectional, embedding width=64", "embedding_width", 64),
        ("stc:6", "no consistency, convolutions=4", "kernel_convs", 4),
        ("stc:7", "no relative coordinates, channels=16", "mask_channels", 16),
        ("stc:8", "negatives from boxes only, negatives=128", "loss.negatives_from", "boxes"),
        ("ifr:4", "clips of 5 frames", "inference.clip_frames", 5),
        ("ifr:figure4", "lambda_e=0.5", "loss.cross_frame_weight", 0.5),
        ("ifr:1", "200 queries", "decoder.queries", 200),
    ],
)
def test_every_run_of_a_row_means_what_the_row_says(where: str, setting: str, key: str, value: Any) -> None:
    paper, _, name = where.partition(":")
    rows = [row for row in published_library().paper(paper).table(name).rows if row.setting == setting]
    assert rows
    for row in rows:
        for text in row.runs:
            run = parse_run(text)
            config_name = "+".join(part for part in (run.config, run.variant) if part) or None
            _, config = choose_config(load_spec(run.method), config_name, "paper")
            found: Any = to_dict(override(config, dict(run.values)))
            for part in key.split("."):
                found = found[part]
            assert found == value, text


def test_unknown_names_get_a_suggestion() -> None:
    library = published_library()
    with pytest.raises(UsageError, match=r"Unknown paper 'inspr'\. Did you mean 'inspro'"):
        library.paper("inspr")
    with pytest.raises(UsageError, match=r"no table '6'\. Did you mean 'inspro:"):
        library.paper("inspro").table("6")


def _write_library(folder: Path, rows: list[dict[str, Any]], conflicts: list[dict[str, Any]]) -> None:
    table = {
        "table": "1", "caption": "c", "dataset": "YouTube-VIS-2019", "split": "val",
        "same_splits": ["valid"], "rows": rows,
    }  # fmt: skip
    paper = {"paper": "p", "title": "t", "source": "s", "differences": [], "tables": [table]}
    (folder / "p.json").write_text(json.dumps(paper))
    (folder / "conflicts.json").write_text(json.dumps(conflicts))
    (folder / "terms.json").write_text(json.dumps({"datasets": {}, "backbones": {}, "backbone_variants": []}))


@pytest.mark.parametrize(
    ("rows", "conflicts", "message"),
    [
        ([{"method": "m", "backbone": None, "published": {"AP": "x"}}], [], r"p\.json: tables\.0\.rows\.0"),
        ([{"method": "m", "backbone": None, "published": {}, "colour": 1}], [], "colour"),
        ([{"method": "m", "backbone": None, "published": {"AP": 1}}] * 2, [], "Tell them apart"),
        (
            [{"method": "m", "backbone": None, "published": {"AP": 1}}],
            [{"id": "A1", "about": "a", "text": "t", "cells": [{"table": "p:1", "method": "n"}]}],
            "conflict A1: .* selects no cell",
        ),
    ],
)
def test_malformed_data_is_one_clear_error(
    tmp_path: Path, rows: list[dict[str, Any]], conflicts: list[dict[str, Any]], message: str
) -> None:
    _write_library(tmp_path, rows, conflicts)
    with pytest.raises(DataError, match=message):
        read_library(tmp_path)


def _reported_rows(text: str) -> dict[str, list[dict[str, Any]]]:
    """Method, backbone, data set, numbers and spread of every row of the reference file, by `paper.table`.

    Reads the few YAML forms that the file has; no YAML parser is needed for a test.
    """
    tables: dict[str, list[dict[str, Any]]] = {}
    dataset = ""
    for line in text.split("\ntables:\n")[1].split("\nnumbers_in_text:")[0].splitlines():
        if found := re.match(r"- id: (\S+)", line):
            rows = tables.setdefault(found.group(1), [])
        elif found := re.match(r"  dataset: (.*)", line):
            dataset = found.group(1)
        elif found := re.match(r"  - method: '?([^']*)'?$", line):
            rows.append({"method": found.group(1), "dataset": dataset, "std": {}, "extra_data": False})
        elif found := re.match(r"    extra_data: (true|false)$", line):
            rows[-1]["extra_data"] = found.group(1) == "true"
        elif found := re.match(r"    (backbone|dataset): (.*)", line):
            rows[-1][found.group(1)] = None if found.group(2) == "null" else found.group(2)
        elif found := re.match(r"    (metrics|std): \{(.*)\}", line):
            pairs = (pair.split(": ") for pair in found.group(2).split(", "))
            rows[-1][found.group(1)] = {key: json.loads(value) for key, value in pairs}
    return tables


def test_every_number_of_the_json_equals_the_reference(
    vis_bench: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = os.environ.get("VIS_BENCH_FIXTURES")
    if not root:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    reported = _reported_rows((Path(root) / "reported.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    own = {
        f"{table['paper']}.table{table['table']}": [
            {
                "method": row["method"],
                "dataset": row["dataset"],
                "backbone": row["backbone"],
                "metrics": row["published"],
                "std": row["published_std"],
                "extra_data": row["extra_data"],
            }
            for row in table["rows"]
        ]
        for table in json.loads(vis_bench("reproduce", "--json")[1])
    }
    assert sum(map(len, reported.values())) == 209
    assert own == reported


def test_every_row_stands_in_the_text_of_its_paper() -> None:
    root = os.environ.get("VIS_BENCH_FIXTURES")
    if not root:
        pytest.skip("VIS_BENCH_FIXTURES is not set")
    missing = []
    for paper, table, row in _rows():
        texts = sorted((Path(root) / "papers").glob(f"{paper.paper}*.txt"))
        words = [re.findall(r"-?\d+(?:\.\d+)?", path.read_text(encoding="utf-8")) for path in texts]
        values = [str(value) for value in row.published.values() if value is not None]
        if paper.paper == "stc" and table.table == "1":
            # the speed is the first column there
            speeds = [str(row.published[key]) for key in ("FPS", "FPS_upper_bound") if row.published.get(key)]
            values = [*speeds, *(value for value in values if value not in speeds)]
        if not any(_in_order(values, found) for found in words):
            missing.append((table.table, row.method))
    # the first lost a cell, the second its decimal points in the text that was read
    assert missing == [("2a", "D"), ("2d", "Ours")]


def _in_order(values: list[str], words: list[str]) -> bool:
    """Whether values occur in order, with at most eight other numbers between first and last."""
    for start in (position for position, word in enumerate(words) if values and word == values[0]):
        left = list(values)
        for word in words[start : start + len(values) + 8]:
            if left and word == left[0]:
                left.pop(0)
        if not left:
            return True
    return not values
