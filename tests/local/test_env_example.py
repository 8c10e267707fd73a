"""The example of a settings file knows every setting, and no other."""

import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from config import Config, documented_settings

PATH = Path(__file__).resolve().parents[2] / "local" / ".env.example"
LINES = PATH.read_text().splitlines()
SETTINGS = {setting.name: setting for setting in documented_settings()}
ASSIGNMENT = re.compile(r"(# )?([A-Z][A-Z0-9_]*)=(.*)")
FOUND = [match for line in LINES if (match := ASSIGNMENT.fullmatch(line))]


def test_it_names_each_setting_once_and_nothing_else():
    assert sorted(match[2] for match in FOUND) == sorted(SETTINGS)


def test_every_other_line_is_a_comment_or_blank():
    assert [line for line in LINES if line and not line.startswith("#") and not ASSIGNMENT.fullmatch(line)] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_has_its_meaning_in_the_block_above(name):
    number = next(n for n, line in enumerate(LINES) if (match := ASSIGNMENT.fullmatch(line)) and match[2] == name)
    above = LINES[:number]
    block = above[len(above) - above[::-1].index("") :]
    assert block[0] == f"# {SETTINGS[name].meaning}"


def test_secrets_are_commented_out():
    secret = {name for name, setting in SETTINGS.items() if setting.is_secret}
    assert {match[2] for match in FOUND if match[2] in secret and not match[1]} == set()


def test_what_is_not_commented_out_is_the_default():
    shown = {match[2]: match[3] for match in FOUND if not match[1]}
    assert shown == {name: SETTINGS[name].default for name in shown}


def test_what_has_a_default_is_shown_unless_it_is_a_secret():
    assert {match[2] for match in FOUND if match[1]} == {
        name for name, setting in SETTINGS.items() if setting.is_secret or setting.default is None
    }


def test_a_copy_of_it_changes_nothing(tmp_path):
    copied = {name: text or "" for name, text in dotenv_values(PATH, interpolate=False).items()}
    keys = {"SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32, "CREDENTIALS_KEY": "c" * 32}
    assert Config.from_env({**copied, **keys}) == Config.from_env(keys)
