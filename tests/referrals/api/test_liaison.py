"""The shipped client: Lee runs one file, from the first key to the receipt, and trusts nobody."""

import base64
import hashlib
import importlib.util
import json
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from compliance.audit import checkpoints, signing
from compliance.audit.entries import AuditEntry
from referrals import clients
from referrals.clients import LiaisonClient
from referrals.docket import Referral, State

FILE = Path(__file__).parents[3] / "docs" / "clients" / "liaison.py"
TOKEN = {"access_token": "token-1f9e", "expires_in": 300}
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8


def shipped() -> Any:
    """Load the file as it is shipped; it is no module of ours."""
    spec = importlib.util.spec_from_file_location("shipped_liaison", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


liaison = shipped()


class Lee:
    """Lee at the keyboard: types words, and sees what is printed."""

    def __init__(self, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.key, self.base, self._capsys = key, "http://localhost:1", capsys

    def runs(self, *words: str, code: int = 0) -> str:
        """Run the program and return what it printed: on standard error, if it failed."""
        told = ["--base", self.base, "--client-id", "lee", "--key", str(self.key), *words]
        found = liaison.main(told)
        printed = self._capsys.readouterr()
        assert found == code, printed.err
        assert (printed.out if code else printed.err) == ""
        return printed.err if code else printed.out


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Lee:
    """Lee's desk, with a key in a file."""
    liaison.make_key(tmp_path / "liaison.pem")
    return Lee(tmp_path / "liaison.pem", capsys)


@pytest.fixture
def live(
    transactional_db: None,
    delivered: Referral,
    admit: Callable[..., LiaisonClient],
    desk: Lee,
    live_server: Any,
    settings: Any,
) -> Lee:
    """Lee's desk, admitted, with the service within reach."""
    settings.BASE_URL = desk.base = live_server.url
    jwk = liaison.jwk_of(liaison.load_key(desk.key))
    admit(delivered.agency, clients.import_key(jwk))
    return desk


Answer = tuple[int, dict[str, str], bytes]


class Elsewhere:
    """A server of somebody else: gives the answers of a list, and notes what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        around = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                around.seen.append((self.path, dict(self.headers)))
                status, headers, body = around.answers.pop(0)
                self.send_response(status)
                for name, value in ({"Content-Length": str(len(body))} | headers).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"

    def will_say(self, *answers: Answer | dict[str, Any]) -> None:
        """Give a token, then these answers, in this order."""
        for each in (TOKEN, *answers):
            told = (200, {}, json.dumps(each).encode()) if isinstance(each, dict) else each
            self.answers.append(told)


@pytest.fixture
def elsewhere(desk: Lee) -> Iterator[Elsewhere]:
    """A server of somebody else, to which Lee's desk was pointed."""
    there = Elsewhere()
    thread = threading.Thread(target=there.server.serve_forever, args=(0.01,))
    thread.start()
    desk.base = there.base
    yield there
    there.server.shutdown()
    thread.join()
    there.server.server_close()


class TestKeygen:
    def test_makes_a_key_that_its_owner_alone_can_read(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        path = tmp_path / "new.pem"
        assert liaison.main(["--key", str(path), "keygen"]) == 0
        jwk, thumbprint = capsys.readouterr().out.splitlines()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        key = clients.import_key(json.loads(jwk))
        assert thumbprint == f"thumbprint {key.thumbprint()}"

    def test_never_overwrites_one(self, desk: Lee) -> None:
        before = desk.key.read_bytes()
        assert "exists already. Name another file" in desk.runs("keygen", code=1)
        assert desk.key.read_bytes() == before

    def test_says_where_it_cannot_write(self, desk: Lee, tmp_path: Path) -> None:
        desk.key = tmp_path / "nowhere" / "liaison.pem"
        assert "No such file or directory" in desk.runs("keygen", code=1)


class TestKey:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"canary, no key at all", "is not a private key in PEM form, without a password."),
            (
                ed25519.Ed25519PrivateKey.generate().private_bytes(
                    PEM, PKCS8, serialization.BestAvailableEncryption(b"canary")
                ),
                "is not a private key in PEM form, without a password.",
            ),
            (
                x25519.X25519PrivateKey.generate().private_bytes(
                    PEM, PKCS8, serialization.NoEncryption()
                ),
                "is not an Ed25519 key. Make one with keygen.",
            ),
            (
                ec.generate_private_key(ec.SECP256R1()).private_bytes(
                    PEM, PKCS8, serialization.NoEncryption()
                ),
                "is not an Ed25519 key. Make one with keygen.",
            ),
        ],
        ids=["text", "encrypted", "x25519", "p256"],
    )
    def test_is_refused_in_one_line_that_shows_nothing_of_it(
        self, desk: Lee, content: bytes, sentence: str
    ) -> None:
        desk.key.write_bytes(content)
        assert desk.runs("list", code=1) == f"{desk.key} {sentence}\n"

    def test_must_be_there(self, desk: Lee) -> None:
        desk.key.unlink()
        told = desk.runs("list", code=1)
        assert told == f"{desk.key} cannot be read: No such file or directory.\n"


