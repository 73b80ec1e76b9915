"""A method looks the same in every plot, whichever others are shown beside it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from test_report_palette import SIGHT, _lab

from vis_bench.report.drawing.looks import known_methods, looks, shade
from vis_bench.report.drawing.palette import METHOD_COLOURS, method_colour, method_slot
from vis_bench.setup.plugins import method_names

KNOWN = ("a", "b", "c", "d")


def test_a_method_keeps_its_look_over_every_subset_and_order() -> None:
    variants = [(name, "tiny") for name in (*KNOWN, "theirs", "others")]
    whole = dict(zip(variants, looks(variants, KNOWN), strict=True))
    assert len({look.colour for look in whole.values()}) == 6
    for size in (1, 2, 5):
        for some in combinations(reversed(variants), size):
            assert looks(some, KNOWN) == tuple(whole[one] for one in some)


def test_configurations_share_the_hue_and_differ_in_shade_and_marker() -> None:
    configs = ["tiny", "tiny+far", "tiny+f"]
    plain, far, short = looks([("c", config) for config in configs], KNOWN)
    (alone,) = looks([("c", "tiny")], KNOWN)
    assert plain == alone
    assert len({plain.marker, far.marker, short.marker}) == 3
    own = np.array(method_colour(2))
    # by length of their names: plain, the lighter `tiny+f`, the darker `tiny+far`
    assert np.array_equal(np.round(255 * np.array(short.colour)), np.round(0.45 * own + 0.55 * 255))
    assert np.array_equal(np.round(255 * np.array(far.colour)), np.round(0.45 * own))
    assert [shade(number, 5) for number in range(5)] == pytest.approx([0, 0.275, -0.275, 0.55, -0.55])


def test_a_method_that_is_not_installed_has_a_slot_of_its_name_behind_the_first_ten() -> None:
    assert [method_slot(name, KNOWN) for name in KNOWN] == [0, 1, 2, 3]
    assert method_slot("theirs", KNOWN) == method_slot("theirs", ()) >= 10
    with_plugin = ("a", "b", "c", "d", "plug_in")
    assert [method_slot(name, with_plugin) for name in KNOWN] == [0, 1, 2, 3]


def test_all_installed_methods_are_known_and_have_a_colour_each() -> None:
    names = known_methods()
    assert sorted(names) == method_names()
    assert len({method_colour(method_slot(name, names)) for name in names}) == len(names)


@pytest.mark.parametrize("sight", SIGHT)
def test_colours_of_methods_stay_apart_for_colour_blind_readers(sight: str) -> None:
    points = [_lab(colour, SIGHT[sight]) for colour in METHOD_COLOURS]
    assert len(points) == 10
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(points, 2)) >= 15
