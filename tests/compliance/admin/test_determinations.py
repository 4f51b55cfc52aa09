"""Determinations at the desk: counsel reads the law's answer, then signs or declines it."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from compliance import determinations, findings
from compliance.determinations import Determination
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.roles import Role, User

Sits = Callable[[User], Any]


class TestPage:
    def test_tells_who_is_to_be_told_what_and_why(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        text = sits(carla).reads(proposed)
        for told in (
            "Bundeskriminalamt",
            "firm duty",
            "Federal Bureau of Investigation",
            "firm permission",
            "A Member State that is not identified yet",
            "identity of reviewers",
            "withheld everywhere by default",
            "Notify suspicions of criminal offences",
            "The threat is imminent: is yes; recorded: yes",
            "all of these",
            "What is the suspect&#x27;s nationality?",
        ):
            assert told in text, told

    def test_lets_counsel_choose_and_chooses_nothing(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        text = sits(carla).reads(proposed)
        assert 'type="checkbox" name="take_up" value="fbi"' in text
        assert re.findall("<input[^>]* checked", text) == []

    def test_offers_no_choice_where_there_is_none(
        self,
        sits: Sits,
        carla: User,
        ben: User,
        record: Callable[..., Finding],
        profile: ProviderProfile,
        worker: None,
    ) -> None:
        confirmed = findings.confirm(record({"threat.imminent": False}), because="Seen.", by=ben)
        determination = determinations.propose(confirmed)
        seat = sits(carla)
        text = seat.reads(determination)
        assert "Permissions to take up" not in text
        seat.takes(determination, "sign", because="Nothing is owed.")
        assert "It obliges to nothing." in seat.reads(determination)

    def test_offers_nothing_to_reviewers(
        self, sits: Sits, ben: User, proposed: Determination
    ) -> None:
        text = sits(ben).reads(proposed)
        assert "step-sign" not in text
        assert "Counsel who neither recorded nor confirmed the finding decides." in text


class TestSign:
    def test_turns_every_firm_duty_into_an_obligation(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        page = sits(carla).takes(proposed, "sign", because="The duty holds.")
        proposed.refresh_from_db()
        assert (proposed.state, proposed.signed_by) == ("signed", carla)
        assert list(proposed.obligations.values_list("recipient", "kind")) == [("bka", "duty")]
        text = page.content.decode()
        assert "Signed by carla" in text
        assert "Duty towards Bundeskriminalamt" in text
        assert "step-sign" not in text

    def test_takes_up_the_permissions_that_counsel_ticked(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        sits(carla).takes(proposed, "sign", because="Lives are at stake.", take_up=["fbi"])
        kinds = proposed.obligations.order_by("recipient").values_list("recipient", "kind")
        assert list(kinds) == [("bka", "duty"), ("fbi", "permission")]

    def test_keeps_the_tick_and_the_words_when_it_is_refused(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        page = sits(carla).takes(proposed, "sign", because="", take_up=["fbi"])
        assert page.said == ["A reason is missing. Say in a sentence why you decide so."]
        text = page.content.decode()
        assert '<details class="step step-sign" open>' in text
        assert len(re.findall('value="fbi"[^>]* checked', text)) == 1

    def test_refuses_a_permission_that_is_not_open(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        page = sits(carla).takes(proposed, "sign", because="Why not?", take_up=["bka"])
        assert page.said == [
            "Permissions to take up: Select a valid choice. bka is not one of the available "
            "choices."
        ]
        assert not proposed.obligations.exists()

    def test_changes_nothing_when_a_colleague_was_faster(
        self, sits: Sits, carla: User, dora: User, proposed: Determination
    ) -> None:
        seat = sits(carla)
        seat.reads(proposed)
        determinations.decline(proposed, because="Known already.", by=dora)
        page = seat.takes(proposed, "sign", because="The duty holds.")
        assert page.said == [
            "Somebody else changed this record since you read it. Read it again, then decide."
        ]
        assert "Declined by dora" in page.content.decode()
        proposed.refresh_from_db()
        assert proposed.state == "declined"
        assert not proposed.obligations.exists()

    def test_is_neither_shown_nor_allowed_to_who_took_part_in_the_finding(
        self, sits: Sits, ben: User, proposed: Determination
    ) -> None:
        User.objects.filter(pk=ben.pk).update(role=Role.COUNSEL)
        seat = sits(User.objects.get(pk=ben.pk))
        assert "step-sign" not in seat.reads(proposed)
        page = seat.takes(proposed, "sign", because="I know it best.")
        assert page.said == [
            "Whoever recorded or confirmed a finding cannot sign its determination."
        ]
        proposed.refresh_from_db()
        assert proposed.state == "proposed"

    def test_is_refused_to_reviewers(self, sits: Sits, ana: User, proposed: Determination) -> None:
        page = sits(ana).takes(proposed, "sign", because="It is clear.")
        assert page.status_code == 403
        assert b"The role reviewer may not sign determination." in page.content


class TestDecline:
    def test_lets_nothing_leave_and_keeps_the_reason(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        page = sits(carla).takes(proposed, "decline", because="A parody.")
        proposed.refresh_from_db()
        assert (proposed.state, proposed.declined_by) == ("declined", carla)
        assert page.said == ["The determination is declined. Nothing leaves."]
        assert "<blockquote>A parody.</blockquote>" in page.content.decode()
        assert not proposed.obligations.exists()


class TestAnOldAnswer:
    def test_is_told_under_a_law_that_lost_its_words(
        self, sits: Sits, carla: User, proposed: Determination
    ) -> None:
        result = proposed.result
        result["reports"][0]["to"] = "gone-desk"
        result["reports"][0]["release"] = ["GONE"]
        result["reports"][0]["withhold"] = {"STAFF": "gone_code"}
        result["human"] = [{"reason": "gone_reason", "because": ["gone-rule"]}]
        result["questions"] = [{"fact": "gone.question", "settles": ["gone-rule"]}]
        proof = proposed.explanation.popitem()[1]
        proof["when"] = {"fact": "gone.fact", "op": "is", "value": 7, "result": "undetermined"}
        proposed.explanation["gone-rule"] = proof
        proposed.save(update_fields=["result", "explanation"])
        text = sits(carla).reads(proposed)
        for told in (
            "<h3>gone-desk ",
            '<span class="class">GONE</span>',
            "gone_code",
            "Gone_reason.",
            "gone.question",
            "gone-rule",
            "gone.fact: is 7; not recorded",
        ):
            assert told in text, told


class TestWhatThePageTells:
    @pytest.fixture
    def telling(self, sits: Sits, carla: User, proposed: Determination) -> Callable[..., str]:
        """Return the page of a determination whose answer holds `result`."""

        def tell(**result: Any) -> str:
            proposed.result |= result
            proposed.save(update_fields=["result"])
            return str(sits(carla).reads(proposed))

        return tell

    def test_where_laws_collide(self, telling: Callable[..., str]) -> None:
        conflict = {
            "fields": ["TRAF", "SUB"],
            "duties": ["eu-dsa-18"],
            "prohibitions": ["us-sca-2702a"],
            "to": "bka",
            "blocking": True,
        }
        text = telling(conflicts=[conflict])
        assert "asks for it towards Bundeskriminalamt" in text
        assert "us-sca-2702a bars it. It is withheld meanwhile, and nothing else is left" in text

    @pytest.mark.parametrize(
        ("until", "told"), [("open", "Until it is lifted"), ("2027-01-01T00:00:00Z", "Until 2027")]
    )
    def test_how_long_evidence_is_kept(
        self, telling: Callable[..., str], until: str, told: str
    ) -> None:
        assert told in telling(preserve={"because": ["eu-tco-6"], "until": until})

    @pytest.mark.parametrize(
        ("until", "told"), [(None, "until lifted"), ("2027-01-01T00:00:00Z", "until 2027")]
    )
    def test_towards_whom_to_be_silent(
        self, telling: Callable[..., str], until: str | None, told: str
    ) -> None:
        silence = {"towards": ["affected_user"], "until": until, "because": ["eu-tco-11"]}
        assert f"Towards affected user {told}" in telling(silence=[silence])
