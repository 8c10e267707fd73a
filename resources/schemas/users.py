"""Users and tokens as v3 clients write and read them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from domain.enums import Role
from resources.schemas.fields import Out, Secret, V3Body

Username = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=r"^[\w.@+-]+$")]


class UserIn(V3Body):
    username: Username
    password: Secret = Field(repr=False)
    role: Role | None = None


class UserOut(Out):
    username: str
    role: str


class UserList(Out):
    users: list[UserOut]


class LoginIn(V3Body):
    username: Secret
    password: Secret = Field(repr=False)
    expire: int | None = Field(None, description="minutes that the access token lives; absent: 10", ge=1, strict=True)


class LoginOut(Out):
    access_token: str
    refresh_token: str
    expire: int


class RefreshOut(Out):
    access_token: str
    refresh_token: str


class Message(Out):
    message: str
