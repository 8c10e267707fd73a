"""When all connections are in use an alert waits its turn, and is refused in time and honestly when none comes."""

import contextlib
import threading
import time

from extensions import db
from tests.support.factories import make_alert_body, make_stock


@contextlib.contextmanager
def all_in_use(app):
    """Take every connection of the pool; yields what gives them back."""
    with app.app_context(), contextlib.ExitStack() as held:
        for _ in range(db.engine.pool.size() + max(0, db.engine.pool._max_overflow)):
            held.enter_context(contextlib.closing(db.engine.connect()))
        yield held.close


def test_an_alert_waits_for_a_connection(app, client):
    make_stock(app, "LNT")
    client.get("/v3/stocks/0")
    answers = []
    with all_in_use(app) as give_back:
        sender = threading.Thread(
            target=lambda: answers.append(app.test_client().post("/v3/webhook", json=make_alert_body()))
        )
        sender.start()
        sender.join(1.8)  # longer than it would once have waited
        assert answers == []
        give_back()
        sender.join(5)
    assert answers[0].status_code == 201


def test_an_alert_that_gets_none_is_refused_in_time_and_counted(app, client, admin_headers):
    make_stock(app, "LNT")
    with all_in_use(app):
        begun = time.monotonic()
        answers = []
        sender = threading.Thread(
            target=lambda: answers.append(app.test_client().post("/v3/webhook", json=make_alert_body()))
        )
        sender.start()
        sender.join(10)
        assert time.monotonic() - begun < 3
    assert (answers[0].status_code, answers[0].headers["Retry-After"]) == (503, "5")
    assert answers[0].json["message"] == "All connections to the database are in use; nothing was stored."
    client.post("/v3/webhook", data="nonsense")  # the next refused one writes what waits
    counts = client.get("/v3/refused", headers=admin_headers).json["counts"]
    assert {row["status"]: row["count"] for row in counts} == {400: 1, 503: 1}
