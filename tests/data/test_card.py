"""Cards of splits: rule, hashes, counts and leakage, with and without the data."""

import json

import pytest
from ytvis_files import annotation, payload, video_record, write_json

from vis_bench.data.card import card_markdown, data_card
from vis_bench.data.official import OFFICIAL
from vis_bench.data.splits import HELD_OUT_FRACTION, held_out_names, name_hash, split_hash
from vis_bench.errors import UsageError


def write_year(root, name, folder, names):
    videos = [video_record(k + 1, folder=names[k]) for k in range(len(names))]
    annotations = [annotation(k + 1, k + 1) for k in range(len(names))]
    value = payload(videos=videos, annotations=annotations)
    value["categories"] = [{"id": k + 1, "name": text} for k, text in enumerate(OFFICIAL[name].class_names)]
    (root / folder).mkdir(parents=True)
    write_json(root / folder / "train.json", value)


def test_without_the_data_a_card_says_the_rule_and_what_is_known(vis_bench, monkeypatch):
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    code, out, _ = vis_bench("data", "card", "ytvis19")
    assert code == 0
    assert "ytvis19` devval" in out
    assert "ceil(videos x 200/1119)" in out
    assert "nothing was counted" in out
    assert "have seen every video of `devval`" in out
    code, out, _ = vis_bench("data", "card", "ovis", "--json")
    card = json.loads(out)
    assert (card["split"], card["hashes"]) == ("devval", {})
    with pytest.raises(UsageError):
        data_card("ytvis20")


def test_a_users_own_set_has_its_counts(squares):
    card = data_card(str(squares), "val")
    assert dict(card.counts) == {
        "videos": 2,
        "frames": 8,
        "tracks": 2,
        "crowd_tracks": 0,
        "masks": 8,
        "classes": 1,
        "classes_with_tracks": 1,
    }
    assert "tracks: 2" in card_markdown(card)


def test_counts_hashes_and_leakage_between_two_years(tmp_path):
    old, new = [f"v{k}" for k in range(20)], [f"v{k}" for k in range(8, 40)]
    write_year(tmp_path, "ytvis19", "ytvis_2019", old)
    write_year(tmp_path, "ytvis21", "ytvis_2021", new)
    card = data_card("ytvis21", "devval", tmp_path)
    threshold = max(map(name_hash, held_out_names(old, HELD_OUT_FRACTION["ytvis19"])))
    held = [name for name in new if name_hash(name) <= threshold]
    assert card.counts["videos"] == len(held)
    assert card.hashes["videos"] == split_hash(held)
    assert card.cut == max(map(name_hash, held))
    # both years are cut at one hash: nothing that is held out in one is trained on in the other
    assert any(text.startswith(f"0 of {len(held)} video names are in ytvis19 train") for text in card.leakage)
