"""What is kept of a delivery that was refused: enough to find the mistake, nothing that opens anything."""

import re

from domain.edge.visible import visible

MOST_BODY, MOST_REASON = 600, 300
HIDDEN = "***"
# A name that speaks of a secret, and all that follows up to the next name, whatever the quotes are like.
_SECRET = re.compile(
    r"""((?:pass|secret|token|auth|pwd|credential|api.?key)\w*["']?\s*[:=]?\s*).*?(?=,\s*["']?\w+["']?\s*[:=]|[\r\n}]|\Z)""",
    re.IGNORECASE | re.DOTALL,
)
# What only a machine would write: keys, tokens and made passphrases, also under a name that says nothing.
_LONG_WORD = re.compile(r"[\w.+/=-]{20,}")


def redacted(body: str, *secrets: str) -> str:
    """Return a body, cut, without the values of fields that hold secrets, without `secrets` and words like keys."""
    text = body[: 4 * MOST_BODY]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = _LONG_WORD.sub(lambda found: HIDDEN if _looks_made(found[0]) else found[0], text)
    text = _SECRET.sub(rf'\1"{HIDDEN}"', text)
    return visible(text)[:MOST_BODY]


def _looks_made(word: str) -> bool:
    """Return True if a long word mixes letters and digits, as keys do and words do not."""
    return any(c.isdigit() for c in word) and any(c.isalpha() for c in word)


def in_words(message: object) -> str:
    """Return the message of an answer as one sentence: of a refused field the name and the rule."""
    if isinstance(message, dict):
        message = "; ".join(f"{name}: {rule}" for name, rule in message.items())
    return visible(str(message))[:MOST_REASON]
