"""Workers, as they report themselves."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime, utc_now


class Worker(Model):
    """One worker process and when it was last heard from."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now())
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
