"""Witnesses: others cosign what continues what they saw, and nothing else passes as theirs."""

import socket
import ssl
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit import checkpoints, notes, signing, tree, witnesses
from compliance.audit.witnesses import Unwilling
from compliance.errors import Tampered
from compliance.outbound import NoAnswer
from tests.witness import Witness, serving

LEAVES = [tree.leaf_hash(b"%d" % i) for i in range(20)]


def at(height, n):
    return tree.fold(LEAVES[n << height : (n + 1) << height])


def forked(height, n):
    """Another log: all leaves but the first seven are others."""
    leaves = LEAVES[:7] + [tree.leaf_hash(b"other %d" % i) for i in range(7, 20)]
    return tree.fold(leaves[n << height : (n + 1) << height])


def prove(first, second):
    return tree.consistency_proof(first, second, at)


@pytest.fixture
def wanda(log_key):
    """A witness who watches our log."""
    wanda = Witness("witness.example.org/wanda")
    wanda.trust(signing.vkey())
    return wanda


@pytest.fixture
def asks(wanda, loopback):
    """Ask Wanda for a state of the log."""
    with serving(wanda) as url:
        key = notes.read_vkey(wanda.vkey, kind=notes.COSIGNATURE)
        known = witnesses.Witness(key, url)

        def ask(size, *, seen=0, read=at):
            note = signing.sign(size, tree.root(size, read))
            return note, witnesses.ask(known, note, size, seen=seen, prove=prove)

        yield ask


class TestPolicy:
    def test_is_what_the_settings_name(self, settings, wanda):
        settings.WITNESSES = [(wanda.vkey, "https://witness.example.org")]
        (known,) = witnesses.policy()
        assert (known.name, known.url) == (wanda.name, "https://witness.example.org")
        assert witnesses.names() == [wanda.name]

    def test_takes_no_key_of_a_log_for_one_of_a_witness(self, settings, log_key):
        settings.WITNESSES = [(signing.vkey(), "https://witness.example.org")]
        with pytest.raises(notes.BadNote, match="no Ed25519 key of a witness"):
            witnesses.policy()


