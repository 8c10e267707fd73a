"""API tokens: short access tokens, refresh tokens that work once, and revocation that every process sees."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token

from domain.errors import NotAuthenticated
from extensions import db, insert_or_update, transaction, utc_now
from models import RefreshToken, RevokedToken, User

logger = logging.getLogger(__name__)

ACCESS_MINUTES = 10
REFRESH_DAYS = 14


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a log-in or a refresh hands out."""

    access_token: str
    refresh_token: str


def issue_tokens(user: User, minutes: int) -> TokenPair:
    """Return a fresh access token of that many minutes and the first refresh token of a new family."""
    pair, row = _make(user.id, user.epoch, minutes, fresh=True, family=str(uuid.uuid4()))
    with transaction() as session:
        session.add(row)
    return pair


def rotate(claims: Mapping[str, Any]) -> TokenPair:
    """Exchange a refresh token; a second use ends its whole family. Raises NotAuthenticated."""
    jti, family = str(claims["jti"]), str(claims.get("family", ""))
    use = (
        sa.update(RefreshToken)
        .where(RefreshToken.jti == jti, RefreshToken.used_at.is_(None), RefreshToken.revoked_at.is_(None))
        .where(RefreshToken.expires_at > utc_now())
        .values(used_at=utc_now())
        .returning(RefreshToken.family)
    )
    pair, successor = _make(int(claims["sub"]), int(claims["epoch"]), ACCESS_MINUTES, fresh=False, family=family)
    with transaction() as session:
        if valid := session.execute(use).scalar():
            session.add(successor)  # together with the use: a second use that comes now must find it and end it
        else:
            ended = sa.update(RefreshToken).where(RefreshToken.family == family, RefreshToken.revoked_at.is_(None))
            session.execute(ended.values(revoked_at=utc_now()))
    if not valid:
        logger.warning("user %s: a dead refresh token was used; its family %s is ended", claims.get("sub"), family)
        raise NotAuthenticated("The token has been revoked.", "token_revoked")
    return pair


def revoke(claims: Mapping[str, Any]) -> None:
    """End an access token and the refresh tokens of its log-in, everywhere at once."""
    with transaction() as session:
        row = insert_or_update(RevokedToken).values(
            jti=claims["jti"], expires_at=datetime.fromtimestamp(claims["exp"], UTC)
        )
        session.execute(row.on_conflict_do_nothing())
        family = sa.update(RefreshToken).where(RefreshToken.family == claims.get("family", ""))
        session.execute(family.values(revoked_at=utc_now()))
    logger.info("user %s: logged out", claims.get("sub"))


def is_revoked(claims: Mapping[str, Any]) -> bool:
    """Return True if a token was ended before its time; refresh tokens are judged when they are used."""
    if claims["type"] == "refresh":
        return False
    return claims["jti"] is None or db.session.get(RevokedToken, claims["jti"]) is not None


def forget_expired() -> None:
    """Delete what can no longer matter."""
    with transaction() as session:
        session.execute(sa.delete(RevokedToken).where(RevokedToken.expires_at < utc_now()))
        session.execute(sa.delete(RefreshToken).where(RefreshToken.expires_at < utc_now()))


def _make(user_id: int, epoch: int, minutes: int, *, fresh: bool, family: str) -> tuple[TokenPair, RefreshToken]:
    claims = {"epoch": epoch, "family": family}
    access = create_access_token(
        str(user_id), fresh=fresh, expires_delta=timedelta(minutes=minutes), additional_claims=claims
    )
    life = timedelta(days=REFRESH_DAYS)
    refresh = create_refresh_token(str(user_id), expires_delta=life, additional_claims=claims)
    row = RefreshToken(
        jti=decode_token(refresh)["jti"], family=family, user_id=user_id, expires_at=datetime.now(UTC) + life
    )
    return TokenPair(access, refresh), row
