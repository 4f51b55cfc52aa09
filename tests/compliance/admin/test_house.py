"""The house at the desk: holds, the provider's profile, the law's releases, work, the log."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType

from compliance import facts, preservation, releases
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.facts import ProviderProfile
from compliance.findings import Finding
from compliance.lifecycle import Work
from compliance.preservation import Hold
from compliance.roles import User

Sits = Callable[[User], Any]


class TestHold:
    @pytest.fixture
    def hold(self, signed: Determination) -> Hold:
        """The hold of the signed determination."""
        return preservation.place(signed)

    def test_says_what_is_kept_until_when_and_why(self, sits: Sits, ana: User, hold: Hold) -> None:
        text = sits(ana).reads(hold)
        assert f"<h1>Hold on {hold.determination.finding}, until " in text
        assert f'/admin/compliance/determination/{hold.determination_id}/">determination on' in text
        assert ", ".join(hold.because) in text
        assert "Released" not in text

    def test_may_have_no_end(self, sits: Sits, ana: User, hold: Hold) -> None:
        Hold.objects.update(kept_until=None)
        assert f"Hold on {hold.determination.finding}, until it is released" in sits(ana).reads(
            hold
        )

    def test_is_released_by_counsel_with_a_reason(
        self, sits: Sits, carla: User, hold: Hold
    ) -> None:
        seat = sits(carla)
        assert seat.takes(hold, "release", because="").said == [
            "A reason is missing. Say in a sentence why you decide so."
        ]
        page = seat.takes(hold, "release", because="The trial is over.")
        hold.refresh_from_db()
        assert (hold.state, hold.released_by) == ("released", carla)
        text = page.content.decode()
        assert "The trial is over." in text
        assert "step-release" not in text

    def test_is_not_released_by_reviewers(self, sits: Sits, ben: User, hold: Hold) -> None:
        seat = sits(ben)
        assert "step-release" not in seat.reads(hold)
        assert seat.takes(hold, "release", because="It is old.").status_code == 403
        hold.refresh_from_db()
        assert hold.state == "placed"


class TestProfile:
    def test_is_recorded_by_one_counsel_and_signed_by_another(
        self, sits: Sits, carla: User, dora: User
    ) -> None:
        first, second = sits(carla), sits(dora)
        page = first.begins(ProviderProfile, "record", values="provider.size: large")
        made = ProviderProfile.objects.get()
        assert page.said == ["The profile is recorded. It counts once a second counsel signed it."]
        assert "step-sign" not in first.reads(made)
        assert first.takes(made, "sign").said == [
            "A second counsel must sign the provider profile."
        ]
        assert facts.profile() is None
        assert "step-sign" in second.reads(made)
        page = second.takes(made, "sign")
        assert page.said == ["The provider's facts are signed and count from now on."]
        assert facts.profile() == made
        text = page.content.decode()
        assert "<code>provider.size</code>" in text
        assert "step-sign" not in text

    def test_begins_with_what_counts_now(
        self, sits: Sits, carla: User, profile: ProviderProfile
    ) -> None:
        seat = sits(carla)
        text = seat.browser.get("/admin/compliance/providerprofile/record/").content.decode()
        assert "provider.offers_in: [&quot;DE&quot;, &quot;FR&quot;" in text
        typed = "\n".join(f"{name}: {value!r}" for name, value in profile.facts.items())
        typed = typed.replace("True", "true").replace("False", "false")
        seat.begins(ProviderProfile, "record", values=typed)
        assert ProviderProfile.objects.get(signed_at=None).facts == profile.facts

    @pytest.mark.parametrize(
        ("values", "sentence"),
        [
            ("threat.imminent: true", "threat.imminent belongs to the finding."),
            ("", "This field is required."),
        ],
    )
    def test_keeps_what_was_typed_when_it_is_refused(
        self, sits: Sits, carla: User, values: str, sentence: str
    ) -> None:
        page = sits(carla).begins(ProviderProfile, "record", values=values)
        assert page.status_code == 400
        assert sentence in page.content.decode()
        assert f">\n{values}</textarea>" in page.content.decode()
        assert not ProviderProfile.objects.exists()

    def test_lists_the_words_of_the_law_about_the_provider_alone(
        self, sits: Sits, carla: User
    ) -> None:
        page = sits(carla).browser.get("/admin/compliance/providerprofile/record/")
        text = page.content.decode()
        assert "<code>provider.service_roles</code>" in text
        assert "<code>data.regions</code>" in text
        assert "some of, in brackets: [hosting_public, " in text
        assert "some of, in brackets: [codes of countries]" in text
        assert "one of: micro, small, medium" in text
        assert "<code>threat.imminent</code>" not in text
        assert "<code>provider.designated_at</code>" not in text

    def test_is_neither_recorded_nor_signed_by_reviewers(
        self, sits: Sits, ana: User, carla: User
    ) -> None:
        made = facts.record_profile({"provider.size": "large"}, by=carla)
        seat = sits(ana)
        answers = [seat.begins(ProviderProfile, "record", values=""), seat.takes(made, "sign")]
        assert [answer.status_code for answer in answers] == [403, 403]


class TestReleasesAndWork:
    def test_are_there_to_read(self, sits: Sits, ana: User, worker: None) -> None:
        release = releases.current()
        assert release.sha256 in sits(ana).reads(release)
        failed = "No approved agency is enrolled for bka."
        work = Work.objects.create(
            key="enter:1", topic="enter", subject=uuid.uuid4(), cid="x", last_error=failed
        )
        text = sits(ana).reads(work)
        assert failed in text
        assert "Done at" not in text


class TestLog:
    def test_is_read_by_auditors_and_counsel(
        self, sits: Sits, otto: User, carla: User, ben: User, profile: ProviderProfile
    ) -> None:
        entry = AuditEntry.objects.get(event="profile.signed")
        for reader in (otto, carla):
            seat = sits(reader)
            rows = seat.browser.get("/admin/compliance/auditentry/").content.decode()
            assert "profile.signed" in rows
            assert "dora" in rows
            text = seat.reads(entry)
            assert f'href="/admin/compliance/providerprofile/{profile.pk}/"' in text
            assert f"user:{profile.signed_by_id}" in text
            assert 'class="timeline"' not in text

    def test_names_whoever_is_no_person(
        self, sits: Sits, otto: User, proposed: Determination
    ) -> None:
        page = sits(otto).browser.get("/admin/compliance/auditentry/?q=determination.proposed")
        assert "system:worker" in page.content.decode()

    def test_points_nowhere_where_the_desk_shows_nothing(self, sits: Sits, otto: User) -> None:
        about_a_person = AuditEntry.objects.filter(
            content_type=ContentType.objects.get_for_model(User)
        )
        text = sits(otto).reads(about_a_person.first())
        assert "The record that this entry is about" not in text

    def test_points_auditors_to_no_matter(
        self, sits: Sits, otto: User, carla: User, finding: Finding
    ) -> None:
        entry = AuditEntry.objects.get(event="finding.recorded")
        link = f'href="/admin/compliance/finding/{finding.pk}/"'
        assert link in sits(carla).reads(entry)
        assert link not in sits(otto).reads(entry)

    @pytest.mark.slow
    def test_is_closed_to_reviewers_and_custodians(
        self, sits: Sits, ana: User, cleo: User, profile: ProviderProfile
    ) -> None:
        entry = AuditEntry.objects.last()
        for stranger in (ana, cleo):
            browser = sits(stranger).browser
            assert browser.get("/admin/compliance/auditentry/").status_code == 403
            assert browser.get(f"/admin/compliance/auditentry/{entry.pk}/").status_code == 403
            assert b"Audit log" not in browser.get("/admin/").content
