"""No line shows a secret, whatever other threads do at the time; what was only tried is a word like any other."""

import logging
import threading
from dataclasses import replace

import pytest

import logs
from brokers import registry
from domain.errors import InvalidInput
from services.accounts.broker_keys import Keys
from tests.support.factories import make_config
from tests.support.keyed_broker import PAPER_KEYS, WRONG_KEYS, add


def line(text):
    return logs.LineFormatter().format(logging.LogRecord("any", logging.INFO, "", 0, text, None, None))


def test_a_line_that_is_written_while_secrets_are_added_hides_them_all():
    logs.hide("the first secret of all")
    over, failures = threading.Event(), []

    def write():
        while not over.is_set():
            try:
                assert "the first secret" not in line("it says: the first secret of all")
            except Exception as e:
                failures.append(e)
                return

    writers = [threading.Thread(target=write, daemon=True) for _ in range(3)]
    for writer in writers:
        writer.start()
    for number in range(3000):
        with logs.hiding(f"a secret that is only tried {number}"):
            pass
        if number % 30 == 0:
            logs.hide(f"a secret to keep, number {number}")
    over.set()
    for writer in writers:
        writer.join()
    assert failures == []


def test_of_a_secret_that_holds_another_one_nothing_is_left():
    logs.hide("abcdefgh", "abcdefgh-and-the-rest", "xyz-abcdefgh-and-the-rest-of-it")
    assert line("xyz-abcdefgh-and-the-rest-of-it").endswith(": ***")
    assert line("abcdefgh-and-the-rest").endswith(": ***")


def test_a_short_word_is_no_secret():
    logs.hide("orders")
    assert line("3 orders").endswith("3 orders")


def test_two_that_try_the_same_secret_both_hide_it():
    with logs.hiding("services"):
        with logs.hiding("services"):
            assert "services" not in line("services")
        assert "services" not in line("services")
    assert "services" in line("services")


def test_each_part_of_the_key_of_the_desk_is_a_secret(sqlite_url, tmp_path):
    parts = ("the newer key of this desk is this one", "the older key of this desk was this one")
    config = make_config(sqlite_url, tmp_path, CREDENTIALS_KEY=", ".join(parts))
    assert set(parts) <= set(config.secrets)


@pytest.mark.usefixtures("context")
def test_keys_are_hidden_while_they_are_tried_and_for_good_once_they_are_stored(front_door, monkeypatch):
    seen = []

    def look(*arguments):
        seen.append(line(f"{WRONG_KEYS['secret_key']} {PAPER_KEYS['secret_key']} services"))
        return front_door.connect(*arguments)

    monkeypatch.setitem(registry.SPECS, "alpaca", replace(front_door.spec, connect=look))
    for keys in (WRONG_KEYS, Keys(key_id="PK00000000", secret_key="services")):
        with pytest.raises(InvalidInput):
            add(keys=keys)
    add(keys=PAPER_KEYS)
    assert WRONG_KEYS["secret_key"] not in seen[0]
    assert "services" not in seen[1]
    assert PAPER_KEYS["secret_key"] not in seen[2]
    assert line("the services").endswith("the services")
    assert PAPER_KEYS["secret_key"] not in line(PAPER_KEYS["secret_key"])
