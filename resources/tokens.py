"""/v3/login, /v3/logout, /v3/refresh, and how a token is judged."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app
from flask_jwt_extended import get_jwt

from domain.errors import InvalidInput, NotAuthenticated
from extensions import jwt
from models import User
from resources.base import Access, ApiResource, client_address, endpoint
from resources.errors import answer
from resources.schemas.users import LoginIn, LoginOut, Message, RefreshOut
from services.identity import tokens, users


class UserLogin(ApiResource):
    @endpoint(Access.OPEN, "tokens", body=LoginIn, answers={200: LoginOut}, errors=(400, 401, 429))
    def post(self, body: LoginIn) -> LoginOut:
        """Log in; `expire` is the access token's life in minutes."""
        most = current_app.config["DESK"].token_minutes_max
        minutes = min(tokens.ACCESS_MINUTES, most) if body.expire is None else body.expire
        if minutes > most:
            raise InvalidInput({"expire": f"must be at most {most} minutes"})
        user = users.authenticate(body.username, body.password, client_address())
        pair = tokens.issue_tokens(user, minutes)
        return LoginOut(access_token=pair.access_token, refresh_token=pair.refresh_token, expire=minutes)


class UserLogout(ApiResource):
    @endpoint(Access.TOKEN, "tokens", answers={200: Message}, errors=(401,))
    def post(self) -> Message:
        """End this access token and its refresh token everywhere at once."""
        tokens.revoke(get_jwt())
        return Message(message="Successfully logged out")


class TokenRefresh(ApiResource):
    @endpoint(Access.REFRESH, "tokens", answers={200: RefreshOut}, errors=(401,))
    def post(self) -> RefreshOut:
        """Exchange a refresh token for a new pair; the access token is not fresh."""
        pair = tokens.rotate(get_jwt())
        return RefreshOut(access_token=pair.access_token, refresh_token=pair.refresh_token)


def init_app(app: Flask) -> None:
    """Set up what a token must be, and answer every refusal in the words that v3 clients know."""
    app.config.update(
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_TOKEN_LOCATION=["headers"],
        JWT_ENCODE_ISSUER="pairs-api",
        JWT_DECODE_ISSUER="pairs-api",
        JWT_ENCODE_AUDIENCE="pairs-api",
        JWT_DECODE_AUDIENCE="pairs-api",
        JWT_DECODE_LEEWAY=30,
    )
    jwt.user_lookup_loader(_user_of)
    jwt.token_in_blocklist_loader(lambda header, claims: tokens.is_revoked(claims))

    def refuse(message: str, code: str) -> Any:
        return answer(message, code, 401, {"WWW-Authenticate": "Bearer"})

    jwt.unauthorized_loader(
        lambda reason: refuse("Request does not contain an access token.", "authorization_required")
    )
    jwt.invalid_token_loader(lambda reason: refuse("The token is invalid.", "token_invalid"))
    jwt.expired_token_loader(lambda header, claims: refuse("The token has expired.", "token_expired"))
    jwt.needs_fresh_token_loader(lambda header, claims: refuse("The token is not fresh.", "fresh_token_required"))
    jwt.revoked_token_loader(lambda header, claims: refuse("The token has been revoked.", "token_revoked"))
    jwt.user_lookup_error_loader(lambda header, claims: refuse("The token has been revoked.", "token_revoked"))


def _user_of(header: dict[str, Any], claims: dict[str, Any]) -> User | None:
    try:
        return users.find_user_by_id(int(claims["sub"]), int(claims["epoch"]))
    except (KeyError, TypeError, ValueError):
        raise NotAuthenticated("The token is invalid.", "token_invalid") from None
