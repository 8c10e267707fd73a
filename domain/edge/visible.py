"""Characters that show nothing, or turn the text around them, made visible: so people read what is there."""

import re

# Control characters but tab and line ends, what turns the direction of writing, line ends that browsers do not show,
# and signs without width. Those that join letters and emoji stay: scripts need them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
# The same in JSON that is written in ASCII; an even number of backslashes before it is text of its own.
_ESCAPED = re.compile(
    r"(?<!\\)((?:\\\\)*)\\u(00[01][0-9a-f]|007f|00[89][0-9a-f]|061c|200[bef]|202[89a-e]|206[0-9a-f]|feff|fff[9ab])"
)


def visible(text: str) -> str:
    r"""Return the text with each hidden character as its escape: `\u202e`, `\u001b`."""
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def visible_json(text: str) -> str:
    """Return JSON text in ASCII whose strings hold no hidden character, but its escape as readers are to see it."""
    return _ESCAPED.sub(r"\1\\\\u\2", text) if "\\u" in text else text
