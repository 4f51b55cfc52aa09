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
Weigh = Callable[[Facts], int]
Seek = Callable[[Facts], frozenset[str]]


def weigh(condition: Condition, facts: Facts) -> int:
    """Return whether a condition holds, fails or is undetermined."""
    if "fact" in condition:
        return _leaf(condition, facts)
    branch = branch_of(condition)
    return _fold(branch, [weigh(part, facts) for part in condition[branch]])


def compiled(condition: Condition) -> Weigh:
    """Return a function of the facts that weighs the condition as `weigh` does, and faster."""
    if "fact" in condition:
        return _compiled_leaf(condition)
    branch = branch_of(condition)
    if branch == "not":
        denied = compiled(condition["not"][0])
        return lambda facts: -denied(facts)
    parts = [*flat(branch, condition)]
    return compiled(parts[0]) if len(parts) == 1 else _compiled_branch(branch, parts)


def seeking(condition: Condition) -> Seek:
    """Return a function that says what `needs` says, and faster, of facts that leave it open."""
    if "fact" in condition:
        name = frozenset([condition["fact"]])
        return lambda facts: name
    parts = [*flat(branch_of(condition), condition)]
    plain = frozenset(part["fact"] for part in parts if _is_open_while_unknown(part))
    others = [(compiled(part), seeking(part)) for part in parts if not _is_open_while_unknown(part)]

    def wanted(facts: Facts) -> frozenset[str]:
        found = plain.difference(facts)
        for weighed, seek in others:
            if weighed(facts) == UNDETERMINED:
                found |= seek(facts)
        return found

    return wanted


def prove(condition: Condition, facts: Facts) -> Certificate:
    """Return the certificate of a condition: every leaf is looked at, settled or not."""
    return _proof(condition, facts)[1]


def needs(condition: Condition, facts: Facts) -> frozenset[str]:
    """Return the facts that settle an undetermined condition; without them it stays open."""
    return _open(condition, facts)[1]


def branch_of(condition: Condition) -> str:
    """Return which of all, any and not a condition is."""
    if "all" in condition:
        return "all"
    return "any" if "any" in condition else "not"


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


def _proof(condition: Condition, facts: Facts) -> tuple[int, Certificate]:
    if "fact" in condition:
        value = _leaf(condition, facts)
        proof = {key: condition[key] for key in ("fact", "op", "value")}
        if condition["fact"] in facts:
            proof["seen"] = facts[condition["fact"]]
        elif "presume" in condition:
            proof["presumed"] = condition["presume"]
    else:
        branch = branch_of(condition)
        parts = [_proof(part, facts) for part in condition[branch]]
        value = _fold(branch, [value for value, _ in parts])
        proof = {branch: [part for _, part in parts]}
    proof["result"] = NAMES[value]
    for key in ("says", "cite"):
        if key in condition:
            proof[key] = condition[key]
    return value, proof


def _open(condition: Condition, facts: Facts) -> tuple[int, frozenset[str]]:
    """Return what a condition weighs, and the facts that leave it open."""
    if "fact" in condition:
        value, wanted = _leaf(condition, facts), frozenset([condition["fact"]])
    else:
        branch = branch_of(condition)
        parts = [_open(part, facts) for part in condition[branch]]
        value = _fold(branch, [value for value, _ in parts])
        wanted = frozenset().union(*(facts for _, facts in parts))
    return value, wanted if value == UNDETERMINED else frozenset()


def _is_open_while_unknown(part: Condition) -> bool:
    """Return whether a part is a test that nothing but the value of its fact can settle."""
    return "fact" in part and "presume" not in part and part["op"] not in _INCLUDE


def _leaf(leaf: Condition, facts: Facts) -> int:
    if leaf["fact"] in facts:
        return _test(leaf["op"], leaf["value"], facts[leaf["fact"]])
    if "presume" in leaf:
        return HOLDS if leaf["presume"] else FAILS
    return UNDETERMINED


def _test(op: str, value: Any, seen: Any) -> int:
    if op in _INCLUDE:
        return _included(_wanted(op, value), seen) * _INCLUDE[op]
    return HOLDS if _COMPARE[op](seen, value) else FAILS


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "is": operator.eq,
    "is_not": operator.ne,
    "in": lambda seen, value: seen in value,
    "not_in": lambda seen, value: seen not in value,
    "at_least": operator.ge,
    "at_most": operator.le,
}


_INCLUDE = {"includes": 1, "includes_any": 1, "includes_none": -1}


def _wanted(op: str, value: Any) -> frozenset[str]:
    return frozenset([value] if op == "includes" else value)


def _included(wanted: frozenset[str], seen: Any) -> int:
    """Weigh membership: an open set can show that something is in it, never that nothing is."""
    known, closed = (seen, True) if isinstance(seen, list) else (seen["known"], seen["closed"])
    if not wanted.isdisjoint(known):
        return HOLDS
    return FAILS if closed else UNDETERMINED


def flat(branch: str, condition: Condition) -> Iterator[Condition]:
    """Yield the parts of a condition; all of all is all of it, and so is any of any."""
    for part in condition[branch]:
        if branch in part:
            yield from flat(branch, part)
        else:
            yield part


def _compiled_branch(branch: str, conditions: list[Condition]) -> Weigh:
    """Return a function that stops at the first part that decides; plain tests come first."""
    neutral, decisive = (HOLDS, FAILS) if branch == "all" else (FAILS, HOLDS)
    deciding = decisive == HOLDS
    choices = [(part["fact"], _accepted(part)) for part in conditions if _is_choice(part)]
    parts = [compiled(part) for part in conditions if not _is_choice(part)]

    def weighed(facts: Facts) -> int:
        result = neutral
        for name, accepted in choices:
            if name not in facts:
                result = UNDETERMINED
            elif (facts[name] in accepted) is deciding:
                return decisive
        for part in parts:
            value = part(facts)
            if value == decisive:
                return value
            if not value:
                result = UNDETERMINED
        return result

    return weighed


def _is_choice(part: Condition) -> bool:
    return part.get("op") in ("is", "in") and "presume" not in part


def _accepted(leaf: Condition) -> frozenset[Any]:
    return frozenset(leaf["value"] if leaf["op"] == "in" else [leaf["value"]])


def _compiled_leaf(leaf: Condition) -> Weigh:
    name, op, value, unknown = leaf["fact"], leaf["op"], leaf["value"], _leaf(leaf, {})
    if op in _INCLUDE:
        return _compiled_set(name, _wanted(op, value), _INCLUDE[op], unknown)
    compare = _COMPARE[op]
    return lambda facts: (
        unknown if name not in facts else HOLDS if compare(facts[name], value) else FAILS
    )


def _compiled_set(name: str, wanted: frozenset[str], found: int, unknown: int) -> Weigh:
    """Return a function that weighs membership as `_included` does."""

    def included(facts: Facts) -> int:
        seen = facts.get(name)
        if seen is None:
            return unknown
        if isinstance(seen, list):
            return -found if wanted.isdisjoint(seen) else found
        if not wanted.isdisjoint(seen["known"]):
            return found
        return -found if seen["closed"] else UNDETERMINED

    return included


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
