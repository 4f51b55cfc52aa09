"""A checkout with nothing beside it, in which commands run as a newcomer runs them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("compliance", "config", "docs", "referrals")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what is needed to run; `var` and the shared papers stay behind."""
    there = tmp_path_factory.mktemp("clone")
    for part in PARTS:
        shutil.copytree(ROOT / part, there / part)
    shutil.copy(ROOT / "manage.py", there)
    return there


@pytest.fixture(scope="module")
def demonstrate(clone: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the demo there, with settings around it that it must not take over."""
    around = os.environ | {
        "DUTYLINE_LOG_ORIGIN": "elsewhere.example.org/log",
        "DUTYLINE_STORAGE": str(clone / "not-here"),
    }

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "manage.py", "demo", *words],
            cwd=clone,
            env=around,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert not (clone / "not-here").exists()
        return done

    return run
