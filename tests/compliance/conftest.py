"""The law for tests: what is shipped, the golden cases, and small books of our own."""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command

from compliance import documents, drafts, jurisdictions, releases
from compliance.documents import RuleDocumentVersion
from compliance.jurisdictions import RuleSet, cases
from compliance.releases import Release
from compliance.roles import User

BOOK: dict[str, Any] = {
    "schema": "rulebook/1",
    "regime": "xx-sample",
    "title": "A sample law",
    "jurisdiction": "XX",
    "rank": "statute",
    "confidence": "H",
    "counsel_verified": False,
    "review_by": "2027-01-01",
    "versions": [{"from": "2020-01-01", "status": "in_force"}],
}
HEADS: dict[str, Any] = {
    "title": "A sample rule",
    "cite": "s.1",
    "mode": "duty",
    "trigger": {"nature": "state"},
    "when": {"fact": "threat.imminent", "is": True},
    "then": {"report": {"fields": "available", "to": [{"authority": "fbi"}]}},
}


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """The shipped texts of the law."""
    return releases.shipped_texts()


@pytest.fixture(scope="session")
def law(texts: dict[str, str]) -> RuleSet:
    """The shipped law."""
    return jurisdictions.read(texts)


@pytest.fixture(scope="session")
def golden(law: RuleSet) -> dict[str, cases.Case]:
    """The shipped golden cases, by id."""
    return {case.id: case for case in cases.read(law, releases.shipped_cases())}


@pytest.fixture(scope="session")
def words(texts: dict[str, str]) -> dict[str, str]:
    """The shipped words and desks, without most of the countries: quick to read."""
    facts, desks = (yaml.safe_load(texts[name]) for name in ("facts.yaml", "authorities.yaml"))
    few = ["AT", "DE", "FR", "IE"]
    facts |= {"countries": [*few, "US"], "member_states": few}
    for fact in facts["facts"].values():
        fact |= {"label": "A fact", "ask": "Is it so?"}
    listed = desks["authorities"].items()
    desks["authorities"] = {n: desk for n, desk in listed if desk["country"] in {*few, "US", "EU"}}
    return {"facts.yaml": json.dumps(facts), "authorities.yaml": json.dumps(desks)}


@pytest.fixture(scope="session")
def enact(words: dict[str, str]) -> Callable[..., RuleSet]:
    """Read a sample book: each rule by its id, with what differs from an ordinary rule."""

    def make(
        rules: dict[str, dict[str, Any]],
        policies: dict[str, dict[str, Any]] | None = None,
        **heads: Any,
    ) -> RuleSet:
        listed = [HEADS | {"id": name} | rule for name, rule in rules.items()]
        books = {"book.yaml": BOOK | heads | {"rules": listed}}
        if policies:
            house = BOOK | {"rank": "policy", "regime": "house"}
            listed = [HEADS | {"id": n, "mode": "condition"} | r for n, r in policies.items()]
            books["house.yaml"] = house | {"rules": listed}
        written = {name: json.dumps(book) for name, book in books.items()}
        return jurisdictions.read(words | written)

    return make


@pytest.fixture
def ask(law: RuleSet, golden: dict[str, cases.Case]) -> Callable[..., dict[str, Any]]:
    """Determine the situation of a golden case with a few facts or clocks changed.

    None takes a fact or a clock away.
    """

    def make(
        case: str,
        facts: dict[str, Any] | None = None,
        clocks: dict[str, Any] | None = None,
        **changes: Any,
    ) -> dict[str, Any]:
        given = dict(golden[case].given)
        given["facts"] = _known(given["facts"] | (facts or {}))
        given["clocks"] = _known(given["clocks"] | (clocks or {}))
        return jurisdictions.rule_on(law, **given | changes)

    return make


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


WHY = "Counsel read it again."
RULEBOOKS = documents.RULEBOOKS  # as they are, also after an upgrade within a test


def noted(name: str = "house.yaml", note: str = "Read by counsel.") -> str:
    """Return a shipped text with a remark at its head: other bytes, the same rules."""
    return f"# {note}\n{(RULEBOOKS / name).read_text('utf-8')}"


def retitled(title: str = "Rules of the house") -> str:
    """Return the shipped house rules under another title: another law, the same answers."""
    text = (RULEBOOKS / "house.yaml").read_text("utf-8")
    return text.replace('title: "House rules"', f'title: "{title}"')


@pytest.fixture
def run() -> Callable[..., str]:
    """Run the rulebook command and return what it prints."""

    def call(*arguments: str) -> str:
        out = StringIO()
        call_command("rulebook", *arguments, stdout=out)
        return out.getvalue()

    return call


@pytest.fixture
def recorded(db: None) -> Release:
    """The shipped law, put on record."""
    return releases.current()


@pytest.fixture
def drafted(recorded: Release, carla: User) -> RuleDocumentVersion:
    """Carla's draft of the house rules."""
    return drafts.draft("house.yaml", retitled(), WHY, by=carla)


@pytest.fixture
def submitted(drafted: RuleDocumentVersion, carla: User) -> RuleDocumentVersion:
    """The same draft, submitted."""
    return drafts.submit(drafted, by=carla)


@pytest.fixture
def enacted(submitted: RuleDocumentVersion, dora: User) -> Release:
    """The release that Dora approved it into."""
    return drafts.approve(submitted, by=dora)


@pytest.fixture
def upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Ship other texts from now on, as an upgrade does; None takes a file away."""

    def ship(changed: dict[str, str | None]) -> None:
        folder = tmp_path / f"shipped-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, text in {**documents.shipped().texts, **changed}.items():
            if text is not None:
                (folder / name).write_text(text, "utf-8")
        monkeypatch.setattr(documents, "RULEBOOKS", folder)

    return ship
