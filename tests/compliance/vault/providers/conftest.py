"""Providers for tests: each kind with the best stand-in that installs behind it."""

import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from compliance.vault import providers
from compliance.vault.providers import KeyProvider
from tests.compliance.vault.providers import transit

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.fixture
def local(home: Path) -> KeyProvider:
    """Keys in files."""
    return providers.load("local", {})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyProvider]:
    """AWS KMS, as moto plays it."""
    moto = pytest.importorskip("moto", reason="moto is not installed")
    pytest.importorskip("boto3", reason="boto3 is not installed")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "sample")
    _refuse_keys_that_go(monkeypatch)
    with moto.mock_aws():
        yield providers.load("aws", {"region": "eu-central-1"})


def _refuse_keys_that_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let moto refuse a key whose deletion is scheduled, as KMS does and moto 5.2 does not."""
    backend = import_module("moto.kms.models").KmsBackend
    error = import_module("moto.core.exceptions").JsonRESTError
    for name in ("encrypt", "decrypt", "re_encrypt"):
        played = getattr(backend, name)

        def act(self: Any, *args: Any, played: Any = played, **kwargs: Any) -> Any:
            answer = played(self, *args, **kwargs)
            used = [self.keys[arn.split("/")[-1]] for arn in answer if isinstance(arn, str)]
            if any(key.key_state == "PendingDeletion" for key in used):
                raise error("KMSInvalidStateException", "The key is pending deletion.")
            return answer

        monkeypatch.setattr(backend, name, act)


@pytest.fixture
def engine() -> Iterator[tuple[str, transit.Engine]]:
    """The address of a transit engine, and the engine."""
    with transit.serving() as served:
        yield served


@pytest.fixture
def vault(engine: tuple[str, Any], tmp_path: Path) -> KeyProvider:
    """The transit engine, as its documented contract has it."""
    pytest.importorskip("hvac", reason="hvac is not installed")
    (tmp_path / "token").write_text(f"{transit.TOKEN}\n")
    return providers.load("vault", {"url": engine[0], "token_file": str(tmp_path / "token")})


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A token of SoftHSM: a hardware module without the hardware."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    if not SOFTHSM.exists():
        pytest.skip("SoftHSM is not installed")
    where = tmp_path_factory.mktemp("softhsm")
    (where / "tokens").mkdir()
    (where / "conf").write_text(f"directories.tokendir = {where}/tokens\nlog.level = ERROR\n")
    (where / "pin").write_text("1234\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(where / "conf"))  # read when the library is first used
    pins = ("--pin", "1234", "--so-pin", "4321")
    told = ("--init-token", "--free", "--label", "dutyline", *pins)
    subprocess.run(["softhsm2-util", *told], check=True, capture_output=True)
    return {"library": str(SOFTHSM), "token": "dutyline", "pin_file": str(where / "pin")}


@pytest.fixture
def pkcs11(softhsm: dict[str, str]) -> Iterator[KeyProvider]:
    """SoftHSM, with no key of an earlier test."""
    provider: Any = providers.load("pkcs11", softhsm)
    for key_id in ("2026", "2026-2", "2027"):
        provider.destroy(key_id)
    yield provider
    if provider._session:
        provider._session.close()


@pytest.fixture
def provider(request: pytest.FixtureRequest) -> KeyProvider:
    """The provider that the test is asked about."""
    found: KeyProvider = request.getfixturevalue(request.param)
    return found
