"""open_bundle: an agency opens what it was sent, or learns in one line why it must not."""

import base64
import io
import json
import os
import shutil
import subprocess
import zipfile
from datetime import date
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from compliance.vault import age, stream
from referrals.management.commands import open_bundle
from referrals.sealing import bag, sshsig
from referrals.sealing.bag import Member

SERVICE = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
COUNSEL = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes([3]) * 32)
IDENTITY = age.generate_identity(age.X25519)
MANIFEST, SIGNATURE, COUNSELS = open_bundle.MANIFEST, open_bundle.SIGNATURE, open_bundle.COUNSEL
LETTER, VIDEO = b"a letter\n", bytes(range(256)) * 600


def sealed(data, recipient=None):
    file_key, target = os.urandom(16), io.BytesIO()
    target.write(age.header(file_key, [recipient or IDENTITY.recipient]))
    stream.seal(file_key, io.BytesIO(data), target)
    return target.getvalue()


def item(number, name, data, **changes):
    return {
        "id": f"i{number}",
        "exhibit": f"E{number}",
        "name": name,
        "size": len(data),
        "sha256": sha256(data).hexdigest(),
        "media_type": "application/octet-stream",
        "member": f"data/i{number}.age",
    } | changes


def manifest(items, **changes):
    referral = {"number": "REF-2026-0001", "id": "r1"}
    whole = {"schema": "manifest/1", "referral": referral, "items": items, "law": "new"} | changes
    return json.dumps(whole).encode()


class Sender:
    """Somebody who packs bundles: well, unless told otherwise."""

    def __init__(self, folder):
        self.folder = folder
        self.names = {"letter.txt": LETTER, "video.mp4": VIDEO}
        self.items = None
        self.message = None
        self.changes = {}
        self.keys = {SIGNATURE: SERVICE, COUNSELS: COUNSEL}
        (folder / "identity.txt").write_text(f"# public key: {IDENTITY.recipient}\n\n{IDENTITY}\n")
        (folder / "signers").write_text(
            "".join(
                sshsig.allowed_signer(who, sshsig.NAMESPACE, key.public_key()) + "\n"
                for who, key in (("dutyline-service", SERVICE), ("dutyline-counsel", COUNSEL))
            )
        )

    def members(self):
        """Give every payload file by its path; `changes` replaces, adds or (None) removes."""
        numbered = list(enumerate(self.names.items(), start=1))
        items = [item(number, name, data) for number, (name, data) in numbered]
        message = self.message or manifest(items if self.items is None else self.items)
        members = {f"data/i{number}.age": sealed(data) for number, (_, data) in numbered}
        members[MANIFEST] = sealed(message)
        for path, key in self.keys.items():
            members[path] = sealed(sshsig.sign(key, message, sshsig.NAMESPACE).encode())
        return {path: data for path, data in (members | self.changes).items() if data is not None}

    def shut(self, data, told=None):
        """Add an item that nobody viewed: its object, without a header."""
        member = "data/unviewed/i3.sealed"
        entry = {"member": member, "sealed_sha256": sha256(told or data).hexdigest()}
        entries = [item(n, *each) for n, each in enumerate(self.names.items(), start=1)]
        self.message = manifest(entries, unviewed=[entry])
        self.changes = {member: data}

    def agree(self, text, told=None):
        """Add terms of use."""
        entries = [item(n, *each) for n, each in enumerate(self.names.items(), start=1)]
        self.message = manifest(entries, terms={"sha256": sha256(told or text).hexdigest()})
        self.changes = {"data/terms.txt.age": sealed(text)}

    def pack(self):
        members = [Member.inline(path, data) for path, data in self.members().items()]
        layout = bag.lay_out(
            "REF-2026-0001", members, info={}, tags=bag.open_scripts(), when=date(2026, 3, 14)
        )
        content = b"".join(bag.read_range(layout, 0, layout.size, read=None))
        (self.folder / "bundle.zip").write_bytes(content)


@pytest.fixture
def sender(tmp_path):
    return Sender(tmp_path)


@pytest.fixture
def out(tmp_path):
    (tmp_path / "desk").mkdir()
    return tmp_path / "desk" / "opened"


def run(sender, out, *, pack=True):
    """Run the command as an agency would and return what it printed."""
    if pack:
        sender.pack()
    printed = io.StringIO()
    call_command(
        open_bundle.Command(),
        str(sender.folder / "bundle.zip"),
        identity=sender.folder / "identity.txt",
        signers=sender.folder / "signers",
        out=out,
        stdout=printed,
    )
    return printed.getvalue()


