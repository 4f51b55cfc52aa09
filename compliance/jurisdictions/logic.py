"""Logic: three truth values, conditions over facts, their proofs, and a checker that trusts none.

A condition is plain data: `{"all" | "any" | "not": [conditions]}` or `{"fact", "op", "value"}`,
with `says` and `cite` beside either. A certificate is the same tree, with what was seen and the
result. The empty `all` holds.
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

HOLDS, UNDETERMINED, FAILS = 1, 0, -1  # all = min, any = max, not = minus
NAMES = {HOLDS: "holds", UNDETERMINED: "undetermined", FAILS: "fails"}

Condition = dict[str, Any]
Certificate = dict[str, Any]
Facts = Mapping[str, Any]


def weigh(condition: Condition, facts: Facts) -> int:
    """Return whether a condition holds, fails or is undetermined."""
    if "fact" in condition:
        return _leaf(condition, facts)
    branch = branch_of(condition)
    return _fold(branch, [weigh(part, facts) for part in condition[branch]])


def prove(condition: Condition, facts: Facts) -> Certificate:
    """Return the certificate of a condition: every leaf is looked at, settled or not."""
    words: Certificate = {key: condition[key] for key in ("says", "cite") if key in condition}
    if "fact" not in condition:
        branch = branch_of(condition)
        parts = [prove(part, facts) for part in condition[branch]]
        return {branch: parts, "result": NAMES[weigh(condition, facts)], **words}
    leaf = {key: condition[key] for key in ("fact", "op", "value")}
    seen = {"seen": facts[leaf["fact"]]} if leaf["fact"] in facts else {}
    presumed = {"presumed": condition["presume"]} if "presume" in condition and not seen else {}
    return {**leaf, **seen, **presumed, "result": NAMES[_leaf(condition, facts)], **words}


def needs(condition: Condition, facts: Facts) -> frozenset[str]:
    """Return the facts that settle an undetermined condition; without them it stays open."""
    if weigh(condition, facts) != UNDETERMINED:
        return frozenset()
    if "fact" in condition:
        return frozenset([condition["fact"]])
    return frozenset().union(*(needs(part, facts) for part in condition[branch_of(condition)]))


def branch_of(condition: Condition) -> str:
    """Return which of all, any and not a condition is."""
    return next(name for name in ("all", "any", "not") if name in condition)


def leaves(tree: Condition | Certificate) -> Iterator[dict[str, Any]]:
    """Yield every test of a fact in a condition or a certificate."""
    if "fact" in tree:
        yield tree
    else:
        for part in tree[branch_of(tree)]:
            yield from leaves(part)


def members(value: Any) -> tuple[frozenset[str], bool]:
    """Return the known members of a set fact, and whether there are no others."""
    if isinstance(value, list):
        return frozenset(value), True
    return frozenset(value["known"]), value["closed"]


def _fold(branch: str, values: list[int]) -> int:
    if branch == "not":
        return -values[0]
    return min(values, default=HOLDS) if branch == "all" else max(values, default=FAILS)


def _leaf(leaf: Condition, facts: Facts) -> int:
    if leaf["fact"] in facts:
        return _test(leaf["op"], leaf["value"], facts[leaf["fact"]])
    if "presume" in leaf:
        return HOLDS if leaf["presume"] else FAILS
    return UNDETERMINED


def _test(op: str, value: Any, seen: Any) -> int:
    if op.startswith("includes"):
        return _membership(op, value, seen)
    return HOLDS if _COMPARE[op](seen, value) else FAILS


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "is_not": operator.ne,
    "in": lambda seen, value: seen in value,
    "not_in": lambda seen, value: seen not in value,
    "at_least": operator.ge,
    "at_most": operator.le,
}


def _membership(op: str, value: Any, seen: Any) -> int:
    """Weigh membership: an open set can show that something is in it, never that nothing is."""
    known, closed = members(seen)
    wanted = {value} if op == "includes" else set(value)
    found = HOLDS if known & wanted else FAILS if closed else UNDETERMINED
    return -found if op == "includes_none" else found


# The independent checker. It must not call anything above: it is the second opinion.


def accepts(condition: Condition, certificate: Any, facts: Facts) -> bool:
    """Return whether a certificate is true of these facts and belongs to this condition."""
    try:
        return _derived(condition, certificate, facts) is not None
    except (KeyError, TypeError, ValueError):
        return False


def _derived(condition: Condition, certificate: Any, facts: Facts) -> str | None:
    """Return the result of a node, derived anew; None if the certificate says anything else."""
    told = {key: condition[key] for key in _COPIED if key in condition}
    if "fact" in condition:
        told |= _ground(condition, facts)
        result = _read(condition, facts)
    else:
        (branch,) = {"all", "any", "not"} & condition.keys()
        pairs = zip(condition[branch], certificate[branch], strict=True)
        results = [_derived(part, proof, facts) for part, proof in pairs]
        if None in results:
            return None
        told[branch] = [*certificate[branch]]
        result = _combined(branch, results)
    return result if _same({**told, "result": result}, certificate) else None


_COPIED = ("says", "cite", "fact", "op", "value")


def _ground(condition: Condition, facts: Facts) -> Condition:
    """Return what a leaf must say it rests on: the value seen, a presumption, or nothing."""
    if condition["fact"] in facts:
        return {"seen": facts[condition["fact"]]}
    return {"presumed": condition["presume"]} if "presume" in condition else {}


def _same(told: Any, found: Any) -> bool:
    """Return whether two pieces of plain data are the same, to the type: 1 is not true."""
    if type(told) is not type(found):
        return False
    if isinstance(told, dict):
        return told.keys() == found.keys() and all(_same(told[key], found[key]) for key in told)
    if isinstance(told, list):
        return len(told) == len(found) and all(map(_same, told, found))
    return bool(told == found)


def _combined(branch: str, results: list[str | None]) -> str:
    if branch == "not":
        return {"holds": "fails", "fails": "holds"}.get(str(results[0]), "undetermined")
    decisive, neutral = ("fails", "holds") if branch == "all" else ("holds", "fails")
    if decisive in results:
        return decisive
    return "undetermined" if "undetermined" in results else neutral


def _read(condition: Condition, facts: Facts) -> str:
    name, op, value = condition["fact"], condition["op"], condition["value"]
    if name not in facts:
        return {True: "holds", False: "fails", None: "undetermined"}[condition.get("presume")]
    seen = facts[name]
    options = value if isinstance(value, list) else [value]
    if op.startswith("includes"):
        listed = seen["known"] if isinstance(seen, dict) else seen
        hit = any(option in listed for option in options)
        if not hit and isinstance(seen, dict) and not seen["closed"]:
            return "undetermined"
        return "holds" if hit != (op == "includes_none") else "fails"
    if op in ("at_least", "at_most"):
        return "holds" if seen == value or (seen > value) == (op == "at_least") else "fails"
    return "holds" if (seen in options) != (op in ("is_not", "not_in")) else "fails"
