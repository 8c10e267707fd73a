"""Processes and databases that die in the middle: what was acknowledged is stored, and nothing is stored twice."""

import threading
import time

import pytest
import requests
import sqlalchemy as sa

from extensions import db
from models import Signal
from tests.conftest import make_crash_safe
from tests.support.apps import closing_app
from tests.support.factories import make_alert_body, make_config, make_stock

SENDERS = 4


class Crowd:
    """Senders that send alerts of their own one after another, and never the same twice."""

    def __init__(self, url):
        self.url = f"{url}/v3/webhook"
        self.acknowledged, self.in_doubt, self.statuses = {}, [], set()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.send, args=(n,)) for n in range(SENDERS)]
        for thread in self.threads:
            thread.start()

    def send(self, number):
        count = 0
        with requests.Session() as session:
            while not self.stop.is_set():
                count += 1
                self.deliver(session, f"{number}.{count}")

    def deliver(self, session, signal_id):
        try:
            answer = session.post(self.url, json=make_alert_body(signal_id=signal_id), timeout=10)
        except requests.RequestException:
            self.in_doubt.append(signal_id)
            return
        self.statuses.add(answer.status_code)
        if answer.status_code in (200, 201):
            self.acknowledged[signal_id] = answer.json()["rowid"]
        else:
            self.in_doubt.append(signal_id)

    def wait_for(self, more):
        """Return once so many more alerts have been acknowledged."""
        wanted, end = len(self.acknowledged) + more, time.monotonic() + 30
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < end, "no alert is acknowledged any more"
            time.sleep(0.01)

    def finish(self):
        """Stop, then send again whatever was not acknowledged."""
        self.stop.set()
        for thread in self.threads:
            thread.join()
        with requests.Session() as session:
            while self.in_doubt:
                self.deliver(session, self.in_doubt.pop())


def stored(app):
    """Return the rowids of all signals by the senders' ids."""
    with app.app_context():
        rows = db.session.execute(sa.select(Signal.dedupe_key, Signal.id)).all()
    assert len(rows) == len({key for key, _ in rows})
    return {key.removeprefix("id:"): rowid for key, rowid in rows}


def test_web_processes_that_are_killed_lose_nothing(app, database_url, live_server):
    make_stock(app, "LNT")
    server = live_server(database_url, WEB_WORKERS="2")
    server.wait()
    crowd = Crowd(server.url)
    crowd.wait_for(10)
    for worker in server.workers():
        worker.kill()
    crowd.wait_for(10)
    crowd.finish()
    assert crowd.statuses <= {200, 201, 503}
    assert stored(app) == crowd.acknowledged


@pytest.mark.postgres
def test_a_database_that_crashes_loses_nothing(cluster, postgresql_url, tmp_path, live_server):
    make_crash_safe(cluster, postgresql_url)
    with closing_app(make_config(postgresql_url, tmp_path)) as app:
        make_stock(app, "LNT")
        server = live_server(postgresql_url)
        server.wait()
        crowd = Crowd(server.url)
        crowd.wait_for(10)
        cluster.restart("immediate")
        crowd.wait_for(10)
        crowd.finish()
        assert crowd.statuses <= {200, 201, 503}
        assert stored(app) == crowd.acknowledged