class TestAsk:
    def test_returns_a_cosignature_that_fits_the_note(self, wanda, asks):
        note, line = asks(5)
        key = notes.read_vkey(wanda.vkey, kind=notes.COSIGNATURE)
        assert notes.open_note(note + line, key) == note.rpartition("\n\n")[0] + "\n"
        assert notes.open_checkpoint(note + line, signing.verifier()).size == 5

    def test_proves_that_the_log_continues_what_the_witness_saw(self, wanda, asks):
        asks(5)
        asks(13, seen=5)
        asks(13, seen=13)  # the same again: a new time, no proof
        assert wanda.seen == {signing.verifier().name: (13, tree.root(13, at))}
        proofs = [body.partition("\n\n")[0].count("\n") for body in wanda.asked]
        assert proofs == [0, len(prove(5, 13)), 0]

    @pytest.mark.parametrize("seen", [0, 3, 13])
    def test_asks_again_from_where_the_witness_is(self, wanda, asks, seen):
        asks(8)
        assert asks(13, seen=seen)
        assert [body.partition("\n")[0] for body in wanda.asked[1:]] == [f"old {seen}", "old 8"]

    def test_two_who_ask_at_once_are_no_alarm(self, wanda, asks):
        wanda.answers = [(409, "3\n"), (409, "4\n")]
        with pytest.raises(Unwilling, match="by another at the same time"):
            asks(5)

    def test_a_witness_that_saw_more_is_an_alarm(self, asks):
        asks(13)
        with pytest.raises(Tampered, match=r"saw 13 entries of this log\. It has 8"):
            asks(8)

    def test_a_fork_is_refused_by_proof(self, wanda, asks):
        asks(8)
        with pytest.raises(Tampered, match="saw another log of this name"):
            asks(13, seen=8, read=forked)
        assert wanda.seen[signing.verifier().name] == (8, tree.root(8, at))

    def test_a_fork_of_the_same_size_is_refused(self, asks):
        asks(8)
        with pytest.raises(Tampered, match="saw another log of this name"):
            asks(8, seen=8, read=forked)

    def test_a_log_it_does_not_know_is_not_cosigned(self, wanda, asks):
        wanda.logs.clear()
        with pytest.raises(Unwilling, match="it answered 404"):
            asks(5)

    def test_nor_is_one_signed_with_another_key(self, wanda, asks):
        own = Ed25519PrivateKey.generate()
        wanda.trust(notes.verifier(signing.verifier().name, own).vkey)
        with pytest.raises(Unwilling, match="it answered 403"):
            asks(5)

    @pytest.mark.parametrize(
        "told", ["", "— nobody AAAA\n", "nothing", "\n\n", "— witness.example.org/wanda AAAAAAA=\n"]
    )
    def test_what_is_no_cosignature_of_it_is_not_kept(self, wanda, asks, told):
        wanda.answers.append((200, told))
        with pytest.raises(Unwilling, match="is no cosignature"):
            asks(5)

    def test_a_cosignature_of_another_note_is_not_kept(self, wanda, asks):
        _, line = asks(5)
        wanda.answers.append((200, line))
        with pytest.raises(Unwilling, match="is no cosignature"):
            asks(8, seen=5)

    def test_other_signatures_in_the_answer_are_ignored(self, wanda, asks):
        _, line = asks(5)
        stranger = line.replace("wanda", "stranger")
        wanda.answers.append((200, stranger + line))
        assert asks(5)[1] == line

    @pytest.mark.parametrize("told", ["", "many\n", "-1\n", "01\n"])
    def test_a_conflict_without_a_size_is_an_alarm_too(self, wanda, asks, told):
        wanda.answers.append((409, told))
        with pytest.raises(Tampered):
            asks(5)

    def test_a_witness_that_is_away_gives_no_answer(self, wanda, loopback):
        key = notes.read_vkey(wanda.vkey, kind=notes.COSIGNATURE)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{closed.getsockname()[1]}"
            with pytest.raises(NoAnswer, match="could not be reached"):
                witnesses.ask(
                    witnesses.Witness(key, url), signing.sign(0, tree.EMPTY), 0, seen=0, prove=prove
                )

    def test_a_silent_witness_is_not_waited_for(self, wanda, loopback, monkeypatch):
        monkeypatch.setattr(witnesses, "PATIENCE", 0.05)
        key = notes.read_vkey(wanda.vkey, kind=notes.COSIGNATURE)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            known = witnesses.Witness(key, f"http://127.0.0.1:{silent.getsockname()[1]}")
            with pytest.raises(NoAnswer, match=r"within 0\.05 seconds"):
                witnesses.ask(known, signing.sign(0, tree.EMPTY), 0, seen=0, prove=prove)

    @pytest.mark.stock
    @pytest.mark.slow
    def test_over_https_the_certificate_counts(self, wanda, loopback, tmp_path, monkeypatch):
        key, cert = tmp_path / "key", tmp_path / "cert"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key,
             "-out", cert, "-subj", "/CN=wanda", "-addext", "subjectAltName=IP:127.0.0.1"],
            check=True, capture_output=True,
        )  # fmt: skip
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(cert, key)
        note = signing.sign(0, tree.EMPTY)

        def wrap(plain):
            return tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)

        with serving(wanda, wrap=wrap) as url:
            known = witnesses.Witness(notes.read_vkey(wanda.vkey, kind=notes.COSIGNATURE), url)
            with pytest.raises(NoAnswer, match="certificate does not hold"):
                witnesses.ask(known, note, 0, seen=0, prove=prove)
            monkeypatch.setenv("SSL_CERT_FILE", str(cert))
            assert witnesses.ask(known, note, 0, seen=0, prove=prove).startswith("— ")


class TestPublished:
    @pytest.fixture
    def states(self, small_log, write, settings):
        """Three states; the witnesses a and b count, two of them are wanted."""
        write(20)
        small_log.seal_due()
        made = [Witness(name) for name in ("a.example.org", "b.example.org")]
        settings.WITNESSES = [(each.vkey, "https://example.org") for each in made]
        settings.WITNESS_QUORUM = 2
        return list(checkpoints.AuditCheckpoint.objects.order_by("size"))

    def cosign(self, state, *names):
        for name in names:
            state.cosignatures.create(witness=name, line=f"— {name} AAAA\n")

    def test_is_the_newest_where_nobody_is_asked(self, states, settings):
        settings.WITNESSES, settings.WITNESS_QUORUM = [], 0
        assert checkpoints.published() == states[-1]
        assert checkpoints.published_note() == states[-1].note

    def test_is_the_newest_that_enough_cosigned(self, states):
        assert checkpoints.published() is None
        assert checkpoints.published_note() is None
        self.cosign(states[0], "b.example.org", "a.example.org")
        self.cosign(states[1], "a.example.org")
        self.cosign(states[2], "a.example.org", "stranger.example.org")
        assert checkpoints.published() == states[0]
        assert checkpoints.published_note() == (
            states[0].note + "— a.example.org AAAA\n— b.example.org AAAA\n"
        )
        self.cosign(states[1], "b.example.org")
        assert checkpoints.published() == states[1]

    def test_carries_the_receipts_of_what_it_holds(self, states):
        self.cosign(states[0], "a.example.org", "b.example.org")
        leaves = checkpoints.AuditLeaf.objects.select_related("entry")
        held = leaves.get(idx=7).entry
        assert notes.read_proof(checkpoints.receipt(held)).checkpoint.startswith(states[0].note)
        beyond = leaves.get(idx=8).entry
        assert notes.read_proof(checkpoints.receipt(beyond)).checkpoint == states[2].note
        assert str(states[0].cosignatures.first()) == "checkpoint 8 cosigned by a.example.org"
