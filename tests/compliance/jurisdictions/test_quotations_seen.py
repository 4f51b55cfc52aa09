# ruff: noqa: E501 - an address is as long as it is
"""Quotations seen: which words of a law were found in a published text, and where.

They were compared by eye with what stood at these addresses. What a rule quotes beside them, its
book names under `unseen`, and the rule says so wherever it is read.
"""

import pytest

from compliance import releases
from compliance.jurisdictions import RuleSet, render
from compliance.jurisdictions.book import parse
from compliance.jurisdictions.book.reading import quoted_in

SEEN: dict[str, dict[str, list[str]]] = {
    "au-avm": {
        "https://www.ato.gov.au/law/view/document?docid=PAC/19950012/Sch-474.33": [
            "already known to the Australian Federal Police",
            "becoming aware of the existence of the material",
            "has occurred, or is occurring, in Australia", "is an internet service provider",
            "reasonable grounds to believe", "reasonably believes",
            "records or streams abhorrent violent conduct", "within a reasonable time",
        ],
    },
    "ca-cc": {
        "https://www.criminal-code.ca/criminal-code-of-canada-section-83-1-1-disclosure/": [
            "Every person in Canada", "in Canada", "on behalf of a terrorist group",
            "property in their possession or control", "that they know", "without delay",
        ],
    },
    "de-stgb": {
        "https://lexetius.com/StGB/138": [
            "eines Mordes", "glaubhaft erfährt", "noch abgewendet werden kann",
            "von dem Vorhaben oder der Ausführung",
        ],
    },
    "eu-dsa": {
        "https://bka.de/EN/OurTasks/Remit/CentralAgency/DigitalServicesAct/FAQS/FAQS_node.html": [
            "Member State concerned", "Member State or Member States concerned", "becomes aware",
            "cannot identify with reasonable certainty",
            "has taken place, is taking place or is likely to take place",
            "information giving rise to a suspicion", "promptly", "provider of hosting services",
            "threat to the life or safety",
        ],
    },
    "eu-gdpr": {
        "https://gdprhub.eu/index.php?title=Article_49_GDPR": ["on one of the following conditions"],
    },
    "eu-tco": {
        "https://www.eumonitor.eu/9353000/1/j4nvhdfcs8bljza_j9vvik7m1c3gyxp/vkrpfdcsi7yp": [
            "educational, journalistic, artistic or research purposes", "hosting service providers",
            "offering services in the Union", "terrorist content", "to the public",
        ],
        "https://parlementairemonitor.nl/9353000/1/"
        "j4nvirkkkr58fyw_j9tvgajcor7dxyk_j9vvij5epmj1ey0/vkrpfdcsi7yp": ["receipt of the removal order", "removal order"],
    },
    "ie-oasa": {
        "https://www.oireachtas.ie/en/debates/debate/dail/2000-06-20/30/": [
            "each House of the Oireachtas",
        ],
    },
    "in-bnss": {
        "https://law.emunshi.ai/bnss/33": [
            "Every person", "aware of the commission of",
            "aware of the commission of, or of the intention", "forthwith", "sections 111 to 113",
            "the commission of, or of the intention of any other person to commit",
        ],
    },
    "uk-tact": {
        "https://legislation.gov.uk/ukpga/2000/11/part/IV/crossheading/information-and-evidence/"
        "2017-12-22/data.html": [
            "a reasonable excuse for not making the disclosure", "an act of terrorism",
            "as soon as reasonably practicable", "knows or believes",
            "might be of material assistance", "preventing the commission by another person",
            "securing the apprehension, prosecution or conviction",
        ],
        "https://legislation.gov.uk/cy/ukpga/2000/11/section/19/2017-01-31": [
            "an offence under any of sections 15 to 18", "as soon as is reasonably practicable",
            "believes or suspects", "in the course of a trade, profession or business",
        ],
    },
    "us-2258a": {
        "https://www.law.cornell.edu/uscode/text/18/2258A": [
            "a provider", "actual knowledge", "after obtaining actual knowledge",
            "apparent violation", "as soon as reasonably possible",
        ],
    },
    "us-2339b": {
        "https://chanrobles.com/usa/uslaws/codes/title18/18usc2339b.php": [
            "any financial institution", "becomes aware", "foreign terrorist organization",
            "in accordance with regulations", "possession of, or control over, any funds",
        ],
    },
    "us-2703f": {
        "https://lists.cpunks.org/archives/list/cypherpunks-legacy@lists.cpunks.org/message/"
        "FDEAQMGE2KOC23ZZBQX2XKUJVBITSBM2": [
            "electronic communication services or a remote computing service",
            "to preserve records and other evidence in its possession",
            "upon the request of a governmental entity",
        ],
    },
    "us-sca": {
        "http://laws9.com/uscode/html/uscode18/usc_sec_18_00002702----000-.html": [
            "governmental entity", "lawful consent", "to the public",
        ],
        "https://issuhub.com/view/index?id=4382&pageIndex=791": [
            "believes", "danger of death or serious physical injury", "in good faith",
            "in good faith, believes", "requires disclosure without delay", "without delay",
        ],
    },
    "za-pocdatara": {
        "http://www.acts.co.za/"
        "protection-of-constitutional-democracy-against-terrorist-and-related-activities-act-2004/12_duty_to_report_presence_of_person_suspected.php": [
            "Any person", "an offence referred to in this Chapter",
            "as soon as reasonably possible", "has reason to suspect",
        ],
    },
}  # fmt: skip


@pytest.mark.every_law
class TestAQuotation:
    def test_is_seen_in_a_published_text_or_named_as_unseen(self, law: RuleSet) -> None:
        for name, text in releases.shipped_texts().items():
            book, _ = parse(name, text)
            rules = book.get("rules", ())
            quoted = {phrase for rule in rules for phrase in quoted_in(book, rule)}
            seen = {each for found in SEEN.get(book.get("regime"), {}).values() for each in found}
            assert seen <= quoted, name
            assert sorted(quoted - seen) == book.get("unseen", []), name

    def test_that_nobody_saw_is_named_above_its_rule_and_above_no_other(self, law: RuleSet) -> None:
        said = (
            'Not seen in a published text of the law: "a disclosure has been or will be made", '
            '"knows or has reasonable cause to suspect"'
        )
        assert f"\n{said}\n" in render.rule(law, "uk-tact-39")
        assert "Not seen" not in render.rule(law, "uk-tact-38b")
