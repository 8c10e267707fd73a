"""/v3/reguser, /v3/users/<n>, /v3/user/<name>: for admins."""

from __future__ import annotations

from domain.enums import Role
from resources.base import Access, ApiResource, editor, endpoint, item_count
from resources.schemas.users import Message, UserIn, UserList, UserOut
from services.identity import users


class UserRegister(ApiResource):
    @endpoint(Access.ADMIN, "users", body=UserIn, answers={201: Message}, errors=(400, 401, 403))
    def post(self, body: UserIn) -> Message:
        """Add a user."""
        users.create_user(body.username, body.password, body.role or Role.USER, actor=editor().name)
        return Message(message="'user' created successfully.")

    @endpoint(Access.ADMIN, "users", body=UserIn, answers={200: UserOut}, errors=(400, 401, 403, 404))
    def put(self, body: UserIn) -> UserOut:
        """Set a user's password, and role when given; ends the user's sessions and tokens."""
        users.change_user(body.username, body.password, body.role, actor=editor().name)
        user = users.get_user(body.username)
        return UserOut(username=user.username, role=user.role)


class Users(ApiResource):
    @endpoint(Access.ADMIN, "users", answers={200: UserList}, errors=(400, 401, 403))
    def get(self, number_of_users: str) -> UserList:
        """List users, newest first; 0 = all."""
        rows = users.list_users(item_count(number_of_users, "number_of_users"))
        return UserList(users=[UserOut(username=row.username, role=row.role) for row in rows])


class User(ApiResource):
    @endpoint(Access.ADMIN, "users", answers={200: UserOut}, errors=(401, 403, 404))
    def get(self, username: str) -> UserOut:
        """Show a user."""
        user = users.get_user(username)
        return UserOut(username=user.username, role=user.role)

    @endpoint(Access.ADMIN, "users", answers={200: Message}, errors=(400, 401, 403, 404))
    def delete(self, username: str) -> Message:
        """Delete a user; the last admin stays."""
        users.delete_user(username, actor=editor().name)
        return Message(message="'user' deleted successfully.")
