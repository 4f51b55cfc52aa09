"""Manifests: what a person viewed and what nobody viewed stand apart, and say what they may."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from compliance import evidence
from compliance.evidence import Item
from compliance.roles import User
from referrals import agencies, manifests, processes
from referrals.docket import Referral
from referrals.manifests import Edition


def told(referral: Referral) -> dict[str, Any]:
    """The manifest of a referral as it would be made now."""
    key = agencies.sealing_key(referral.agency)
    exhibits = processes.exhibits(referral)
    return manifests.describe(referral, exhibits, key, Edition(1, "first", None))


class TestDescribe:
    @pytest.mark.parametrize(("stop", "scope"), [(3, "part"), (7, "whole")])
    def test_says_how_much_of_an_item_a_person_really_saw(
        self, half_viewed: Referral, unseen: Item, ben: User, stop: int, scope: str
    ) -> None:
        list(evidence.read(unseen, purpose="Review.", stop=stop, by=ben))
        _, entry = told(half_viewed)["items"]
        assert (entry["viewed_by_human"], entry["view_scope"]) == (True, scope)
        assert told(half_viewed)["unviewed"] == []

    def test_sets_apart_what_nobody_viewed_and_says_nothing_of_its_inside(
        self, half_viewed: Referral, item: Item, unseen: Item
    ) -> None:
        manifest = told(half_viewed)
        assert [each["id"] for each in manifest["items"]] == [str(item.pk)]
        (entry,) = manifest["unviewed"]
        assert (entry["viewed_by_human"], entry["view_scope"]) == (False, "none")
        assert entry["member"] == f"data/unviewed/{unseen.pk}.sealed"
        assert (entry["sealed_sha256"], entry["opened_by"]) == (unseen.sealed_sha256, None)
        assert unseen.name not in json.dumps(manifest)
        assert unseen.sha256 not in json.dumps(manifest)

    def test_names_the_process_that_opened_what_nobody_viewed(
        self, half_viewed: Referral, unseen: Item, serve: Callable[..., Any], carla: User
    ) -> None:
        process = processes.approve(serve(half_viewed), because="It names it.", by=carla)
        (entry,) = told(half_viewed)["unviewed"]
        assert (entry["name"], entry["sha256"]) == (unseen.name, unseen.sha256)
        assert entry["member"] == f"data/{unseen.pk}.age"
        assert not entry["viewed_by_human"]
        assert entry["opened_by"] == {
            "kind": "search_warrant",
            "reference": "W-17",
            "issued_by": "a court",
            "received_at": process.received_at.isoformat(),
            "approved_by": manifests.pseudonym(carla),
        }


class TestPseudonym:
    def test_is_one_for_each_person_and_says_the_role_alone(self, ana: User, ben: User) -> None:
        first, second = manifests.pseudonym(ana), manifests.pseudonym(ben)
        assert first != second
        assert first == manifests.pseudonym(User.objects.get(pk=ana.pk))
        assert first.startswith("reviewer-")
        assert "ana" not in first
