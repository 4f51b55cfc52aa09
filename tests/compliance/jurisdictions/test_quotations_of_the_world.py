"""Quotations of the laws of the world: to the letter, a key phrase at a time, rightly cited."""

import re

import pytest

from compliance.jurisdictions import RuleSet, canonical
from compliance.jurisdictions.book import Rule

# The operative words, as far as a rule rests on them. A phrase that a rule quotes stands here.
TEXTS = {
    "au-avm": """
        (a) the person: (i) is an internet service provider; or (ii) provides a content service; or
        (iii) provides a hosting service; and (b) the person is aware that the service provided by
        the person can be used to access particular material that the person has reasonable grounds
        to believe is abhorrent violent material that records or streams abhorrent violent conduct
        that has occurred, or is occurring, in Australia; and (c) the person does not refer details
        of the material to the Australian Federal Police within a reasonable time after becoming
        aware of the existence of the material (s.474.33(1))
        Subsection (1) does not apply if the person reasonably believes that details of the material
        are already known to the Australian Federal Police (s.474.33(3))
        audio-visual material (s.474.31(1)(a))
        is produced by a person who is, or by 2 or more persons each of whom is (s.474.31(1)(c))
        """,
    "au-esafety": """
        identifies pro-terror materials on its service and forms a good faith belief that the
        material is evidence of serious and immediate threat to the life or physical health or
        safety of a person in Australia, it must report such material to an appropriate entity
        within 24 hours or as soon as reasonably practicable (Social Media Services Code, measure 1)
        """,
    "ca-cc": """
        Every person in Canada and every Canadian outside Canada shall disclose without delay to the
        Commissioner of the Royal Canadian Mounted Police or to the Director of the Canadian
        Security Intelligence Service (a) the existence of property in their possession or control
        that they know is owned or controlled by or on behalf of a terrorist group (s.83.1(1))
        """,
    "ca-pipeda": """
        made on the initiative of the organization to a government institution or a part of a
        government institution and the organization (i) has reasonable grounds to believe that the
        information relates to a contravention of the laws of Canada, a province or a foreign
        jurisdiction that has been, is being or is about to be committed (s.7(3)(d))
        """,
    "ch-fadp": """
        wenn sie nicht durch Einwilligung der betroffenen Person, durch ein überwiegendes privates
        oder öffentliches Interesse oder durch Gesetz gerechtfertigt ist (Art 31(1))
        """,
    "de-netzdg": """
        Der Anbieter eines sozialen Netzwerks muss dem Bundeskriminalamt (...) Inhalte übermitteln,
        1. die dem Anbieter in einer Beschwerde über rechtswidrige Inhalte gemeldet worden sind,
        2. die der Anbieter entfernt oder zu denen er den Zugang gesperrt hat und 3. bei denen
        konkrete Anhaltspunkte dafür bestehen, dass sie mindestens einen der Tatbestände (...)
        erfüllen (§ 3a(2))
        unverzüglich danach den Inhalt gemäß Absatz 4 übermitteln (§ 3a(3))
        """,
    "de-stgb": """
        Wer von dem Vorhaben oder der Ausführung (...) 5. eines Mordes (...) zu einer Zeit, zu der
        die Ausführung oder der Erfolg noch abgewendet werden kann, glaubhaft erfährt und es
        unterlässt, der Behörde oder dem Bedrohten rechtzeitig Anzeige zu machen (§ 138(1))
        """,
    "fr-cp": """
        Le fait, pour quiconque ayant connaissance d'un crime dont il est encore possible de
        prévenir ou de limiter les effets (art 434-1)
        un acte de terrorisme (art 434-2)
        """,
    "fr-lcen": """
        le stockage de signaux, d'écrits, d'images, de sons ou de messages (art 6 I-2)
        d'informer promptement les autorités publiques compétentes de toutes activités illicites
        mentionnées à l'alinéa précédent qui leur seraient signalées (art 6 I-7)
        """,
    "ie-oasa": """
        information which he or she knows or believes might be of material assistance in (a)
        preventing the commission by any other person of a serious offence, or (b) securing the
        apprehension, prosecution or conviction of any other person for a serious offence, and fails
        without reasonable excuse to disclose that information as soon as it is practicable to a
        member of the Garda Síochána (s.9(1))
        each House of the Oireachtas (s.18)
        """,
    "in-bnss": """
        Every person, aware of the commission of, or of the intention of any other person to commit,
        any offence punishable under any of the following sections (...) (ii) sections 111 to 113
        (both inclusive) (...) shall, in the absence of any reasonable excuse, the burden of proving
        which excuse shall lie upon the person so aware, forthwith give information to the nearest
        Magistrate or police officer (s.33(1))
        """,
    "in-it-rules": """
        any information has been removed or access to which has been disabled, the intermediary
        shall, without vitiating the evidence in any manner, preserve such information and
        associated records for one hundred and eighty days (r.3(1)(g))
        """,
    "nz-privacy": """
        unless the agency believes, on reasonable grounds, (...) that the disclosure of the
        information is necessary (i) to avoid prejudice to the maintenance of the law (IPP 11(1))
        """,
    "nz-tsa": """
        A financial institution or other person in possession or immediate control of property that
        the financial institution or other person suspects on reasonable grounds is or may be
        property to which this section applies must, as soon as practicable after forming that
        suspicion, report it to the Commissioner of Police (s.43(2))
        """,
    "uk-tact": """
        believes or suspects that another person has committed an offence under any of sections 15
        to 18, and (b) bases his belief or suspicion on information which comes to his attention (i)
        in the course of a trade, profession or business (s.19(1))
        if he does not disclose to a constable as soon as is reasonably practicable (s.19(2))
        information which he knows or believes might be of material assistance (a) in preventing the
        commission by another person of an act of terrorism, or (b) in securing the apprehension,
        prosecution or conviction of another person (s.38B(1))
        as soon as reasonably practicable (s.38B(2))
        that he had a reasonable excuse for not making the disclosure (s.38B(4))
        knows or has reasonable cause to suspect that a constable is conducting or proposes to
        conduct a terrorist investigation (s.39(1))
        that a disclosure has been or will be made under any of sections 19 to 21B or 38B (s.39(3))
        """,
    "uk-voluntary": """
        is necessary for the purposes of the prevention or detection of an unlawful act
        (Data Protection Act 2018, Schedule 1, paragraph 10(1)(a))
        """,
    "za-pocdatara": """
        Any person who (a) has reason to suspect that any other person intends to commit or has
        committed an offence referred to in this Chapter (...) must report as soon as reasonably
        possible such suspicion (s.12(1))
        """,
}
CITED = {
    "au-avm-474-33": ("s.474.31-474.33", "2019-04-06", "in_force"),
    "au-esafety-codes": ("Social Media Services Code, measure 1", "2023-12-16", "preview"),
    "ca-cc-83-1": ("s.83.1(1)", "2001-12-24", "in_force"),
    "ca-pipeda-7-3": ("s.7(3)(d)", "2001-01-01", "in_force"),
    "ch-voluntary": ("DSG Art 6, 30-31", "2023-09-01", "preview"),
    "de-netzdg-3a": ("§ 3a(2)-(4)", "2022-02-01", "preview"),
    "de-stgb-138": ("§ 138(1), (2)", "1975-01-01", "in_force"),
    "fr-cp-434": ("art 434-1, 434-2", "1994-03-01", "preview"),
    "fr-lcen-6": ("art 6 I-7; since Loi 2024-449, art 6 IV", "2014-11-15", "preview"),
    "ie-oasa-9.a": ("s.9(1)(a)", "1998-09-03", "sunset"),
    "ie-oasa-9.b": ("s.9(1)(b)", "1998-09-03", "sunset"),
    "in-bnss-33": ("s.33(1)", "2024-07-01", "in_force"),
    "in-it-rules-2021": ("r.3(1)(g)", "2021-02-25", "preview"),
    "nz-ipp11": ("s.22, IPP 11(1)(e)(i)", "2020-12-01", "in_force"),
    "nz-tsa-43": ("s.43(2)", "2002-10-18", "preview"),
    "uk-tact-19": ("s.19", "2001-02-19", "in_force"),
    "uk-tact-38b": ("s.38B", "2001-12-14", "in_force"),
    "uk-tact-39": ("s.39(1)-(4)", "2001-02-19", "in_force"),
    "uk-voluntary-ctiru": ("DPA 2018 Sch 1 para 10; UK GDPR Art 6(1)", "2018-05-25", "preview"),
    "za-pocdatara-12": ("s.12(1)", "2005-05-20", "in_force"),
}  # fmt: skip
# What became of it since.
LATER = {
    "de-netzdg-3a": [("2024-05-14", "superseded")],
    "ie-oasa-9.b": [("2018-02-21", "suspended"), ("2019-05-28", "sunset")],
}


