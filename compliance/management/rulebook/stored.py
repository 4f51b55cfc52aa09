"""Stored: every determination on record, read one after the other and never all at once."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from compliance import answers, determinations
from compliance.determinations import Determination, Obligation
from compliance.errors import Tampered, WrongState
from compliance.jurisdictions import Problems, RuleSet, diff
from compliance.management.rulebook.comparisons import line

AT_ONCE = 200


def replayed(old: RuleSet, new: RuleSet) -> Iterator[dict[str, Any]]:
    """Yield each determination that another law changes, then the sum.

    One that counsel signed and that committed us to a referral would have been wrong. One that a
    law has no words for is named, with the facts that it does not know.
    """
    count: Counter[str] = Counter()
    for determination in _all():
        told = {"determination": str(determination.pk), **_replay(determination, old, new)}
        kind = "refused" if "refused" in told else "changed" if told["changes"] else "unchanged"
        wrong = kind == "changed" and determination.is_referred
        count[kind] += 1
        count["would have been wrong"] += wrong
        if kind != "unchanged":
            yield told | {"would_have_been_wrong": wrong}
    keys = ("changed", "unchanged", "refused", "would have been wrong")
    yield {"sum": {key: count[key] for key in keys}}


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield what replaying one determination told, or the sum of all."""
    if "sum" in told:
        yield ", ".join(f"{number} {key}" for key, number in told["sum"].items())
        return
    wrong = "; a referral was signed: it would have been wrong" * told["would_have_been_wrong"]
    yield f"determination {told['determination']}{wrong}"
    if "refused" in told:
        yield f"  cannot be determined: {', '.join(told['refused'])}"
    yield from (f"  {line(change)}" for change in told.get("changes", ()))


def verified() -> dict[str, Any]:
    """Return which determinations are not what was laid before counsel, and how many are.

    Each is determined once more under its own release; where the texts of that were never put on
    record, the hashes are checked.
    """
    broken: list[str] = []
    count: Counter[str] = Counter()
    for determination in _all():
        try:
            again = determinations.reproduce(determination)
            sound, kind = again == determination.result_sha256, "reproduced"
        except WrongState:
            sound, kind = True, "of a law not on record, hashes hold"
        except Tampered:
            sound = False
        if sound:
            count[kind] += 1
        else:
            broken.append(str(determination.pk))
    return {"broken": broken, "sound": dict(sorted(count.items()))}


def verdict(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield what verifying told."""
    yield from (f"determination {name} is broken" for name in found["broken"])
    sound = [f"{number} {kind}" for kind, number in found["sound"].items()]
    yield ", ".join([*sound, f"{len(found['broken'])} broken"])


def _all() -> Iterator[Any]:
    signed = Obligation.objects.filter(determination=OuterRef("pk"))
    every: QuerySet[Determination] = Determination.objects.select_related("finding", "release")
    return every.annotate(is_referred=Exists(signed)).order_by("pk").iterator(chunk_size=AT_ONCE)


def _replay(determination: Determination, old: RuleSet, new: RuleSet) -> dict[str, Any]:
    """Return what differs between two laws, or the facts that one of them cannot read."""
    asked = determination.snapshot, determination.rule_time
    try:
        before, after = (answers.say(rules, *asked) for rules in (old, new))
    except Problems as refused:
        return {"refused": [problem.path for problem in refused.problems]}
    return {"changes": diff.replayed(before, after)}
