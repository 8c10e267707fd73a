"""The account's history as v4's clients write and read it, in the words of Interactive Brokers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from models import AccountRecord
from resources.schemas.alerts import no_yes
from resources.schemas.fields import Blank, Number, Out, OutNumber, Secret, Time, V3Body, show_time

FIGURES = {
    "AvailableFunds": "available_funds",
    "BuyingPower": "buying_power",
    "GrossPositionValue": "position_value",
    "MaintMarginReq": "maintenance_margin",
    "NetLiquidation": "equity",
    "DailyPnL": "day_result",
    "RealizedPnL": "realised",
    "UnrealizedPnL": "unrealised",
}
Figure = Annotated[Number | None, Blank]


class V4RecordIn(V3Body):
    """The money of the executor's account at one moment."""

    passphrase: Secret = Field(repr=False)
    timestamp: Annotated[Time | None, Blank] = Field(None, description="absent: now")
    AvailableFunds: Figure = None
    BuyingPower: Figure = None
    GrossPositionValue: Figure = None
    MaintMarginReq: Figure = None
    NetLiquidation: Figure = None
    DailyPnL: Figure = None
    RealizedPnL: Figure = None
    UnrealizedPnL: Figure = None

    def figures(self) -> dict[str, Decimal | None]:
        """Return the figures that were told, in the desk's words."""
        return {FIGURES[name]: getattr(self, name) for name in FIGURES if name in self.model_fields_set}


class V4RecordPut(V4RecordIn):
    """A change of a record: what is left out stays as it is."""

    rowid: Annotated[int, BeforeValidator(no_yes)] = Field(gt=0, le=2**53)


class V4RecordOut(Out):
    rowid: int
    timestamp: str
    AvailableFunds: OutNumber | None
    BuyingPower: OutNumber | None
    GrossPositionValue: OutNumber | None
    MaintMarginReq: OutNumber | None
    NetLiquidation: OutNumber | None
    DailyPnL: OutNumber | None
    RealizedPnL: OutNumber | None
    UnrealizedPnL: OutNumber | None

    @classmethod
    def of(cls, row: AccountRecord, *, with_money: bool) -> V4RecordOut:
        """Return the record in v4 terms; without its money to those who have no token."""
        figures = {name: getattr(row, field) if with_money else None for name, field in FIGURES.items()}
        return cls(rowid=row.id, timestamp=show_time(row.at), **figures)


class V4RecordList(Out):
    signals: list[V4RecordOut] = Field(description="the same as `pnls`: executors look for them under this name")
    pnls: list[V4RecordOut]
    notoken_limit: int


class V4RecordMessage(Out):
    message: str
    rowid: int
