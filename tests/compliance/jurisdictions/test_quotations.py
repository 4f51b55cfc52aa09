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
        as soon as possible and in any event within one hour of receipt of the removal order
        (Art 3(3))
        Hosting service providers shall preserve terrorist content which has been removed or access
        to which has been disabled as a result of a removal order (Art 6(1))
        where the competent authority issuing the removal order decides that it is necessary and
        proportionate that there be no disclosure for reasons of public security (Art 11(3))
        That competent authority may extend that period by a further six weeks (Art 11(3))
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
        a clear and specific statement of reasons to any affected recipients of the service for any
        of the following restrictions imposed on the ground that the information is illegal content
        (Art 17(1))
        Paragraph 1 shall only apply where the relevant electronic contact details are known to the
        provider. It shall apply at the latest from the date that the restriction is imposed
        (Art 17(2))
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
        to a law enforcement agency, if the contents were inadvertently obtained by the service
        provider and appear to pertain to the commission of a crime (2702(b)(7))
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
    "us-2258a": """
        a provider shall, as soon as reasonably possible after obtaining actual knowledge of any
        facts or circumstances (2258A(a)(1))
        any facts or circumstances from which there is an apparent violation (2258A(a)(2)(A))
        a completed submission by a provider of a report to the CyberTipline shall be treated as
        a request to preserve the contents provided in the report (2258A(h)(1))
        """,
    "us-2339b": """
        any financial institution that becomes aware that it has possession of, or control over, any
        funds in which a foreign terrorist organization, or its agent, has an interest, shall report
        to the Secretary the existence of such funds in accordance with regulations (2339B(a)(2))
        """,
    "us-2703f": """
        A provider of wire or electronic communication services or a remote computing service, upon
        the request of a governmental entity, shall take all necessary steps to preserve records and
        other evidence in its possession pending the issuance of a court order (2703(f)(1))
        """,
    "us-star": """
        if a provider of an interactive computer service detects a suspicious transmission, it shall
        submit a report not later than 30 days after it (sec. 4)
        """,
    "eu-gdpr": """
        This Regulation applies to the processing of personal data (Art 3(1))
        are complied with by the controller and processor (Art 44)
        a transfer shall take place only on one of the following conditions (Art 49(1))
        """,
    "eu-eevidence": """
        service providers offering services in the Union (Art 2(1))
        at the latest within 10 days from the receipt of the EPOC (Art 10(3))
        Upon receipt of an EPOC-PR, the addressee shall preserve the data requested (Art 11(1))
        """,
}
CITED = {
    "eu-dsa-17.all": ("Art 17, 93", "2024-02-17", "in_force"),
    "eu-dsa-17.vlop": ("Art 17, 92", "2023-08-25", "in_force"),
    "eu-dsa-18.all": ("Art 18, 93, rec 56", "2024-02-17", "in_force"),
    "eu-dsa-18.vlop": ("Art 18, 92, rec 56", "2023-08-25", "in_force"),
    "eu-tco-14-5": ("Art 14(5), rec 41", "2022-06-07", "in_force"),
    "eu-eevidence.epoc": ("Art 10", "2026-08-18", "in_force"),
    "eu-eevidence.epocpr": ("Art 11", "2026-08-18", "in_force"),
    "eu-gdpr-overlay": ("Art 44-49", "2018-05-25", "in_force"),
    "eu-tco-11.1": ("Art 11(1)", "2022-06-07", "in_force"),
    "eu-tco-11.3": ("Art 11(3)", "2022-06-07", "in_force"),
    "eu-tco-3": ("Art 3(3)", "2022-06-07", "in_force"),
    "eu-tco-6": ("Art 6(1)-(2)", "2022-06-07", "in_force"),
    "us-2258a.preserve": ("18 USC 2258A(h)", "2008-10-13", "in_force"),
    "us-2258a.report": ("18 USC 2258A(a), 2702(b)(6)", "2008-10-13", "in_force"),
    "us-2339b-fi": ("18 USC 2339B(a)(2); 31 CFR 501.603, 597.201", "1996-04-24", "in_force"),
    "us-2703f-preserve": ("18 USC 2703(f)", "1996-04-24", "in_force"),
    "us-rrota-s2372": ("S. 2372 (114th), never enacted", "2015-12-08", "proposed"),
    "us-sca-block.content": ("18 USC 2702(a)(1)-(2)", "1986-10-21", "in_force"),
    "us-sca-block.records": ("18 USC 2702(a)(3), 2711(4)", "2001-10-26", "in_force"),
    "us-sca-emergency": ("18 USC 2702(b)(8), (c)(4)", "2006-03-09", "in_force"),
    "us-sca-inadvertent.foreign": ("18 USC 2702(b)(7)", "1986-10-21", "in_force"),
    "us-sca-inadvertent.us": ("18 USC 2702(b)(7)", "1986-10-21", "in_force"),
    "us-star-s4758": ("S. 4758 (116th), never enacted", "2020-09-29", "proposed"),
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
        changed = {name: rule.versions[1:] for name, rule in ours.items() if rule.versions[1:]}
        year = {"from": "2024-05-07", "status": "in_force", "for": "P1Y"}
        assert changed == {"us-2258a.preserve": (year,)}
