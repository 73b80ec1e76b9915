"""Methods whose code is foreign: `PREFIX:PLACE`, each prefix served by one file or folder of integrations.

The engine passes such a text on as the name of a method. Options that belong to it stand behind a question
mark, `detectron2:a.yaml?associate=stc`, so that one text says everything to another process too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import parse_qsl, quote

from vis_bench.errors import UsageError, did_you_mean

_CONFIG_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Framework:
    """load: `module:callable` from a Reference to a MethodSpec, importable without torch. options: words that
    it takes. needs_weights: whether a file of weights has to be named, since PLACE holds none."""

    load: str
    options: tuple[str, ...]
    needs_weights: bool


FRAMEWORKS: Mapping[str, Framework] = MappingProxyType(
    {
        "detectron2": Framework(
            "vis_bench.integrations.detectron2.spec:load", ("project", "associate"), True
        ),
        "hf": Framework("vis_bench.integrations.transformers.spec:load", ("associate", "prompt"), False),
    }
)
"""A new framework is a line here and a file or folder of `vis_bench/integrations`."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A method of a foreign framework. place: a path, absolute where it exists, or what the framework
    understands. options: by word, as given."""

    prefix: str
    place: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def framework(self) -> Framework:
        """What serves it."""
        return FRAMEWORKS[self.prefix]

    @property
    def text(self) -> str:
        """The reference as one text without a comma in its options."""
        query = "&".join(f"{word}={quote(value, safe='/')}" for word, value in sorted(self.options.items()))
        return f"{self.prefix}:{self.place}{'?' if query else ''}{query}"

    @property
    def name(self) -> str:
        """`PREFIX:` and the last part of the place, without the suffix of a configuration file."""
        last = Path(self.place)
        return f"{self.prefix}:{last.stem if last.suffix in _CONFIG_SUFFIXES else last.name}"


def parse_reference(text: str) -> Reference | None:
    """The reference that a text is, None where its beginning is no known prefix.

    Raises UsageError for a reference without a place and for an option that its framework does not take.

    >>> parse_reference("hf:tue-mps/model?associate=stc").options["associate"]
    'stc'
    """
    prefix, colon, rest = text.partition(":")
    if not colon or prefix not in FRAMEWORKS:
        return None
    place, _, query = rest.partition("?")
    if not place:
        raise UsageError(f"{text!r}: what stands behind {prefix}: has to be named.")
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = FRAMEWORKS[prefix].options
    for word in options:
        if word not in known:
            raise UsageError(f"{text!r}: no option {word!r} of {prefix}.{did_you_mean(word, known)}")
    path = Path(place)
    return Reference(prefix, str(path.resolve()) if path.exists() else place, MappingProxyType(options))


def with_options(names: Sequence[str], given: Mapping[str, str | None]) -> list[str]:
    """The names of methods, options put into those whose framework takes them.

    given: by word (`project`, `associate`, `prompt`), None where the option was left out. `associate` may
    name several rules, separated by commas; then there is a method for each. What a reference says itself
    stays. Raises UsageError for an option that no method takes.
    """
    wanted = {word: value for word, value in given.items() if value is not None}
    references = [parse_reference(name) for name in names]
    for word in wanted:
        if not any(one is not None and word in one.framework.options for one in references):
            takers = [f"{prefix}:" for prefix, one in FRAMEWORKS.items() if word in one.options]
            raise UsageError(f"--{word} is for methods of foreign code ({', '.join(takers)}); none is named.")
    found: list[str] = []
    for name, one in zip(names, references, strict=True):
        if one is None:
            found.append(name)
            continue
        more = {word: value for word, value in wanted.items() if word in one.framework.options}
        rules = more.pop("associate", "").split(",")
        for rule in rules:
            own = {**more, **({"associate": rule.strip()} if rule.strip() else {}), **one.options}
            found.append(Reference(one.prefix, one.place, own).text)
    return list(dict.fromkeys(found))


def needs_weights(names: Sequence[str]) -> list[str]:
    """Those of the methods for which a file of weights has to be named."""
    references = [(name, parse_reference(name)) for name in names]
    return [name for name, one in references if one is None or one.framework.needs_weights]
