"""Writes that are never half done, and files that a killed process left half done."""

import errno
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vis_bench.engine.process.kept_lines import resume_lines
from vis_bench.errors import DataError, UsageError
from vis_bench.files import atomic_path, file_name, inside, require_target, write_text


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


@pytest.mark.parametrize("name", ["stc@tiny+K=5", "ytvis21-devval", "a_b.c", "seed-0"])
def test_names_that_are_plain_stay(name):
    assert file_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["../../x", "..", ".", "", "/etc/passwd", "a/b", "a\\b", "nul\0", "\ud800", ".hidden", "x" * 400, "é"],
)
def test_other_names_become_one_plain_name_each(name, tmp_path):
    made = file_name(name)
    assert not made.startswith(".")
    assert not set(made) & set("/\\\0")
    assert made != file_name(name + "x")
    (tmp_path / made).mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [made]


def test_paths_inside_a_folder_are_taken(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "link").symlink_to(tmp_path / "root" / "a")
    for relative in ("a", "a/b.json", "link/b.json"):
        assert inside(tmp_path / "root", relative, tmp_path / "f") == tmp_path / "root" / relative


@pytest.mark.parametrize(
    "relative", ["..", ".", "", "a/..", "../root-other", "/etc", "out/x", "a\0", "y" * 9999]
)
def test_paths_outside_a_folder_are_refused(tmp_path, relative):
    (tmp_path / "root" / "a").mkdir(parents=True)
    (tmp_path / "root" / "out").symlink_to(tmp_path)
    with pytest.raises(DataError, match=r"f\.json: names .* does not lie below"):
        inside(tmp_path / "root", relative, tmp_path / "f.json")


def test_a_symbolic_link_is_followed_not_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "disk" / "real.json")
    for text in ("first", "second"):
        write_text(tmp_path / "link.json", text)
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "disk" / "real.json").read_text() == text


def test_a_device_is_written_through():
    write_text(Path("/dev/null"), "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_through(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        write_text(tmp_path / "pipe", "through the pipe")
        assert reader.communicate(timeout=20)[0] == "through the pipe"
    assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)


@pytest.mark.parametrize("target", ["pipe", "file"])
def test_standard_output_is_written_through(tmp_path, target):
    """What is printed before and after lands in the same place."""
    code = (
        "import sys; from pathlib import Path; from vis_bench.files import write_text\n"
        "print('before', flush=True); write_text(Path('/dev/stdout'), 'json\\n'); print('after', flush=True)"
    )
    command = [sys.executable, "-c", code]
    if target == "pipe":
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    else:
        with (tmp_path / "out").open("a") as file:
            subprocess.run(command, stdout=file, check=True)
        out = (tmp_path / "out").read_text()
    assert out.splitlines()[-1] == "after"
    assert "json" in out


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda *args: (calls.append("rename"), replace(*args)))
    write_text(tmp_path / "record.json", "text")
    assert calls == ["fsync", "rename"]
