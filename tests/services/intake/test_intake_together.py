"""Many alerts at once, on both databases: each is stored once, none is lost."""

from domain.enums import Activity
from tests.support.factories import count_rows, make_pair, make_stock, post_alert, together


def deliver(client, **body):
    """Send an alert until it is taken, as TradingView does after a 503."""
    while (answer := post_alert(client, **body)).status_code == 503:
        assert answer.json["error"] in ("database_away", "database_busy")
    return answer


def test_alerts_at_once_are_all_stored(app, other_app):
    make_stock(app, "LNT")
    make_pair(app, "MA-V", "3")
    clients = [one.test_client() for one in (app, other_app)]

    def send(client, thread):
        return [
            deliver(client, ticker=t, signal_id=f"{t} {thread} {n}").json for n in range(10) for t in ("LNT", "MA-3*V")
        ]

    answers = together(*(lambda c=clients[n % 2], n=n: send(c, n) for n in range(8)))
    told = [answer for each in answers for answer in each]
    assert {answer["message"] for answer in told} <= {"Signal created successfully."}
    assert len({answer["rowid"] for answer in told}) == 160
    assert count_rows(app)["signals"] == 160


def test_changes_of_the_registry_meanwhile_lose_no_alert(app, other_app):
    """Alternately active and passive: each alert is stored, as waiting or as canceled, or sent again."""
    make_stock(app, "LNT")
    clients = [one.test_client() for one in (app, other_app)]

    def send(client, thread):
        return [deliver(client, signal_id=f"{thread} {n}") for n in range(15)]

    def change():
        for n in range(10):
            make_stock(app, "LNT", activity=Activity.PASSIVE if n % 2 else Activity.ACTIVE)

    answers = together(change, *(lambda c=clients[n % 2], n=n: send(c, n) for n in range(4)))
    responses = [response for each in answers[1:] for response in each]
    assert {response.status_code for response in responses} == {201}
    assert {response.json["order_status"] for response in responses} <= {"waiting", "canceled"}
    assert count_rows(app)["signals"] == 60
