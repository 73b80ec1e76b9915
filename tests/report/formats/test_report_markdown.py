"""The report folder: Markdown that shows names letter by letter, the CSV file, the pictures."""

from __future__ import annotations

import math
from pathlib import Path

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from record_samples import make_record

from vis_bench.errors import DataError
from vis_bench.method import Choice
from vis_bench.records.rows import installed_protocols
from vis_bench.report.formats.markdown import write_report
from vis_bench.report.formats.pipe_table import code_block, escape, image, pipe_table
from vis_bench.report.tables.text import one_line

NASTY = (
    "a|b_c*d*",
    "<b>x</b> [y](z) `c`",
    "~~gone~~ ![i](j) &amp; \\",
    "# no heading",
    "1. no list",
    "$x$_y_",
)


def _cells(markdown: str) -> list[list[str]]:
    """Table cells as a Markdown parser sees them: the text of every row, markup left out."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows:
            pieces = token.children or []
            assert all(piece.type in ("text", "text_special") for piece in pieces), token.content
            rows[-1].append("".join(piece.content for piece in pieces))
    return rows


def _table_after(text: str, heading: str) -> list[list[str]]:
    """The first table behind a heading."""
    behind = text.split(heading, 1)[1]
    return _cells("| " + behind.split("\n\n| ", 1)[1].split("\n\n", 1)[0])


@pytest.mark.parametrize("name", NASTY)
def test_a_parser_shows_nasty_names_letter_by_letter(name: str) -> None:
    assert _cells(pipe_table(["method", "AP"], [[escape(name), "1.0"]])) == [["method", "AP"], [name, "1.0"]]


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=40))
def test_a_parser_shows_any_name_letter_by_letter(name: str) -> None:
    assert _cells(pipe_table(["method"], [[escape(name) or "-"]]))[1] == [one_line(name) or "-"]


@pytest.mark.parametrize("name", NASTY)
def test_names_open_no_block_outside_tables(name: str) -> None:
    tokens = MarkdownIt("commonmark").parse(escape(name))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


def test_code_block_holds_backticks() -> None:
    tokens = MarkdownIt("commonmark").parse(code_block("a\n```\nb", "toml"))
    assert [(token.type, token.content, token.info) for token in tokens] == [("fence", "a\n```\nb\n", "toml")]


def test_image_path_is_encoded() -> None:
    html = MarkdownIt("commonmark").renderInline(image("a [b]", "pictures/a b(1).png"))
    assert html == '<img src="pictures/a%20b%281%29.png" alt="a [b]" />'


def test_main_table_has_mean_and_deviation_of_two_seeds(tmp_path: Path) -> None:
    records = [make_record("stc", 0.32, seed=0), make_record("stc", 0.36, seed=1), make_record("low", 0.1)]
    text = write_report(tmp_path, records, {}, metrics=("AP", "IDs"), protocols={}).read_text()
    assert _table_after(text, "\n## shapes test") == [
        ["method", "seeds", "AP", "IDs"],
        ["stc", "2", "34.0 ± 2.8", "4.0 ± 0.0"],
        ["low", "1", "10.0", "4"],
    ]
    # 34.0 +- 12.706 * 2.83 / sqrt(2), one seed has no interval
    assert _table_after(text, "### 95 % intervals over seeds") == [
        ["method", "seeds", "AP", "IDs"],
        ["stc", "2", "8.6 to 59.4", "4.0 to 4.0"],
    ]
    alone = write_report(tmp_path, records[2:], {}, metrics=("AP",), protocols={}).read_text()
    assert "intervals over seeds" not in alone


def test_category_and_tracking_tables(tmp_path: Path) -> None:
    records = [make_record("stc", 0.32, switches=9), make_record("failing", status="failed", error="x|y")]
    text = write_report(tmp_path, records, {}, protocols={}).read_text()
    assert _table_after(text, "### AP by category") == [["category", "stc"], ["disc", "32.0"], ["a|b_c", "-"]]
    tracking = _table_after(text, "### Tracking by score threshold")
    assert tracking[0][:3] == ["method", "score above", "IDF1"]
    assert [row[1] for row in tracking[1:]] == ["0.0", "0.1", "0.3", "0.5"]
    assert tracking[1] == ["stc", "0.0", "50.0", "50.0", "50.0", "50.0", "9", "7", "7", "7", "7", "7"]
    assert "Class-aware:" in text
    assert "failing: failed: x\\|y" in text


def test_methods_protocol_and_what_is_not_from_a_paper(tmp_path: Path) -> None:
    shapes = next(value for (name, _), value in installed_protocols().items() if name == "shapes")
    record = make_record(protocol="shapes", protocol_hash=shapes.content_hash(), notes=["a note of the run"])
    choices = {
        "stc": [
            Choice("D5", "tracker.rule", "ours", "because of it"),
            Choice("-", "loss.weight", "paper", "printed there"),
        ]
    }
    text = write_report(tmp_path, [record], {}, choices=choices).read_text()
    methods = _table_after(text, "## Methods")
    assert methods[1] == [
        "stc", "tiny", "STC", "tracking by detection", "yes", "0", "1,200,000", "1,100,000", "90"
    ]  # fmt: skip
    assert f'"ema_decay": {shapes.training.ema_decay}' in text
    own = text.split("## What is not from a paper")[1]
    assert "protocol shapes: a shared pretraining" in own
    assert "stc: a note of the run" in own
    assert "because of it" in own
    assert "printed there" not in own


def test_text_of_a_changed_protocol_is_not_shown(tmp_path: Path) -> None:
    text = write_report(tmp_path, [make_record(protocol="shapes", protocol_hash="0" * 64)], {}).read_text()
    assert "no protocol of this name with this hash" in text
    assert "ema_decay" not in text


def test_csv_holds_every_column_at_full_precision(tmp_path: Path) -> None:
    records = [make_record("a,b", 0.32, seed=0), make_record("a,b", 0.36, seed=1), make_record("low", None)]
    write_report(tmp_path, records, {}, protocols={})
    frame = pandas.read_csv(tmp_path / "table.csv", dtype={"seeds_done": str}).set_index("method")
    assert frame.loc["a,b", "AP_mean"] == pytest.approx(0.34, abs=1e-15)
    assert frame.loc["a,b", "AP_sd"] == pytest.approx(math.sqrt(0.0008), abs=1e-15)
    assert frame.loc["a,b", "AP_half_interval"] == pytest.approx(12.7062047 * 0.02, rel=1e-8)
    assert frame.loc["a,b", "seeds_done"] == "0 1"
    assert frame.loc["a,b", "IDs_mean"] == 4
    assert frame["AP_mean"].isna().to_dict() == {"a,b": False, "low": True}


def test_csv_says_what_tells_rows_of_one_name_apart(tmp_path: Path) -> None:
    given = {"train_data": None, "initial_weights": "0123456789abcdef"}
    write_report(tmp_path, [make_record(), make_record(**given)], {}, protocols={})
    frame = pandas.read_csv(tmp_path / "table.csv", keep_default_na=False, dtype=str)
    told = list(zip(frame["method"], frame["initial_weights"], frame["training"], strict=True))
    trained = "trained on shapes train (500 videos, b, t)"
    assert told == [
        ("stc", "", trained),
        ("stc", "0123456789abcdef", "weights as given, not trained"),
    ]


def test_pictures_are_copied_and_equal_names_do_not_collide(tmp_path: Path) -> None:
    first, second, inside = tmp_path / "a/x.png", tmp_path / "b/x.png", tmp_path / "out/own.png"
    for path, content in ((first, b"1"), (second, b"2"), (inside, b"3")):
        path.parent.mkdir()
        path.write_bytes(content)
    pictures = {"one": first, "two": second, "three": inside}
    text = write_report(tmp_path / "out", [make_record()], pictures, protocols={}).read_text()
    linked = [line.split("](")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert [(tmp_path / "out" / name).read_bytes() for name in linked] == [b"1", b"2", b"3"]
    assert linked[2] == "own.png"


def test_a_missing_picture_or_no_record_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.png: no such"):
        write_report(tmp_path, [make_record()], {"x": tmp_path / "gone.png"}, protocols={})
    with pytest.raises(DataError, match="no record to report"):
        write_report(tmp_path, [], {})


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1"])
def test_a_spreadsheet_computes_no_name(tmp_path: Path, name: str) -> None:
    write_report(tmp_path, [make_record(name, 0.32)], {}, protocols={})
    frame = pandas.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    assert frame["method"][0] == f"'{name}"
