"""Signatures: ours pass stock ssh-keygen, its pass ours, and nothing else passes."""

import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from referrals.sealing import sshsig
from referrals.sealing.sshsig import NAMESPACE, BadKey, BadSignature

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
MESSAGE = b'{"schema": "manifest/1"}'
LINE = sshsig.public_line(PUBLIC, "")


@pytest.fixture
def ssh_keygen(tmp_path):
    tool = shutil.which("ssh-keygen") or pytest.skip("ssh-keygen is not installed")

    def run(*arguments, message=b""):
        return subprocess.run([tool, *arguments], input=message, capture_output=True, cwd=tmp_path)

    return run


class TestSign:
    def test_takes_a_key_that_grows_from_a_seed(self):
        assert sshsig.private_key(bytes(range(32))).public_key() == PUBLIC

    def test_gives_the_same_armored_text_every_time(self):
        lines = sshsig.sign(KEY, MESSAGE, NAMESPACE).splitlines()
        assert sshsig.sign(KEY, MESSAGE, NAMESPACE).splitlines() == lines
        assert lines[0] == "-----BEGIN SSH SIGNATURE-----"
        assert lines[-1] == "-----END SSH SIGNATURE-----"
        assert {len(line) for line in lines[1:-2]} == {70}

    @pytest.mark.stock
    def test_is_accepted_by_ssh_keygen(self, ssh_keygen, tmp_path):
        line = sshsig.allowed_signer("dutyline-service", NAMESPACE, PUBLIC)
        (tmp_path / "allowed").write_text(line + "\n")
        (tmp_path / "m.sig").write_text(sshsig.sign(KEY, MESSAGE, NAMESPACE))
        verify = ["-Y", "verify", "-f", "allowed", "-I", "dutyline-service", "-s", "m.sig", "-n"]
        good = ssh_keygen(*verify, NAMESPACE, message=MESSAGE)
        assert good.returncode == 0, good.stderr
        assert ssh_keygen(*verify, NAMESPACE, message=MESSAGE + b"\n").returncode != 0
        assert ssh_keygen(*verify, "file", message=MESSAGE).returncode != 0


class TestVerify:
    def test_accepts_our_signature(self):
        assert (
            sshsig.verify(sshsig.sign(KEY, MESSAGE, NAMESPACE), MESSAGE, NAMESPACE, PUBLIC) is None
        )

    @pytest.mark.stock
    def test_accepts_a_signature_by_ssh_keygen(self, ssh_keygen, tmp_path):
        ssh_keygen("-q", "-t", "ed25519", "-N", "", "-C", "counsel@example.org", "-f", "key")
        signed = ssh_keygen("-Y", "sign", "-f", "key", "-n", NAMESPACE, message=MESSAGE)
        key = sshsig.parse_public_line((tmp_path / "key.pub").read_text())
        sshsig.verify(signed.stdout.decode(), MESSAGE, NAMESPACE, key)
        private = load_ssh_private_key((tmp_path / "key").read_bytes(), None)
        assert sshsig.sign(private, MESSAGE, NAMESPACE) == signed.stdout.decode()

    def test_refuses_a_changed_message(self):
        with pytest.raises(BadSignature, match="not the one that was signed"):
            sshsig.verify(sshsig.sign(KEY, MESSAGE, NAMESPACE), MESSAGE + b" ", NAMESPACE, PUBLIC)

    @pytest.mark.parametrize(("namespace", "key"), [("file", PUBLIC), (NAMESPACE, OTHER)])
    def test_refuses_another_purpose_or_key(self, namespace, key):
        with pytest.raises(BadSignature, match="another key or for another namespace"):
            sshsig.verify(sshsig.sign(KEY, MESSAGE, NAMESPACE), MESSAGE, namespace, key)

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: "",
            lambda text: text.replace("BEGIN", "BEGAN"),
            lambda text: text + "\n",
            lambda text: text.replace("\n", "\r\n"),
            lambda text: text.replace("A", "é", 1),
            lambda text: text.replace("U1NI", "U1N", 1),
            lambda text: text.replace("\n-----END", "====\n-----END"),
        ],
    )
    def test_refuses_damaged_armor(self, damage):
        text = damage(sshsig.sign(KEY, MESSAGE, NAMESPACE))
        with pytest.raises(BadSignature, match="not an armored SSH signature"):
            sshsig.verify(text, MESSAGE, NAMESPACE, PUBLIC)