def refusal(sender, out, *, pack=True):
    """Run the command, see that it leaves nothing, and return its one line."""
    before = sorted(out.parent.rglob("*"))
    with pytest.raises(CommandError) as refused:
        run(sender, out, pack=pack)
    assert sorted(out.parent.rglob("*")) == before
    assert str(refused.value).isprintable()
    assert refused.value.returncode == 1
    return str(refused.value)


def files(out):
    return {path.name: path.read_bytes() for path in out.iterdir()}


class TestOpen:
    def test_writes_every_item_and_says_what_it_proved(self, sender, out):
        printed = run(sender, out).splitlines()
        written = files(out)
        assert written["letter.txt"] == LETTER
        assert written["video.mp4"] == VIDEO
        assert set(written) == {
            "letter.txt",
            "video.mp4",
            "manifest.json",
            "manifest.json.sig",
            "manifest.counsel.sig",
        }
        size = (sender.folder / "bundle.zip").stat().st_size
        assert printed[0].startswith("Fixity holds: 5 sealed files, ")
        assert size > int(printed[0].split()[5]) > len(VIDEO)
        assert printed[1:] == [
            "The service's signature is good, by dutyline-service.",
            "Counsel's signature is good, by dutyline-counsel.",
            "This is referral REF-2026-0001, bundle 1: 2 items.",
            "Opened, and as the manifest says: letter.txt "
            f"(9 bytes, sha256 {sha256(LETTER).hexdigest()})",
            "Opened, and as the manifest says: video.mp4 "
            f"(153600 bytes, sha256 {sha256(VIDEO).hexdigest()})",
            f"Everything is in {out}.",
        ]
        assert os.stat(out).st_mode & 0o777 == 0o700
        assert list(out.parent.iterdir()) == [out]

    def test_opens_with_a_post_quantum_key(self, sender, out):
        identity = age.generate_identity()
        (sender.folder / "identity.txt").write_text(str(identity))
        sender.changes = {
            path: sealed(b"".join(age.open_file(io.BytesIO(data), [IDENTITY])), identity.recipient)
            for path, data in sender.members().items()
        }
        run(sender, out)
        assert files(out)["letter.txt"] == LETTER

    def test_says_so_when_counsel_has_not_signed(self, sender, out):
        del sender.keys[COUNSELS]
        assert "Counsel signed in the log" in run(sender, out)

    def test_leaves_sealed_what_the_manifest_does_not_name(self, sender, out):
        sender.changes = {"data/more.age": sealed(b"unsigned")}
        assert "does not name it: data/more.age" in run(sender, out)
        assert b"unsigned" not in files(out).values()

    def test_leaves_shut_what_nobody_viewed_once_its_seal_is_seen_to_be_whole(self, sender, out):
        sender.shut(b"a sealed object")
        printed = run(sender, out)
        assert "Sealed: nobody at the sender viewed data/unviewed/i3.sealed." in printed
        assert "does not name it" not in printed
        assert set(files(out)) >= {"letter.txt", "video.mp4"}
        assert b"a sealed object" not in files(out).values()

    def test_opens_what_nobody_viewed_once_a_legal_process_asked_for_it(self, sender, out):
        entries = [item(1, "letter.txt", LETTER), item(2, "video.mp4", VIDEO)]
        sender.message = manifest(entries[:1], unviewed=entries[1:], bundle={"version": 2})
        assert "bundle 2: 2 items." in run(sender, out)
        assert files(out)["video.mp4"] == VIDEO

    def test_keeps_the_terms_of_use_that_the_manifest_names(self, sender, out):
        sender.agree(b"For this offence alone.")
        assert sha256(b"For this offence alone.").hexdigest() in run(sender, out)
        assert files(out)["terms.txt"] == b"For this offence alone."

    def test_opens_a_bundle_without_items(self, sender, out):
        sender.names = {}
        assert "0 items" in run(sender, out)

    @pytest.mark.stock
    def test_opens_a_bundle_of_which_age_sealed_the_items(self, sender, out):
        tool = shutil.which("age") or pytest.skip("age is not installed")
        command = [tool, "-r", str(IDENTITY.recipient)]
        theirs = subprocess.run(command, input=LETTER, check=True, capture_output=True).stdout
        sender.changes = {"data/i1.age": theirs}
        run(sender, out)
        assert files(out)["letter.txt"] == LETTER


