"""The database goes, is locked, is full, loses an answer, and comes back: nothing taken is lost, nothing is told that is not so."""

import contextlib
import sqlite3
import threading
import time

import pytest
import sqlalchemy as sa

from extensions import db
from services.intake import statement
from tests.conftest import administer, make_crash_safe
from tests.support.factories import count_rows, make_stock, make_user, post_alert, store_alert


@pytest.fixture
def lnt(app):
    make_stock(app, "LNT")


def told_away(response):
    return (
        response.status_code == 503
        and response.json["error"] == "database_away"
        and response.headers["Retry-After"] == "5"
    )


@pytest.mark.postgres
class TestPostgresql:
    @pytest.fixture
    def database_url(self, postgresql_url):
        return postgresql_url

    def fill_the_pool(self, app, client):
        """Open several connections that stay in the pool."""
        with app.app_context():
            held = [db.engine.connect() for _ in range(4)]
            for connection in held:
                connection.close()
        store_alert(client, signal_id="before")

    @pytest.mark.parametrize("mode", ["fast", "immediate"])
    def test_the_first_requests_after_a_restart_succeed(
        self, cluster, database_url, lnt, app, client, admin_headers, mode
    ):
        make_crash_safe(cluster, database_url)
        self.fill_the_pool(app, client)
        cluster.restart(mode)
        assert store_alert(client, signal_id="after")
        assert client.put("/v3/regstock", json={"symbol": "A"}, headers=admin_headers).status_code == 201
        for n in range(6):
            assert store_alert(client, signal_id=f"after {n}")

    def test_connections_that_the_server_closed_are_replaced_unseen(self, cluster, lnt, app, client):
        self.fill_the_pool(app, client)
        administer(
            cluster,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null",
        )
        for n in range(6):
            assert store_alert(client, signal_id=f"after {n}")

    def test_while_it_is_away_nothing_is_taken_and_then_all_goes_on(self, cluster, lnt, app, client, database_url):
        name = sa.make_url(database_url).database
        self.fill_the_pool(app, client)
        administer(cluster, f"alter database {name} with allow_connections false")
        administer(cluster, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")  # noqa: S608 - our own name
        assert told_away(post_alert(client, signal_id="during"))
        assert told_away(client.get("/v3/stocks/0"))
        assert told_away(client.post("/v3/login", json={"username": "admin", "password": "x"}))
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json["checks"][0]["ok"]) == (503, False)
        assert client.get("/healthz").status_code == 200
        administer(cluster, f"alter database {name} with allow_connections true")
        assert store_alert(client, signal_id="during")
        assert count_rows(app)["signals"] == 2

    def test_a_lock_that_is_held_for_long_is_told_in_time(self, lnt, app, client, user_headers):
        with app.app_context():
            engine = db.engine
        with engine.connect() as other, other.begin():
            other.exec_driver_sql("lock table instruments in access exclusive mode")
            began = time.monotonic()
            assert told_away(client.put("/v3/regstock", json={"symbol": "A"}, headers=user_headers))
            assert time.monotonic() - began < 2.5


class TestSqlite:
    @pytest.fixture
    def database_url(self, sqlite_url):
        return sqlite_url

    @contextlib.contextmanager
    def locked(self, database_url, seconds):
        """Another writer holds the lock, for as long as the block lasts and at most some seconds."""
        taken, release = threading.Event(), threading.Event()

        def hold():
            with contextlib.closing(
                sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
            ) as writer:
                writer.execute("begin immediate")
                taken.set()
                release.wait(seconds)
                writer.execute("rollback")

        thread = threading.Thread(target=hold)
        thread.start()
        taken.wait()
        try:
            yield
        finally:
            release.set()
            thread.join()

    def test_a_writer_that_holds_the_lock_for_long_is_told_in_time(self, lnt, app, client, database_url):
        store_alert(client, signal_id="before")
        with self.locked(database_url, 3):
            began = time.monotonic()
            assert told_away(post_alert(client, signal_id="during"))
            assert time.monotonic() - began < 2
            assert len(client.get("/v3/signals/5").json["signals"]) == 1
        assert store_alert(client, signal_id="during")
        assert count_rows(app)["signals"] == 2

    def test_a_writer_that_holds_the_lock_for_a_moment_is_waited_for(self, lnt, client, database_url):
        with self.locked(database_url, 0.2):
            assert store_alert(client)

    def test_a_full_disk_takes_nothing_and_is_no_harm(self, lnt, app, client, database_url):
        store_alert(client, signal_id="before")

        def limit(connection, record, proxy):
            connection.execute("pragma max_page_count = 1")  # never below what is there: no page more

        with app.app_context():
            engine = db.engine
        sa.event.listen(engine, "checkout", limit)
        answers = [
            post_alert(client, signal_id=f"during {n}", order_comment="x" * 100, strategy="y" * 100) for n in range(40)
        ]
        sa.event.remove(engine, "checkout", limit)
        engine.dispose()
        refused = [answer for answer in answers if answer.status_code != 201]
        assert refused
        assert [answer.json for answer in refused if not told_away(answer)] == []
        stored = {answer.json["rowid"] for answer in answers if answer.status_code == 201}
        assert store_alert(client, signal_id="after")
        assert count_rows(app)["signals"] == len(stored) + 2
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            assert connection.execute("pragma integrity_check").fetchone() == ("ok",)


@pytest.fixture
def breaking_commit(app, monkeypatch):
    """Let the connection break in the next commit of an alert: before it has happened, or after."""

    def arm(*, after):
        with app.app_context():
            dialect = db.engine.dialect
        # On PostgreSQL the statement that stores an alert is its commit, too.
        owner, name = (dialect, "do_commit") if dialect.name == "sqlite" else (statement, "_execute_alone")
        genuine = getattr(owner, name)

        def break_once(*args):
            monkeypatch.setattr(owner, name, genuine)
            if after:
                genuine(*args)
            error = dialect.loaded_dbapi.OperationalError("server closed the connection unexpectedly")
            if owner is dialect:
                raise error
            raise sa.exc.OperationalError("execute", None, error, connection_invalidated=True)

        monkeypatch.setattr(owner, name, break_once)

    return arm


@pytest.mark.parametrize("after", [True, False], ids=["after it happened", "before it happened"])
def test_a_connection_that_breaks_in_the_commit_leaves_one_signal(lnt, app, client, breaking_commit, after):
    """Whether the commit happened is not known then; the sender repeats, or we do, and all is well."""
    store_alert(client, signal_id="before")
    breaking_commit(after=after)
    response = post_alert(client, signal_id="during")
    assert response.status_code in (200, 201) or told_away(response)
    response = post_alert(client, signal_id="during")
    if response.status_code == 200:
        assert response.json["duplicate"] is True
    else:
        assert response.status_code == 201
    assert post_alert(client, signal_id="during").json["rowid"] == response.json["rowid"]
    assert count_rows(app)["signals"] == 2


def test_a_refused_change_leaves_nothing_behind(app, client, admin_headers):
    make_user(app)
    before = count_rows(app)
    assert (
        client.post(
            "/v3/reguser", json={"username": "reader", "password": "a long password"}, headers=admin_headers
        ).status_code
        == 400
    )
    assert (
        client.post(
            "/v3/regpair", json={"ticker1": "A", "ticker2": "B", "hedge": 1, "account": "nobody"}, headers=admin_headers
        ).status_code
        == 400
    )
    assert count_rows(app) == before
