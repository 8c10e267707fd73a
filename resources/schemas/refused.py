"""Refused deliveries as clients read them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from models import RefusedCount, RefusedDelivery
from resources.schemas.fields import Out, show_iso
from services.paging import Page


class RefusedOut(Out):
    """One delivery that was refused; `known` = it came with a passphrase in force."""

    entry: int
    at: str
    address: str
    status: int
    reason: str
    body: str = Field(description="the beginning of the body; secrets are left out")
    known: bool

    @classmethod
    def of(cls, row: RefusedDelivery) -> RefusedOut:
        """Return the delivery as it is on record."""
        return cls(
            entry=row.id,
            at=show_iso(row.at),
            address=row.address,
            status=row.status,
            reason=row.reason,
            body=row.body,
            known=row.known,
        )


class RefusedCountOut(Out):
    """How many were answered with a status on a day, UTC, those included that are not kept."""

    day: str
    status: int
    count: int


class RefusedPage(Out):
    refused: list[RefusedOut]
    counts: list[RefusedCountOut] = Field(description="of the last seven days")
    next_after: int | None

    @classmethod
    def of(cls, page: Page[RefusedDelivery, int], counts: Sequence[RefusedCount]) -> RefusedPage:
        """Return a page of the record, with the counts."""
        return cls(
            refused=[RefusedOut.of(row) for row in page.rows],
            counts=[RefusedCountOut(day=row.day, status=row.status, count=row.count) for row in counts],
            next_after=page.next_after,
        )
