"""The book: texts in, a checked rule set with one hash out, or every problem with its line."""

from compliance.jurisdictions.book.consequences import UNION
from compliance.jurisdictions.book.reading import read
from compliance.jurisdictions.book.rules import (
    HOME_STATE,
    Assertion,
    Compiled,
    Desk,
    Edition,
    Rule,
    RuleSet,
    Step,
)
from compliance.jurisdictions.book.strict import canonical, digest, joined, parse
from compliance.jurisdictions.book.words import Fact, Vocabulary

__all__ = [
    "HOME_STATE", "UNION", "Assertion", "Compiled", "Desk", "Edition", "Fact", "Rule", "RuleSet",
    "Step", "Vocabulary", "canonical", "digest", "joined", "parse", "read",
]  # fmt: skip
