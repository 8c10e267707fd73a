"""What shows nothing, or turns the text around it, is written as its escape; all else stays as it is."""

import json
import sys
import unicodedata

import pytest
import simplejson

from domain.edge.visible import visible, visible_json

STAY = "\t\n\r \u00a0\u200c\u200d\U0001f469é\u05d0\u0627\\ud83d"


@pytest.mark.parametrize(
    "code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C, 0, 7, 27, 0x85]
)
def test_a_hidden_character_becomes_its_escape(code):
    assert visible(f"a{chr(code)}b") == f"a\\u{code:04x}b"


def test_what_people_write_stays():
    assert visible(STAY) == STAY


def test_every_control_character_but_tab_and_line_ends_is_hidden():
    hidden = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Cc" and c not in "\t\n\r"]
    assert [c for c in hidden if visible(c) == c] == []


def test_what_is_visible_stays_so():
    text = "a\u202eb\x1b"
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "text", ["a\u202eb", "a\\u202eb", "\\\\\u202e", "\\\\\\\u2066x", "\x1b[1m", "\t\n", STAY, "\ufeff\ufff9"]
)
def test_json_tells_the_same_text(text):
    written = visible_json(simplejson.dumps({text: [text]}))
    expected = visible(text)
    assert json.loads(written) == {expected: [expected]}
