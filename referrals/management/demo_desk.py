"""The demo's desks: an agency's side, played by programs that run in a folder of their own.

Each step is a process. It gets the private keys in that folder and the base address; it sees no
setting, no database and no storage of ours.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from referrals.management.demo_cast import Introduced, client_id

ROOT = Path(settings.BASE_DIR)
CLIENT = ROOT / "docs" / "clients" / "liaison.py"


class Desk:
    """One sample desk."""

    def __init__(self, authority: str, folder: Path, kind: str) -> None:
        self.authority, self.kind = authority, kind
        self.folder = folder / authority
        self.identity = self.folder / "agency-identity.txt"
        self.signers = self.folder / "allowed_signers"
        self.referrals: dict[str, str] = {}  # id and number of what was collected

    def introduce(self) -> Introduced:
        """Make the desk's keys, and say what it sends and reads out to the provider."""
        self.folder.mkdir(parents=True)
        sealing: dict[str, Any] = json.loads(
            self._run("-m", "referrals.management.demo_keygen", self.kind, str(self.identity))
        )
        client_key, thumbprint = self._liaison("keygen").splitlines()
        return Introduced(
            authority=self.authority,
            client_key=json.loads(client_key),
            thumbprint=thumbprint.removeprefix("thumbprint "),
            **sealing,
        )

    def collect(self, base: str, signers: str) -> None:
        """Fetch every unread bundle, check and open it, then acknowledge the referral."""
        self.signers.write_text(signers, encoding="utf-8")
        for line in self._liaison("list", "--unread", base=base).splitlines():
            referral, number = line.split()[:2]
            bundle = self.folder / f"{number}.zip"
            self._liaison("download", referral, "--out", str(bundle), base=base)
            self._open(bundle, self.folder / number)
            mark = f"{self.authority.upper()}-SAMPLE-{len(self.referrals) + 1}"
            self._liaison("acknowledge", referral, "--reference", mark, base=base)
            self.referrals[referral] = number

    def fetch_receipts(self, base: str) -> None:
        """Fetch the proof, for every referral, that its delivery is in the log."""
        for referral, number in self.referrals.items():
            proof = self.folder / f"{number}.tlog-proof"
            self._liaison("receipt", referral, "--out", str(proof), base=base)

    def leave(self, out: Path) -> None:
        """Copy the last bundle to a folder, with what opens it and what proves its delivery."""
        number = list(self.referrals.values())[-1]
        proof = f"{number}.tlog-proof"
        shutil.copy(self.folder / f"{number}.zip", out / "bundle.zip")
        shutil.copy(self.identity, out / "agency-identity.txt")
        shutil.copy(self.folder / proof, out / "receipt.tlog-proof")
        shutil.copy(self.folder / f"{proof}.entry.json", out / "entry.json")

    def _open(self, bundle: Path, out: Path) -> None:
        keys = ["--identity", str(self.identity), "--signers", str(self.signers)]
        self._run(str(ROOT / "manage.py"), "open_bundle", str(bundle), *keys, "--out", str(out))

    def _liaison(self, *words: str, base: str = "") -> str:
        where = ["--base", base, "--client-id", client_id(self.authority)] if base else []
        key = ["--key", str(self.folder / "liaison.pem")]
        return self._run(str(CLIENT), *where, *key, *words)

    def _run(self, *words: str) -> str:
        """Run a program of the desk's side and return what it printed."""
        kept = {name: each for name, each in os.environ.items() if not name.startswith("DUTYLINE_")}
        done = subprocess.run(  # noqa: S603
            [sys.executable, *words],
            cwd=ROOT,
            env=kept | {"DUTYLINE_STATE_DIR": str(self.folder / "state")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"At the desk of {self.authority}: {done.stderr.strip()}")
        return done.stdout
