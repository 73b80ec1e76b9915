"""Cleaning, shortening and wrapping of text by its width on a terminal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vis_bench.report.tables.text import (
    cut_end,
    display_width,
    message_text,
    one_line,
    shorten,
    shorten_all,
    wrap,
)


def test_width_counts_terminal_cells() -> None:
    assert display_width("abc") == 3
    assert display_width("视频") == 4  # East Asian wide: two cells each
    assert display_width("é") == 1  # a combining accent takes none


def test_one_line_removes_breaks_and_control_characters() -> None:
    assert one_line("a\n\tb\x1b[31m\u202ec") == "a b?[31m?c"


def test_shorten_keeps_beginning_and_end() -> None:
    assert shorten("abcdefghij", 10) == "abcdefghij"
    assert shorten("abcdefghij", 7) == "abc…hij"
    assert shorten("视频实例分割", 5) == "视…割"


def test_cut_end_marks_the_cut() -> None:
    assert cut_end("out of memory", 13) == "out of memory"
    assert cut_end("out of memory", 8) == "out of…"


def test_wrap_breaks_at_blanks_and_inside_long_words() -> None:
    assert wrap("one two three", 8) == ["one two", "three"]
    assert wrap("ab cdefghijk lm", 6, indent="  ") == ["ab", "  cdef", "  ghij", "  k lm"]
    assert wrap("", 8) == []


def test_a_piece_of_a_long_word_is_not_joined_to_the_next_by_a_blank() -> None:
    assert wrap("a" * 9, 8, indent="  ") == ["aaaaaa", "  aaa"]


def test_whole_words_stay_whole() -> None:
    assert wrap("see a/long/path now", 6, "  ", whole_words=True) == ["see", "  a/long/path", "  now"]


def test_a_message_keeps_80_columns_and_leaves_what_is_copied_whole() -> None:
    path = "/data/" + "x" * 90 + "/file.json"
    assert message_text("fits") == "fits"
    assert message_text("  a tree\n    of    files") == "  a tree\n    of    files"
    assert message_text(f"vis-bench: {path}: not valid").split("\n") == [
        "vis-bench:",
        f"  {path}:",
        "  not valid",
    ]
    words = "word " * 20
    assert message_text(f"time       {words}x").split("\n")[1].startswith("           word")
    command = f"vis-bench data convert {path} {path}"
    assert message_text(f"{words}: {command}").split("\n")[-1] == f"  {command}"
    assert message_text(f"{words}: {command}. Then again.").count("\n") > 2


@given(st.text(alphabet="ab /:.\n", max_size=300))
def test_a_message_loses_no_word(text: str) -> None:
    assert message_text(text).split() == text.split()
    assert all(display_width(line) <= 80 or len(line.split()) == 1 for line in message_text(text).split("\n"))


@given(st.text(max_size=60), st.integers(2, 20))
def test_nothing_is_ever_wider_than_asked(text: str, width: int) -> None:
    line = one_line(text)
    assert display_width(shorten(line, width)) <= width
    assert display_width(cut_end(line, width)) <= width
    assert all(display_width(part) <= width for part in wrap(line, width))


@given(
    st.text(alphabet=st.characters(codec="ascii", categories=["L", "Zs"]), max_size=80), st.integers(3, 30)
)
def test_wrap_loses_no_letter(text: str, width: int) -> None:
    assert "".join("".join(wrap(text, width)).split()) == "".join(text.split())


def test_different_texts_stay_different_when_they_are_shortened() -> None:
    texts = ["hf:mask2former[x,threshold=0.01]", "hf:mask2formed[y,threshold=0.01]", "stc", "stc"]
    short = shorten_all(texts, 17)
    assert short == ["hf:mas…=0.01] (1)", "hf:mas…=0.01] (2)", "stc", "stc"]
    assert all(display_width(one) <= 17 for one in short)
