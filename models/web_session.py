"""Server-side sessions of the dashboard."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from extensions import Model, UtcDateTime


class WebSession(Model):
    """One browser's session; only the hash of its cookie is kept."""

    __tablename__ = "web_sessions"

    sid_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    data: Mapped[bytes] = mapped_column(sa.LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
