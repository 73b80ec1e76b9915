"""Sizes, depths and names that a file can claim: limits that are stated and can be raised, no traceback."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from ytvis_files import annotation, payload, write_frames, write_json

from vis_bench.data.frames import load_frame
from vis_bench.errors import DataError, UsageError
from vis_bench.files import most_pixels, read_bytes, read_json
from vis_bench.files import write_json as write_atomically

DEEP = "[" * 100_000 + "]" * 100_000
READERS = {
    "eval": ("eval", "{file}", "--truth", "{truth}"),
    "truth": ("eval", "{results}", "--truth", "{file}"),
    "explain": ("explain", "{file}", "--truth", "{truth}"),
    "compare": ("compare", "{file}", "{results}", "--truth", "{truth}"),
    "verify": ("data", "verify", "{file}"),
    "stats": ("data", "stats", "{file}"),
    "report": ("report", "{file}"),
    "gate": ("gate", "--against", "{baseline}"),
    "convert": ("data", "convert", "{file}", "{out}.json", "--to", "ytvis"),
}


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "base").mkdir()
    return {
        "truth": write_json(tmp_path / "truth.json", payload()),
        "results": write_json(tmp_path / "results.json", []),
        "baseline": tmp_path / "base",
        "out": tmp_path / "out",
        "file": tmp_path / "given.json",
    }


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000 + "1" + "}" * 100_000, "[" * 990 + "]" * 990])
def test_json_that_is_nested_deeply_is_refused_by_every_reader(vis_bench, places, reader, text) -> None:
    places["file"].write_text(text)
    (places["baseline"] / "baseline.json").write_text(text)
    code, _, err = vis_bench(*(part.format(**places) for part in READERS[reader]))
    assert code == 3
    assert "Traceback" not in err


def test_toml_that_is_nested_deeply_is_refused(vis_bench, tmp_path) -> None:
    (tmp_path / "p.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    code, _, err = vis_bench("run", "-m", "stc", "-d", "shapes", "--protocol", tmp_path / "p.toml")
    assert code == 3
    assert "nested too deeply" in err


def test_a_file_beyond_the_limit_is_refused_and_the_limit_can_be_raised(tmp_path, monkeypatch) -> None:
    """A megabyte of spaces is a kilobyte of gzip."""
    text = b'{"a": 1}' + b" " * 1_000_000
    (tmp_path / "bomb.json.gz").write_bytes(gzip.compress(text))
    (tmp_path / "plain.json").write_bytes(text)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.json", text)
    monkeypatch.setenv("VIS_BENCH_MAX_FILE_BYTES", "1000000")
    for name in ("bomb.json.gz", "plain.json"):
        with pytest.raises(
            DataError, match=r"more than 1,000,000 bytes.*VIS_BENCH_MAX_FILE_BYTES=BYTES raises"
        ):
            read_json(tmp_path / name)
    from vis_bench.integrations.formats.ytvis import zip_member

    with pytest.raises(DataError, match=r"more than 1,000,000 bytes.*VIS_BENCH_MAX_FILE_BYTES=BYTES raises"):
        zip_member(tmp_path / "bomb.zip")
    monkeypatch.setenv("VIS_BENCH_MAX_FILE_BYTES", "1000008")
    assert read_json(tmp_path / "bomb.json.gz") == {"a": 1}
    monkeypatch.setenv("VIS_BENCH_MAX_FILE_BYTES", "2 GB")
    with pytest.raises(UsageError, match="VIS_BENCH_MAX_FILE_BYTES='2 GB': must be a whole number"):
        read_json(tmp_path / "bomb.json.gz")


def test_devices_are_no_files() -> None:
    with pytest.raises(DataError, match="/dev/zero: is a device"):
        read_bytes(Path("/dev/zero"))


def test_a_pipe_is_a_file(tmp_path) -> None:
    """`eval <(zcat results.json.gz)` works."""
    read, write = os.pipe()
    os.write(write, b"[1]")
    os.close(write)
    assert read_json(Path(f"/dev/fd/{read}")) == [1]
    os.close(read)


def test_a_picture_that_claims_too_much_is_not_decoded(tmp_path, monkeypatch) -> None:
    Image.new("1", (1000, 1001)).save(tmp_path / "a.png")
    monkeypatch.setenv("VIS_BENCH_MAX_PIXELS", "1000000")
    with pytest.raises(DataError, match=r"claims 1000x1001 pixels.*1,000,000\. VIS_BENCH_MAX_PIXELS=PIXELS"):
        load_frame(tmp_path, "a.png")
    monkeypatch.setenv("VIS_BENCH_MAX_PIXELS", "1001000")
    assert load_frame(tmp_path, "a.png").shape == (1001, 1000, 3)
    monkeypatch.delenv("VIS_BENCH_MAX_PIXELS")
    assert most_pixels() == 100_000_000


def test_a_mask_that_claims_too_much_is_refused(vis_bench, places) -> None:
    content = payload()
    content["videos"][0] |= {"width": 65_535, "height": 65_535}
    content["annotations"][0]["segmentations"] = [{"size": [65_535, 65_535], "counts": [0, 65_535**2]}, None]
    write_json(places["truth"], content)
    code, _, err = vis_bench("eval", places["results"], "--truth", places["truth"])
    assert code == 3
    assert "claims 65535x65535 pixels, more than the limit of 100,000,000" in err


def test_half_a_surrogate_pair_in_a_name_is_shown_as_an_escape(vis_bench, places, tmp_path) -> None:
    content = payload()
    content["categories"][0]["name"] = "a\ud800b"
    write_json(places["truth"], content)
    code, out, err = vis_bench("data", "stats", places["truth"])
    assert (code, "Traceback" in err) == (0, False)
    assert "a\\ud800b" in out
    write_atomically(tmp_path / "again.json", content)
    assert read_json(tmp_path / "again.json") == content


def test_a_nul_in_a_path_is_no_path() -> None:
    with pytest.raises(DataError, match="is no path"):
        read_json(Path("a\0b.json"))


@pytest.mark.parametrize("name", ["stc@", "stc@+", "stc@+r101"])
def test_a_configuration_without_a_name_is_refused(vis_bench, name) -> None:
    code, _, err = vis_bench("methods", "show", name)
    assert code == 2
    assert "the name of a configuration is missing" in err


def test_frames_whose_names_differ_in_case_are_named(tmp_path) -> None:
    content = payload(annotations=[annotation()])
    write_frames(tmp_path, content["videos"])
    (tmp_path / "a/00001.jpg").rename(tmp_path / "a/00001.JPG")
    with pytest.raises(DataError, match=r"there is 00001\.JPG: rename the frames"):
        load_frame(tmp_path, "a/00001.jpg")
    (tmp_path / "a/00001.JPG").rename(tmp_path / "a/00001.jpeg")
    with pytest.raises(DataError, match=r"there is 00001\.jpeg"):
        load_frame(tmp_path, "a/00001.jpg")
    assert json.loads(json.dumps(content)) == content
