"""Changes of valid samples: of their bytes, of their JSON, of their lines. Each is a few small numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2**31, 2**63, -(2**63), 10**400, 1.5, 1.0, -0.0, 1e308, 1e-320),
    *(float("nan"), float("inf"), float("-inf")),
    *(
        "",
        "x",
        "0",
        "../../x",
        "/etc/passwd",
        "a\0b",
        "\ud800",
        "\u202e",
        "é" * 300,
        "<script>",
        "=1+1",
        "%s{0}",
    ),
    *(
        [],
        {},
        [[]],
        [None],
        [0, 1],
        {"a": 1},
        {"size": [12, 20], "counts": "0"},
        {"size": [1, 1], "counts": [1]},
    ),
    *([1e300, 1, 1, 1], [float("nan")] * 4, ["0"] * 4, "3" * 5000, [[[[[[]]]]]], [0] * 1000),
)
TOKENS = (
    *(
        b"",
        b"0",
        b"-1",
        b"nan",
        b"inf",
        b"1e999",
        b"99999999999999999999",
        b"x",
        b"\xff\xfe",
        b"\0",
        b"[" * 2000,
    ),
    *(
        b"true",
        b"'",
        b'"',
        b"=",
        b"=1",
        b"..",
        b"../x",
        b"<!DOCTYPE a>",
        b"&lt;",
        b"</",
        b"\n\n",
        b"{}",
        b" ",
    ),
)
KINDS = ("value", "value", "value", "delete", "repeat", "key", "bytes", "cut", "token", "token", "swap")
Edit = tuple[str, int, int]

edits = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 2**16), st.integers(0, 2**16)), min_size=1, max_size=3
)
"""Up to three changes: what kind, where, and what with."""


def mutated(sample: bytes, changes: Sequence[Edit]) -> bytes:
    """The sample with the changes made in order; JSON changes of what is no JSON become changes of bytes."""
    for kind, place, choice in changes:
        sample = _changed(sample, kind, place, choice)
    return sample


def _changed(sample: bytes, kind: str, place: int, choice: int) -> bytes:
    if kind in ("value", "delete", "repeat", "key"):
        try:
            value = json.loads(sample)
        except (ValueError, RecursionError):
            kind = ("token", "bytes", "swap", "cut")[choice % 4]
        else:
            return json.dumps(_edited(value, kind, place, choice)).encode(errors="surrogatepass")
    at = place % (len(sample) + 1)
    if kind == "cut":
        return sample[:at]
    if kind == "token":
        end = at
        while end < len(sample) and sample[end : end + 1].isalnum():
            end += 1
        return sample[:at] + TOKENS[choice % len(TOKENS)] + sample[end:]
    if kind == "swap":
        other = choice % (len(sample) + 1)
        low, high = sorted((at, other))
        return sample[:low] + sample[high:] + sample[low:high]
    return sample[:at] + bytes([choice % 256]) + sample[at + 1 :]


def _edited(value: Any, kind: str, place: int, choice: int) -> Any:
    """Parsed JSON with one of its places changed."""
    places = list(_places(value))
    if not places:
        return ODD[choice % len(ODD)]
    holder, key = places[place % len(places)]
    if kind == "value":
        holder[key] = ODD[choice % len(ODD)]
    elif kind == "delete":
        del holder[key]
    elif kind == "repeat" and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        # another place's content
        other, name = places[choice % len(places)]
        holder[key] = json.loads(json.dumps(other[name]))
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])
