"""A bucket of a real S3 server in this process: everything goes over its HTTP."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils.functional import empty

from config import env

WHERE = "s3://evidence/sealed"


@pytest.fixture(scope="session")
def s3_service() -> Iterator[str]:
    """The address of an S3 server of the tests' own."""
    server = pytest.importorskip("moto.server", reason="not installed: requirements-interop.txt")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def s3(s3_service: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Let the storage of this test be a bucket, and return a client that looks into it."""
    boto3 = pytest.importorskip("boto3", reason="not installed: the extra s3")
    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_service,
        "AWS_ACCESS_KEY_ID": "sample",
        "AWS_SECRET_ACCESS_KEY": "sample",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = {**settings.STORAGES, "default": env.store(WHERE)}
    default_storage._wrapped = empty
    client = boto3.client("s3")
    client.create_bucket(
        Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    yield client
    for left in client.list_multipart_uploads(Bucket="evidence").get("Uploads", ()):
        client.abort_multipart_upload(Bucket="evidence", Key=left["Key"], UploadId=left["UploadId"])
    for name in _keys(client):
        client.delete_object(Bucket="evidence", Key=name)
    client.delete_bucket(Bucket="evidence")
    default_storage._wrapped = empty


def _keys(client: Any) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket="evidence").get("Contents", ())]


@pytest.fixture
def kept(s3: Any) -> Callable[[], tuple[list[str], int]]:
    """Tell what lies in the bucket: the objects, and how many uploads are unfinished."""

    def look() -> tuple[list[str], int]:
        begun = s3.list_multipart_uploads(Bucket="evidence").get("Uploads", ())
        return _keys(s3), len(begun)

    return look
