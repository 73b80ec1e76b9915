"""Links of README, docs/ and methods/ lead somewhere on a forge; the site has a page for every command.

`mkdocs build --strict` of .ci/run asks the same of the built site, with its anchors.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import api_pages
import check_offline
import command_pages
import pytest
import repository_pages
import site_links
from test_advice import commands as options_of_commands

import vis_bench
from vis_bench import __version__

ROOT = site_links.ROOT
PAGES = (
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "methods").glob("*/README.md")),
    *sorted((ROOT / "reports").glob("*/*.md")),
)


def anchors(text: str) -> set[str]:
    """As forges make them: lower case, without punctuation, a hyphen for each blank."""
    titles = [
        line.lstrip("#") for _, line, prose in site_links.prose_lines(text) if prose and re.match("#+ ", line)
    ]
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [pytest.param(one, id=str(one.relative_to(ROOT))) for one in PAGES])
def test_every_link_leads_somewhere(page: Path) -> None:
    lost = []
    for link in site_links.links_of(page.read_text(encoding="utf-8")):
        path, anchor = site_links.target_of(page.relative_to(ROOT).as_posix(), link)
        target = ROOT / path
        there = target.exists() and not path.startswith("..")
        if not there or (anchor and anchor[1:] not in anchors(target.read_text(encoding="utf-8"))):
            lost.append(link)
    assert lost == []


def test_links_fit_the_place_of_a_page_in_the_site() -> None:
    """methods/stc/README.md becomes methods/stc.md, one folder up; a text outside of docs gets a page."""
    text = "[a](../inspro/README.md#b) ![c](../../reports/study/plots/1-fps.png) [d](../../LICENSE) [e](#f)"
    expected = "[a](inspro.md#b) ![c](../reports/study/plots/1-fps.png) [d](../files/LICENSE.md) [e](#f)"
    assert site_links.with_site_links("methods/stc/README.md", text, "methods/stc.md") == expected
    code = "```text\n[a](nowhere.md)\n```\n"
    assert site_links.with_site_links("README.md", code, "project/overview.md") == code
    with pytest.raises(FileNotFoundError, match=r"README\.md: the link to nowhere\.md leads nowhere"):
        site_links.with_site_links("README.md", "[a](nowhere.md)", "project/overview.md")


def test_a_link_called_by_its_file_is_called_by_the_title_in_the_site() -> None:
    text = "[training.md](training.md#x) [docs/faq.md](faq.md) [seeds](studies.md)"
    expected = "[Training](training.md#x) [Questions of this field](faq.md) [seeds](studies.md)"
    assert site_links.with_site_links("docs/concepts.md", text, "concepts.md") == expected


def test_code_in_the_text_of_a_command_stays_code() -> None:
    assert command_pages.escaped("`all`, or a_b [x]") == r"`all`, or a\_b \[x\]"
    assert command_pages.escaped("one ` alone") == r"one \` alone"


def test_what_pages_link_to_is_in_the_site_once() -> None:
    places = [page.place for page in repository_pages.repository_pages()]
    assert len(places) == len(set(places))
    assert {
        "methods/stc.md",
        "reports/study/report.md",
        "reports/study/plots/1-fps.png",
        "files/LICENSE.md",
        "files/results/study/main/index.md",
        "files/docs/examples/pixel_classes.py.md",
    } <= set(places)


def test_every_option_of_every_command_is_on_its_page() -> None:
    pages = {name: command_pages.command_text(name, *rest) for name, *rest in command_pages.commands()}
    known = options_of_commands()
    assert set(pages) == set(known)
    for name, options in known.items():
        listed = set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", pages[name]))
        wanted = {option for option in options if option.startswith("-")}
        assert wanted <= listed, (name, wanted - listed)


def test_every_public_name_is_on_the_page_of_the_api() -> None:
    text = api_pages.reference_text()
    for name in vis_bench.__all__:
        assert name == "__version__" or f"### `vis_bench.{name}`" in text, name
    assert "Returns" in text
    assert "No docstring." not in text


def test_the_citation_is_filled_and_of_this_version() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}\n" in text
    assert project["version"] == __version__
    for key in ("title", "abstract", "authors", "license", "keywords", "references"):
        assert re.search(rf"^{key}:", text, re.MULTILINE), key


def test_what_a_page_would_load_from_elsewhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="https://example.org/read">x</a><link rel="canonical" href="https://example.org/">'
        '<script src="https://example.org/a.js"></script><img src="b.png"><img alt="" src=//example.org/c>'
    )
    (tmp_path / "a.css").write_text(
        "@font-face { src: url(https://example.org/f.woff) } b { src: url(g.png) }"
    )
    assert check_offline.foreign(tmp_path) == [
        "a.css: https://example.org/f.woff",
        "a.html: https://example.org/a.js",
        "a.html: //example.org/c",
    ]
