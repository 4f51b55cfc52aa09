#!/usr/bin/env python3
"""A liaison's program for the Dutyline API, in one file: the standard library and `cryptography`.

    liaison.py --key liaison.pem keygen
    liaison.py --base https://… --client-id … --key liaison.pem list
    liaison.py … read ID | download ID --out FILE | acknowledge ID --reference TEXT
    liaison.py … receipt ID --out FILE
    liaison.py … ask ID --process NAME --number TEXT (--for CLASS,CLASS | --keep) | asked ID

It proves who it is with an Ed25519 key that never leaves the file, and gets a token of five
minutes that is of no use without that key (RFC 7523, RFC 9449).
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PIECE = 2**20
TIMEOUT = 60
AT_HOME = (("http", "localhost"), ("http", "127.0.0.1"), ("http", "::1"))
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Failed(Exception):
    """Something did not work; the message says what, in one line."""


# --- the key


def make_key(path):
    """Write a new private key, mode 0600, and return it. An existing file is never overwritten."""
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
    except FileExistsError:
        raise Failed(f"{path} exists already. Name another file, or move it away.") from None
    return key


def load_key(path):
    """Return the private key in a PEM file."""
    try:
        key = serialization.load_pem_private_key(Path(path).read_bytes(), password=None)
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Failed(f"{path} is not a private key in PEM form, without a password.") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Failed(f"{path} is not an Ed25519 key. Make one with keygen.")
    return key


def jwk_of(key):
    """Return the public key as a JWK (RFC 8037)."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"crv": "Ed25519", "kty": "OKP", "x": b64(raw)}


def thumbprint(jwk):
    """Return the thumbprint of a JWK (RFC 7638): what you read out over another channel."""
    return b64(hashlib.sha256(compact(jwk)).digest())


# --- signing


def b64(data):
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value):
    """Return JSON without spaces, names sorted."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def sign(key, header, claims):
    """Return a signed JWT."""
    signed = f"{b64(compact({'alg': 'Ed25519', **header}))}.{b64(compact(claims))}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


# --- the service


class Service:
    """The API, as one client with one key sees it."""

    def __init__(self, base, client_id, key, states=None):
        self.base, self.client_id, self.key = base.rstrip("/"), client_id, key
        self.states = states and Path(states)
        self._token, self._until = None, 0.0
        parts = urllib.parse.urlsplit(base)
        if parts.scheme != "https" and (parts.scheme, parts.hostname) not in AT_HOME:
            raise Failed("--base wants an address that begins with https://.")

    def proof(self, method, url, token=None):
        """Return a proof for one request (RFC 9449 section 4.2)."""
        claims = {"jti": secrets.token_urlsafe(16), "htm": method, "iat": int(time.time())}
        claims["htu"] = url.partition("?")[0]
        if token:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        return sign(self.key, {"typ": "dpop+jwt", "jwk": jwk_of(self.key)}, claims)

    def token(self):
        """Return a token that lasts at least another half minute."""
        if time.monotonic() > self._until - 30:
            url, now = f"{self.base}/api/token", int(time.time())
            claims = {"iss": self.client_id, "sub": self.client_id, "aud": url}
            claims |= {"iat": now, "exp": now + 120, "jti": secrets.token_urlsafe(16)}
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": JWT_BEARER,
                "client_assertion": sign(self.key, {"typ": "JWT"}, claims),
            }
            body = urllib.parse.urlencode(form).encode()
            request = urllib.request.Request(url, body, {"DPoP": self.proof("POST", url)})
            answer = answered(opened(request))
            self._token = answer["access_token"]
            self._until = time.monotonic() + answer["expires_in"]
        return self._token

    def open(self, method, url, headers=None, body=None):
        """Send one proven request and return the open reply."""
        reply = opened(self.request(method, url, headers, body))
        if self.states and "Log-Checkpoint" in reply.headers:
            remember(self.states, reply.headers["Log-Checkpoint"])
        return reply

    def request(self, method, url, headers=None, body=None):
        """Return one request with token and proof, which go to the service and nowhere else."""
        if not url.startswith(f"{self.base}/"):
            raise Failed("The service names an address that is not under --base.")
        token = self.token()
        headers = {
            "Authorization": f"DPoP {token}",
            "DPoP": self.proof(method, url, token),
            **(headers or {}),
        }
        return urllib.request.Request(url, body, headers, method=method)

    def url(self, referral, part=""):
        """Return the address of a referral or of a part of it."""
        return f"{self.base}/api/v1/referrals/{urllib.parse.quote(referral, safe='')}{part}"

    def json(self, method, url, headers=None, body=None):
        """Send one proven request and return what it answers, as data."""
        return answered(self.open(method, url, headers, body))


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: token and proof would travel along."""

    def redirect_request(self, *_):
        """Refuse."""


