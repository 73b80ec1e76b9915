"""Writes that are never half done, and files that a killed process left half done."""

import errno
import json
import os

import pytest

from vis_bench.errors import UsageError
from vis_bench.files import atomic_path, require_target, resume_lines, write_text


def test_a_disk_that_fills_up_while_writing_is_one_clear_error(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("earlier")

    def fill():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(UsageError, match=r"record\.json: cannot be written \(No space left on device\)"):
        fill()
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]
    assert path.read_text() == "earlier"


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path):
    with pytest.raises(UsageError, match="cannot be written"):
        write_text(tmp_path, "text")


def test_targets_are_checked_without_leaving_anything(tmp_path):
    require_target(None)
    require_target("-")
    require_target(str(tmp_path / "new" / "numbers.json"))
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(UsageError, match="is a folder"):
        require_target(str(tmp_path))


@pytest.mark.parametrize("rest", [b'{"a": 3', b"3", b'{"a": 3}', b'{"a": \xff}\n{"a": 4}\n'])
def test_what_follows_the_last_complete_line_is_cut_off(tmp_path, rest):
    path = tmp_path / "lines.jsonl"
    whole = '{"a": 1}\n{"a": "ü"}\n'.encode()
    path.write_bytes(whole + rest)
    assert list(resume_lines(path)) == [(0, {"a": 1}), (9, {"a": "ü"})]
    assert path.read_bytes() == whole


def test_complete_lines_are_read_and_never_written_again(tmp_path):
    path = tmp_path / "lines.jsonl"
    assert list(resume_lines(path)) == []
    path.write_text("".join(json.dumps({"n": n}) + "\n" for n in range(3)))
    os.utime(path, ns=(1, 1))
    assert [value["n"] for _, value in resume_lines(path)] == [0, 1, 2]
    assert path.stat().st_mtime_ns == 1
