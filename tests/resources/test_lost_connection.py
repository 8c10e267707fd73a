"""A connection that dies within a request does not spoil the answer that stands already."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from extensions import db
from tests.conftest import administer
from tests.support.apps import closing_app
from tests.support.factories import make_config
from tests.support.pgcluster import Cluster


@pytest.mark.postgres
def test_a_connection_that_died_does_not_spoil_the_end_of_a_request(
    cluster: Cluster, postgresql_url: str, tmp_path: Path
) -> None:
    with closing_app(make_config(postgresql_url, tmp_path)) as app:
        for _ in range(20):  # more often than the pool has connections
            with app.app_context():
                pid = db.session.execute(sa.text("select pg_backend_pid()")).scalar_one()
                administer(cluster, f"select pg_terminate_backend({pid}, 5000)")
        with app.app_context():
            assert db.session.execute(sa.text("select 1")).scalar_one() == 1
