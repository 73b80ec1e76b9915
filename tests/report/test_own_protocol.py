"""A report knows the protocol of its runs, also one that does not come with vis-bench."""

import json

import pytest
from record_samples import make_record

from vis_bench.files import write_json
from vis_bench.records.protocols import PROTOCOL_NAME, keep_protocol
from vis_bench.records.run import RECORD_NAME
from vis_bench.setup.protocol import load_protocol

UNKNOWN = "is not installed here"
KNOWN = "Protocol mine: every method starts from its own random initialisation."


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\nabout = "as at home"\nconfig = "tiny"\n[train]\nframes = 240\n')
    return path


def make_runs(tmp_path, mine):
    """Records of two configurations under the protocol, so that labels depend on which one it means."""
    protocol = load_protocol(str(mine))
    folders = []
    for config in ("tiny", "big"):
        record = make_record(
            "stc", 0.5, config=config, protocol="mine", protocol_hash=protocol.content_hash()
        )
        folders.append(tmp_path / "runs" / config)
        write_json(folders[-1] / RECORD_NAME, record)
    return folders, protocol


def report(vis_bench, tmp_path, *arguments):
    call = ("report", tmp_path / "runs", "--no-pictures", "--out", tmp_path / "report", *arguments)
    code, out, err = vis_bench(*call)
    assert code == 0, err
    return " ".join(out.split()), (tmp_path / "report/report.md").read_text()


@pytest.mark.parametrize("where", ["kept", "told"])
def test_what_it_says_is_in_the_report(vis_bench, tmp_path, mine, where):
    folders, protocol = make_runs(tmp_path, mine)
    text, page = report(vis_bench, tmp_path)
    assert UNKNOWN in text
    assert "--protocol FILE.toml" in page
    if where == "kept":
        keep_protocol(folders, protocol)
        mine.unlink()
    text, page = report(vis_bench, tmp_path, *(("--protocol", mine) if where == "told" else ()))
    assert UNKNOWN not in text
    assert KNOWN in text
    assert "configuration tiny unless named" in text
    assert "as at home" in page
    assert '"frames": 240' in page


def test_the_protocol_of_an_installation_is_not_kept(tmp_path):
    keep_protocol([tmp_path], load_protocol("shapes"))
    assert not list(tmp_path.iterdir())


def test_a_damaged_one_is_named(vis_bench, tmp_path, mine):
    folders, protocol = make_runs(tmp_path, mine)
    keep_protocol(folders, protocol)
    path = folders[0] / PROTOCOL_NAME
    path.write_text(json.dumps({"content_hash": "a"}))
    code, _, err = vis_bench("report", tmp_path / "runs", "--no-pictures")
    assert code == 3
    assert PROTOCOL_NAME in err
