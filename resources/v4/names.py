"""What differs in words between the desk's services and v4's clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from domain.edge.ibkr_symbols import registered_form
from domain.edge.visible import visible
from domain.errors import InvalidInput
from resources.schemas.fields import Blank, Symbol

V4_NAMES = {"stk_price": "price"}


@contextmanager
def in_v4_names() -> Iterator[None]:
    """Let a refusal name the fields as v4's clients write them."""
    try:
        yield
    except InvalidInput as e:
        raise InvalidInput({V4_NAMES.get(name, name): rule for name, rule in e.fields.items()}) from None


def _with_point(value: Any) -> Any:
    return registered_form(value) if isinstance(value, str) else value


def _only_one(value: Any) -> Any:
    """Return the one element of a list; executors write a status so now and then."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def cut_at(length: int) -> BeforeValidator:
    """Return what keeps the beginning of a long text: for the words of a broker no order may be lost."""
    return BeforeValidator(lambda value: value.strip()[:length] if isinstance(value, str) else value)


OneOf = BeforeValidator(_only_one)
V4Symbol = Annotated[Symbol, BeforeValidator(_with_point)]
SymbolText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
StatusText = Annotated[str | None, Blank, cut_at(255), AfterValidator(lambda text: text and visible(text)[:255])]
ErrorText = Annotated[str | None, Blank, cut_at(1000), AfterValidator(lambda text: text and visible(text)[:1000])]
