"""The schema: it says what the API does, leaves no address out, and no agency sees another's."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from django.contrib.admindocs.views import simplify_regex
from django.core.management import call_command
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from compliance.audit import checkpoints
from compliance.audit.entries import AuditEntry
from referrals.api.errors import MEDIA_TYPE
from referrals.docket import Referral

LIST = "/api/v1/referrals"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Addresses that name no object, and why they are not asked for another agency's.
WITHOUT_OBJECT = {
    LIST: "what it lists is looked into below",
    "/api/token": "it knows programs alone",
    "/.well-known/oauth-authorization-server": "it is for everybody",
}
UNDESCRIBED = {
    "/api/schema",  # the schema does not describe itself
    "/log/checkpoint", "/log/tile/<tile:address>",  # as C2SP tlog-tiles describes them
}  # fmt: skip
ACKNOWLEDGE = {"If-Match": '"3"', "Idempotency-Key": "a-1"}
ASKED = {"asks": "preservation", "legal_process": "mlat", "process_reference": "MLA-17"}

Operation = tuple[str, str, dict[str, Any]]


def operations(schema: dict[str, Any]) -> list[Operation]:
    """Return method, path and description of all that the schema knows."""
    return [
        (method.upper(), path, described)
        for path, methods in schema["paths"].items()
        for method, described in methods.items()
    ]


def served() -> Iterator[str]:
    """Yield every address of the project's that a program may call, as the schema writes it."""

    def walk(patterns: list[Any], prefix: str) -> Iterator[str]:
        for each in patterns:
            path = prefix + str(each.pattern)
            if isinstance(each, URLResolver):
                yield from walk(each.url_patterns, path)
            else:
                assert isinstance(each, URLPattern)
                yield re.sub(r"<(?:\w+:)?pk>", "{id}", simplify_regex(path))

    everything = walk(get_resolver().url_patterns, "")
    return (path for path in everything if not path.startswith("/admin/"))


@pytest.fixture
def schema(client: Client, db: None) -> dict[str, Any]:
    """The schema, as it is served to anybody."""
    reply = client.get("/api/schema")
    assert reply.status_code == 200
    return json.loads(reply.content)  # type: ignore[no-any-return]


class TestSchema:
    @pytest.mark.slow
    def test_is_valid_and_leaves_nothing_to_guess(self, tmp_path: Any) -> None:
        call_command(
            "spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "openapi.yaml")
        )

    def test_is_openapi_3_1(self, schema: dict[str, Any]) -> None:
        assert schema["openapi"] == "3.1.1"

    def test_describes_every_address_there_is(self, schema: dict[str, Any]) -> None:
        assert set(served()) == set(schema["paths"]) | UNDESCRIBED

    def test_names_every_operation_once(self, schema: dict[str, Any]) -> None:
        assert {described["operationId"] for _, _, described in operations(schema)} == {
            "acknowledge_referral",
            "collect_bundle",
            "list_information_requests",
            "list_referrals",
            "metadata",
            "read_receipt",
            "read_referral",
            "request_information",
            "token",
        }

    def test_describes_the_refusals_and_the_headers_of_each(self, schema: dict[str, Any]) -> None:
        for method, path, described in operations(schema):
            if path == "/.well-known/oauth-authorization-server":
                continue
            answers = described["responses"]
            wanted = {
                header["name"]
                for header in described["parameters"]
                if header["in"] == "header" and header.get("required")
            }
            statuses = {"401", "429", "500"}
            assert "WWW-Authenticate" in answers["401"]["headers"]
            assert "Retry-After" in answers["429"]["headers"]
            assert "DPoP" in wanted
            if path.startswith(LIST):
                assert described["security"] == [{"DPoP": []}]
                statuses |= {"403"}
            if "{id}" in path:
                statuses |= {"404"}
            if method == "POST":
                statuses |= {"400", "413", "415"}
            if method == "POST" and "{id}" in path:
                assert {"If-Match", "Idempotency-Key"} <= wanted
                statuses |= {"409", "412", "422", "428"}
            assert statuses <= set(answers), path

    def test_promises_problem_details_for_every_refusal(self, schema: dict[str, Any]) -> None:
        for _, path, described in operations(schema):
            for status, answer in described["responses"].items():
                if path.startswith(LIST) and int(status) >= 400:
                    assert set(answer["content"]) == {MEDIA_TYPE}, (path, status)


