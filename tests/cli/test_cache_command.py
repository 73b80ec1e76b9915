"""`vis-bench cache`: what is listed, and that nothing of somebody else's is removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cache"
    monkeypatch.setenv("VIS_BENCH_CACHE", str(root))
    for name in ("image-stages/stc-1/checkpoint.safetensors", "shapes-test-0/a.png", "holiday/photo.jpg"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"12345")
    (root / "estimates").symlink_to(tmp_path)
    return root


def test_entries_with_their_sizes(vis_bench, cache: Path) -> None:
    code, out, _ = vis_bench("cache", "ls", "--json")
    told = json.loads(out)
    assert (code, told["folder"]) == (0, str(cache))
    assert [(one["name"], one["size_bytes"]) for one in told["entries"]] == [
        ("estimates", 0), ("holiday", 5), ("image-stages/stc-1", 5), ("shapes-test-0", 5),
    ]  # fmt: skip
    assert [one["kind"] is None for one in told["entries"]] == [True, True, False, False]
    assert "not made by vis-bench" in vis_bench("cache", "ls")[1]


def test_only_what_vis_bench_made_is_removed(vis_bench, cache: Path) -> None:
    code, out, _ = vis_bench("cache", "rm", "--all")
    assert (code, out) == (0, "removed 2 entries, 0.0 MB\n")
    assert (cache / "holiday/photo.jpg").exists()
    assert (cache / "estimates").is_symlink()
    assert not list(cache.glob("shapes-*"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("holiday", "was not made by vis-bench"),
        ("estimates", "was not made by vis-bench"),
        ("shapes-test-1", "Did you mean 'shapes-test-0'?"),
        ("../outside", "holds no '../outside'"),
    ],
)
def test_other_names_are_refused_and_all_is_kept(vis_bench, cache: Path, name: str, reason: str) -> None:
    code, _, err = vis_bench("cache", "rm", "shapes-test-0", name)
    assert code == 2
    assert reason in err
    assert (cache / "shapes-test-0/a.png").exists()


@pytest.mark.parametrize("arguments", [(), ("estimates", "--all")])
def test_names_or_all(vis_bench, cache: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = vis_bench("cache", "rm", *arguments)
    assert code == 2
    assert "--all" in err


def test_no_cache_is_an_empty_list(vis_bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "none"))
    assert "0 entries" in vis_bench("cache", "ls")[1]