class TestPublicLine:
    def test_comes_back_as_it_went(self):
        line = sshsig.public_line(PUBLIC, "service@example.org")
        assert line.startswith("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI")
        assert line.endswith(" service@example.org")
        assert sshsig.parse_public_line(line) == PUBLIC
        assert sshsig.parse_public_line(LINE + "\n") == PUBLIC

    def test_refuses_a_comment_of_two_lines(self):
        with pytest.raises(BadKey, match="one line"):
            sshsig.public_line(PUBLIC, "a\nb")

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "ssh-ed25519",
            "ssh-rsa AAAA",
            "ssh-ed25519 !",
            "ssh-ed25519 AAAB=",
            LINE[:-4],
            LINE.replace("AAAAC3", "AAAAC4"),
            LINE + "AAAA",
        ],
    )
    def test_refuses_what_is_not_an_ed25519_key(self, line):
        with pytest.raises(BadKey):
            sshsig.parse_public_line(line)


class TestAllowedSigners:
    def test_comes_back_as_it_went(self):
        line = sshsig.allowed_signer("counsel@example.org", NAMESPACE, PUBLIC)
        assert line == f'counsel@example.org namespaces="{NAMESPACE}" {LINE}'
        (signer,) = sshsig.parse_allowed_signers(f"# ours\n\n{line} a comment\n")
        assert signer == sshsig.Signer("counsel@example.org", PUBLIC, (NAMESPACE,))

    @pytest.mark.parametrize(
        ("principal", "namespace"), [("a b", NAMESPACE), ("a", 'x" ssh-'), ("*", NAMESPACE)]
    )
    def test_writes_no_line_that_would_say_something_else(self, principal, namespace):
        with pytest.raises(BadKey, match="list of signers"):
            sshsig.allowed_signer(principal, namespace, PUBLIC)

    def test_reads_lines_without_options_and_passes_over_other_kinds_of_key(self):
        text = f'a,b {LINE}\nc ssh-rsa AAAA\nd namespaces="x y" ecdsa-sha2-nistp256 AAAA e\n'
        (signer,) = sshsig.parse_allowed_signers(text)
        assert (signer.principals, signer.namespaces) == ("a,b", None)

    @pytest.mark.parametrize(
        "line",
        [
            "only-a-name",
            f'a valid-before="20260101" {LINE}',
            f"a cert-authority {LINE}",
            f'a namespaces="x",valid-after="20260101" {LINE}',
            "a ssh-ed25519 AAAA",
        ],
    )
    def test_refuses_a_line_it_does_not_understand(self, line):
        with pytest.raises(BadKey):
            sshsig.parse_allowed_signers(line)


class TestFindSigner:
    def test_names_the_signer(self):
        signers = sshsig.parse_allowed_signers(
            "\n".join(
                [
                    sshsig.allowed_signer("other", NAMESPACE, OTHER),
                    sshsig.allowed_signer("elsewhere", "file", PUBLIC),
                    f'service namespaces="git,{NAMESPACE}" {LINE}',
                ]
            )
        )
        armored = sshsig.sign(KEY, MESSAGE, NAMESPACE)
        assert sshsig.find_signer(armored, MESSAGE, NAMESPACE, signers).principals == "service"
        with pytest.raises(BadSignature, match="not the one that was signed"):
            sshsig.find_signer(armored, b"", NAMESPACE, signers[::-1])

    def test_accepts_a_line_that_names_no_purpose(self):
        signers = sshsig.parse_allowed_signers(f"anyone {LINE}")
        armored = sshsig.sign(KEY, MESSAGE, NAMESPACE)
        assert sshsig.find_signer(armored, MESSAGE, NAMESPACE, signers) == signers[0]

    def test_refuses_a_key_that_is_allowed_for_something_else_only(self):
        signers = sshsig.parse_allowed_signers(sshsig.allowed_signer("a", "file", PUBLIC))
        with pytest.raises(BadSignature, match="No allowed signer"):
            sshsig.find_signer(sshsig.sign(KEY, MESSAGE, NAMESPACE), MESSAGE, NAMESPACE, signers)