@pytest.fixture
def conforms(schema: dict[str, Any]) -> Callable[[Any, str, str], None]:
    """Check that an answer is one that the schema describes: status, kind, headers and body."""

    def check(reply: Any, method: str, path: str) -> None:
        answer = schema["paths"][path][method]["responses"][str(reply.status_code)]
        for header in answer.get("headers", {}):
            if header not in ("Link", "Idempotent-Replayed"):  # which come at times
                assert header in reply.headers, header
        body = reply.getvalue()
        if "content" not in answer:
            assert body == b""
            return
        kind = reply.headers["Content-Type"]
        wanted = answer["content"][kind]["schema"]
        if kind == "application/zip":
            assert (wanted, body[:2]) == ({"type": "string", "format": "binary"}, b"PK")
            return
        strict = json.loads(json.dumps(schema["components"]))
        for each in strict["schemas"].values():
            each["additionalProperties"] = False  # what we answer is described to the last member
        whole = wanted | {"components": strict}
        jsonschema.Draft202012Validator(
            whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        ).validate(json.loads(body))

    return check


class TestAnswers:
    @pytest.mark.slow
    def test_are_what_the_schema_says(
        self,
        conforms: Callable[[Any, str, str], None],
        program: Any,
        delivered: Referral,
        again: Callable[..., Referral],
        client: Client,
    ) -> None:
        again()
        one, here = f"{LIST}/{{id}}", f"{LIST}/{delivered.pk}"
        said = {"agency_reference": "SZ-17", "receipt_sha256": delivered.bundle.sha256}

        def acknowledge(**changes: Any) -> Any:
            headers = ACKNOWLEDGE | changes.pop("headers", {})
            return program.post(f"{here}/acknowledge", said | changes, headers=headers)

        inquiries = f"{here}/information-requests"

        def ask(**changes: Any) -> Any:
            headers = {"If-Match": '"3"', "Idempotency-Key": f"b-{len(changes)}"}
            return program.post(inquiries, ASKED | changes, headers=headers)

        tag = f'"{delivered.bundle.sha256}"'
        for method, path, status, reply in (
            ("get", LIST, 200, program.get(f"{LIST}?limit=1")),
            ("get", LIST, 400, program.get(f"{LIST}?limit=0")),
            ("get", LIST, 401, client.get(LIST)),
            ("get", one, 200, program.get(here)),
            ("get", one, 304, program.get(here, headers={"If-None-Match": '"3"'})),
            ("get", one, 404, program.get(f"{LIST}/{uuid4()}")),
            ("get", f"{one}/bundle", 200, program.get(f"{here}/bundle")),
            ("get", f"{one}/bundle", 206, _part(program, here, "bytes=0-9")),
            ("get", f"{one}/bundle", 304, _part(program, here, "", If_None_Match=tag)),
            ("get", f"{one}/bundle", 416, _part(program, here, "bytes=9999999-")),
            ("get", f"{one}/receipt", 409, program.get(f"{here}/receipt")),
            ("get", f"{one}/receipt", 200, _sealed() and program.get(f"{here}/receipt")),
            ("post", f"{one}/information-requests", 403, ask(asks="watch")),
            ("post", f"{one}/information-requests", 400, ask(classes=["SUB"])),
            ("post", f"{one}/information-requests", 200, ask()),
            ("get", f"{one}/information-requests", 200, program.get(inquiries)),
            ("post", f"{one}/acknowledge", 428, acknowledge(headers={"If-Match": "*"})),
            ("post", f"{one}/acknowledge", 412, acknowledge(headers={"If-Match": '"2"'})),
            ("post", f"{one}/acknowledge", 400, acknowledge(agency_reference="")),
            ("post", f"{one}/acknowledge", 415, acknowledge(headers={"Content-Type": "text/x"})),
            ("post", f"{one}/acknowledge", 413, acknowledge(agency_reference="x" * 2**20)),
            ("post", f"{one}/acknowledge", 200, acknowledge()),
            ("post", f"{one}/acknowledge", 200, acknowledge()),
            ("post", f"{one}/acknowledge", 422, acknowledge(agency_reference="SZ-18")),
        ):  # fmt: skip
            assert reply.status_code == status, (method, path, reply)
            conforms(reply, method, path)

    def test_to_a_program_that_may_not_or_not_so_often_are_too(
        self,
        conforms: Callable[[Any, str, str], None],
        program: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("referrals.api.views.PerClient.rate", "1/min")
        program.get(LIST)
        conforms(program.get(LIST), "get", LIST)
        monkeypatch.setattr("referrals.api.permissions.MayRead.scope", "referrals:nothing")
        reply = program.get(LIST)
        assert reply.status_code == 403
        conforms(reply, "get", LIST)

    def test_about_tokens_are_too(
        self, conforms: Callable[[Any, str, str], None], program: Any, client: Client
    ) -> None:
        conforms(program.ask_token(), "post", "/api/token")
        for form in ({"scope": "all"}, {"client_assertion": "x"}, {"grant_type": "password"}):
            conforms(program.ask_token(**form), "post", "/api/token")
        conforms(client.post("/api/token", {"a": "1"}), "post", "/api/token")  # multipart
        metadata = "/.well-known/oauth-authorization-server"
        conforms(client.get(metadata), "get", metadata)


def _sealed() -> bool:
    return checkpoints.seal_due() > 0


def _part(program: Any, here: str, asked: str, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return program.get(f"{here}/bundle", headers={"Range": asked} | named)


class TestAnotherAgencysReferral:
    @pytest.mark.slow
    def test_is_not_there_by_any_address_and_method(
        self, schema: dict[str, Any], program: Any, other_program: Any, delivered: Referral
    ) -> None:
        paths = set(schema["paths"])
        assert {path for path in paths if "{" not in path} == set(WITHOUT_OBJECT), "a new address"
        said = {"agency_reference": "SZ-17", "receipt_sha256": delivered.bundle.sha256}
        assert other_program.token
        before = AuditEntry.objects.count()
        for path in sorted(paths - set(WITHOUT_OBJECT)):
            assert re.findall(r"{(\w+)}", path) == ["id"], f"{path} names what no test knows"
            for method in METHODS:
                theirs, nobodys = (
                    other_program.call(method, path.format(id=pk), said, headers=ACKNOWLEDGE)
                    for pk in (delivered.pk, uuid4())
                )
                described = method.lower() in schema["paths"][path]
                assert theirs.status_code == (
                    404
                    if described or (method == "HEAD" and "get" in schema["paths"][path])
                    else 405
                ), (method, path)
                # Not even its being there shows: the answers are the same to the last byte.
                assert theirs.getvalue() == nobodys.getvalue()
                assert dict(theirs.headers) == dict(nobodys.headers)
        assert AuditEntry.objects.count() == before
        delivered.refresh_from_db()
        assert (delivered.state, delivered.version, delivered.first_read_at) == (
            "delivered",
            3,
            None,
        )

    def test_is_there_for_its_own(
        self, schema: dict[str, Any], program: Any, delivered: Referral
    ) -> None:
        checkpoints.seal_due()
        acknowledged = {"agency_reference": "SZ-17", "receipt_sha256": delivered.bundle.sha256}
        found = {
            (method, path): program.call(
                method,
                path.format(id=delivered.pk),
                ASKED if path.endswith("requests") else acknowledged,
                headers={
                    "If-Match": f'"{Referral.objects.get().version}"',
                    "Idempotency-Key": path[-20:],
                },
            ).status_code
            for method, path, _ in operations(schema)
            if "{id}" in path
        }
        assert set(found.values()) == {200}, found

    def test_is_in_no_list(self, other_program: Any, delivered: Referral) -> None:
        for query in ("", "?unread=true", "?state=delivered", "?limit=100"):
            reply = other_program.get(f"{LIST}{query}")
            assert reply.json() == {"items": [], "next": None}