class TestNames:
    def test_cannot_leave_the_folder_or_overwrite_each_other(self, sender, out):
        sender.names = {
            "../../letter.txt": b"1",
            "C:\\letter.txt": b"2",
            "LETTER.TXT": b"3",
            "manifest.json": b"4",
            "": b"5",
            "\x1b[2Jred\u202etxt.exe\n": b"6",
        }
        printed = run(sender, out)
        written = files(out)
        del written["manifest.json"], written["manifest.json.sig"], written["manifest.counsel.sig"]
        assert written == {
            "letter.txt": b"1",
            "i2-letter.txt": b"2",
            "i3-LETTER.TXT": b"3",
            "i4-manifest.json": b"4",
            "i5": b"5",
            "[2Jredtxt.exe": b"6",
        }
        assert "\x1b" not in printed

    @pytest.mark.parametrize(
        ("name", "safe"),
        [
            ("a/b\\c.txt", "c.txt"),
            ("..", ""),
            ("a/", ""),
            (".bashrc", "bashrc"),
            ("-rf", "rf"),
            ("trailing. . ", "trailing"),
            ('what?<is>:"it"|*', "what__is___it___"),
            ("con", "_con"),
            ("LPT1.tar.gz", "_LPT1.tar.gz"),
            ("com¹", "_com¹"),
            ("aux .txt", "_aux .txt"),
            ("console.log", "console.log"),
            ("\ud800lone\u2028line", "loneline"),
            ("e\u0301té.pdf", "été.pdf"),
            ("x" * 300 + ".jpeg", "x" * 145 + ".jpeg"),
            ("é" * 300, "é" * 75),
            ("y." + "x" * 300, "y." + "x" * 148),
        ],
    )
    def test_are_made_harmless(self, name, safe):
        assert open_bundle.safe_name(name) == safe

    def test_fall_back_on_a_word_when_nothing_is_left(self, sender, out):
        sender.items = [item(1, "..", LETTER, id="/")]
        run(sender, out)
        assert files(out)["item"] == LETTER

    def test_refuse_an_item_listed_twice(self, sender, out):
        sender.items = [item(1, "a", LETTER)] * 3
        assert "item i1 would overwrite another" in refusal(sender, out)


