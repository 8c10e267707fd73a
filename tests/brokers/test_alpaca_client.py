"""The wire to Alpaca: one attempt, no redirects, an end to every call, and who waits when requests are scarce."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, SSLError

from brokers import http
from brokers.alpaca.client import WALL_SECONDS, AlpacaClient, hold
from brokers.alpaca.rate_budget import RESERVE, RateBudget
from brokers.alpaca.sdk import RESTClient, TradingClient
from brokers.alpaca.translate import order_body
from brokers.errors import BrokerError, BrokerUnavailable, OutcomeUnknown
from brokers.http import DeadlineSession, never_left
from simulators.alpaca.keys import KEY, SECRET
from tests.brokers.alpaca_peers import Answers, peer, wait_until
from tests.brokers.alpaca_support import Clock, Simulator, make_request, make_settings

NOW = 1_800_000_000.0
WALL = 0.15


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with closing(Simulator()) as started:
        yield started


@pytest.fixture
def answers() -> Iterator[Answers]:
    with closing(Answers()) as server:
        yield server


def open_client(url: str, wall: float = WALL_SECONDS, clock: Callable[[], float] = time.time) -> closing[AlpacaClient]:
    client = AlpacaClient(make_settings(url), clock)
    client._trading._session.wall_seconds = client._data._session.wall_seconds = wall
    return closing(client)


class TestOneAttempt:
    @pytest.mark.parametrize(
        ("fault", "error", "arrived"),
        [
            ("rate_limit", BrokerUnavailable, False),
            ("status_500", OutcomeUnknown, False),
            ("status_503", OutcomeUnknown, False),
            ("status_504", OutcomeUnknown, False),
            ("status_500_after", OutcomeUnknown, True),
            ("status_504_after", OutcomeUnknown, True),
            ("drop_before", OutcomeUnknown, False),
            ("drop_after", OutcomeUnknown, True),
            ("garbage", OutcomeUnknown, True),
        ],
    )
    def test_an_order_is_sent_once_whatever_comes_back(
        self, simulator: Simulator, fault: str, error: type[BrokerError], arrived: bool
    ):
        simulator.tell(fault)
        before, request = simulator.count("POST /v2/orders"), make_request()
        with open_client(simulator.url) as client, pytest.raises(BrokerError) as caught:
            client.post("/orders", order_body(request))
        assert type(caught.value) is error
        assert simulator.count("POST /v2/orders") == before + 1
        ids = [order["client_order_id"] for order in simulator.control("GET", "book")["orders"]]
        assert ids.count(request.client_order_id) == arrived

    @pytest.mark.parametrize("fault", ["rate_limit", "status_500", "status_503", "status_504", "drop_before"])
    @pytest.mark.parametrize(
        ("call", "counted"),
        [
            (lambda client: client.patch("/orders/1", {}), "PATCH /v2/orders/{id}"),
            (lambda client: client.delete("/orders/1"), "DELETE /v2/orders/{id}"),
            (lambda client: client.read("/account"), "GET /v2/account"),
            (
                lambda client: client.read_data("/stocks/quotes/latest", {"symbols": "F"}),
                "GET /v2/stocks/{topic}/latest",
            ),
        ],
        ids=["patch", "delete", "read", "data"],
    )
    def test_so_is_everything_else(
        self, simulator: Simulator, call: Callable[[AlpacaClient], Any], counted: str, fault: str
    ):
        simulator.tell(fault, where="any")
        before = simulator.count(counted)
        with open_client(simulator.url) as client, pytest.raises(BrokerError):
            call(client)
        assert simulator.count(counted) == before + 1

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize("way", ["post", "read"])
    def test_nothing_goes_to_where_a_redirect_points(self, answers: Answers, status: int, way: str):
        with closing(Answers()) as elsewhere, open_client(answers.url) as client:
            answers.give(status, [], Location=f"{elsewhere.url}/v2/orders")
            with pytest.raises(OutcomeUnknown if way == "post" else BrokerUnavailable):
                client.post("/orders", {}) if way == "post" else client.read("/positions")
            assert (len(answers.asked), elsewhere.asked) == (1, [])


class TestAnEndToEveryCall:
    def test_a_server_that_sends_a_byte_now_and_then_is_given_up(self, simulator: Simulator):
        simulator.tell("trickle")
        request = make_request()
        with open_client(simulator.url, wall=WALL) as client:
            begun = time.monotonic()
            with pytest.raises(OutcomeUnknown, match="Timeout"):
                client.post("/orders", order_body(request))
            assert WALL <= time.monotonic() - begun < WALL + 1

    def test_a_server_that_says_nothing_is_given_up(self):
        over = threading.Event()
        with peer(lambda _: over.wait(5) and None) as address, open_client(f"http://{address}", wall=WALL) as client:
            for call, error in (
                (lambda: client.post("/orders", {}), OutcomeUnknown),
                (lambda: client.read("/account"), BrokerUnavailable),
                (lambda: client.read_data("/stocks/quotes/latest", {}), BrokerUnavailable),
            ):
                begun = time.monotonic()
                with pytest.raises(BrokerError) as caught:
                    call()
                assert type(caught.value) is error
                assert WALL <= time.monotonic() - begun < WALL + 1
            over.set()

    def test_a_name_server_that_says_nothing_is_given_up(self, monkeypatch: pytest.MonkeyPatch):
        over = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: over.wait(5) and [])
        with open_client("http://slow.invalid", wall=WALL) as client:
            begun = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                client.read("/account")
            assert time.monotonic() - begun < WALL + 1
            over.set()

    def test_a_call_that_was_given_up_leaves_no_thread_once_the_server_ends_it(self):
        over = threading.Event()
        with (
            peer(lambda sock: over.wait(5) and sock.close()) as address,
            open_client(f"http://{address}", WALL) as client,
        ):
            with pytest.raises(BrokerUnavailable):
                client.read("/account")
            over.set()
        wait_until(lambda: not [t for t in threading.enumerate() if t.name == "broker-call"])


class TestNothingHasLeft:
    """Only what proves that nothing was sent may be sent again."""

    def check(self, url: str) -> None:
        with open_client(url) as client:
            for call in (
                lambda: client.post("/orders", {}),
                lambda: client.delete("/orders/1"),
                lambda: client.read("/a"),
            ):
                with pytest.raises(BrokerUnavailable) as caught:
                    call()
                assert type(caught.value) is BrokerUnavailable
                assert SECRET not in str(caught.value)

    def test_when_nobody_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.check(f"http://127.0.0.1:{port}")

    def test_when_the_name_is_not_known(self, monkeypatch: pytest.MonkeyPatch):
        def unknown(*_: Any, **__: Any) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        self.check("http://alpaca.invalid")

    def test_when_the_peer_does_not_speak_tls(self):
        with peer(lambda sock: sock.recv(1) and sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as address:
            self.check(f"https://{address}")

    def test_when_its_certificate_is_not_to_be_trusted(self, certificate: Path):
        context = tls_of(certificate)
        with peer(lambda sock: context.wrap_socket(sock, server_side=True) and None) as address:
            self.check(f"https://{address}")

    def test_but_encryption_that_breaks_after_the_order_proves_nothing(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        context, received = tls_of(certificate), list[bytes]()

        def take_and_break(sock: socket.socket) -> None:
            raw = sock.dup()
            with context.wrap_socket(sock, server_side=True) as safe:
                while b"AAPL" not in b"".join(received):
                    received.append(safe.recv(4096))
                raw.sendall(b"HTTP/1.1 500 what is not encrypted\r\n\r\n")
                raw.close()

        with (
            peer(take_and_break) as address,
            open_client(f"https://{address}") as client,
            pytest.raises(OutcomeUnknown),
        ):
            client.post("/orders", {"symbol": "AAPL"})
        assert b"POST /v2/orders" in b"".join(received)

    def test_a_trusted_peer_is_spoken_to(self, certificate: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        context = tls_of(certificate)

        def answer(sock: socket.socket) -> None:
            with context.wrap_socket(sock, server_side=True) as safe:
                safe.recv(4096)
                safe.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}')

        with peer(answer) as address, open_client(f"https://{address}") as client:
            assert client.read("/account") == {"a": 1}

    @pytest.mark.parametrize(
        ("error", "proof"),
        [
            (requests.ConnectTimeout(MaxRetryError(None, "/", ConnectTimeoutError())), True),  # type: ignore[arg-type]
            (requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused"))), True),  # type: ignore[arg-type]
            (requests.exceptions.InvalidURL("no host"), True),
            (requests.ConnectionError(ProtocolError("Connection aborted.")), False),
            (requests.exceptions.SSLError(MaxRetryError(None, "/", SSLError("bad record mac"))), False),  # type: ignore[arg-type]
            (requests.ReadTimeout("slow"), False),
            (requests.Timeout("no whole answer"), False),
            (requests.TooManyRedirects("elsewhere"), False),
            (requests.ConnectionError(), False),
        ],
    )
    def test_what_proves_it(self, error: requests.RequestException, proof: bool):
        assert never_left(error) is proof


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a key and a certificate of this machine that nobody has signed."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path = tmp_path_factory.mktemp("tls") / "peer.pem"
    path.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()) + made.public_bytes(pem))
    return path


def tls_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


class TestKeys:
    def test_a_netrc_does_not_take_their_place(self, answers: Answers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with open_client(answers.url) as client:
            client.read("/account")
            client.read_data("/stocks/quotes/latest", {})
            client.post("/orders", {})
        for headers in answers.received:
            assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == (KEY, SECRET)
            assert "Authorization" not in headers

    def test_trading_and_data_are_asked_at_their_own_paths(self, answers: Answers):
        with open_client(answers.url) as client:
            client.read("/account")
            client.read_data("/stocks/quotes/latest", {"symbols": "AAPL,F"})
            client.read_data("/crypto/us/latest/quotes", {}, "v1beta3")
            client.post("/orders", {})
            client.patch("/orders/1", {})
            client.delete("/orders/1")
        assert answers.asked == [
            "GET /v2/account",
            "GET /v2/stocks/quotes/latest?symbols=AAPL%2CF",
            "GET /v1beta3/crypto/us/latest/quotes",
            "POST /v2/orders",
            "PATCH /v2/orders/1",
            "DELETE /v2/orders/1",
        ]


class TestHold:
    """What is set on the SDK's own clients works only as long as they use it; an upgrade may change that."""

    @pytest.mark.parametrize(
        "client",
        [
            TradingClient(KEY, SECRET, url_override="http://127.0.0.1:1", raw_data=True),
            RESTClient("http://127.0.0.1:1", KEY, SECRET, raw_data=True),
        ],
        ids=["trading", "data"],
    )
    def test_the_sdk_has_the_settings_that_are_replaced(self, client: Any):
        assert isinstance(client._session, requests.Session)
        assert client._retry > 0  # else there is nothing to hold back
        assert {429, 504} <= set(client._retry_codes)
        held = hold(client, RateBudget(), 1.5)
        assert held is client
        assert (client._retry, client._retry_codes) == (0, [])
        assert isinstance(client._session, DeadlineSession)
        assert client._session.wall_seconds == 1.5
        assert client._use_raw_data is True

    def test_by_itself_the_sdk_sends_an_order_again(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        answers.give(504)
        client = TradingClient(KEY, SECRET, url_override=answers.url, raw_data=True)
        monkeypatch.setattr(client, "_retry_wait", 0)
        with closing(client._session), pytest.raises(Exception, match=r"^$|504"):
            client.post("/orders", {})
        assert len(answers.asked) > 1
        asked = len(answers.asked)
        client._session.close()
        with closing(hold(client, RateBudget())._session), pytest.raises(Exception, match=r"^$|504"):
            client.post("/orders", {})
        assert len(answers.asked) == asked + 1

    def test_it_asks_through_the_session_that_was_put_in(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        seen: list[Any] = []
        original = DeadlineSession.request
        monkeypatch.setattr(
            DeadlineSession, "request", lambda *args, **kwargs: seen.append(args[1:3]) or original(*args, **kwargs)
        )
        with open_client(answers.url) as client:
            client.post("/orders", {})
            client.read_data("/x", {})
        assert seen == [("POST", f"{answers.url}/v2/orders"), ("GET", f"{answers.url}/v2/x")]

    def test_the_time_to_connect_is_limited_too(self, answers: Answers, monkeypatch: pytest.MonkeyPatch):
        seen: list[Any] = []
        original = requests.Session.request
        monkeypatch.setattr(
            requests.Session, "request", lambda *args, **kwargs: seen.append(kwargs) or original(*args, **kwargs)
        )
        with open_client(answers.url) as client:
            client.read("/account")
        assert seen[0]["timeout"] == (http.CONNECT_SECONDS, WALL_SECONDS + 1)
        assert seen[0]["allow_redirects"] is False


class TestRateBudget:
    def make(self, remaining: Any = None, reset: Any = None, now: float = NOW) -> tuple[RateBudget, list[float]]:
        time_now = [now]
        budget = RateBudget(lambda: time_now[0])
        if remaining is not None:
            budget.see({"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(reset)})
        return budget, time_now

    def test_at_first_everything_goes(self):
        budget, _ = self.make()
        budget.check(order=True)
        budget.check(order=False)

    @pytest.mark.parametrize("remaining", [0, RESERVE - 1])
    def test_the_last_requests_of_a_minute_are_kept_for_orders(self, remaining: int):
        budget, now = self.make(remaining, NOW + 40)
        budget.check(order=True)
        with pytest.raises(BrokerUnavailable, match="kept for orders") as caught:
            budget.check(order=False)
        assert caught.value.retry_after == 40
        now[0] += 39.9
        with pytest.raises(BrokerUnavailable):
            budget.check(order=False)
        now[0] += 0.1
        budget.check(order=False)

    @pytest.mark.parametrize("remaining", [RESERVE, 199])
    def test_reads_go_as_long_as_there_are_enough(self, remaining: int):
        self.make(remaining, NOW + 40)[0].check(order=False)

    @pytest.mark.parametrize("remaining", ["", "many", "nan", "inf", "-inf", "1e999"])
    def test_a_number_that_is_none_is_passed_over(self, remaining: str):
        budget, _ = self.make(1, NOW + 40)
        budget.see({"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": str(NOW + 40)})
        with pytest.raises(BrokerUnavailable):
            budget.check(order=False)

    @pytest.mark.parametrize("reset", ["", "soon", "nan", "inf", "0", "-1", NOW + 3600, NOW - 3600, 60])
    def test_a_window_that_cannot_be_is_passed_over(self, reset: Any):
        self.make(0, reset)[0].check(order=False)

    @pytest.mark.parametrize("missing", ["X-RateLimit-Remaining", "X-RateLimit-Reset"])
    def test_half_of_the_headers_is_none(self, missing: str):
        headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(NOW + 40)}
        budget, _ = self.make()
        budget.see({name: value for name, value in headers.items() if name != missing})
        budget.check(order=False)

    @pytest.mark.parametrize("order", [True, False])
    def test_a_refusal_closes_it_to_orders_and_reads(self, order: bool):
        budget, now = self.make()
        wait = budget.refuse({"Retry-After": "10"})
        assert 10 <= wait <= 11
        with pytest.raises(BrokerUnavailable, match="rate limit") as caught:
            budget.check(order=order)
        assert caught.value.retry_after == pytest.approx(wait)
        now[0] += wait
        budget.check(order=order)

    def test_several_workers_do_not_come_back_at_the_same_moment(self):
        assert len({self.make()[0].refuse({}) for _ in range(5)}) == 5

    def test_answers_of_a_client_fill_it(self, answers: Answers):
        clock = Clock()
        answers.give(200, {}, X_RateLimit_Remaining="3", X_RateLimit_Reset=str(time.time() + 30))
        with open_client(answers.url, clock=clock) as client:
            client.post("/orders", {})
            with pytest.raises(BrokerUnavailable, match="kept for orders"):
                client.read("/account")
            client.delete("/orders/1")
            client.read_data("/x", {})  # data has a window of its own
            assert len(answers.asked) == 3
            clock.ahead += 31
            client.read("/account")

    @pytest.mark.parametrize("value", ["inf", "nan", "many", "-5", ""])
    def test_nonsense_in_headers_spoils_no_answer(self, answers: Answers, value: str):
        answers.give(200, {"a": 1}, X_RateLimit_Remaining=value, X_RateLimit_Reset=str(int(time.time())))
        with open_client(answers.url) as client:
            assert client.post("/orders", {}) == {"a": 1}
            assert client.read("/account") == {"a": 1}
