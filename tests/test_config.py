"""Settings are read by name, from the environment before `.env`; what is wrong is one line, and never shows a secret."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

import config
from config import Config, ConfigError, documented_settings
from tests.support.factories import make_env

KEYS = {"SECRET_KEY": "s" * 32, "JWT_SECRET_KEY": "j" * 32, "CREDENTIALS_KEY": "c" * 32}
SECRET = "swordfish"  # too short for a key, too plain for a passphrase, and nothing that a rule says


def refusal(**env: str) -> list[str]:
    """Return the lines of what is said of wrong settings."""
    with pytest.raises(ConfigError) as error:
        Config.from_env({**KEYS, **env})
    assert SECRET not in str(error.value)
    return str(error.value).splitlines()


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder where `.env` is looked for; the environment holds no setting."""
    monkeypatch.setattr(config, "ROOT", tmp_path)
    for setting in documented_settings():
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.delenv("DATABASE_URL_SQLALCHEMY", raising=False)
    for name, text in KEYS.items():
        monkeypatch.setenv(name, text)
    return tmp_path


def test_without_settings_all_are_as_documented(tmp_path):
    desk = Config.from_env({**KEYS, "INSTANCE_DIR": str(tmp_path)})
    assert (desk.host, desk.port, desk.broker, desk.log_level) == ("127.0.0.1", 5000, "paper", "info")
    assert (desk.admin_password, desk.webhook_passphrase, desk.public_url) == ("", "", "")
    assert (desk.open_reads, desk.secure_cookies, desk.trusted_proxies) == (True, False, 0)
    assert (desk.paper_cash, desk.paper_leverage, desk.paper_commission) == (Decimal(1000000), Decimal(2), Decimal(0))
    assert desk.instance_dir == tmp_path
    assert desk.database_url == f"sqlite:///{tmp_path}/desk.db"
    assert desk.paper_database_url == f"sqlite:///{tmp_path}/paper.db"


def test_the_folder_of_data_lies_in_that_of_the_program():
    assert Config.from_env(KEYS).instance_dir == config.ROOT / "instance"
    assert Config.from_env({**KEYS, "INSTANCE_DIR": "second"}).instance_dir == config.ROOT / "second"


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("PORT", "abc", "must be a whole number between 1 and 65535"),
        ("PORT", "0", "must be a whole number between 1 and 65535"),
        ("PORT", "5000.5", "must be a whole number between 1 and 65535"),
        ("WEB_THREADS", "513", "must be a whole number between 8 and 512"),
        ("PAPER_CASH", "much", "must be a number between 0 and 1000000000000"),
        ("PAPER_CASH", "NaN", "must be a number between 0 and 1000000000000"),
        ("PAPER_LEVERAGE", "Infinity", "must be a number between 0.01 and 1000"),
        ("PAPER_REFERENCE_PRICE", "0", "must be a number between 0.01 and 1000000"),
        ("PAPER_SLIPPAGE_BPS", "-1", "must be a number between 0 and 1000"),
        ("OPEN_READS", "maybe", "must be true or false"),
        ("LOG_LEVEL", "verbose", "must be one of: debug, info, warning, error"),
        ("ALPACA_FEED", "otc", "must be one of: iex, sip"),
        ("APCA_BROKER_API_ENVIRONMENT", "paper", "must be one of: sandbox, live, simulator"),
        ("APCA_BROKER_API_LOGIN", "password", "must be one of: basic, oauth"),
        ("BROKER", "My account", "must be the name of an account: 1 to 64 lower-case letters, digits, - or _"),
        ("ALPACA_SIMULATOR_URL", "http://[", "must be an address such as http://127.0.0.1:8790"),
        ("ALPACA_SIMULATOR_URL", "http://127.0.0.1:port", "must be an address such as http://127.0.0.1:8790"),
        ("SECRET_KEY", SECRET, "must be at least 32 bytes of random text"),
        ("JWT_SECRET_KEY", SECRET, "must be at least 32 bytes of random text"),
        ("CREDENTIALS_KEY", f"{'c' * 32},{SECRET}", "must be at least 32 bytes of random text"),
        ("ADMIN_PASSWORD", "changeme", "must have at least 8 characters (15 or more are better)"),
        ("ADMIN_PASSWORD", SECRET * 20, "must have at most 128 characters"),
        (
            "WEBHOOK_PASSPHRASE",
            SECRET,
            "must have at least 16 characters, 8 of them different (32 or more are better)",
        ),
        ("DATABASE_URL", f"mysql://desk:{SECRET}@db/desk", "must start with postgresql://, postgres:// or sqlite:///"),
        ("DATABASE_URL_SQLALCHEMY", "mysql://db", "must start with postgresql://, postgres:// or sqlite:///"),
        (
            "DATABASE_URL",
            f"postgres://desk:{SECRET}@db:port/desk",
            "must be an address such as postgresql://user:password@host:5432/name",
        ),
        ("DATABASE_URL", "sqlite://", "must name a file: web and worker share the database"),
        ("PAPER_DATABASE_URL", "sqlite:///:memory:", "must name a file: web and worker share the database"),
        ("SECRET_KEY", "\udcff" * 32, "must be text in UTF-8"),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_name_and_its_rule(name, text, rule):
    assert refusal(**{name: text}) == [f"{name}: {rule}"]


