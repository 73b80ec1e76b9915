"""report.html and table.tex: the rows of the Markdown, nothing from the network, every name escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from record_samples import make_record

from vis_bench.report.formats.html_page import write_html
from vis_bench.report.formats.latex import escape_latex, write_latex
from vis_bench.report.tables.page import report_page

NASTY = "<script>alert(1)</script>&_%"


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.scripts, self.inside = 0, False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.inside = tag == "td"
        if tag == "td":
            self.cells.append("")
        for name, value in attrs:
            assert name not in ("src", "href") or str(value).startswith(("data:", "#"))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def test_html_has_every_cell_and_escapes_names(tmp_path: Path) -> None:
    page = report_page([make_record(NASTY, 0.32), make_record(NASTY, 0.36, seed=1)], protocols={})
    found = _Cells()
    found.feed(write_html(tmp_path, page, {}).read_text())
    assert found.scripts == 2  # the theme, before anything is drawn, and the rest
    assert {cell for line in page.blocks[0].main.lines for cell in line} <= set(found.cells)
    assert "34.0 ± 2.8" in found.cells
    assert "8.6 to 59.4" in found.cells


def test_latex_is_escaped_balanced_and_never_bold(tmp_path: Path) -> None:
    records = [make_record(NASTY, 0.32), make_record(NASTY, 0.36, seed=1)]
    text = write_latex(tmp_path, report_page(records, protocols={})).read_text()
    assert "8.6 to 59.4" in text
    assert r"\textless{}script\textgreater{}" in text
    assert text.count(r"\begin{") == text.count(r"\end{")
    assert "textbf" not in text
    assert text.count(r"\visbenchfit{\begin{tabular}") == text.count(r"\end{tabular}}") == 7
    bare = re.sub(r"\\[{}]", "", text)
    assert bare.count("{") == bare.count("}")
    assert escape_latex("a_b%") == r"a\_b\%"
