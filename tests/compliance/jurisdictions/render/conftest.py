"""Something to read: a small law with something of every kind."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from compliance.jurisdictions import RuleSet

Enact = Callable[..., RuleSet]
WORDS = {
    "knowledge.level": ("The rung of knowledge reached", "Which rung is reached?"),
    "location.dsa_ms_identification": ("The Member States are identified", "Are they identified?"),
    "offence.location": ("Where the offence is; a list", "Where is it?"),
    "provider.eu_legal_rep": ("Where the representative is", "Where is the representative?"),
    "provider.main_establishment": ("Where the head office is", "Where is the head office?"),
    "provider.offers_in": ("Where the service is offered", "Where is it offered?"),
    "purpose.exempt": ("The purpose of the dissemination", "Is there an exempt purpose?"),
    "threat.imminent": ("The threat is imminent", "Is the threat imminent?"),
    "threat.to": ("What is threatened; nothing, if empty", "What is threatened?"),
}


def reworded(rules: RuleSet) -> RuleSet:
    """The same law, with words of their own for the facts that it reads."""
    facts = rules.vocabulary.facts
    for name, (label, ask) in WORDS.items():
        facts[name] = replace(facts[name], label=label, ask=ask)
    return rules


@pytest.fixture(scope="session")
def sample(enact: Enact) -> RuleSet:
    """A law with something of every kind in its conditions and its report."""
    met = {"fact": "threat.imminent", "is": True, "says": "imminent", "cite": "s.2(1)"}
    states = {"fact": "provider.offers_in", "includes_any": "member_states", "says": "in the Union"}
    level = {"fact": "knowledge.level", "in": ["suspicion", "actual_knowledge"]}
    settled = {"fact": "location.dsa_ms_identification", "is": "identified", "cite": "s.5"}
    rule = {
        "title": "Tell somebody", "cite": "s.2-5", "binds": states,
        "when": {
            "any": [
                {"all": [met, level], "says": "an imminent threat"},
                {"not": {"fact": "threat.to", "includes_none": ["life"]}, "cite": "s.3"},
            ]
        },
        "exempt": {"fact": "purpose.exempt", "is_not": "none", "says": "for research"},
        "trigger": {"nature": "event", "clock": "belief", "words": "knows"},
        "then": {"report": {
            "deadline": {"words": "promptly", "hours": {"imminent": 1, "otherwise": 24}},
            "fields": ["META", "ID"],
            "first_of": [
                {"when": settled, "to": [
                    {"authority": "ms-authority", "each_of": ["offence.location", "home_state"]},
                    {"authority": "fbi"},
                ]},
                {"all_of": [{"authority": "europol"}, {"authority": "garda"}]},
            ],
        }},
    }  # fmt: skip
    return reworded(enact({"xx-tell": rule}))
