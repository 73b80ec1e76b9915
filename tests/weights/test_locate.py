"""`--start DIR|FILE|NAME=FILE,...`: which file each method starts from."""

from __future__ import annotations

from pathlib import Path

import pytest

from vis_bench.errors import DataError, UsageError
from vis_bench.weights.locate import Wanted, find_starts

STC = Wanted("stc", "stc", "paper")
INSPRO = Wanted("inspro@A", "inspro", "paper+A")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("stc@paper", "inspro@paper", "inspro@paper+D", "other"):
        (tmp_path / f"{name}.safetensors").touch()
    return tmp_path


def test_a_folder_holds_a_file_for_each_configuration(files: Path) -> None:
    # a variant may use the file of what it varies
    names = [path.name for path in find_starts(str(files), [STC, INSPRO])]
    assert names == ["stc@paper.safetensors", "inspro@paper.safetensors"]
    (own,) = find_starts(str(files), [Wanted("inspro@D", "inspro", "paper+D")])
    assert own.name == "inspro@paper+D.safetensors"
    with pytest.raises(DataError, match=r"no ifr@tiny\.safetensors"):
        find_starts(str(files), [STC, Wanted("ifr", "ifr", "tiny")])


def test_a_file_is_for_all(files: Path) -> None:
    path = files / "other.safetensors"
    assert find_starts(str(path), [STC, INSPRO]) == [path, path]
    with pytest.raises(DataError, match="no such checkpoint or folder"):
        find_starts(str(files / "absent.pth"), [STC])


def test_names_and_files(files: Path) -> None:
    one, two = files / "stc@paper.safetensors", files / "other.safetensors"
    assert find_starts(f"stc={one},inspro={two}", [STC, INSPRO]) == [one, two]
    # the most exact name wins
    assert find_starts(f"inspro={one},inspro@paper+A={two}", [INSPRO]) == [two]
    assert find_starts(f"inspro={one},inspro@A={two}", [INSPRO]) == [two]


def test_names_that_cannot_be_meant(files: Path) -> None:
    one = files / "other.safetensors"
    with pytest.raises(UsageError, match=r"'sct'.*'stc'"):
        find_starts(f"sct={one}", [STC])
    with pytest.raises(UsageError, match=r"no file for inspro@paper\+A"):
        find_starts(f"stc={one}", [STC, INSPRO])
    with pytest.raises(UsageError, match="not NAME=FILE"):
        find_starts(f"stc={one},", [STC])
    with pytest.raises(DataError, match=r"absent\.pth"):
        find_starts(f"stc={files / 'absent.pth'}", [STC])