def answered(reply):
    """Return what a reply says, as data."""
    with reply:
        try:
            return json.load(reply)
        except ValueError:
            raise Failed("The answer is not JSON. Does --base name the service?") from None


def opened(request):
    """Send a request; a refusal becomes one line with its code."""
    try:
        return urllib.request.build_opener(NoRedirects).open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            raise Failed(refusal(error.code, error.read(65536))) from None
    except urllib.error.URLError as error:
        raise Failed(f"The service cannot be reached: {error.reason}") from None


def remember(folder, header):
    """Keep a signed state of the log as `checkpoint-SIZE`: a second one of that size is a fraud."""
    try:
        note = base64.b64decode(header, validate=True)
        size = int(note.split(b"\n")[1])
    except (ValueError, IndexError):
        raise Failed("Log-Checkpoint is no checkpoint.") from None
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"checkpoint-{size}"
    # Witnesses may cosign it later: what the log signed comes before the empty line.
    if path.exists() and path.read_bytes().partition(b"\n\n")[0] != note.partition(b"\n\n")[0]:
        (folder / f"checkpoint-{size}.other").write_bytes(note)
        raise Failed(f"The log shows two states of {size} entries. Keep {folder}: it proves that.")
    path.write_bytes(note)


def refusal(status, body):
    """Return a refusal (RFC 9457) as one line."""
    try:
        told = json.loads(body)
        where = told.get("legal_process_url")
        return f"{status} {told['code']}: {told['detail']}{f' {where}' if where else ''}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{status}: the service did not say why."


# --- the commands


def keygen(asked):
    """Make a key and print what to send to the provider."""
    jwk = jwk_of(make_key(asked.key))
    print(json.dumps(jwk))
    print(f"thumbprint {thumbprint(jwk)}")


def list_all(service, asked):
    """Print one line for each referral: id, number, state, unread, due, type of filing."""
    query = "?unread=true" if asked.unread else ""
    url = f"{service.base}/api/v1/referrals{query}"
    while url:
        page = service.json("GET", url)
        for each in page["items"]:
            unread = "unread" if each["unread"] else "read"
            told = (each["state"], unread, each["due_at"] or "-", each["filing_type"])
            print(each["id"], each["number"], *told)
        url = page["next"]


def read(service, asked):
    """Print a referral as JSON; it counts as read from here on."""
    print(json.dumps(service.json("GET", service.url(asked.id)), indent=1))


def download(service, asked):
    """Fetch the sealed bundle, going on where an earlier try stopped, and check its SHA-256."""
    bundle = service.json("GET", service.url(asked.id))["bundle"]
    part = Path(f"{asked.out}.part")
    have = part.stat().st_size if part.exists() else 0
    if have < bundle["size"]:
        fetch(service, service.url(asked.id, "/bundle"), bundle, part, have)
    if part.stat().st_size < bundle["size"]:
        raise Failed("The transfer broke off. Try again; it goes on where it stopped.")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != bundle["sha256"]:
        part.unlink()
        raise Failed("The bytes are not the ones announced. They were deleted; try again.")
    part.replace(asked.out)
    print(found, asked.out)


def fetch(service, url, bundle, part, have):
    """Append what is missing to `part`."""
    wanted = {"Range": f"bytes={have}-", "If-Range": f'"{bundle["sha256"]}"'} if have else {}
    with service.open("GET", url, wanted) as reply, part.open("r+b" if have else "wb") as file:
        file.seek(have if reply.status == 206 else 0)
        while piece := reply.read(PIECE):
            file.write(piece)
        file.truncate()


