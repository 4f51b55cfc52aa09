"""AWS: key-encryption keys in AWS KMS, which wraps and unwraps and never shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from compliance.errors import KeeperAway, KeyUnusable
from compliance.vault.providers import Context, KeyProvider

WAIT = 7  # days, the least that KMS allows; it refuses to unwrap from the first on
LIMITS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard"})
# What passes by itself. Any other answer is about the key, or about what was handed in.
PASSING = {"ThrottlingException", "DependencyTimeoutException", "KMSInternalException"}


@dataclass
class Provider(KeyProvider):
    """Symmetric KMS keys under aliases; who may use them is for IAM to say.

    Credentials come the ways that boto3 knows. Where we may not make keys, aliases called
    `alias/<prefix>-<key id>` are made beforehand. The context is the EncryptionContext.
    """

    kind: ClassVar[str] = "aws"
    region: str
    prefix: str = "dutyline"
    endpoint: str = ""

    @cached_property
    def _kms(self) -> Any:
        return boto3.client(
            "kms", region_name=self.region, endpoint_url=self.endpoint or None, config=LIMITS
        )

    def make(self, key_id: str) -> None:
        """Create a key and its alias."""
        with _asking():
            if self._state(key_id):
                return
            made = self._kms.create_key(Description=f"Dutyline, file keys of {key_id}")
            ours = made["KeyMetadata"]["KeyId"]
            try:
                self._kms.create_alias(AliasName=self._alias(key_id), TargetKeyId=ours)
            except self._kms.exceptions.AlreadyExistsException:  # somebody else was faster
                self._kms.schedule_key_deletion(KeyId=ours, PendingWindowInDays=WAIT)

    def wrap(self, file_key: bytes, context: Context) -> bytes:
        """Return the ciphertext of KMS."""
        with _asking():
            answer = self._kms.encrypt(
                KeyId=self._alias(context.kek),
                Plaintext=file_key,
                EncryptionContext=context.strings(),
            )
        return cast(bytes, answer["CiphertextBlob"])

    def unwrap(self, blob: bytes, context: Context) -> bytes:
        """Return what KMS unwraps."""
        with _asking():
            answer = self._kms.decrypt(
                KeyId=self._alias(context.kek),
                CiphertextBlob=blob,
                EncryptionContext=context.strings(),
            )
        return cast(bytes, answer["Plaintext"])

    def rewrap(self, blob: bytes, was: Context, now: Context) -> bytes:
        """Let KMS re-encrypt: the file key never leaves it."""
        with _asking():
            answer = self._kms.re_encrypt(
                CiphertextBlob=blob,
                SourceKeyId=self._alias(was.kek),
                SourceEncryptionContext=was.strings(),
                DestinationKeyId=self._alias(now.kek),
                DestinationEncryptionContext=now.strings(),
            )
        return cast(bytes, answer["CiphertextBlob"])

    def destroy(self, key_id: str) -> None:
        """Schedule the deletion, which cannot be hurried but bites at once."""
        with _asking():
            state = self._state(key_id)
            if state and state["KeyState"] != "PendingDeletion":
                self._kms.schedule_key_deletion(KeyId=state["KeyId"], PendingWindowInDays=WAIT)

    def _alias(self, key_id: str) -> str:
        return f"alias/{self.prefix}-{key_id}"

    def _state(self, key_id: str) -> dict[str, str] | None:
        try:
            answer = self._kms.describe_key(KeyId=self._alias(key_id))
        except self._kms.exceptions.NotFoundException:
            return None
        return cast(dict[str, str], answer["KeyMetadata"])


@contextmanager
def _asking() -> Iterator[None]:
    """Tell apart whether KMS refuses, or does not answer."""
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in PASSING or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise KeeperAway(f"AWS KMS cannot answer now: {code}.") from error
        raise KeyUnusable(f"AWS KMS refuses: {code}.") from error
    except BotoCoreError as error:
        raise KeeperAway(f"AWS KMS cannot be reached: {type(error).__name__}.") from error
