"""The hook of mkdocs.yml: adds the pages that are made from the code and from other folders, and fits links.

Nothing that it makes is kept in the repository, so no page can be out of date.
"""

from __future__ import annotations

import posixpath
from typing import Any

import api_pages
import command_pages
import method_pages
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from repository_pages import repository_pages
from site_links import ROOT, with_site_links

METHOD_FOLDERS = "methods/"


def on_config(config: Any) -> Any:
    """Fills the parts of the navigation that mkdocs.yml leaves to the code."""
    made = {
        "Commands": [
            "commands/index.md",
            *({name: command_pages.page_name(name)} for name, _, _ in command_pages.commands()),
        ],
        "Methods": [
            "methods/index.md",
            *({name: f"methods/{name}.md"} for name in method_pages.listed_methods()),
        ],
    }
    guides = next(entry["Guides"] for entry in config.nav if "Guides" in entry)
    # a page without a line in mkdocs.yml comes last among the guides
    guides += [page for page in unlisted(config.nav) if page not in guides]
    config.nav = [
        {title: made.get(title, inner) for title, inner in entry.items()}
        if isinstance(entry, dict)
        else entry
        for entry in config.nav
    ]
    return config


def unlisted(nav: Any) -> list[str]:
    """Pages of docs/ that the navigation does not name."""
    listed = str(nav)
    return [path.name for path in sorted((ROOT / "docs").glob("*.md")) if f"'{path.name}'" not in listed]


def on_files(files: Files, *, config: Any) -> Files:
    """Adds what does not lie in docs/."""

    def add(place: str, text: str) -> None:
        files.append(File.generated(config, place, content=text))

    for page in repository_pages():
        if page.copied is not None:
            files.append(File.generated(config, page.place, abs_src_path=str(page.copied)))
            continue
        text = page.text
        if page.path.startswith(METHOD_FOLDERS) and page.path.endswith("/README.md"):
            text += method_pages.choices_text(page.path.split("/")[1])
        add(page.place, fitted(page.path, text, page.place))
    add("commands/index.md", command_pages.index_text())
    for name, command, context in command_pages.commands():
        add(command_pages.page_name(name), command_pages.command_text(name, command, context))
    add("methods/index.md", method_pages.index_text())
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Fits the links of the pages of docs/ itself, and ends that of the Python API with its docstrings."""
    if page.file.generated_by:
        return markdown
    text = fitted(f"docs/{page.file.src_uri}", markdown, page.file.src_uri)
    return text + api_pages.reference_text() if page.file.src_uri == "api.md" else text


def fitted(path: str, text: str, place: str) -> str:
    if not (ROOT / path).exists() or not path.endswith(".md"):
        return text
    try:
        return with_site_links(posixpath.normpath(path), text, place)
    except FileNotFoundError as error:
        raise PluginError(str(error)) from None
