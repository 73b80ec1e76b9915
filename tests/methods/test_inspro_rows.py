"""Rows of InsPro's Table 2 differ in what their names say and in nothing else."""

from dataclasses import fields

import pytest

from methods.inspro import SPEC as INSPRO
from methods.inspro_lite import SPEC as LITE
from methods.inspro_motr import SPEC as MOTR
from methods.inspro_tbd import SPEC as TBD
from vis_bench.setup.config import override

SWITCHES = ("propagate_query", "propagate_proposal", "consistent_matching", "dedup", "frames_attended")
# Table 2(a) A to E, 2(b) C and T1, 2(c): query, proposal, matching, deduplication, frames of the bank
ROWS = {
    "A": (False, False, False, False, 1),
    "B": (True, True, False, False, 1),
    "C": (True, True, True, False, 1),
    "D": (True, False, True, False, 1),
    "E": (False, True, True, False, 1),
    "T1": (True, True, True, True, 1),
    "T9": (True, True, True, True, 9),
    "T18": (True, True, True, True, 18),
}
# what a row may have of its own; whatever else it shares with InsPro has InsPro's value
OWN = {
    "inspro_tbd": set(),
    "inspro_motr": {"presence_threshold", "sequence_score"},
    # two phases share the frames of one
    "inspro_lite": {"train"},
}


@pytest.mark.parametrize(("row", "expected"), ROWS.items(), ids=ROWS)
@pytest.mark.parametrize("name", ["paper", "tiny"])
def test_a_row_switches_what_table_2_says_and_nothing_else(name, row, expected):
    base = INSPRO.configs[name]
    config = override(base, INSPRO.variants[row])
    assert tuple(getattr(config, switch) for switch in SWITCHES) == expected
    others = {field.name for field in fields(base)} - {*SWITCHES, "bank", "bank_length"}
    assert all(getattr(config, other) == getattr(base, other) for other in others)


@pytest.mark.parametrize("spec", [TBD, MOTR, LITE], ids=lambda spec: spec.info.name)
@pytest.mark.parametrize("name", ["paper", "tiny", "quick"])
def test_methods_of_one_table_share_every_value_that_they_have_in_common(spec, name):
    own, base = spec.configs[name], INSPRO.configs[name]
    common = {field.name for field in fields(own)} & {field.name for field in fields(base)}
    assert {"train", "queries", "query_init", "proposal_init", "weights", "backbone"} <= common
    differing = {item for item in common if getattr(own, item) != getattr(base, item)}
    assert differing <= OWN[spec.info.name]
    # the clips are InsPro's, in every phase
    assert own.train.sampling == base.train.sampling
    assert own.train.batch_size == base.train.batch_size


def test_the_partner_of_tracking_by_detection_is_row_c():
    """Both have neither deduplication nor a bank; row C propagates instead of associating."""
    for name in ("paper", "tiny", "quick"):
        detector = TBD.configs[name].detector
        partner = override(INSPRO.configs[name], INSPRO.variants["C"])
        differing = {
            field.name
            for field in fields(detector)
            if getattr(detector, field.name) != getattr(partner, field.name)
        }
        assert differing == {"propagate_query", "propagate_proposal", "consistent_matching"}
        assert TBD.configs[name].nms_iou is None


def test_the_partner_of_track_and_detect_has_deduplication_and_no_bank():
    partner = override(INSPRO.configs["paper"], INSPRO.variants["T1"])
    detector = MOTR.configs["paper"].detector
    assert (detector.dedup, detector.frames_attended) == (partner.dedup, partner.frames_attended) == (True, 1)


@pytest.mark.parametrize("interval", [1, 5, 10, 15])
def test_rows_of_table_3_are_key_intervals(interval):
    config = override(LITE.configs["paper"], LITE.variants[f"K{interval}"])
    assert config.key_interval == interval
    assert config == override(LITE.configs["paper"], {"key_interval": interval})


def test_taken_over_choices_are_those_of_inspro():
    known = {choice.key: choice for choice in INSPRO.choices}
    for spec, keys in ((TBD, {"query_init", "generator"}), (MOTR, {"stage_matching", "train.sampling"})):
        found = {choice.key: choice for choice in spec.choices}
        assert len(found) == len(spec.choices)
        for key in keys:
            assert found[key] is known[key]
