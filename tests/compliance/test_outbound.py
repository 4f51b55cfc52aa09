"""Outbound: a server is called over TLS, at the address that was judged, and not for ever."""

import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compliance import outbound
from compliance.outbound import NoAnswer
from tests.servers import Talk, certificate, hear, say, serving

QUICK, PATIENT = 0.3, 5.0  # seconds


pytestmark = pytest.mark.usefixtures("trusted")


def answers(talk: Talk, pem: Path, seconds: float = PATIENT, body: Any = b"sealed") -> Any:
    with serving(talk, pem) as url:
        return outbound.post(f"{url}/in?box=1", body, {"Content-Length": "6"}, seconds=seconds)


def refusal(talk: Talk, pem: Path, seconds: float = PATIENT) -> NoAnswer:
    with pytest.raises(NoAnswer) as caught:
        answers(talk, pem, seconds)
    return caught.value


class TestPost:
    def test_sends_the_body_and_returns_what_the_server_said(self, pem: Path) -> None:
        heard: list[Any] = []

        def talk(line: ssl.SSLSocket) -> None:
            heard.append(hear(line))
            say(line, "202 Accepted", b"kept", "X-Number: 7")

        found = answers(talk, pem, body=iter([b"sea", b"led"]))
        assert (found.status, found.body, found.headers["X-Number"]) == (202, b"kept", "7")
        first, headers, body = heard[0]
        assert (first, body) == ("POST /in?box=1 HTTP/1.1", b"sealed")
        assert headers["host"].startswith("127.0.0.1:")

    def test_asks_for_the_root_when_no_path_is_named(self, pem: Path) -> None:
        heard: list[Any] = []

        def talk(line: ssl.SSLSocket) -> None:
            heard.append(hear(line))
            say(line, "200 OK")

        with serving(talk, pem) as url:
            outbound.post(url, b"", {})
        assert heard[0][0] == "POST / HTTP/1.1"

    def test_goes_in_clear_where_that_is_said(self, pem: Path) -> None:
        heard: list[bytes] = []

        def talk(line: socket.socket) -> None:
            heard.append(line.recv(1000))
            line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstamp")

        with serving(talk) as url:
            assert url.startswith("http://")
            with pytest.raises(NoAnswer, match="wants the form https://"):
                outbound.post(url, b"", {})
            assert outbound.post(url, b"", {}, in_clear=True).body == b"stamp"
        (request,) = heard
        assert request.startswith(b"POST / HTTP/1.1\r\n")

    def test_returns_a_refusal_too(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            say(line, "503 Service Unavailable")

        assert answers(talk, pem).status == 503

    def test_hears_a_server_that_answers_before_it_has_read_all(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            line.recv(64)
            line.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
            while line.recv(2**16):  # as nginx lingers, so that its answer is not lost
                pass

        with serving(talk, pem) as url:
            body = (bytes(2**16) for _ in range(64))
            found = outbound.post(url, body, {"Content-Length": str(2**22)})
        assert found.status == 413

    def test_hears_what_was_said_before_the_line_broke(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            say(line, "403 Forbidden")

        def body() -> Iterator[bytes]:
            yield b"sealed"
            raise BrokenPipeError

        with serving(talk, pem) as url:
            found = outbound.post(url, body(), {"Content-Length": "6"})
        assert found.status == 403

    def test_shows_its_certificate_to_a_server_that_wants_one(
        self, pem: Path, tmp_path: Path, settings: Any
    ) -> None:
        ours = certificate(tmp_path, "dutyline.example.org")
        heard: list[Any] = []

        def talk(line: ssl.SSLSocket) -> None:
            heard.append(line.getpeercert())
            hear(line)
            say(line, "200 OK")

        with serving(talk, pem, asks_for=ours) as url:
            with pytest.raises(NoAnswer, match="broke off"):
                outbound.post(url, b"", {})
            settings.OUTBOUND_IDENTITY = str(ours)
            assert outbound.post(url, b"", {}).status == 200
        assert heard[-1]["subject"] == ((("commonName", "dutyline.example.org"),),)


class TestParsed:
    @pytest.mark.parametrize(
        ("url", "parts"),
        [
            ("https://a.example.org", ("a.example.org", 443, "/")),
            ("https://A.example.org:444/in?box=1", ("a.example.org", 444, "/in?box=1")),
            ("http://[2001:db8::1]/", ("2001:db8::1", 80, "/")),
        ],
    )
    def test_tells_host_port_and_what_comes_after(self, url: str, parts: object) -> None:
        assert outbound.parsed(url, in_clear=True) == parts


class TestRefusal:
    @pytest.mark.parametrize(
        "url",
        [
            "http://agency.example.org/",
            "https://",
            "https://ana:secret@agency.example.org/",
            "https://agency.example.org/#part",
            "file:///etc/hosts",
        ],
    )
    def test_wants_an_address_of_the_plain_secure_kind(self, url: str) -> None:
        with pytest.raises(NoAnswer, match="wants the form https://HOST/PATH") as caught:
            outbound.post(url, b"", {})
        assert caught.value.permanent

    @pytest.mark.parametrize("url", ["https://[::1/", "https://agency.example.org:99999/"])
    def test_says_when_an_address_cannot_be_read(self, url: str) -> None:
        with pytest.raises(NoAnswer, match="cannot be read"):
            outbound.post(url, b"", {})

    def test_waits_for_a_name_that_does_not_resolve(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def unknown(*args: Any, **kwargs: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(NoAnswer, match="does not resolve") as caught:
            outbound.post("https://agency.example.org/", b"", {})
        assert not caught.value.permanent

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1",
            "10.1.2.3",
            "100.64.0.1",
            "169.254.169.254",
            "224.0.0.1",
            "0.0.0.0",  # noqa: S104
            "::1",
            "fe80::1",
            "fd00::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ],
    )
    def test_goes_into_no_network_of_the_house(
        self, monkeypatch: pytest.MonkeyPatch, settings: Any, address: str
    ) -> None:
        settings.OUTBOUND_NETWORKS = []
        public = ("192.88.99.1", 443)
        found = [(0, 0, 0, "", public), (0, 0, 0, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        with pytest.raises(NoAnswer, match="DUTYLINE_OUTBOUND_NETWORKS") as caught:
            outbound.post("https://agency.example.org/", b"", {})
        assert caught.value.permanent

    def test_calls_the_address_that_was_judged_and_no_later_one(
        self, pem: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[str] = []
        found = socket.getaddrinfo

        def rebinding(host: str, *args: Any, **kwargs: Any) -> Any:
            asked.append(host)
            return found("127.0.0.1", *args, **kwargs)

        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            say(line, "200 OK")

        with serving(talk, pem) as url:
            name = url.replace("127.0.0.1", "intake.agency.example.org")
            monkeypatch.setattr(socket, "getaddrinfo", rebinding)
            assert outbound.post(name, b"", {}).status == 200
        # The second question is about the address itself, which no name service can answer anew.
        assert asked == ["intake.agency.example.org", "127.0.0.1"]

    def test_follows_no_redirect(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            say(line, "307 Temporary Redirect", b"", "Location: https://elsewhere.example.org/")

        error = refusal(talk, pem)
        assert "redirects" in error.message
        assert error.permanent

    def test_trusts_no_certificate_of_a_stranger(self, pem: Path, tmp_path: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            say(line, "200 OK")

        error = refusal(talk, certificate(tmp_path, "stranger.example.org"))
        assert error.message == "The server's certificate does not hold."
        assert error.permanent

    def test_trusts_no_certificate_for_another_name(
        self, pem: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = certificate(tmp_path, "other.agency.example.org", loopback=False)
        monkeypatch.setenv("SSL_CERT_FILE", str(other))
        assert "certificate" in refusal(lambda line: say(line, "200 OK"), other).message

    def test_reads_no_endless_answer(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(64):
                line.sendall(bytes(16 * 1024))

        assert "longer than 65536 bytes" in refusal(talk, pem).message

    @pytest.mark.slow
    def test_does_not_wait_for_ever_for_an_answer_in_drops(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            for letter in b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + bytes(100):
                line.sendall(bytes([letter]))
                time.sleep(0.02)

        began = time.monotonic()
        error = refusal(talk, pem, QUICK)
        assert time.monotonic() - began < 2
        assert error.message == "The server gave no whole answer within 0.3 seconds."
        assert not error.permanent

    @pytest.mark.slow
    def test_does_not_wait_for_a_body_that_ends_in_drops(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            for _ in range(100):
                line.sendall(b".")
                time.sleep(0.02)

        assert "no whole answer" in refusal(talk, pem, QUICK).message

    @pytest.mark.slow
    def test_does_not_wait_for_a_silent_server(self, pem: Path) -> None:
        assert "no whole answer" in refusal(lambda line: time.sleep(0.6), pem, QUICK).message

    def test_says_when_nobody_is_there(self, pem: Path) -> None:
        with serving(lambda line: None, pem) as url:
            pass
        with pytest.raises(NoAnswer, match="could not be reached"):
            outbound.post(url, b"", {})

    def test_says_when_a_server_breaks_off(self, pem: Path) -> None:
        def talk(line: ssl.SSLSocket) -> None:
            hear(line)
            line.sendall(b"HTTP/1.1 ")
            line.close()

        assert "broke off" in refusal(talk, pem).message
