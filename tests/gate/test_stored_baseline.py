"""The baseline that this repository's CI gates on: small, whole, and sharp enough to notice a broken rule."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

import methods.tracking.association as association
from vis_bench.data import bar
from vis_bench.gate.baseline import read_baseline
from vis_bench.gate.check import check_stored
from vis_bench.gate.stored import reassociate_again, recorded_rule, rescore
from vis_bench.scoring.reassociate import Rule
from vis_bench.setup.config import override

BASELINE = Path(__file__).with_name("baseline")


@pytest.fixture(scope="module")
def runs():
    _, stored = read_baseline(BASELINE)
    return stored


@pytest.fixture(scope="module")
def run(runs):
    return runs[0]


def test_the_baseline_is_small():
    assert sum(path.stat().st_size for path in BASELINE.rglob("*") if path.is_file()) < 2_000_000


def test_the_baseline_is_five_seeds_of_a_training_with_all_tiers(runs):
    assert [run.record.seed for run in runs] == [0, 1, 2, 3, 4]
    for run in runs:
        assert (run.record.method, run.record.config, run.record.dataset) == ("stc", "quick", "shapes")
        assert run.tiers == (1, 2, 3)
        assert run.record.data.videos == 12
        assert run.record.metrics["video_ap"]["AP50"] >= 0.2


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_is_checked_is_counted(run, monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(bar, "AFTER_SECONDS", 0)
    monkeypatch.setattr(sys, "stderr", stream)
    assert [check.tier for check in check_stored([run])] == [1, 2]
    assert "checking" in stream.getvalue()
    assert "/2" in stream.getvalue()


def test_todays_code_gives_the_stored_numbers(runs):
    for run in runs:
        for check in (rescore(run), reassociate_again(run)):
            assert check.status == "pass", check


def flipped_overlap(monkeypatch):
    real = association.box_iou
    monkeypatch.setattr(association, "box_iou", lambda a, b: -real(a, b))


def last_rival_wins(monkeypatch):
    monkeypatch.setattr(association, "choose_rows", _choose_the_last)


def _choose_the_last(scores):
    """As the real rule, but of rivals for an identity the last keeps it, whatever the scores."""
    columns = np.roll(scores, -1, axis=1)
    rows = columns.argmax(axis=1)
    rows = np.where(rows == columns.shape[1] - 1, association.NEW, rows)
    for row in np.unique(rows[rows >= 0]):
        rows[np.flatnonzero(rows == row)[:-1]] = association.DISCARDED
    return rows


def forgotten_appearance(monkeypatch):
    real = association.masktrack_scores

    def blind(detections, bank, rule):
        from dataclasses import replace

        return real(replace(detections, embeddings=0 * detections.embeddings), bank, rule)

    monkeypatch.setattr(association, "masktrack_scores", blind)


@pytest.mark.parametrize("broken", [flipped_overlap, last_rival_wins, forgotten_appearance])
def test_a_broken_rule_is_noticed(run, monkeypatch, broken):
    broken(monkeypatch)
    assert reassociate_again(run).status == "fail"
    assert rescore(run).status == "pass"


@pytest.mark.parametrize(
    "values",
    [{"association.iou_weight": 1.0}, {"association.label_weight": 0.0}, {"association.dummy_logit": 4.0}],
)
def test_a_changed_default_of_the_rule_is_noticed(run, values):
    rule = recorded_rule(run.record)
    changed = Rule(rule.name, rule.spec, override(rule.config, values))
    assert reassociate_again(run, rule=changed).status == "fail"