def acknowledge(service, asked):
    """Say that you have the bundle, under your own reference."""
    referral = service.json("GET", service.url(asked.id))
    said = {"agency_reference": asked.reference, "receipt_sha256": referral["bundle"]["sha256"]}
    say(service, referral, "/acknowledge", said)


def ask(service, asked):
    """Ask, under legal process, for what a referral withholds, or that it be kept."""
    said = {"asks": "preservation" if asked.keep else "data", "text": asked.text}
    said |= {"classes": [] if asked.keep else asked.wanted.split(",")}
    said |= {"legal_process": asked.process, "process_reference": asked.number}
    referral = service.json("GET", service.url(asked.id))
    say(service, referral, "/information-requests", said)


def say(service, referral, part, said):
    """Send what you say about a referral as you read it, and print what is on record of it."""
    url, body = service.url(referral["id"], part), compact(said)
    headers = {
        "Content-Type": "application/json",
        "If-Match": f'"{referral["version"]}"',
        # The same words at the same address are the same act, however often they are sent.
        "Idempotency-Key": hashlib.sha256(url.encode() + body).hexdigest(),
    }
    print(json.dumps(service.json("POST", url, headers, body), indent=1))


def asked_before(service, asked):
    """Print what you asked about a referral, and what you were answered, as JSON."""
    told = service.json("GET", service.url(asked.id, "/information-requests"))
    print(json.dumps(told["items"], indent=1))


def receipt(service, asked):
    """Write the proof of delivery to FILE, the log entry and the log's key beside it."""
    told = service.json("GET", service.url(asked.id, "/receipt"))
    for ending, name in (("", "proof"), (".entry.json", "entry"), (".vkey", "vkey")):
        path = Path(f"{asked.out}{ending}")
        path.write_text(told[name], encoding="utf-8", newline="")
        print(path)


def parser():
    """Return the command line."""
    top = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    top.add_argument("--base", help="address of the service, such as https://duty.example.org")
    top.add_argument("--client-id", help="the name under which you were admitted")
    top.add_argument("--key", required=True, help="file of your private key")
    top.add_argument("--states", help="folder in which to keep the states of the log that it shows")
    verbs = top.add_subparsers(dest="verb", required=True)
    verbs.add_parser("keygen", help="make a key")
    verbs.add_parser("list", help="list referrals").add_argument("--unread", action="store_true")
    for name in ("read", "download", "acknowledge", "receipt", "ask", "asked"):
        verb = verbs.add_parser(name)
        verb.add_argument("id", metavar="ID")
        if name in ("download", "receipt"):
            verb.add_argument("--out", metavar="FILE", required=True)
        if name == "acknowledge":
            verb.add_argument("--reference", metavar="TEXT", required=True)
        if name == "ask":
            verb.add_argument("--process", metavar="NAME", required=True)
            verb.add_argument("--number", metavar="TEXT", required=True)
            verb.add_argument("--text", default="")
            either = verb.add_mutually_exclusive_group(required=True)
            either.add_argument("--for", metavar="CLASS,CLASS", dest="wanted")
            either.add_argument("--keep", action="store_true")
    return top


def main(arguments=None):
    """Run one command; 0 = done, 1 = refused or not true, 2 = wrong usage."""
    top = parser()
    asked = top.parse_args(arguments)
    if asked.verb != "keygen" and not (asked.base and asked.client_id):
        top.error("--base and --client-id are needed")
    verbs = {
        "list": list_all,
        "read": read,
        "download": download,
        "acknowledge": acknowledge,
        "receipt": receipt,
        "ask": ask,
        "asked": asked_before,
    }
    try:
        if asked.verb == "keygen":
            keygen(asked)
        else:
            service = Service(asked.base, asked.client_id, load_key(asked.key), asked.states)
            verbs[asked.verb](service, asked)
    except (Failed, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except http.client.HTTPException:
        print("The answer broke off, or is not HTTP. Try again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
