"""What speaks against an order: the name of the rule, the sentence, and the values it was judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Objection:
    """One question with its answer; `ok` is True for one that was answered well."""

    check: str
    text: str
    values: Mapping[str, object] = field(default_factory=dict)
    ok: bool = False
