"""`vis-bench reproduce` from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_samples import make_record

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder without `runs`."""
    monkeypatch.chdir(tmp_path)


def write(folder: Path, *records: dict[str, Any]) -> Path:
    for position, record in enumerate(records):
        place = folder / str(position)
        place.mkdir(parents=True)
        (place / "record.json").write_text(json.dumps(record))
    return folder


def test_the_list_names_every_table(vis_bench: Call) -> None:
    code, out, _ = vis_bench("reproduce")
    assert code == 0
    for where in ("querytrack:3", "stc:8", "ifr:figure4", "inspro:2e", "inspro:6d"):
        assert f"  {where} " in out
    assert max(map(len, out.splitlines())) <= 80
    assert "stc:1" not in vis_bench("reproduce", "inspro")[1]


def test_one_table_with_records_of_the_default_folder(vis_bench: Call, tmp_path: Path) -> None:
    write(tmp_path / "runs", make_record("stc", 0.42))
    code, out, _ = vis_bench("reproduce", "stc:1")
    assert code == 0
    assert "measured, 1 seed" in out
    assert "stc@tiny: not comparable: measured on shapes test" in out
    # another folder, another number
    other = write(tmp_path / "other", make_record("inspro", 0.1))
    assert "measured, 1 seed" not in vis_bench("reproduce", "stc:1", "--records", other)[1]


def test_json_of_one_table_and_of_all(vis_bench: Call, tmp_path: Path) -> None:
    records = write(tmp_path / "mine", make_record("inspro", 0.3, 0), make_record("inspro", 0.4, 1))
    code, out, _ = vis_bench("reproduce", "inspro:1", "--records", records, "--json")
    one = json.loads(out)
    assert code == 0
    assert (one["paper"], one["table"]) == ("inspro", "1")
    measured = [row["measured"]["AP"] for row in one["rows"] if row["measured"]]
    assert measured == pytest.approx([35.0, 35.0])
    everything = json.loads(vis_bench("reproduce", "--json", "--records", records)[1])
    assert len(everything) == 3 + 8 + 4 + 13
    assert one in everything
    assert len(json.loads(vis_bench("reproduce", "stc", "--json")[1])) == 8


def test_repeated_runs_in_two_folders_stand_for_themselves(vis_bench: Call, tmp_path: Path) -> None:
    """The folder with more seeds is shown; seeds in two folders that repeat nothing are one row."""

    def measured() -> list[float]:
        out = vis_bench("reproduce", "stc:1", "--records", tmp_path / "mine", "--json")[1]
        return [row["measured"]["AP"] for row in json.loads(out)["rows"] if row["measured"]]

    write(tmp_path / "mine" / "again", make_record("stc", 0.1, 0))
    write(tmp_path / "mine" / "first", make_record("stc", 0.3, 1))
    assert measured() == pytest.approx([20.0])
    write(tmp_path / "mine" / "second", make_record("stc", 0.4, 0), make_record("stc", 0.5, 1))
    assert measured() == pytest.approx([45.0])


def test_two_records_of_one_seed_in_one_folder_are_named(vis_bench: Call, tmp_path: Path) -> None:
    twice = [make_record("stc", run_hash=name) for name in ("0123456789", "abcdefghij")]
    code, _, err = vis_bench("reproduce", "stc:1", "--records", write(tmp_path / "mine", *twice))
    assert code == 3
    assert "more than one record for seed 0 (of the runs 01234567, abcdefgh)" in " ".join(err.split())


def test_formats(vis_bench: Call) -> None:
    assert "\\toprule" in vis_bench("reproduce", "stc:4", "--format", "latex")[1]
    assert "| method | AP | status |" in vis_bench("reproduce", "stc:4", "--format", "markdown")[1]
    code, _, err = vis_bench("reproduce", "stc:4", "--format", "markdwn")
    assert code == 2
    assert "Did you mean 'markdown'?" in err