def test_each_wrong_setting_has_its_line():
    wrong = {"PORT": "0", "TRUSTED_PROXIES": "many", "LEG_TIMEOUT": "0", "WEBHOOK_PASSPHRASE": SECRET}
    assert [line.partition(":")[0] for line in refusal(**wrong)] == [
        "PORT",
        "WEBHOOK_PASSPHRASE",
        "TRUSTED_PROXIES",  # SECURE_COOKIES, whose default it decides, is no fault of its own
        "LEG_TIMEOUT",
    ]


def test_a_database_is_named_with_its_driver():
    def url(text: str) -> str:
        return Config.from_env({**KEYS, "DATABASE_URL": text}).database_url

    assert url("postgres://u:p@h/d") == url("postgresql://u:p@h/d") == "postgresql+psycopg2://u:p@h/d"
    assert url("postgresql+psycopg2://u:p@h/d") == "postgresql+psycopg2://u:p@h/d"
    assert url("sqlite:////srv/desk.db") == "sqlite:////srv/desk.db"
    assert url("postgres://u:a/b#c@h/d") == "postgresql+psycopg2://u:a/b#c@h/d"


def test_the_paper_broker_lives_beside_the_desk():
    desk = Config.from_env({**KEYS, "DATABASE_URL": "postgres://u:p@h/d"})
    assert desk.paper_database_url == "postgresql+psycopg2://u:p@h/d"
    own = Config.from_env({**KEYS, "DATABASE_URL": "postgres://u:p@h/d", "PAPER_DATABASE_URL": "postgres://h/paper"})
    assert own.paper_database_url == "postgresql+psycopg2://h/paper"


def test_choices_and_switches_are_read_as_people_write_them():
    for text in ("1", "true", "YES", " On "):
        assert Config.from_env({**KEYS, "OPEN_READS": text}).open_reads is True
    for text in ("0", "False", "no", "OFF"):
        assert Config.from_env({**KEYS, "OPEN_READS": text}).open_reads is False
    assert Config.from_env({**KEYS, "LOG_LEVEL": "WARNING"}).log_level == "warning"


def test_cookies_are_secure_behind_a_proxy_unless_told_otherwise():
    assert Config.from_env({**KEYS, "TRUSTED_PROXIES": "1"}).secure_cookies is True
    assert Config.from_env({**KEYS, "TRUSTED_PROXIES": "1", "SECURE_COOKIES": "false"}).secure_cookies is False


def test_secrets_are_in_no_text_of_the_settings():
    secrets = {
        **{name: f"{name} of this test and long enough to be one" for name in KEYS},
        "ADMIN_PASSWORD": "the password of admin",
        "WEBHOOK_PASSPHRASE": "the passphrase of all alerts",
        "APCA_BROKER_API_KEY": "the key of the broker",
        "APCA_BROKER_API_SECRET": "the secret of the broker",
    }
    addresses = {"DATABASE_URL": "postgres://u:first%20word@h/d", "PAPER_DATABASE_URL": "postgres://u:second@h/d"}
    desk = Config.from_env({**secrets, **addresses})
    assert [text for text in (*secrets.values(), "first", "second") if text in f"{desk!r} {desk}"] == []
    hidden = {*secrets.values(), "first%20word", "first word", "second"} - {"the key of the broker"}
    assert set(desk.secrets) == hidden


def test_settings_do_not_change():
    desk = Config.from_env(KEYS)
    with pytest.raises(ValueError, match="frozen"):
        desk.port = 5001  # type: ignore[misc]


def test_the_environment_goes_before_the_file(program, monkeypatch):
    (program / ".env").write_text("PORT=5001\nSESSION_HOURS=8\nLOG_LEVEL=debug\nHOST=\n")
    monkeypatch.setenv("PORT", "5002")
    monkeypatch.setenv("LOG_LEVEL", "")  # said to be nothing, whatever the file says
    desk = Config.from_env()
    assert (desk.port, desk.session_hours, desk.log_level, desk.host) == (5002, 8, "info", "127.0.0.1")


def test_a_file_is_read_as_it_is_written(program):
    (program / ".env").write_text("WEBHOOK_PASSPHRASE='a ${PATH} costs $5 today'\nUNKNOWN=1\nport=1\nNOTHING\n")
    desk = Config.from_env()
    assert desk.webhook_passphrase == "a ${PATH} costs $5 today"
    assert desk.port == 5000  # names are in capitals


