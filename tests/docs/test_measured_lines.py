"""READMEs of methods and docs/training.md: their numbers are those of the committed records."""

from __future__ import annotations

from pathlib import Path

import pytest
from measured_lines import ROOT, renewed, texts, with_spread

TEXTS = texts()


@pytest.mark.parametrize("path", [pytest.param(one, id=str(one.relative_to(ROOT))) for one in TEXTS])
def test_the_numbers_are_those_of_the_records(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert renewed(page, TEXTS[path]) == page, "python tests/docs/measured_lines.py renews them"


def test_a_part_without_a_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places"):
        renewed("# Nothing\n", TEXTS[ROOT / "methods/stc/README.md"])


def test_a_spread_takes_two_seeds() -> None:
    """Mean 2 and sample standard deviation sqrt(((-1)^2 + 1^2) / 1) = 1.414."""
    assert with_spread([1.0, 3.0]) == "2.0 ± 1.4"
    assert with_spread([1.0]) == "1.0"