class TestBase:
    @pytest.mark.parametrize(
        "base",
        ["http://duty.example.org", "ftp://localhost", "file:///etc", "duty.example.org", "http:"],
    )
    def test_must_be_an_address_that_nobody_can_listen_to(self, desk: Lee, base: str) -> None:
        desk.base = base
        told = desk.runs("list", code=1)
        assert told == "--base wants an address that begins with https://.\n"

    def test_may_be_this_machine_in_clear(self, desk: Lee) -> None:
        for base in ("http://localhost:1", "http://127.0.0.1:1/"):
            desk.base = base
            assert "The service cannot be reached" in desk.runs("list", code=1)

    @pytest.mark.parametrize(
        "words",
        [["list"], ["--base", "https://duty.example.org", "list"], ["--client-id", "lee", "list"]],
    )
    def test_and_client_are_needed(
        self, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as end:
            liaison.main(["--key", "liaison.pem", *words])
        assert end.value.code == 2
        assert "--base and --client-id are needed" in capsys.readouterr().err


class TestStates:
    """Who keeps what the log shows is a witness of it."""

    NOTE = "log.example.org/log\n7\n{root}\n\n— log.example.org/log AAAA\n"

    def shows(self, elsewhere: Elsewhere, note: str) -> None:
        told = base64.b64encode(note.encode()).decode()
        headers = {"Log-Checkpoint": told}
        elsewhere.will_say((200, headers, json.dumps({"items": [], "next": None}).encode()))

    def test_are_kept_by_their_size(self, desk: Lee, elsewhere: Elsewhere, tmp_path: Path) -> None:
        note = self.NOTE.format(root="A")
        for shown in (note, note, note + "— wanda.example.org BBBB\n"):
            self.shows(elsewhere, shown)
            assert desk.runs("--states", str(tmp_path / "kept"), "list") == ""
            assert (tmp_path / "kept" / "checkpoint-7").read_text(encoding="utf-8") == shown

    def test_two_of_one_size_are_a_fraud_and_both_are_kept(
        self, desk: Lee, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        self.shows(elsewhere, self.NOTE.format(root="A"))
        desk.runs("--states", str(tmp_path), "list")
        self.shows(elsewhere, self.NOTE.format(root="B"))
        told = desk.runs("--states", str(tmp_path), "list", code=1)
        assert told.startswith("The log shows two states of 7 entries. Keep ")
        kept = [(tmp_path / name).read_text() for name in ("checkpoint-7", "checkpoint-7.other")]
        assert [note.splitlines()[2] for note in kept] == ["A", "B"]

    @pytest.mark.parametrize("shown", ["nothing", "a\nmany\nb\n", ""])
    def test_what_is_none_is_refused(
        self, desk: Lee, elsewhere: Elsewhere, tmp_path: Path, shown: str
    ) -> None:
        self.shows(elsewhere, shown)
        told = desk.runs("--states", str(tmp_path), "list", code=1)
        assert told == "Log-Checkpoint is no checkpoint.\n"

    def test_are_nobodys_business_unless_they_are_asked_for(
        self, desk: Lee, elsewhere: Elsewhere
    ) -> None:
        self.shows(elsewhere, "nothing")
        assert desk.runs("list") == ""


class TestJourney:
    @pytest.mark.slow
    def test_goes_from_the_list_to_the_receipt(
        self, live: Lee, delivered: Referral, tmp_path: Path, settings: Any
    ) -> None:
        # 1. What is there, and nobody read yet.
        due = delivered.due_at.isoformat().replace("+00:00", "Z")  # type: ignore[union-attr]
        line = f"{delivered.pk} {delivered.number} delivered"
        assert live.runs("list", "--unread") == f"{line} unread {due} initial\n"
        told = json.loads(live.runs("read", str(delivered.pk)))
        assert (told["number"], told["unread"]) == (delivered.number, False)
        assert live.runs("list", "--unread") == ""
        assert live.runs("list") == f"{line} read {due} initial\n"
        # 2. The bundle, whole, and again from where a transfer broke off.
        out = tmp_path / "bundle.zip"
        sha256 = delivered.bundle.sha256
        assert live.runs("download", str(delivered.pk), "--out", str(out)) == f"{sha256} {out}\n"
        whole = out.read_bytes()
        assert hashlib.sha256(whole).hexdigest() == sha256
        part = Path(f"{out}.part")
        part.write_bytes(whole[:1000])
        live.runs("download", str(delivered.pk), "--out", str(out))
        assert out.read_bytes() == whole
        assert not part.exists()
        collected = AuditEntry.objects.filter(event="bundle.collected").order_by("id")
        assert [entry.additional_data["start"] for entry in collected] == [0, 1000]
        # 3. What does not fit is thrown away, not kept.
        part.write_bytes(b"x" * 1000)
        told = live.runs("download", str(delivered.pk), "--out", str(out), code=1)
        assert told == "The bytes are not the ones announced. They were deleted; try again.\n"
        assert not part.exists()
        # 4. The acknowledgement, and the same words once more.
        words = ("acknowledge", str(delivered.pk), "--reference", "A-1")
        said = json.loads(live.runs(*words))
        assert (said["state"], said["agency_reference"]) == ("acknowledged", "A-1")
        assert json.loads(live.runs(*words)) == said
        delivered.refresh_from_db()
        assert delivered.state == State.ACKNOWLEDGED
        # 5. A request for more under legal process, and an order, which is refused.
        words = ("ask", str(delivered.pk), "--process", "mlat", "--number", "MLA-17", "--keep")
        asked = json.loads(live.runs(*words))
        assert (asked["asks"], asked["state"]) == ("preservation", "received")
        wanted = ("ask", str(delivered.pk), "--process", "mlat", "--number", "MLA-18", "--for")
        assert json.loads(live.runs(*wanted, "STAFF"))["classes"] == ["STAFF"]
        assert len(json.loads(live.runs("asked", str(delivered.pk)))) == 2
        settings.LEGAL_PROCESS_URL = "https://duty.example.org/serve"
        service = liaison.Service(live.base, "lee", liaison.load_key(live.key))
        order = {"asks": "watch", "text": "@sample-1"}
        with pytest.raises(liaison.Failed) as told:
            liaison.say(service, said | {"id": str(delivered.pk)}, "/information-requests", order)
        assert str(told.value).startswith("403 tasking_not_supported: ")
        assert str(told.value).endswith(" https://duty.example.org/serve")
        # 6. The proof, to be kept.
        proof = tmp_path / "receipt.tlog-proof"
        refusal = live.runs("receipt", str(delivered.pk), "--out", str(proof), code=1)
        assert refusal.startswith("409 ")
        checkpoints.seal_due()
        states = tmp_path / "states"
        kept = ("--states", str(states))
        live.runs(*kept, "receipt", str(delivered.pk), "--out", str(proof))
        newest = checkpoints.latest()
        assert newest is not None
        assert (states / f"checkpoint-{newest.size}").read_text(encoding="utf-8") == newest.note
        entry = Path(f"{proof}.entry.json").read_bytes()
        vkey = Path(f"{proof}.vkey").read_text(encoding="utf-8")
        assert vkey == signing.vkey()
        assert json.loads(entry)["event"] == "referral.delivered"
        assert proof.read_text(encoding="utf-8").startswith("c2sp.org/tlog-proof@v1")

    def test_ends_with_the_code_where_the_service_refuses(
        self, live: Lee, delivered: Referral
    ) -> None:
        told = live.runs("read", "0f4ed7b7-ac5f-4d25-ae62-14ead271ccdb", code=1)
        assert told == "404 not_found: Nothing is here.\n"
        told = live.runs("read", "../../admin", code=1)
        assert told == "404 not_found: Nothing is here.\n"
        live.key.unlink()
        liaison.make_key(live.key)
        told = live.runs("list", code=1)
        assert told == "401 invalid_client: No client that may call now from here signed this.\n"


class TestElsewhere:
    """Whoever answers in the service's stead gets no token to use, and nothing is believed."""

    def test_follows_no_redirect(self, desk: Lee, elsewhere: Elsewhere) -> None:
        elsewhere.will_say((302, {"Location": f"{elsewhere.base}/trap"}, b""))
        assert desk.runs("list", code=1) == "302: the service did not say why.\n"
        assert [path for path, _ in elsewhere.seen] == ["/api/token", "/api/v1/referrals"]

    def test_follows_no_page_to_another_address(self, desk: Lee, elsewhere: Elsewhere) -> None:
        elsewhere.will_say({"items": [], "next": "https://trap.example.org/api/v1/referrals"})
        told = desk.runs("list", code=1)
        assert told == "The service names an address that is not under --base.\n"

    def test_asks_for_one_token_and_proves_each_request_anew(
        self, desk: Lee, elsewhere: Elsewhere
    ) -> None:
        following = f"{elsewhere.base}/api/v1/referrals?cursor=x"
        elsewhere.will_say({"items": [], "next": following}, {"items": [], "next": None})
        assert desk.runs("list") == ""
        (token, asked), *pages = elsewhere.seen
        assert (token, "Authorization" in asked) == ("/api/token", False)
        assert [path for path, _ in pages] == ["/api/v1/referrals", "/api/v1/referrals?cursor=x"]
        assert {headers["Authorization"] for _, headers in pages} == {"DPoP token-1f9e"}
        assert len({headers["Dpop"] for _, headers in elsewhere.seen}) == 3

    def test_asks_for_a_new_token_before_the_old_one_ends(
        self, desk: Lee, elsewhere: Elsewhere
    ) -> None:
        service = liaison.Service(elsewhere.base, "lee", liaison.load_key(desk.key))
        for life in (20, 300):
            elsewhere.answers.append((200, {}, json.dumps(TOKEN | {"expires_in": life}).encode()))
        assert [service.token() for _ in range(3)] == ["token-1f9e"] * 3
        assert len(elsewhere.seen) == 2

    @pytest.mark.parametrize(
        ("answer", "sentence"),
        [
            ((200, {}, b"<html>"), "The answer is not JSON. Does --base name the service?"),
            ((502, {}, b"<html>"), "502: the service did not say why."),
            ((500, {}, b'{"code": "x"}'), "500: the service did not say why."),
            ((500, {}, b"[]"), "500: the service did not say why."),
        ],
    )
    def test_says_in_one_line_what_is_wrong(
        self, desk: Lee, elsewhere: Elsewhere, answer: Answer, sentence: str
    ) -> None:
        elsewhere.will_say(answer)
        assert desk.runs("list", code=1) == f"{sentence}\n"

    def test_keeps_what_came_before_a_transfer_broke_off(
        self, desk: Lee, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        data = b"0123456789"
        sha256 = hashlib.sha256(data).hexdigest()
        told = {"bundle": {"size": 10, "sha256": sha256}}
        out = tmp_path / "bundle.zip"
        elsewhere.will_say(told, (200, {"Content-Length": "10"}, data[:4]))
        desk.runs("download", "1", "--out", str(out), code=1)
        assert Path(f"{out}.part").read_bytes() == data[:4]
        assert not out.exists()
        elsewhere.will_say(told, (206, {}, data[4:]))
        desk.runs("download", "1", "--out", str(out))
        assert out.read_bytes() == data
        headers = elsewhere.seen[-1][1]
        assert (headers["Range"], headers["If-Range"]) == ("bytes=4-", f'"{sha256}"')

    def test_begins_anew_where_the_service_sends_the_whole(
        self, desk: Lee, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        data = b"0123456789"
        out = tmp_path / "bundle.zip"
        Path(f"{out}.part").write_bytes(b"old old")
        told = {"bundle": {"size": 10, "sha256": hashlib.sha256(data).hexdigest()}}
        elsewhere.will_say(told, (200, {}, data))
        desk.runs("download", "1", "--out", str(out))
        assert out.read_bytes() == data
