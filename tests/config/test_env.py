"""Environment: what an operator sets is taken as it was meant, or refused by its name."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

NAME = "DUTYLINE_SAMPLE"
Set = Callable[..., None]


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Set:
    """Set the variable, or its twin and a file with this content."""

    def put(value: str | None = None, *, file: bytes | None = None) -> None:
        if value is not None:
            monkeypatch.setenv(NAME, value)
        if file is not None:
            (tmp_path / "secret-file").write_bytes(file)
            monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "secret-file"))

    return put


class TestText:
    def test_is_the_variable_or_the_default(self, put: Set) -> None:
        assert env.text(NAME, "default") == "default"
        put("value")
        assert env.text(NAME, "default") == "value"
        put("")
        assert env.text(NAME, "default") == ""

    def test_is_what_the_file_of_the_twin_holds(self, put: Set) -> None:
        put(file="wört\n".encode())
        assert env.text(NAME, "default") == "wört"

    @pytest.mark.parametrize("file", ["", None])
    def test_counts_an_empty_twin_as_none(
        self, put: Set, monkeypatch: pytest.MonkeyPatch, file: str | None
    ) -> None:
        put("value")
        monkeypatch.setenv(f"{NAME}_FILE", "")
        assert env.text(NAME, "default") == "value"

    def test_lets_the_twin_stand_beside_an_empty_variable(self, put: Set) -> None:
        put("", file=b"value")
        assert env.text(NAME, "default") == "value"

    def test_refuses_both_at_once(self, put: Set) -> None:
        put("value", file=b"another")
        with pytest.raises(ImproperlyConfigured, match=f"{NAME} and {NAME}_FILE are both set. Kee"):
            env.text(NAME, "default")

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"", "names a file with nothing in it"),
            (b" \n", "names a file with nothing in it"),
            (b"\xff", "names a file that is not text"),
        ],
    )
    def test_refuses_a_file_that_says_nothing(
        self, put: Set, content: bytes, sentence: str
    ) -> None:
        put(file=content)
        with pytest.raises(ImproperlyConfigured, match=f"^{NAME}_FILE {sentence}"):
            env.text(NAME, "default")

    def test_refuses_a_file_that_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "nowhere"))
        with pytest.raises(
            ImproperlyConfigured, match=f"^{NAME}_FILE names a file that cannot be read: No such fi"
        ):
            env.text(NAME, "default")


class TestForms:
    """Each reader takes what has its form, and names the form to whoever missed it."""

    @pytest.mark.parametrize(
        ("read", "default", "good", "bad", "wanted"),
        [
            (
                lambda: env.choice(NAME, ("a.b", "c")),
                "a.b",
                {"a.b": "a.b", "c": "c"},
                ["", "d", "axb", "A.B", "a.b\n"],
                "one of a.b, c",
            ),
            (
                lambda: env.count(NAME, 4),
                4,
                {"0": 0, "17": 17},
                ["", "-1", "1.5", "1e3", "many", "٣", "9" * 19],
                "a whole number",
            ),
            (
                lambda: env.address(NAME, "http://localhost:8000"),
                "http://localhost:8000",
                {each: each for each in ("https://a.example.org", "http://[::1]:80/")},
                [
                    "",
                    "a.example.org",
                    "ftp://a",
                    "https://a/b",
                    "https://u@a",
                    "https://a?b",
                    "//a",
                ],
                "http://HOST or https://HOST",
            ),
            (
                lambda: env.origin(NAME, "localhost/log"),
                "localhost/log",
                {"a.example.org/log": "a.example.org/log"},
                ["", "https://a.example.org/log", "a log", "a+log"],
                r"HOST/NAME, without scheme, space or \+",
            ),
            (
                lambda: env.broker(NAME),
                "",
                {each: each for each in ("amqp://guest:guest@127.0.0.1:5672//", "memory://", "")},
                ["localhost", "localhost:5672", "amqp:/x", "amqp://a b"],
                "amqp://USER:PASSWORD@HOST:PORT/NAME or nothing",
            ),
            (
                lambda: env.cache(NAME)["BACKEND"].rpartition(".")[2],
                "LocMemCache",
                {
                    "": "LocMemCache",
                    "locmem://": "LocMemCache",
                    "redis://localhost:6379/1": "RedisCache",
                    "rediss://localhost": "RedisCache",
                },
                ["redis", "redis://", "memcached://localhost", "locmem"],
                "redis://HOST:PORT/NUMBER, locmem:// or nothing",
            ),
            (
                lambda: env.networks(NAME),
                [],
                {"10.1.0.0/16, ::1": [ip_network("10.1.0.0/16"), ip_network("::1")], "": []},
                ["10.1.0.1/16", "here"],
                "networks such as 10.1.0.0/16",
            ),
            (
                lambda: env.mail(NAME).hostname,
                None,
                {"smtps://u:p@mx.example.org:465": "mx.example.org", "smtp://[::1]": "::1"},
                ["mx.example.org", "smtp://", "https://mx.example.org", "smtps://a/b"],
                r"smtps:// or smtp\+starttls://USER:PASSWORD@HOST:PORT, or nothing",
            ),
            (
                lambda: env.link(NAME),
                "",
                {each: each for each in ("https://a.example.org/stamp", "http://[::1]:80/", "")},
                ["a.example.org", "ftp://a", "https://", "https://u@a", "https://a b", "//a"],
                "https://HOST/PATH or nothing",
            ),
            (
                lambda: env.witnesses(NAME),
                [],
                {
                    "": [],
                    "w+1+A= https://w/a": [("w+1+A=", "https://w/a")],
                    "w+1+A= https://w, v+2+B=\thttp://v,": [
                        ("w+1+A=", "https://w"),
                        ("v+2+B=", "http://v"),
                    ],
                },
                ["w+1+A=", "https://w", "w+1+A= ftp://w", "w+1+A= https://u@w", "w x https://w"],
                r"NAME\+ID\+KEY https://HOST/PATH, several with commas",
            ),
        ],
        ids=[
            "choice",
            "count",
            "address",
            "origin",
            "broker",
            "cache",
            "networks",
            "mail",
            "link",
            "witnesses",
        ],
    )
    def test_are_kept(
        self,
        put: Set,
        read: Callable[[], object],
        default: object,
        good: dict[str, object],
        bad: list[str],
        wanted: str,
    ) -> None:
        assert read() == default
        for value, found in good.items():
            put(value)
            assert read() == found
        for value in bad:
            put(value)
            with pytest.raises(ImproperlyConfigured, match=f"^{NAME} wants {wanted}\\.$"):
                read()

    def test_of_a_cache_names_where_it_is(self, put: Set) -> None:
        put("redis://localhost:6379/1")
        assert env.cache(NAME)["LOCATION"] == "redis://localhost:6379/1"

    def test_of_a_list_are_commas(self, put: Set) -> None:
        assert env.words(NAME) == []
        assert env.words(NAME, "a,b") == ["a", "b"]
        put(" a , ,b,")
        assert env.words(NAME) == ["a", "b"]


class TestSecret:
    @pytest.fixture
    def kept(self, tmp_path: Path) -> Path:
        return tmp_path / "state" / "secret"

    def test_is_the_variable_or_its_file_and_then_none_is_made(self, put: Set, kept: Path) -> None:
        put("from the variable")
        assert env.secret(NAME, kept) == "from the variable"
        put("", file=b"from the file")
        assert env.secret(NAME, kept) == "from the file"
        assert not kept.exists()

    def test_is_made_at_the_first_start_for_its_owner_alone_and_stays(self, kept: Path) -> None:
        made = env.secret(NAME, kept)
        assert len(made) >= 50
        assert kept.read_text() == made
        assert kept.stat().st_mode & 0o777 == 0o600
        assert env.secret(NAME, kept) == made
        assert [path.name for path in kept.parent.iterdir()] == ["secret"]

    def test_is_one_for_two_that_start_at_once(self, tmp_path: Path) -> None:
        both = threading.Barrier(2)

        def start(_: int) -> list[str]:
            read = []
            for number in range(50):
                both.wait()
                read.append(env.secret(NAME, tmp_path / "state" / f"{number}"))
            return read

        with ThreadPoolExecutor(2) as pool:
            mine, theirs = pool.map(start, range(2))
        assert mine == theirs
        assert len(set(mine)) == 50
        assert len(list((tmp_path / "state").iterdir())) == 50

    def test_that_another_made_in_between_stays(
        self, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = env.secret(NAME, kept)
        monkeypatch.setattr(Path, "exists", lambda path: False)  # as it was when we looked
        assert env.secret(NAME, kept) == made
        assert [path.name for path in kept.parent.iterdir()] == ["secret"]

    def test_that_can_be_kept_nowhere_is_said(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(
            ImproperlyConfigured, match=f"^{NAME} is not set, and none can be kept .*: Not a direct"
        ):
            env.secret(NAME, tmp_path / "file" / "state" / "secret")


class TestDatabase:
    def read(self, default: Path = Path("/nowhere")) -> dict[str, Any]:
        return env.database(NAME, default)

    @pytest.mark.parametrize("name", ["plain", "a b", "a%41b", "a#b?c", "ä"])
    def test_by_default_is_sqlite_at_any_path(self, tmp_path: Path, name: str) -> None:
        found = self.read(tmp_path / name / "db.sqlite3")
        assert found["ENGINE"] == "django.db.backends.sqlite3"
        assert found["NAME"] == str(tmp_path / name / "db.sqlite3")
        assert (tmp_path / name).is_dir()

    def test_of_sqlite_never_starts_a_write_as_a_read(self, tmp_path: Path) -> None:
        options = self.read(tmp_path / "db")["OPTIONS"]
        assert options["transaction_mode"] == "IMMEDIATE"
        assert "journal_mode=WAL" in options["init_command"]
        assert "synchronous=FULL" in options["init_command"]

    @pytest.mark.parametrize(
        ("url", "path"),
        [("sqlite:////{}/db", "/{}/db"), ("sqlite:///:memory:", ":memory:")],
    )
    def test_may_be_sqlite_elsewhere(self, put: Set, tmp_path: Path, url: str, path: str) -> None:
        there = str(tmp_path).strip("/")
        put(url.format(there))
        assert self.read()["NAME"] == path.format(there)

    def test_may_be_postgresql_with_a_pool(self, put: Set) -> None:
        put("postgresql://an%40a:p%3Aw%2F@db.example.org:5433/duty%20line")
        assert self.read() == {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "duty line",
            "USER": "an@a",
            "PASSWORD": "p:w/",
            "HOST": "db.example.org",
            "PORT": "5433",
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 8}},
        }

    def test_may_leave_to_libpq_what_it_does_not_say(self, put: Set) -> None:
        put("postgres:///dutyline")
        found = self.read()
        assert [found[name] for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")] == [
            "dutyline", "", "", "", "",
        ]  # fmt: skip

    def test_forgets_no_option_of_the_connection(self, put: Set) -> None:
        put("postgresql://db.example.org/dutyline?sslmode=verify-full&sslrootcert=%2Fca.pem")
        options = self.read()["OPTIONS"]
        assert (options["sslmode"], options["sslrootcert"]) == ("verify-full", "/ca.pem")
        assert options["pool"]["max_size"] == 8

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "dutyline",
            "sqlite://",
            "sqlite:///",
            "mysql://localhost/dutyline",
            "postgresql://localhost",
            "postgresql://localhost/",
            "postgresql://ana:marker@localhost:port/dutyline",
            "postgresql://ana:marker@localhost:99999/dutyline",
            "postgresql://ana:marker@[localhost/dutyline",
        ],
    )
    def test_refuses_what_it_cannot_read_and_repeats_no_password(self, put: Set, url: str) -> None:
        put(url)
        with pytest.raises(ImproperlyConfigured) as refused:
            self.read()
        assert str(refused.value) == (
            f"{NAME} wants sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME."
        )


class TestTable:
    def test_is_an_object_of_objects_in_the_order_as_written(self, put: Set) -> None:
        assert env.table(NAME, '{"a": {}}') == {"a": {}}
        put('{"b": {"c": "d"}, "a": {}}')
        assert list(env.table(NAME, "{}").items()) == [("b", {"c": "d"}), ("a", {})]

    @pytest.mark.parametrize("value", ["", "local", "[]", '{"a": 1}', "[" * 100_000])
    def test_refuses_anything_else_without_repeating_it(self, put: Set, value: str) -> None:
        put(value)
        with pytest.raises(ImproperlyConfigured) as caught:
            env.table(NAME, '{"a": {}}')
        told = f'{NAME} wants a JSON object of objects, such as {{"a": {{}}}}.'
        assert str(caught.value) == told