class TestRefusals:
    def test_of_a_folder_that_is_already_there(self, sender, out):
        out.mkdir()
        assert "already there; nothing was overwritten" in refusal(sender, out)
        out.rmdir()
        out.symlink_to("nowhere")
        assert "already there" in refusal(sender, out)

    def test_of_a_file_that_is_not_a_zip(self, sender, out):
        (sender.folder / "bundle.zip").write_bytes(b"not a zip")
        assert "bundle.zip: File is not a zip file" in refusal(sender, out, pack=False)

    def test_of_a_bundle_that_is_missing(self, sender, out):
        assert "No such file" in refusal(sender, out, pack=False)

    def test_of_a_bundle_with_one_changed_byte(self, sender, out):
        sender.pack()
        whole = bytearray((sender.folder / "bundle.zip").read_bytes())
        whole[whole.index(b"age-encryption.org") + 200] ^= 1
        (sender.folder / "bundle.zip").write_bytes(whole)
        assert "data/i1.age" in refusal(sender, out, pack=False)

    def test_of_a_bundle_repacked_around_a_changed_file(self, sender, out):
        sender.pack()
        path = sender.folder / "bundle.zip"
        with zipfile.ZipFile(path) as source:
            contents = {entry.filename: source.read(entry) for entry in source.infolist()}
        contents["REF-2026-0001/data/i2.age"] = sealed(VIDEO)
        with zipfile.ZipFile(path, "w") as target:
            for name, data in contents.items():
                target.writestr(name, data)
        assert "data/i2.age is not what manifest-sha256.txt says" in refusal(
            sender, out, pack=False
        )

    def test_of_somebody_elses_key(self, sender, out):
        (sender.folder / "identity.txt").write_text(str(age.generate_identity(age.X25519)))
        assert f"{MANIFEST}: None of these keys" in refusal(sender, out)

    @pytest.mark.parametrize(
        ("text", "complaint"), [("# nothing\n", "no identity"), ("AGE-SECRET-KEY-1X", "identity")]
    )
    def test_of_an_identity_file_without_a_key(self, sender, out, text, complaint):
        (sender.folder / "identity.txt").write_text(text)
        assert complaint in refusal(sender, out)

    def test_of_a_list_of_signers_that_cannot_be_read(self, sender, out):
        (sender.folder / "signers").write_text("what")
        assert "signers: Line 1" in refusal(sender, out)

    @pytest.mark.parametrize("path", [SIGNATURE, COUNSELS])
    def test_of_a_stranger_who_signs(self, sender, out, path):
        sender.keys[path] = STRANGER
        assert path in refusal(sender, out)

    def test_of_a_service_that_signs_for_counsel(self, sender, out):
        sender.keys[COUNSELS] = SERVICE
        assert "with the service's own key" in refusal(sender, out)

    def test_of_a_bundle_that_the_service_did_not_sign(self, sender, out):
        del sender.keys[SIGNATURE]
        assert refusal(sender, out) == f"{SIGNATURE}: not in the bundle."

    def test_of_a_signature_of_another_manifest(self, sender, out):
        signature = sshsig.sign(SERVICE, b"another", sshsig.NAMESPACE)
        sender.changes = {SIGNATURE: sealed(signature.encode())}
        assert "not the one that was signed" in refusal(sender, out)

    def test_of_a_signature_that_is_not_text(self, sender, out):
        sender.changes = {SIGNATURE: sealed(b"\xff")}
        assert SIGNATURE in refusal(sender, out)

    def test_of_a_manifest_too_long_to_be_one(self, sender, out, monkeypatch):
        monkeypatch.setattr(open_bundle, "_WHOLE_LIMIT", 100)
        assert refusal(sender, out) == f"{MANIFEST}: too long to be what it claims to be."

    @pytest.mark.parametrize(
        ("message", "complaint"),
        [
            (b"{", "manifest.json: "),
            (b"[" * 100_000, "manifest.json: "),
            (b"[]", "schema"),
            (manifest([], schema="manifest/2"), "schema"),
            (manifest([], referral=None), "no referral"),
            (manifest({}), "no list of items"),
            (manifest([], unviewed=7), "no list of items"),
            (manifest([7]), "item 1 has no usable id"),
            (manifest([], unviewed=[{"sealed_sha256": "0"}]), "item 1 has no usable member"),
            (manifest([], terms="any"), "terms has no usable sha256"),
            (manifest([], terms={"sha256": 7}), "terms has no usable sha256"),
            (manifest([], bundle={"version": True}), "bundle has no usable version"),
            (manifest([item(1, "a", LETTER, size="9")]), "item 1 has no usable size"),
            (manifest([item(1, "a", LETTER, size=True)]), "item 1 has no usable size"),
            (manifest([item(1, "a", LETTER, member="../x")]), "../x: not in the bundle"),
            (manifest([item(1, "a", LETTER, member="open.sh")]), "open.sh: not in the bundle"),
            (manifest([item(1, "a", LETTER, member="\x1b[2J")]), "?[2J: not in the bundle"),
            (manifest([item(1, "a", LETTER, size=8)]), "data/i1.age: opened, but not the item"),
            (manifest([item(1, "a", VIDEO, size=9)]), "data/i1.age: opened, but not the item"),
        ],
    )
    def test_of_a_signed_manifest_that_does_not_fit(self, sender, out, message, complaint):
        sender.message = message
        assert complaint in refusal(sender, out)

    def test_of_a_sealed_object_that_is_another(self, sender, out):
        sender.shut(b"a sealed object", told=b"another")
        assert "i3.sealed: not the sealed object the manifest" in refusal(sender, out)

    def test_of_other_terms_than_were_signed(self, sender, out):
        sender.agree(b"Do what you like.", told=b"For this offence alone.")
        assert refusal(sender, out) == (
            "data/terms.txt.age: not the terms that the manifest names."
        )

    def test_of_an_item_cut_short_after_sealing(self, sender, out):
        whole = sealed(VIDEO)
        sender.changes = {"data/i2.age": whole[: len(whole) - len(VIDEO) % 65536 - 16]}
        assert "data/i2.age: " in refusal(sender, out)

    def test_of_an_encrypted_zip(self, sender, out):
        sender.pack()
        path = sender.folder / "bundle.zip"
        whole = path.read_bytes().replace(b"\0\x08\0\0", b"\1\x08\0\0")
        path.write_bytes(whole)
        assert "encrypted" in refusal(sender, out, pack=False)


def test_a_key_in_the_list_may_have_any_name(sender, out):
    key = base64.b64encode(
        b"\0\0\0\x0bssh-ed25519\0\0\0 " + SERVICE.public_key().public_bytes_raw()
    )
    (sender.folder / "signers").write_text(f"desk@example.org ssh-ed25519 {key.decode()}\n")
    del sender.keys[COUNSELS]
    assert "by desk@example.org." in run(sender, out)
