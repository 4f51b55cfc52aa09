"""Notes: what the log signs can be checked by others, and nothing else passes."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from compliance.audit import notes, tree
from compliance.audit.notes import BadNote, Checkpoint

NAME = "log.example.org"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
BY = notes.verifier(NAME, KEY)
DATA = [b"entry %d" % i for i in range(9)]
LEAVES = [tree.leaf_hash(data) for data in DATA]
ROOT_DIR = Path(__file__).resolve().parents[3]
SCRIPT = ROOT_DIR / "docs" / "verify" / "verify_receipt.sh"


def at(height, n):
    return tree.fold(LEAVES[n << height : (n + 1) << height])


STATE = Checkpoint(NAME, 9, tree.root(9, at))
NOTE = notes.sign(STATE.text, NAME, KEY)
RECEIPT = notes.write_proof(4, tree.inclusion_proof(4, 9, at), NOTE)


class TestVkey:
    def test_it_is_the_one_the_specification_gives(self):
        # The example of c2sp.org/signed-note.
        text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        assert notes.read_vkey(text).vkey == text

    def test_it_survives_writing_and_reading(self):
        assert notes.read_vkey(f"{BY.vkey}\n") == BY

    @pytest.mark.parametrize(
        ("vkey", "problem"),
        [
            ("", "no Ed25519 key"),
            (BY.vkey.replace("+", " ", 1), "no Ed25519 key|not base64"),
            (BY.vkey.replace(BY.key_id.hex(), "00000000"), "The key's id is"),
            (f"{NAME}+00000000+AAAA", "no Ed25519 key"),
            (f"{NAME}+00000000+AQAA", "no Ed25519 key"),
            (f"{NAME}+00000000+%%", "not base64"),
        ],
    )
    def test_a_malformed_key_is_refused(self, vkey, problem):
        with pytest.raises(BadNote, match=problem):
            notes.read_vkey(vkey)

    @pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb"])
    def test_a_name_that_breaks_the_format_is_refused(self, name):
        with pytest.raises(BadNote, match="cannot name a key"):
            notes.verifier(name, KEY)


class TestNote:
    def test_the_signed_text_comes_back(self):
        assert notes.open_note(notes.sign("one\n\ntwo\n", NAME, KEY), BY) == "one\n\ntwo\n"

    def test_unknown_signatures_are_ignored_up_to_a_hundred(self):
        other = notes.sign(STATE.text, "witness.example.org", Ed25519PrivateKey.generate())
        line = other.splitlines()[-1] + "\n"
        assert notes.open_note(NOTE + line * 99, BY) == STATE.text
        with pytest.raises(BadNote, match="A note is text"):
            notes.open_note(NOTE + line * 100, BY)

    def test_one_failing_signature_of_a_known_key_rejects_the_note(self):
        forged = notes.sign("something else\n", NAME, KEY).splitlines()[-1] + "\n"
        with pytest.raises(BadNote, match="does not fit"):
            notes.open_note(NOTE + forged, BY)

    def test_another_key_of_the_same_name_is_not_this_key(self):
        with pytest.raises(BadNote, match=r"not signed by log\.example\.org"):
            notes.open_note(notes.sign(STATE.text, NAME, Ed25519PrivateKey.generate()), BY)

    @pytest.mark.parametrize(
        "note",
        [
            "",
            STATE.text,
            STATE.text + "\n",
            NOTE.rstrip("\n"),
            NOTE + "\n",
            NOTE.replace("— ", "- "),
            NOTE.replace("—", "—\x07"),
            NOTE.replace(NOTE.split()[-1], "AAAA"),
            NOTE.replace(NOTE.split()[-1], "A"),
            NOTE.replace(NOTE.split()[-1], "ä"),
            NOTE.replace("9\n", "10\n"),
            "\x00" + NOTE,
        ],
    )
    def test_a_malformed_or_changed_note_is_refused(self, note):
        with pytest.raises(BadNote):
            notes.open_note(note, BY)


class TestCheckpoint:
    def test_it_survives_signing_and_opening(self):
        assert notes.open_checkpoint(NOTE, BY) == STATE

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (STATE.text + "extension\n", "three lines"),
            (STATE.text.replace(NAME, "other.example.org"), "three lines"),
            (STATE.text.replace("\n9\n", "\n09\n"), "no leading zero"),
            (STATE.text.replace("\n9\n", "\n-9\n"), "digits only"),
            (STATE.text.replace("\n9\n", "\n٩\n"), "digits only"),
            (f"{NAME}\n9\nAAAA\n", "32 bytes"),
            (f"{NAME}\n9\n{'A' * 42}B=\n", "shortest base64"),
        ],
    )
    def test_a_signed_text_of_another_form_is_refused(self, text, problem):
        with pytest.raises(BadNote, match=problem):
            notes.open_checkpoint(notes.sign(text, NAME, KEY), BY)


class TestCosignature:
    # The example of c2sp.org/tlog-cosignature.
    NOTE = (
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
        "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/"
        "Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
        "— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX"
        "3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
    )

    def test_a_witness_has_another_id_than_a_log_with_the_same_key(self):
        witness = notes.Verifier(NAME, BY.public, notes.COSIGNATURE)
        assert notes.read_vkey(witness.vkey, kind=notes.COSIGNATURE) == witness
        assert witness.key_id != BY.key_id

    def test_the_line_of_one_witness_is_taken_out_as_it_stands(self):
        class Anybody(notes.Verifier):
            key_id = base64.b64decode("jWbPPw==")

            def check(self, text, signature):
                assert (text.count("\n"), len(signature)) == (3, 8 + 64)

        line = notes.cosignature(self.NOTE, Anybody("witness.example.com/w1", bytes(32)))
        assert line == self.NOTE.splitlines(keepends=True)[-1]

    def test_another_time_is_another_signature(self):
        signature = KEY.sign(b"cosignature/v1\ntime 7\n" + STATE.text.encode())
        witness = notes.Verifier(NAME, BY.public, notes.COSIGNATURE)
        witness.check(STATE.text, (7).to_bytes(8) + signature)
        with pytest.raises(BadNote, match="does not fit"):
            witness.check(STATE.text, (8).to_bytes(8) + signature)
        with pytest.raises(BadNote, match="does not fit"):
            witness.check(STATE.text, b"")


class TestProof:
    def test_every_entry_is_proven_under_the_signed_state(self):
        for index, data in enumerate(DATA):
            text = notes.write_proof(index, tree.inclusion_proof(index, 9, at), NOTE)
            assert notes.verify_proof(text, data, BY.vkey) == STATE

    def test_a_line_nobody_signed_is_read_over(self):
        text = RECEIPT.replace("index", "extra aGVsbG8=\nindex", 1)
        assert notes.verify_proof(text, DATA[4], BY.vkey) == STATE

    def test_another_entry_is_not_proven(self):
        with pytest.raises(tree.Unproven, match="another root"):
            notes.verify_proof(RECEIPT, DATA[5], BY.vkey)

    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("tlog-proof@v1", "tlog-proof@v2", "begins with"),
            ("\n\n", "\n", "begins with|is not base64"),
            ("index 4", "index 5", "leads to another root"),
            ("index 4", "index 9", "no leaf 9"),
            ("index 4", "index 04", "leading zero"),
            ("index 4\n", "", "says the index"),
            ("index 4\n", "index 4\n" + "A" * 43 + "=\n", "too long|another root"),
            ("index 4\n", "index 4\n" + ("A" * 43 + "=\n") * 63, "63 hashes at most"),
            ("index 4\n", "extra %\nindex 4\n", "not base64"),
            ("index 4\n", "index 4\nAAAA\n", "32 bytes"),
            (NAME, "other.example.org", "is not signed|does not fit"),
        ],
    )
    def test_a_changed_receipt_proves_nothing(self, old, new, problem):
        with pytest.raises(ValueError, match=problem):
            notes.verify_proof(RECEIPT.replace(old, new, 1), DATA[4], BY.vkey)

    def test_a_receipt_that_ends_early_proves_nothing(self):
        with pytest.raises(BadNote, match="says the index"):
            notes.read_proof(f"{notes.PROOF}\n\n{NOTE}")


@pytest.mark.stock
@pytest.mark.skipif(
    not all(map(shutil.which, ("sh", "sed", "xxd", "openssl"))),
    reason="needs sh, sed, xxd and openssl",
)
class TestShell:
    """The check that an agency can run without any of our code."""

    @pytest.fixture
    def check(self, tmp_path):
        def run(receipt=RECEIPT, data=DATA[4], vkey=BY.vkey):
            (tmp_path / "receipt").write_text(receipt, encoding="utf-8")
            (tmp_path / "entry").write_bytes(data)
            (tmp_path / "vkey").write_text(f"{vkey}\n", encoding="utf-8")
            command = ["sh", str(SCRIPT), "receipt", "entry", "vkey"]
            return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

        return run

    @pytest.mark.slow
    def test_a_true_receipt_is_proven(self, check):
        done = check()
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "PROVEN: the entry is number 4 of 9 in the log log.example.org\n"

    @pytest.mark.slow
    def test_so_is_one_whose_state_witnesses_cosigned(self, check):
        witness = notes.Verifier("wanda.example.org", BY.public, notes.COSIGNATURE)
        signature = KEY.sign(b"cosignature/v1\ntime 7\n" + STATE.text.encode())
        data = base64.b64encode(witness.key_id + (7).to_bytes(8) + signature).decode()
        note = f"{NOTE}— {witness.name} {data}\n"
        assert notes.cosignature(note, witness)
        text = notes.write_proof(4, tree.inclusion_proof(4, 9, at), note)
        assert check(text, DATA[4]).returncode == 0
        assert notes.verify_proof(text, DATA[4], BY.vkey) == STATE

    @pytest.mark.slow
    @pytest.mark.parametrize("index", range(9))
    def test_so_is_every_place_in_the_tree(self, check, index):
        text = notes.write_proof(index, tree.inclusion_proof(index, 9, at), NOTE)
        assert check(text, DATA[index]).returncode == 0

    def test_a_log_of_one_entry_needs_no_hashes(self, check):
        note = notes.sign(Checkpoint(NAME, 1, LEAVES[0]).text, NAME, KEY)
        assert check(notes.write_proof(0, [], note), DATA[0]).returncode == 0

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("old", "new", "problem"),
        [
            ("tlog-proof@v1", "tlog-proof@v2", "is no receipt"),
            ("index 4", "index 5", "another root"),
            ("index 4", "index 9", "no entry 9"),
            ("index 4", "index 4;id", "no number"),
            ("index 4\n", "index 4\nAAAA\n", "is no hash"),
            ("index 4\n", "index 4\n" + "A" * 43 + "=\n", "too long"),
            (f"\n\n{NAME}", "\n\nother.example.org", "of another log"),
            ("\n9\n", "\n10\n", "does not fit"),
            ("\n\n—", "\nextension\n\n—", "more than three lines"),
            (f"— {NAME}", "— other.example.org", "not signed"),
            ("— ", "- ", "malformed"),
        ],
    )
    def test_a_changed_receipt_is_not(self, check, old, new, problem):
        assert old in RECEIPT
        done = check(RECEIPT.replace(old, new, 1))
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("NOT PROVEN: ")
        assert problem in done.stderr

    @pytest.mark.slow
    def test_a_changed_entry_is_not(self, check):
        done = check(data=DATA[4] + b"\n")
        assert (done.returncode, done.stdout) == (1, "")
        assert "another root" in done.stderr

    @pytest.mark.slow
    def test_a_shortened_proof_is_not(self, check):
        lines = RECEIPT.split("\n")
        done = check("\n".join(lines[:2] + lines[3:]))
        assert (done.returncode, done.stdout) == (1, "")

    def test_the_key_of_another_log_is_not_believed(self, check):
        stranger = notes.verifier(NAME, Ed25519PrivateKey.generate()).vkey
        assert "not signed" in check(vkey=stranger).stderr
        swapped = f"{NAME}+{BY.key_id.hex()}+{stranger.split('+', 2)[2]}"
        assert "another id" in check(vkey=swapped).stderr

    def test_a_second_signature_of_the_log_must_fit_too(self, check):
        forged = notes.sign("something else\n", NAME, KEY).splitlines()[-1] + "\n"
        assert "does not fit" in check(RECEIPT + forged).stderr

    @pytest.mark.slow
    def test_signatures_of_others_are_ignored(self, check):
        extra = f"— witness.example.org {base64.b64encode(bytes(68)).decode()}\n"
        assert check(RECEIPT + extra).returncode == 0
