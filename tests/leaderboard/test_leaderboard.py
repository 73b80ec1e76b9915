"""The static site of bundles: places, what was checked, conflicts, equal bytes, and strangers' names."""

import csv
import json
import re
import shutil

import pytest
from square_videos import write_split
from stored_runs import store_run

from vis_bench.bundles.pack import bundle
from vis_bench.errors import DataError, UsageError
from vis_bench.files import read_json, write_json
from vis_bench.leaderboard.site import write_leaderboard


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Eight videos with an object each."""
    folder = tmp_path_factory.mktemp("videos") / "squares"
    write_split(folder, "val", 8)
    return folder


@pytest.fixture
def pack(videos, tmp_path):
    """Make a bundle of runs of one method: pack(name, method, {seed: found videos}, **fields)."""

    def call(name, method, found, place="bundles", **fields):
        runs = tmp_path / "runs of" / name
        for seed, objects in found.items():
            store_run(runs, videos, method, seed, objects, **fields)
        (tmp_path / place).mkdir(exist_ok=True)
        return bundle([runs], tmp_path / place / f"{name}.vis.zip").path

    return call


@pytest.fixture
def make(tmp_path):
    def call(out="site", **options):
        site = write_leaderboard(tmp_path / "bundles", tmp_path / out, **{"viewer": False, **options})
        return site, json.loads((tmp_path / out / "leaderboard.json").read_text())

    return call


def entries(board, table=0):
    return {one["name"]: one for one in board["tables"][table]["entries"]}


def test_who_cannot_be_told_apart_shares_places(pack, make):
    pack("a", "a", {0: range(8)})
    pack("b", "b", {0: range(8)})
    pack("c", "c", {0: [0, 1]})
    site, board = make()
    found = entries(board)
    assert {name: one["rank"] for name, one in found.items()} == {"a": "1-2", "b": "1-2", "c": "3"}
    assert (site.entries, site.rescored, site.tables) == (3, 3, 1)
    ap = found["c"]["metrics"]["AP"]
    # two of eight objects: at a quarter of the recall thresholds the precision is 1; 26 of 101 are up to it
    assert ap["mean"] == pytest.approx(26 / 101)
    assert ap["low"] < ap["mean"] < ap["high"]
    # nothing varies over videos where all are right
    assert (found["a"]["metrics"]["AP"]["low"], found["a"]["metrics"]["AP"]["high"]) == (1.0, 1.0)


def test_seeds_that_two_entries_do_not_share_tell_nothing(pack, make):
    pack("a", "a", {0: range(8), 1: range(8)})
    pack("c", "c", {2: [0], 3: [0, 1]})
    _, board = make()
    assert [one["rank"] for one in entries(board).values()] == ["1-2", "1-2"]


def test_what_was_not_scored_again_is_claimed_and_has_no_place(pack, make, videos, tmp_path):
    pack("a", "a", {0: range(8)})
    pack("there", "there", {0: range(8)}, dataset=str(tmp_path / "gone"))
    site, board = make()
    tables = {table["dataset"]: table for table in board["tables"]}
    (claimed,) = tables[str(tmp_path / "gone")]["entries"]
    assert (claimed["checked"], claimed["rank"]) == ("claimed", None)
    assert claimed["reasons"]
    assert site.rescored == 1
    assert 'class="tag claimed"' in site.index.read_text()
    # with a file of the truth it is scored
    site, board = make("again", truths=[videos / "val" / "instances_val.json"])
    assert site.rescored == 2
    site, board = make("trusting", rescore=False)
    assert site.rescored == 0


def test_a_number_that_is_not_so_is_named_on_the_page_of_its_entry(pack, make, tmp_path, videos):
    pack("a", "a", {0: range(8)})
    run = store_run(tmp_path / "wrong", videos, "wrong", 0, [0])
    record = read_json(run / "record.json")
    record["metrics"]["video_ap"]["AP"] = 0.9
    write_json(run / "record.json", record)
    bundle([run], tmp_path / "bundles" / "wrong.vis.zip")
    site, board = make()
    one = entries(board)["wrong"]
    assert (one["checked"], one["rank"]) == ("differs", None)
    assert one["differing"] == ["wrong@default seed 0: video_ap.AP"]
    page = (site.index.parent / one["page"]).read_text()
    assert "Claims that are not so" in page
    assert "wrong@default seed 0: video_ap.AP" in page


def test_entries_of_one_method_with_other_numbers_are_a_conflict(pack, make):
    pack("ours", "a", {0: range(8)})
    pack("theirs", "a", {0: [0]}, run_hash="theirs-0")
    pack("copied", "b", {0: range(8)})
    pack("original", "b", {0: range(8)}, run_hash="original-0")
    site, board = make()
    (conflict,) = board["tables"][0]["conflicts"]
    # one of eight objects: 13 of 101 recall thresholds are up to an eighth
    assert conflict == "a seed 0: ours.vis.zip has AP 100.00, theirs.vis.zip has 12.87."
    assert "copied.vis.zip and original.vis.zip hold equal numbers" in site.index.read_text()


def test_the_same_bundles_give_the_same_bytes_and_old_pages_go(pack, make, tmp_path):
    pack("a", "a", {0: range(8)})
    other = pack("b", "b", {0: [0, 1, 2]})
    make("one", viewer=True)
    make("two", viewer=True)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert b"viewer-index" in (tmp_path / "one" / files[0]).read_bytes()
    other.unlink()
    make("one")
    assert len(list((tmp_path / "one" / "entries").iterdir())) == 1


def test_a_broken_bundle_is_named_and_the_others_are_shown(pack, make, tmp_path):
    pack("a", "a", {0: range(8)})
    (tmp_path / "bundles" / "broken.vis.zip").write_bytes(b"PK")
    site, board = make()
    assert [one["bundle"] for one in board["refused"]] == ["broken.vis.zip"]
    assert "broken.vis.zip" in site.index.read_text()
    assert len(entries(board)) == 1


def test_folders_that_are_refused(pack, make, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        make()
    (tmp_path / "bundles").mkdir()
    with pytest.raises(DataError, match="holds no bundle"):
        make()
    (tmp_path / "bundles" / "broken.vis.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="no bundle can be taken"):
        make()
    pack("a", "a", {0: range(8)})
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("somebody's page")
    with pytest.raises(UsageError, match="is not empty and no leaderboard"):
        make()
    assert (tmp_path / "site" / "index.html").read_text() == "somebody's page"


def test_names_of_strangers_are_text(pack, make, tmp_path):
    evil = "<script>alert(1)</script>"
    pack("a", evil, {0: range(8)}, title=evil, paradigm=f'"{evil}', notes=(evil,), paper=evil)
    pack("b", "=1+1", {0: [0]})
    site, board = make()
    pages = [site.index, *sorted(site.index.parent.glob("entries/*.html"))]
    for page in pages:
        text = page.read_text()
        assert evil not in text
        assert "&lt;script&gt;" in text or page.name.startswith("=1+1")
        assert "default-src 'none'" in text
        # no address but our own pages
        assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    assert all(re.fullmatch(r"entries/[\w.@+=,-]+\.html", one["page"]) for one in entries(board).values())
    lines = list(csv.DictReader((site.index.parent / "leaderboard.csv").open()))
    assert {line["name"] for line in lines} == {evil, "'=1+1"}


def test_the_numbers_as_csv_are_those_of_the_json(pack, make):
    pack("a", "a", {0: range(8), 1: range(7)})
    site, board = make()
    (line,) = csv.DictReader((site.index.parent / "leaderboard.csv").open())
    one = entries(board)["a"]
    assert float(line["AP_mean"]) == one["metrics"]["AP"]["mean"]
    assert (line["rank_low"], line["rank_high"], line["seeds"], line["checked"]) == (
        "1",
        "1",
        "0 1",
        "re-scored",
    )
    assert float(line["seconds_per_frame"]) == pytest.approx(4.0 / 40)


def test_a_number_without_an_interval_has_its_deviation_over_the_seeds(pack, make):
    """MOTA of 8 and 7 of 8 objects: 100 and 87.5, on average 93.75, deviation 12.5 / sqrt(2) = 8.84; no
    identity switch."""
    pack("a", "a", {0: range(8), 1: range(7)})
    site, _ = make()
    (entry,) = site.index.parent.glob("entries/*.html")
    for path, shown in (
        (site.index, "93.8 &plusmn; 8.8 0.0 &plusmn; 0.0"),
        (entry, "93.75 &plusmn; 8.84 0.0 &plusmn; 0.0"),
    ):
        assert shown in " ".join(re.sub(r"<[^>]*>", " ", path.read_text()).split())
    # and the score that errors are counted above is said
    assert "tracks scored above 0.3 in every entry" in entry.read_text()


def test_the_command(vis_bench, pack, tmp_path):
    pack("a", "a", {0: range(8)})
    code, out, _ = vis_bench("leaderboard", tmp_path / "bundles", "-o", tmp_path / "site", "--no-viewer")
    assert code == 0
    assert "1 table, 1 entry, 1 of them scored again and equal" in out
    code, _, err = vis_bench("leaderboard", tmp_path / "none", "-o", tmp_path / "site")
    assert code == 3
    assert "no such folder" in err
    shutil.rmtree(tmp_path / "site")
