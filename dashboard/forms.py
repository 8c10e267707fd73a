"""Forms that change the desk: what was typed, what is wrong with it, and who stands behind it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from flask import abort, flash, redirect, request
from flask.typing import ResponseReturnValue

from dashboard.viewer import current_viewer
from domain.errors import BrokerAway, Conflict, InvalidInput, NotAuthenticated, NotFound, TooMany
from services.accounts.known_brokers import CredentialField
from services.identity.users import authenticate

MAX_REASON = 200
MAX_PASSWORD = 128
LABELS = {"password": "Your password", "scope": "What it covers"}  # where the name says too little
Word = TypeVar("Word", bound=StrEnum)


@dataclass(slots=True)
class Form:
    """A form as it was sent. `deed` and `subject` tell which of a page's forms it is; passwords are not kept."""

    deed: str = ""
    subject: str = ""
    typed: dict[str, str] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    status: int = 200
    retry_after: int | None = None

    def text(self, name: str, most: int, *, needed: bool = True) -> str:
        """Return one line of text; whatever is wrong with it becomes a message."""
        text = self.typed[name] = request.form.get(name, "").strip()
        if not text and needed:
            self.messages[name] = "is needed"
        elif len(text) > most:
            self.messages[name] = f"is {len(text)} characters long; at most {most} are allowed"
        elif not text.isprintable():
            self.messages[name] = "has a line break or another character that cannot be shown"
        return text

    def secret(self, name: str, most: int) -> str:
        """Return a secret; it is not kept, so that no page shows it again."""
        text = request.form.get(name, "").strip()
        if not text:
            self.messages[name] = "is needed"
        elif len(text) > most:
            self.messages[name] = f"is too long; at most {most} characters are allowed"
        return text

    def credential(self, asked: CredentialField, most: int) -> str:
        """Return what opens an account; it is kept only where it surely is no secret."""
        text = self.secret(asked.name, most)
        if asked.shown and re.fullmatch(asked.shown, text):
            self.typed[asked.name] = text
        return text

    def reason(self) -> str:
        """Return why it is done, as it goes on record."""
        return self.text("reason", MAX_REASON)

    def word(self, name: str, words: type[Word]) -> Word | None:
        """Return one of the given words; None, with a message, for any other."""
        text = self.typed[name] = request.form.get(name, "")
        try:
            return words(text)
        except ValueError:
            self.messages[name] = f"must be one of: {', '.join(words)}"
            return None

    def confirm_password(self) -> None:
        """Check the viewer's own password once more; wrong tries count like those of the log-in."""
        viewer, password = current_viewer(), request.form.get("password", "")
        if self.messages or viewer is None:
            return
        if not password:
            self.refuse({"password": "is needed for this"})
            return
        try:
            authenticate(viewer.username, password[:MAX_PASSWORD], request.remote_addr or "unknown")
        except NotAuthenticated:
            self.refuse({"password": "is wrong"}, 401)
        except TooMany as e:
            self.refuse({"password": f"was wrong too often; try again in {e.retry_after} s"}, 429)
            self.retry_after = e.retry_after

    def refuse(self, messages: dict[str, str], status: int = 400) -> None:
        """Answer what is wrong, and with which status the page is answered."""
        self.messages.update(messages)
        self.status = status

    def run(self, act: Callable[[], str], address: str) -> ResponseReturnValue | None:
        """Do it unless something is wrong, and go on to `address` with the sentence that `act` returns.

        None means that it was not done: the page is to be shown again with the messages. Raises NotFound.
        """
        if not self.messages:
            try:
                done = act()
            except InvalidInput as e:
                self.refuse(dict(e.fields))
            except Conflict as e:
                self.refuse({"form": e.message}, 409)
            except BrokerAway as e:
                self.refuse({"form": e.message}, 503)
            else:
                flash(done)
                return redirect(address, 303)
        elif self.status == 200:
            self.status = 400
        return None

    @property
    def refusals(self) -> list[str]:
        """Return what is wrong in sentences, each with the name of its field."""
        return [text if name == "form" else _sentence(name, text) for name, text in self.messages.items()]

    def answer(self, page: str) -> ResponseReturnValue:
        """Return the page with the status of what happened."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return page, self.status, headers

    def of(self, deed: str, subject: str | int = "") -> Form:
        """Return what was typed into one of the page's forms; an empty form where it was another one."""
        return self if (self.deed, self.subject) == (deed, str(subject)) else Form(deed, str(subject))

    def value(self, name: str, default: str = "") -> str:
        """Return what was typed in a field."""
        return self.typed.get(name, default)


def _sentence(name: str, text: str) -> str:
    label = LABELS.get(name, name.replace("_", " ").capitalize())
    return f"{label} {text}" if text[:1].islower() else f"{label}: {text}"


def sent_form() -> Form:
    """Return the form that was sent with this request."""
    return Form(request.form.get("deed", ""), request.form.get("subject", ""))


def carry_out(
    deeds: Mapping[str, Callable[[Form], ResponseReturnValue | None]], page: Callable[[Form], str]
) -> ResponseReturnValue:
    """Do what the form of this request asks for; where it was not done, show the page again and say why.

    400 for what is none of the deeds, 404 for one at something that is not there.
    """
    form = sent_form()
    if form.deed not in deeds or not form.subject.isprintable():
        abort(400, "This form is not known.")
    try:
        done = deeds[form.deed](form)
    except NotFound:
        abort(404)
    return done if done is not None else form.answer(page(form))
