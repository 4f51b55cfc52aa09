"""Environment: one variable read in one way, failing loudly with its name and the form it wants."""

import json
import os
import re
import secrets
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured


def text(name: str, default: str) -> str:
    """Return the variable `name`, or the content of the file that `name`_FILE points to."""
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, default)
    if os.environ.get(name):
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set. Keep one of them.")
    try:
        found = Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that cannot be read: {error.strerror}."
        ) from error
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}_FILE names a file that is not text.") from error
    if not found:
        raise ImproperlyConfigured(f"{name}_FILE names a file with nothing in it.")
    return found


def _matching(name: str, default: str, form: str, wanted: str) -> str:
    """Return the variable `name` if it has this form; if not, say which is wanted."""
    value = text(name, default)
    if not re.fullmatch(form, value, re.ASCII):
        raise ImproperlyConfigured(f"{name} wants {wanted}.")  # and may be secret: do not show it
    return value


def choice(name: str, values: tuple[str, ...]) -> str:
    """Return the variable `name`, one of `values`; the first is the default."""
    return _matching(
        name, values[0], "|".join(map(re.escape, values)), f"one of {', '.join(values)}"
    )


def count(name: str, default: int) -> int:
    """Return the variable `name` as a whole number."""
    return int(_matching(name, str(default), "[0-9]{1,18}", "a whole number"))


def address(name: str, default: str) -> str:
    """Return the variable `name`, the address of a web site without a path."""
    return _matching(name, default, r"https?://[^\s/?#@]+/?", "http://HOST or https://HOST")


def origin(name: str, default: str) -> str:
    """Return the variable `name`, the name of a log (C2SP: no space, no plus sign)."""
    return _matching(name, default, r"(?!.*://)[^\s+]+", "HOST/NAME, without scheme, space or +")


def broker(name: str) -> str:
    """Return the variable `name`, the address of a broker, or nothing."""
    return _matching(
        name, "", r"([a-z+]+://\S*)?", "amqp://USER:PASSWORD@HOST:PORT/NAME or nothing"
    )


def mail(name: str) -> SplitResult:
    """Return the variable `name`, the address of a mail server, or nothing, in its parts."""
    wanted = "smtps:// or smtp+starttls://USER:PASSWORD@HOST:PORT, or nothing"
    return urlsplit(_matching(name, "", r"(smtp(s|\+starttls)?://[^\s/?#]+)?", wanted))


def cache(name: str) -> dict[str, str]:
    """Return the Django form of `redis://host:port/number`, or of `locmem://` or nothing."""
    wanted = "redis://HOST:PORT/NUMBER, locmem:// or nothing"
    where = _matching(name, "", r"(locmem://|rediss?://\S+)?", wanted)
    kind = "redis.RedisCache" if where.startswith("redis") else "locmem.LocMemCache"
    return {"BACKEND": f"django.core.cache.backends.{kind}", "LOCATION": where}


def table(name: str, default: str) -> dict[str, dict[str, object]]:
    """Return the variable `name`, a JSON object whose values are objects, in their order."""
    try:
        found = json.loads(text(name, default))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise ImproperlyConfigured(f"{name} wants a JSON object of objects, such as {default}.")
    return found


BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/([\w./-]*))?", re.ASCII)


def storage(name: str, default: Path) -> str:
    """Return the variable `name`, a directory or `s3://bucket/prefix`."""
    where = text(name, str(default))
    if not where or ("://" in where and not BUCKET.fullmatch(where)):
        raise ImproperlyConfigured(f"{name} wants a directory or s3://BUCKET/PREFIX.")
    return where


def store(where: str) -> dict[str, object]:
    """Return the Django form of a storage. A directory is MEDIA_ROOT.

    The address of an S3 service and its credentials are read by the AWS client itself.
    """
    if bucket := BUCKET.fullmatch(where):
        options = {"bucket_name": bucket[1], "location": (bucket[2] or "").strip("/")}
        return {"BACKEND": "compliance.vault.bucket.Bucket", "OPTIONS": options}
    return {"BACKEND": "compliance.vault.directory.Directory"}


def words(name: str, default: str = "") -> list[str]:
    """Return the variable `name`, a list with commas."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Return the variable `name`, networks with commas between them."""
    try:
        return [ip_network(word) for word in words(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} wants networks such as 10.1.0.0/16.") from error


def witnesses(name: str) -> list[tuple[str, str]]:
    """Return the variable `name`, keys of witnesses with their addresses, as pairs."""
    found = [tuple(each.split()) for each in words(name)]
    if not all(len(pair) == 2 and re.fullmatch(r"https?://[^\s?#@]+", pair[1]) for pair in found):
        raise ImproperlyConfigured(
            f"{name} wants NAME+ID+KEY https://HOST/PATH, several with commas."
        )
    return [(key, url) for key, url in found]


def link(name: str) -> str:
    """Return the variable `name`, an address on the web with its path, or nothing."""
    return _matching(name, "", r"(https?://[^\s?#@]+)?", "https://HOST/PATH or nothing")


def secret(name: str, kept_in: Path) -> str:
    """Return the secret `name`, or the one kept in a file of ours, made at the first start."""
    if value := text(name, ""):
        return value
    try:
        return _kept(kept_in)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is not set, and none can be kept in the state directory: {error.strerror}."
        ) from error


def _kept(path: Path) -> str:
    """Return the secret in this file. It appears whole: another process may start right now."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii")


SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
}


def database(name: str, default: Path) -> dict[str, object]:
    """Return the Django form of `sqlite:///path` or `postgresql://user:password@host:port/name`.

    What follows a question mark are options of libpq, such as `sslmode=verify-full`.
    """
    try:
        parts = urlsplit(text(name, f"sqlite:///{quote(str(default))}"))
        port = str(parts.port or "")
    except ValueError:  # a port or an address that is none
        parts, port = urlsplit(""), ""
    path = unquote(parts.path.removeprefix("/"))
    if parts.scheme == "sqlite" and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": path,
            "OPTIONS": SQLITE_OPTIONS,
        }
    if parts.scheme in ("postgres", "postgresql") and path:
        pool: dict[str, object] = {"pool": {"min_size": 1, "max_size": 8}}
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": path,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": port,
            "OPTIONS": pool | dict(parse_qsl(parts.query)),
        }
    raise ImproperlyConfigured(
        f"{name} wants sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME."
    )
