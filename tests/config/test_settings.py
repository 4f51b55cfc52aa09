"""Settings: embedded without a variable, strict in production, and nobody waved through."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from config import settings as module

FILE = str(Path(module.__file__))
PRODUCTION = {
    "DUTYLINE_ENVIRONMENT": "production",
    "DUTYLINE_BASE_URL": "https://duty.example.org",
    "DUTYLINE_ALLOWED_HOSTS": "duty.example.org",
    "DUTYLINE_LOG_ORIGIN": "duty.example.org/log",
}
Read = Callable[..., dict[str, Any]]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    """Read the settings as a process would that starts with these variables and no other."""

    def read(**variables: str) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            for name in [name for name in module.env.os.environ if name.startswith("DUTYLINE_")]:
                patch.delenv(name)
            for name, value in {"DUTYLINE_STATE_DIR": str(tmp_path), **variables}.items():
                patch.setenv(name, value)
            return runpy.run_path(FILE)

    return read


class TestDevelopment:
    def test_wants_no_variable(self, read: Read, tmp_path: Path) -> None:
        found = read()
        assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "dutyline.sqlite3")
        assert found["STORAGE"] == str(tmp_path / "evidence")
        assert found["KEYS_DIR"] == tmp_path / "keys"
        assert found["BROKER_URL"] == ""
        assert found["BASE_URL"] == "http://localhost:8000"
        assert found["SECRET_KEY"] == (tmp_path / "secret-key").read_text()
        assert not found["SESSION_COOKIE_SECURE"]
        assert "SECURE_PROXY_SSL_HEADER" not in found

    def test_shows_no_fault_of_ours_to_anybody(self, read: Read) -> None:
        assert read()["DEBUG"] is read(**PRODUCTION)["DEBUG"] is False


class TestProduction:
    def test_wants_https_for_pages_and_cookies(self, read: Read) -> None:
        found = read(**PRODUCTION)
        for name in (
            "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT",
            "SECURE_HSTS_INCLUDE_SUBDOMAINS", "SECURE_HSTS_PRELOAD",
        ):  # fmt: skip
            assert found[name] is True, name
        assert found["SECURE_HSTS_SECONDS"] == 365 * 24 * 60 * 60

    @pytest.mark.parametrize(
        ("weak", "sentence"),
        [
            ({"DUTYLINE_BASE_URL": "http://duty.example.org"}, "wants https://HOST in production"),
            ({"DUTYLINE_ALLOWED_HOSTS": "a,*"}, r"wants names in production, not \*"),
            ({"DUTYLINE_SECRET_KEY": "x" * 49}, "wants 50 characters or more in production"),
            ({"DUTYLINE_WITNESSES": "w+1+A= http://w"}, "wants https:// in production"),
            (
                {"DUTYLINE_MAIL_URL": "smtp://mx.example.org"},
                r"wants smtps or smtp\+starttls in production",
            ),
            (
                {"DUTYLINE_LOG_ORIGIN": "localhost/log"},
                "wants the log's lasting name in production",
            ),
        ],
        ids=lambda weak: next(iter(weak)) if isinstance(weak, dict) else "",
    )
    def test_refuses_what_is_weak(self, read: Read, weak: dict[str, str], sentence: str) -> None:
        assert read(**weak)["IN_PRODUCTION"] is False
        (name,) = weak
        with pytest.raises(ImproperlyConfigured, match=f"^{name} {sentence}\\.$"):
            read(**PRODUCTION, **weak) if name not in PRODUCTION else read(**PRODUCTION | weak)


class TestVariables:
    @pytest.mark.parametrize(
        ("name", "value", "wanted"),
        [
            ("DUTYLINE_ENVIRONMENT", "prod", "wants one of development, production"),
            ("DUTYLINE_KEY_PROVIDERS", "local,aws", "wants a JSON object of objects"),
            ("DUTYLINE_STORAGE", "gs://bucket", "wants a directory or s3://BUCKET/PREFIX"),
            ("DUTYLINE_STORAGE", "s3://b/x", "wants a directory or s3://BUCKET/PREFIX"),
            ("DUTYLINE_STORAGE", "", "wants a directory or s3://BUCKET/PREFIX"),
            ("DUTYLINE_DATABASE_URL", "dutyline", "wants sqlite:///PATH or"),
            ("DUTYLINE_BROKER_URL", "localhost", "wants amqp://"),
            ("DUTYLINE_CACHE_URL", "memcached://localhost", "wants redis://"),
            ("DUTYLINE_BASE_URL", "duty.example.org", "wants http://HOST or https://HOST"),
            ("DUTYLINE_LEGAL_PROCESS_URL", "our office", "wants https://HOST/PATH or nothing"),
            ("DUTYLINE_LOG_ORIGIN", "https://duty.example.org/log", "wants HOST/NAME"),
            ("DUTYLINE_TRUSTED_PROXIES", "one", "wants a whole number"),
            ("DUTYLINE_UPLOAD_LIMIT", "4GiB", "wants a whole number"),
            ("DUTYLINE_WITNESSES", "wanda", "wants NAME"),
            ("DUTYLINE_WITNESS_QUORUM", "1", "wants no more than there are witnesses"),
            ("DUTYLINE_TIMESTAMP_URL", "stamps.example.org", "wants https://HOST/PATH"),
        ],
    )
    def test_stop_the_start_by_name_when_malformed(
        self, read: Read, name: str, value: str, wanted: str
    ) -> None:
        with pytest.raises(ImproperlyConfigured, match=f"^{name} {wanted}"):
            read(**{name: value})

    def test_want_certificates_beside_a_time_stamping_authority(
        self, read: Read, tmp_path: Path
    ) -> None:
        url = {"DUTYLINE_TIMESTAMP_URL": "https://stamps.example.org"}
        with pytest.raises(ImproperlyConfigured, match=r"^DUTYLINE_TIMESTAMP_ROOTS wants a file"):
            read(**url)
        (tmp_path / "roots.pem").touch()
        assert read(**url, DUTYLINE_TIMESTAMP_ROOTS=str(tmp_path / "roots.pem"))

    @pytest.mark.parametrize(
        ("where", "bucket", "prefix"),
        [
            ("s3://evidence", "evidence", ""),
            ("s3://evidence/", "evidence", ""),
            ("s3://duty.example.org/a/b/", "duty.example.org", "a/b"),
        ],
    )
    def test_name_a_bucket_and_a_prefix(
        self, read: Read, where: str, bucket: str, prefix: str
    ) -> None:
        assert read(DUTYLINE_STORAGE=where)["STORAGES"]["default"] == {
            "BACKEND": "compliance.vault.bucket.Bucket",
            "OPTIONS": {"bucket_name": bucket, "location": prefix},
        }

    def test_believe_a_proxy_about_https_only_where_one_is_named(self, read: Read) -> None:
        found = read(DUTYLINE_TRUSTED_PROXIES="1")
        assert found["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


class TestWhoIsLetIn:
    def test_by_default_nobody(self) -> None:
        framework = module.REST_FRAMEWORK
        assert framework["DEFAULT_PERMISSION_CLASSES"] == ["referrals.api.permissions.DenyAll"]
        assert framework["DEFAULT_RENDERER_CLASSES"] == ["rest_framework.renderers.JSONRenderer"]

    def test_every_upload_goes_through_the_sealing_handler_alone(self) -> None:
        assert module.FILE_UPLOAD_HANDLERS == ["compliance.vault.uploads.SealingUploadHandler"]


class TestWsgi:
    def test_serves_the_site(self, db: None) -> None:
        wsgi = runpy.run_path(str(Path(FILE).with_name("wsgi.py")))["application"]
        said: list[str] = []
        environ = Client()._base_environ(PATH_INFO="/admin/login/")
        body = wsgi(environ, lambda status, headers: said.append(status))
        body.close()
        assert said == ["200 OK"]
