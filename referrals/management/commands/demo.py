"""demo: three invented findings through all ten rooms, in an embedded state of its own."""

import argparse
import json
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from compliance.audit import signing, verification
from compliance.audit.checkpoints import AuditCheckpoint
from compliance.roles import User
from compliance.vault import age
from referrals import bundles
from referrals.management import demo_account, demo_journey, demo_story
from referrals.management.commands import up, work
from referrals.management.demo_desk import Desk
from referrals.sealing import sshsig

OWN_STATE = Path(settings.BASE_DIR) / "var" / "demo"
MANAGE = Path(settings.BASE_DIR) / "manage.py"


class Command(BaseCommand):
    """`manage.py demo [--out DIR] [--json]`."""

    help = (
        "Takes three invented findings from record to receipt, and tells what happened."
        " Wipes first what an earlier demo left under var/demo."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --out and --json. `--here` is how the command calls itself in its own state."""
        parser.add_argument("--out", type=Path, help="folder for what an outsider can check")
        parser.add_argument("--json", action="store_true", help="print one JSON object only")
        parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Start over in the demo's own state, or, being there, make the journey."""
        if not options["here"]:
            start_over(out=options["out"], as_json=options["json"])
            return
        self.is_quiet = options["json"] or not sys.stderr.isatty()
        out, password = options["out"], secrets.token_urlsafe(12)
        with work.said_in_one_line():
            account = self._account(out, password)
        if options["json"]:
            self.stdout.write(_json(account))
        else:
            self.stdout.write("\n".join(demo_story.tell(account, _go_on(out, password, account))))
        if not account["log"]["verifies"]:
            raise CommandError(demo_story.log_line(account["log"]))

    def _account(self, out: Path | None, password: str) -> dict[str, Any]:
        started = time.monotonic()
        if out:
            out.mkdir(parents=True, exist_ok=True)
        up.make_ready()
        if User.objects.exists():
            raise CommandError("Somebody works here. Run manage.py demo without --here.")
        # BKA's key is of the kind that outlasts quantum computers. FBI's is the classic kind, so
        # that an age program of any year opens the bundle that --out leaves.
        folder = Path(settings.STATE_DIR) / "agencies"
        bka, fbi = (
            Desk("bka", folder, age.HybridIdentity.kind),
            Desk("fbi", folder, age.X25519Identity.kind),
        )
        with up.serving(0) as base:
            told = demo_journey.take(
                [bka, fbi], password=password, work=worker, base=base, step=self._step
            )
            schema = fetch(base, "/api/schema") if out else b""
        account = {
            "schema": "demo/1",
            "findings": told,
            "seconds": round(time.monotonic() - started, 1),
            "log": demo_account.of_log(verification.verify()),
        }
        if out:
            leave(out, fbi, schema, account)
        return account

    def _step(self, text: str) -> None:
        if not self.is_quiet:
            self.stderr.write(f"  · {text}")


def start_over(*, out: Path | None, as_json: bool) -> None:
    """Wipe the demo's own state and run the command there, with no setting from outside."""
    with work.said_in_one_line(), suppress(FileNotFoundError):
        shutil.rmtree(OWN_STATE)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DUTYLINE_")}
    words = [sys.executable, str(MANAGE), "demo", "--here"]
    words += ["--json"] if as_json else []
    words += ["--out", str(out.absolute())] if out else []
    done = subprocess.run(words, env=clean | {"DUTYLINE_STATE_DIR": str(OWN_STATE)}, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(done.returncode)


def worker() -> None:
    """Run the real worker, in a process of its own, until nothing is owed."""
    done = subprocess.run([sys.executable, str(MANAGE), "work", "--once"], check=False)  # noqa: S603
    if done.returncode:
        raise CommandError(f"The worker ended with {done.returncode}. What it wrote is above.")


def fetch(base: str, path: str) -> bytes:
    """Return what a GET of ours answers, as JSON."""
    connection = HTTPConnection(urlsplit(base).netloc, timeout=30)
    try:
        connection.request("GET", path, headers={"Accept": "application/json, */*;q=0.1"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise CommandError(f"GET {path} answered {answer.status}.")
    return body


def leave(out: Path, desk: Desk, schema: bytes, account: dict[str, Any]) -> None:
    """Leave what an outsider can check without us, and nothing else, in a folder."""
    signed = AuditCheckpoint.objects.latest()
    texts = {
        "allowed_signers": bundles.allowed_signers(),
        "checkpoint": signed.note,
        "log.vkey": f"{signing.vkey()}\n",
        "summary.json": f"{_json(account)}\n",
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    (out / "openapi.json").write_bytes(schema)
    desk.leave(out)


def _go_on(out: Path | None, password: str, account: dict[str, Any]) -> list[str]:
    python = Path(sys.executable)
    if python.is_relative_to(settings.BASE_DIR):
        python = python.relative_to(settings.BASE_DIR)
    return [
        *(_outside(out, account) if out else []),
        "To go on where the demo ended:",
        f"    DUTYLINE_STATE_DIR={OWN_STATE.relative_to(settings.BASE_DIR)} {python} manage.py up",
        "Sign in as ana or ben (reviewers), carla or dora (counsel) or cleo (custodian).",
        f"The password of all five, made for this run: {password}",
    ]


def _outside(out: Path, account: dict[str, Any]) -> list[str]:
    referrals = [each for finding in account["findings"] for each in finding["referrals"]]
    number = next(each["number"] for each in referrals if each["to"] == "fbi")
    script = Path(settings.BASE_DIR) / "docs" / "verify" / "verify_receipt.sh"
    return [
        "What an outsider can check without us is left in one folder. The bundle is the one of the",
        "FBI's sample desk, sealed to a key of the classic kind, which every age program opens:",
        f"    cd {shlex.quote(str(out))} && unzip -q bundle.zip",
        f"    sh {number}/open.sh agency-identity.txt opened",
        f"    ssh-keygen -Y verify -f allowed_signers -I {bundles.PRINCIPAL} "
        f"-n {sshsig.NAMESPACE} \\",
        "        -s opened/manifest.json.sig < opened/manifest.json",
        f"    sh {shlex.quote(str(script))} receipt.tlog-proof entry.json log.vkey",
        "",
    ]


def _json(account: dict[str, Any]) -> str:
    return json.dumps(account, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)