def test_contradictions_as_text_and_json(vis_bench: Call) -> None:
    code, out, _ = vis_bench("reproduce", "--conflicts")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    heads = [line.split()[0] for line in out.splitlines() if not line.startswith(" ")]
    assert len(heads) == 56
    assert (heads[0], heads[-1]) == ("A1", "C31")
    found = json.loads(vis_bench("reproduce", "--conflicts", "--json")[1])
    swap = next(conflict for conflict in found if conflict["id"] == "A2")
    assert {cell["table"]: cell["published"]["AP"] for cell in swap["cells"]} == {
        "querytrack:1": 31.7,
        "stc:2": 28.6,
        "inspro:1": 31.7,
    }
    only = json.loads(vis_bench("reproduce", "stc:2", "--conflicts", "--json")[1])
    assert [conflict["id"] for conflict in only] == ["A1", "A2", "B2", "C11"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspr:1"], "Did you mean 'inspro'?"),
        (["inspro:2"], "Did you mean 'inspro:"),
        (["ifr:figure5"], "Did you mean 'ifr:figure4'?"),
        (["ifr:3", "--on", "shaps"], "Did you mean 'shapes'?"),
        (["ifr:3", "--threshold", "0.2"], "must be one of 0.0, 0.1, 0.3, 0.5"),
    ],
)
def test_unknown_names_exit_with_2_and_a_suggestion(
    vis_bench: Call, arguments: list[str], message: str
) -> None:
    code, out, err = vis_bench("reproduce", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_a_records_folder_that_is_not_there_is_an_error(vis_bench: Call) -> None:
    code, _, err = vis_bench("reproduce", "stc:1", "--records", "nowhere")
    assert code == 3
    assert "nowhere" in err


def test_table_3_of_ifr_on_shapes(vis_bench: Call, tmp_path: Path) -> None:
    records = write(tmp_path / "mine", make_record("ifr", 0.3, switches=4), make_record("stc", 0.9))
    code, out, _ = vis_bench("reproduce", "ifr:3", "--on", "shapes", "--records", records, "--json")
    found = json.loads(out)
    assert code == 0
    rows = [row for row in found["rows"] if row["measured"]]
    assert {row["method"] for row in rows} == {"Ours (IFR)"}
    # above a fixed score, as in papers: one switch less than at the operating point
    assert rows[0]["measured"] == {"IDF1": 50.0, "MOTA": 50.0, "IDP": 50.0, "IDR": 50.0, "IDs": 3.0}
    assert rows[0]["status"] == "not comparable"
    (command,) = found["commands"]
    assert command.startswith("vis-bench run --methods mask2former_vis,ifr --dataset shapes --seeds 5 --out ")
    assert str(records) in command


def test_figure_4_of_ifr_is_drawn_from_records(vis_bench: Call, tmp_path: Path) -> None:
    """One record of two settings; dots at their values, the printed numbers are drawn."""
    names = {"tiny+lambda-e-0": (0.2, 0.3), "tiny+lambda-e-1": (0.4, 0.5)}
    samples = [
        make_record("ifr", ap, seed, config=name)
        for name, aps in names.items()
        for seed, ap in enumerate(aps)
    ]
    records = write(tmp_path / "mine", *samples)
    place = tmp_path / "figure.png"
    arguments = ("reproduce", "ifr:figure4", "--on", "shapes", "--records", records)
    code, out, _ = vis_bench(*arguments, "--plot", place)
    assert code == 0
    assert "sd over seeds" in out
    assert place.read_bytes().startswith(b"\x89PNG")
    code, _, err = vis_bench("reproduce", "ifr:figure4", "--on", "shapes", "--plot", place)
    assert code == 3
    assert "ifr@lambda-e-0,ifr@lambda-e-0.1" in err
    assert vis_bench("reproduce", "ifr:3", "--plot", place)[0] == 2
    assert vis_bench("reproduce", "ifr", "--plot", place)[0] == 2


def test_a_data_set_may_be_given_by_path(vis_bench: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "ovis").mkdir()
    records = write(
        tmp_path / "records",
        make_record("ifr", 0.3, dataset="mine"),
        make_record("ifr", 0.4, dataset="path:ovis"),
    )
    for place, wanted in (("mine", 30.0), ("ovis", None), ("./ovis", 40.0)):
        out = vis_bench("reproduce", "ifr:4", "--on", place, "--records", records, "--json")[1]
        found = [row["measured"]["AP"] for row in json.loads(out)["rows"] if row["measured"]]
        # `ifr` stands for the rows of whole videos without more resolutions, one per year
        assert found == ([] if wanted is None else pytest.approx([wanted] * 2))


def test_no_torch_is_imported(vis_bench: Call) -> None:
    before = "torch" in sys.modules
    vis_bench("reproduce", "inspro:1")
    assert ("torch" in sys.modules) == before
