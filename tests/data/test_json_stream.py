"""A JSON object read in parts is the one read as a whole, wherever the chunks end."""

import gzip
import hashlib
import json

import pytest

from vis_bench.data import json_stream
from vis_bench.data.json_stream import Element, JsonStream, Member, NotStreamableError, text_hash

VALUE = {
    "numbers": [1, -2.5e3, 12345678901234567890, 0.1],
    "text": 'a "quoted" \\ ä € 𝄞 \n',
    "listed": [{"a": [1, {"b": None}]}, 17, "x", [], True, 3.25],
    "last": {"listed": [1]},
}


def read(path, listed="listed"):
    stream = JsonStream(path)
    parts = list(stream.parts(listed))
    whole: dict = {}
    for part in parts:
        if isinstance(part, Member):
            whole[part.key] = part.value
        else:
            whole[listed].append(part.value)
    return whole, parts, stream.sha256


@pytest.mark.parametrize("chunk", [*range(1, 12), 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_parts_make_up_the_whole(tmp_path, monkeypatch, chunk, indent):
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", chunk)
    path = tmp_path / "x.json"
    text = f" {json.dumps(VALUE, indent=indent, ensure_ascii=False)}\n"
    path.write_text(text, encoding="utf-8")
    whole, parts, found_hash = read(path)
    assert whole == VALUE
    assert list(whole) == list(VALUE)
    assert parts.count(Element(17)) == 1
    assert sum(isinstance(part, Element) for part in parts) == 6
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert (found_hash, text_hash(path)) == (expected, expected)
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(text.encode()))
    assert read(tmp_path / "x.json.gz") == (whole, parts, expected)


@pytest.mark.parametrize("value", [{}, {"listed": []}, {"listed": None}, {"listed": {"a": 1}}])
def test_without_elements(tmp_path, value):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(value))
    assert read(path)[0] == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "3", "{", '{"a"}', '{"a": 1,}', '{"a": 1 "b": 2}', '{"a": 1} 2', '{"a": 1, "a": 2}'),
        *("{1: 2}", '{"listed": [1', '{"listed": [1,]}', '{"listed": [1 2]}', '{"a": 1}}', '{"a": "\xff"}'),
        "{" * 100_000,
    ],
)
def test_anything_else_is_refused(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(NotStreamableError):
        read(path)


def test_a_broken_gzip_is_refused(tmp_path):
    path = tmp_path / "x.json.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}')[:-4])
    for way in (read, text_hash):
        with pytest.raises(NotStreamableError):
            way(path)
