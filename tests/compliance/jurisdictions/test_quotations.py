"""Quotations: a rule quotes its law to the letter, a key phrase at a time, and cites it rightly."""

from collections.abc import Iterator
from typing import Any

import pytest

from compliance.jurisdictions import RuleSet

# The operative words, as far as a rule rests on them. A phrase that a rule quotes stands here.
TEXTS = {
    "eu-tco": """
        This Regulation applies to hosting service providers offering services in the Union,
        irrespective of their place of main establishment, insofar as they disseminate information
        to the public. (Art 1(2))
        Material disseminated to the public for educational, journalistic, artistic or research
        purposes or for the purposes of preventing or countering terrorism (Art 1(3))
        Where hosting service providers become aware of terrorist content involving an imminent
        threat to life, they shall promptly inform authorities competent for the investigation and
        prosecution of criminal offences in the Member States concerned. Where it is impossible to
        identify the Member States concerned, the hosting service providers shall notify the contact
        point (Art 14(5))
        or a suspected terrorist offence (rec 41)
        """,
    "eu-dsa": """
        intermediary services offered to recipients of the service (Art 2(1))
        Where a provider of hosting services becomes aware of any information giving rise to a
        suspicion that a criminal offence involving a threat to the life or safety of a person or
        persons has taken place, is taking place or is likely to take place, it shall promptly
        inform the law enforcement or judicial authorities of the Member State or Member States
        concerned of its suspicion and provide all relevant information available. (Art 18(1))
        Where the provider of hosting services cannot identify with reasonable certainty the Member
        State concerned, it shall inform the law enforcement authorities of the Member State in
        which it is established (Art 18(2))
        very large online platforms and very large online search engines (Art 33)
        """,
    "us-sca": """
        a person or entity providing an electronic communication service to the public shall not
        knowingly divulge (2702(a)(1))
        a provider of remote computing service or electronic communication service to the public
        shall not knowingly divulge a record or other information pertaining to a subscriber to or
        customer of such service to any governmental entity (2702(a)(3))
        with the lawful consent of the originator or an addressee (2702(b)(3))
        to a governmental entity, if the provider, in good faith, believes that an emergency
        involving danger of death or serious physical injury to any person requires disclosure
        without delay of communications relating to the emergency (2702(b)(8))
        """,
    "us-rrota": """
        Whoever, while engaged in providing an electronic communication service or a remote
        computing service to the public through a facility or means of interstate or foreign
        commerce, obtains actual knowledge of any terrorist activity, including the facts or
        circumstances described in subsection (c), shall, as soon as reasonably possible, provide to
        the appropriate authorities the facts or circumstances of the alleged terrorist activities.
        (sec. 2(a))
        any facts or circumstances from which there is an apparent violation of section 842(p) of
        title 18, United States Code (sec. 2(c))
        """,
}
CITED = {
    "eu-dsa-18.all": ("Art 18, 93, rec 56", "2024-02-17", "in_force"),
    "eu-dsa-18.vlop": ("Art 18, 92, rec 56", "2023-08-25", "in_force"),
    "eu-tco-14-5": ("Art 14(5), rec 41", "2022-06-07", "in_force"),
    "us-rrota-s2372": ("S. 2372 (114th), never enacted", "2015-12-08", "proposed"),
    "us-sca-block.content": ("18 USC 2702(a)(1)-(2)", "1986-10-21", "in_force"),
    "us-sca-block.records": ("18 USC 2702(a)(3), 2711(4)", "2001-10-26", "in_force"),
    "us-sca-emergency": ("18 USC 2702(b)(8), (c)(4)", "2006-03-09", "in_force"),
}


def quoted(value: Any) -> Iterator[str]:
    """Every phrase that a part of a rule quotes."""
    if isinstance(value, dict):
        yield from (value[key] for key in ("says", "words") if key in value)
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from quoted(part)


class TestQuotations:
    @pytest.mark.parametrize("name", CITED)
    def test_stand_in_the_law_to_the_letter(self, law: RuleSet, name: str) -> None:
        rule = law.rules[name]
        text = " ".join(TEXTS[rule.regime].split())
        phrases = [*quoted([rule.own, rule.then]), *[rule.words] * bool(rule.words)]
        assert phrases
        assert [phrase for phrase in phrases if phrase not in text] == []

    @pytest.mark.parametrize("name", CITED)
    def test_are_key_phrases_and_no_more(self, law: RuleSet, name: str) -> None:
        phrases = [*quoted([law.rules[name].own, law.rules[name].then])]
        assert max(len(phrase.split()) for phrase in phrases) <= 13

    def test_cite_the_section_and_the_day_it_began_to_apply(self, law: RuleSet) -> None:
        ours = {n: rule for n, rule in law.rules.items() if rule.regime.startswith(("us-", "eu-"))}
        assert {
            name: (rule.cite, rule.versions[0]["from"], rule.versions[0]["status"])
            for name, rule in ours.items()
        } == CITED
        assert all(len(rule.versions) == 1 for rule in ours.values())