def quoted(rule: Rule) -> list[str]:
    """Every phrase that a rule quotes."""
    written = canonical([rule.own, rule.then, *rule.versions, {"words": rule.words}]).decode()
    return [each for each in re.findall(r'"(?:says|words)":"([^"]*)"', written) if each]


class TestQuotations:
    @pytest.mark.parametrize("name", CITED)
    def test_stand_in_the_law_to_the_letter(self, law: RuleSet, name: str) -> None:
        text = " ".join(TEXTS[law.rules[name].regime].split())
        phrases = quoted(law.rules[name])
        assert phrases
        assert [phrase for phrase in phrases if phrase not in text] == []

    @pytest.mark.parametrize("name", CITED)
    def test_are_key_phrases_and_no_more(self, law: RuleSet, name: str) -> None:
        assert max(len(phrase.split()) for phrase in quoted(law.rules[name])) <= 13

    def test_cite_the_section_and_the_days_on_which_it_changed(self, law: RuleSet) -> None:
        ours = {name: rule for name, rule in law.rules.items() if rule.regime in TEXTS}
        versions = {
            name: [(version["from"], version["status"]) for version in rule.versions]
            for name, rule in ours.items()
        }
        assert {name: (rule.cite, *versions[name][0]) for name, rule in ours.items()} == CITED
        assert {name: days[1:] for name, days in versions.items() if days[1:]} == LATER
