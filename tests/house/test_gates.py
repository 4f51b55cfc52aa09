"""The gates run as tests, so that one command is the whole gate."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=ROOT,
        env={"PATH": str(BIN), **environment} if environment else None,
        capture_output=True,
        text=True,
        check=False,
    )


class TestGates:
    @pytest.mark.parametrize(
        "command",
        [
            ("ruff", "check", "."),
            ("ruff", "format", "--check", "."),
            ("lint-imports",),
            ("mypy",),
        ],
        ids=lambda command: command[0] + command[1] if len(command) > 1 else command[0],
    )
    def test_pass(self, command: tuple[str, ...]) -> None:
        done = run(*command)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_the_models_have_no_migration_missing(self, db: None) -> None:
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)

    def test_a_production_set_up_passes_the_deploy_check(self, tmp_path: Path) -> None:
        done = run(
            "python", "manage.py", "check", "--deploy", "--fail-level", "WARNING",
            DUTYLINE_STATE_DIR=str(tmp_path),
            DUTYLINE_ENVIRONMENT="production",
            DUTYLINE_DATABASE_URL="postgresql://dutyline@localhost/dutyline",
            DUTYLINE_BROKER_URL="amqp://localhost",
            DUTYLINE_BASE_URL="https://dutyline.example.org",
            DUTYLINE_ALLOWED_HOSTS="dutyline.example.org",
            DUTYLINE_LEGAL_PROCESS_URL="https://dutyline.example.org/legal-process",
            DUTYLINE_LOG_ORIGIN="dutyline.example.org/log",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
