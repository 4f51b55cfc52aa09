"""AWS: what KMS refuses, and when it merely does not answer."""

from pathlib import Path
from typing import Any

import pytest

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault import providers
from compliance.vault.providers import Context, KeyProvider

OURS = Context("7c1c4187-2c17-4347-af92-2568684b5d77", "2026")
FILE_KEY = b"sixteen bytes ok"
pytestmark = pytest.mark.slow


def failing(aws: KeyProvider, code: str, status: int) -> Any:
    """Let the next call of KMS fail in this way."""
    exceptions = pytest.importorskip("botocore.exceptions")

    def fail(**kwargs: Any) -> None:
        told = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise exceptions.ClientError(told, "Encrypt")

    return fail


class TestMake:
    def test_leaves_one_key_behind_when_two_begin_at_once(
        self, aws: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        aws.make("2026")
        blob = aws.wrap(FILE_KEY, OURS)
        monkeypatch.setattr(type(aws), "_state", lambda self, key_id: None)  # asked too early
        aws.make("2026")
        assert aws.unwrap(blob, OURS) == FILE_KEY
        known = [aws._kms.describe_key(KeyId=k["KeyId"]) for k in aws._kms.list_keys()["Keys"]]
        states = sorted(each["KeyMetadata"]["KeyState"] for each in known)
        assert states == ["Enabled", "PendingDeletion"]


class TestUnwrap:
    def test_says_what_kms_calls_its_refusal(self, aws: Any) -> None:
        aws.make("2026")
        blob = aws.wrap(FILE_KEY, OURS)
        with pytest.raises(KeyUnusable, match=r"^AWS KMS refuses: InvalidCiphertextException\.$"):
            aws.unwrap(blob, Context("another", "2026"))
        aws.destroy("2026")
        with pytest.raises(KeyUnusable, match=r"^AWS KMS refuses: KMSInvalidStateException\.$"):
            aws.unwrap(blob, OURS)

    @pytest.mark.parametrize(
        ("code", "status", "refusal"),
        [
            ("ThrottlingException", 400, KeeperAway),
            ("KMSInternalException", 500, KeeperAway),
            ("ServiceUnavailable", 503, KeeperAway),
            ("AccessDeniedException", 400, KeyUnusable),
        ],
    )
    def test_tells_apart_what_passes_and_what_does_not(
        self, aws: Any, monkeypatch: pytest.MonkeyPatch, code: str, status: int, refusal: Any
    ) -> None:
        monkeypatch.setattr(aws._kms, "decrypt", failing(aws, code, status))
        with pytest.raises(refusal, match=code):
            aws.unwrap(b"blob", OURS)

    def test_waits_for_a_service_that_nobody_reaches(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        pytest.importorskip("boto3", reason="boto3 is not installed")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "sample")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        away = providers.load("aws", {"region": "eu-central-1", "endpoint": "http://127.0.0.1:9"})
        with pytest.raises(KeeperAway, match=r"^AWS KMS cannot be reached: EndpointConnection"):
            away.unwrap(b"blob", OURS)
