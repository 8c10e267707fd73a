"""What proves that nothing of a request has left this machine, so that it may be sent again."""

import datetime as dt
import ipaddress
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError, ProtocolError, SSLError

from brokers.errors import BrokerUnavailable, OutcomeUnknown
from brokers.http import never_left
from simulators.alpaca.keys import SECRET
from tests.brokers.alpaca_peers import peer
from tests.brokers.alpaca_support import open_client


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