def test_the_address_for_sqlalchemy_goes_first_wherever_it_stands(program, monkeypatch):
    (program / ".env").write_text("DATABASE_URL_SQLALCHEMY=postgres://file/d\n")
    monkeypatch.setenv("DATABASE_URL", "postgres://environment/d")
    assert Config.from_env().database_url == "postgresql+psycopg2://file/d"
    monkeypatch.setenv("DATABASE_URL_SQLALCHEMY", " ")
    assert Config.from_env().database_url == "postgresql+psycopg2://environment/d"


def test_a_file_that_is_no_text_is_one_line(program):
    (program / ".env").write_bytes(b"PORT=\xff\n")
    with pytest.raises(ConfigError) as error:
        Config.from_env()
    assert str(error.value) == f"{program / '.env'}: must be text in UTF-8"


def test_keys_are_made_once_and_kept(tmp_path):
    folder = tmp_path / "new" / "instance"
    first = Config.from_env({"INSTANCE_DIR": str(folder)})
    assert len({first.secret_key, first.jwt_secret_key, first.credentials_key}) == 3
    assert (folder / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert Config.from_env({"INSTANCE_DIR": str(folder)}) == first
    given = Config.from_env({"INSTANCE_DIR": str(folder), "SECRET_KEY": KEYS["SECRET_KEY"]})
    assert (given.secret_key, given.jwt_secret_key) == (KEYS["SECRET_KEY"], first.jwt_secret_key)


def test_a_key_that_is_new_is_added_to_those_that_are_kept(tmp_path):
    old = {name: text for name, text in KEYS.items() if name != "CREDENTIALS_KEY"}
    (tmp_path / "secrets.env").write_text("".join(f"{name}={text}\n" for name, text in old.items()))
    desk = Config.from_env({"INSTANCE_DIR": str(tmp_path)})
    assert (desk.secret_key, desk.jwt_secret_key) == tuple(old.values())
    assert Config.from_env({"INSTANCE_DIR": str(tmp_path)}).credentials_key == desk.credentials_key


def test_keys_that_are_given_need_no_folder(tmp_path):
    Config.from_env({**KEYS, "INSTANCE_DIR": str(tmp_path / "instance")})
    assert list(tmp_path.iterdir()) == []


def test_a_kept_key_that_is_too_short_is_refused(tmp_path):
    (tmp_path / "secrets.env").write_text(
        "".join(f"{name}={text}\n" for name, text in {**KEYS, "SECRET_KEY": SECRET}.items())
    )
    with pytest.raises(ConfigError, match=r"^SECRET_KEY: must be at least 32 bytes of random text$"):
        Config.from_env({"INSTANCE_DIR": str(tmp_path)})


def test_a_dyno_listens_to_its_router_and_forgets_its_disk(tmp_path):
    dyno = {"DYNO": "web.1", "INSTANCE_DIR": str(tmp_path / "instance"), "DATABASE_URL": "postgres://u:p@h/d"}
    desk = Config.from_env({**KEYS, **dyno})
    assert desk.host == "0.0.0.0"  # noqa: S104 - compared, not bound
    assert Config.from_env({**KEYS, **dyno, "HOST": "10.0.0.1"}).host == "10.0.0.1"
    with pytest.raises(ConfigError) as error:
        Config.from_env(dyno)
    assert str(error.value).splitlines() == [
        "SECRET_KEY: missing",
        "JWT_SECRET_KEY: missing",
        "CREDENTIALS_KEY: missing",
    ]
    assert list(tmp_path.iterdir()) == []
    assert refusal(DYNO="web.1") == ["DATABASE_URL: SQLite would be lost with the dyno's disk; add Heroku Postgres"]


@pytest.mark.parametrize(
    "command",
    [["-m", "flask", "--app", "app", "setup"], ["-m", "flask", "--app", "app", "--help"], ["worker.py"], ["run.py"]],
)
def test_no_program_shows_a_traceback(sqlite_url, tmp_path, pytestconfig, command):
    env = make_env(sqlite_url, tmp_path, PORT="0", WEB_THREADS="many", WEBHOOK_PASSPHRASE=SECRET)
    done = subprocess.run(
        [sys.executable, *command], cwd=pytestconfig.rootpath, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    first, *others = done.stderr.splitlines()
    assert first.endswith("PORT: must be a whole number between 1 and 65535")
    assert others == [
        "WEBHOOK_PASSPHRASE: must have at least 16 characters, 8 of them different (32 or more are better)",
        "WEB_THREADS: must be a whole number between 8 and 512",
    ]
    assert SECRET not in done.stderr
