"""The demo's samples, what it reads off the records, and the words it finds for that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from compliance import releases
from compliance.determinations import Determination
from referrals.management import demo_account, demo_samples, demo_story

pytestmark = pytest.mark.usefixtures("db")

DUE = datetime(2026, 3, 1, 9, tzinfo=UTC)


class TestSamples:
    def test_speak_the_words_of_the_law(self) -> None:
        words = releases.rules().vocabulary
        for name in demo_samples.NAMES:
            for fact, value in demo_samples.read(name).facts.items():
                words.check(fact, value)
        for fact, value in demo_samples.profile().items():
            words.check(fact, value)

    @pytest.mark.slow
    def test_have_real_files_of_their_type(self) -> None:
        begins = {
            "image/png": b"\x89PNG\r\n",
            "application/pdf": b"%PDF-1.4",
            "video/mp4": b"\x00\x00\x00 ftyp",
            "video/x-msvideo": b"RIFF",
            "text/plain": b"INVENTED SAMPLE.",
        }
        seen = set()
        for name in demo_samples.NAMES:
            for exhibit in demo_samples.read(name).evidence:
                with exhibit.open() as file:
                    assert file.read(16).startswith(begins[exhibit.media_type]), exhibit.name
                seen.add(exhibit.media_type)
        assert seen == set(begins)

    @pytest.mark.slow
    def test_hold_a_recording_of_twenty_megabytes_and_always_the_same(self) -> None:
        recording = demo_samples.moving_bars()
        assert len(recording) > 20 * 2**20
        assert int.from_bytes(recording[4:8], "little") + 8 == len(recording)
        assert demo_samples.moving_bars() == recording


class TestStory:
    """The account of a run is plain data, so what the story says of it needs no run."""

    def test_ends_with_the_problem_when_the_log_does_not_verify(self) -> None:
        told = demo_story.log_line({"verifies": False, "problem": "Leaf 7 is missing."})
        assert told == "The log does not verify: Leaf 7 is missing."

    @pytest.mark.parametrize(
        ("due", "spare", "says"),
        [
            (None, None, "delivered at 09:00:00 UTC; the law names no hour"),
            (
                DUE + timedelta(seconds=61),
                61,
                "due at 09:01:01 UTC (our policy), delivered at 09:00:00 UTC: 1 min 1 s to spare",
            ),
            (
                DUE - timedelta(seconds=61),
                -61,
                "due at 08:58:59 UTC (our policy), delivered at 09:00:00 UTC: 1 min 1 s LATE",
            ),
            (
                DUE + timedelta(days=1),
                86400,
                "due at 09:00:00 UTC on 02 March (our policy), delivered at 09:00:00 UTC:"
                " 1440 min 0 s to spare",
            ),
        ],
    )
    def test_says_how_much_time_was_left(self, due: Any, spare: int | None, says: str) -> None:
        told = {"due_at": due, "delivered_at": DUE, "seconds_to_spare": spare}
        assert demo_story._timing(told) == says

    def test_says_that_a_bundle_may_hold_the_statement_alone(self) -> None:
        key = {"type": "X25519", "fingerprint": "0" * 64}
        sealed = {"items": [], "bundle": {"size": 1, "sha256": ""}, "key": key}
        assert "the signed statement alone" in demo_story._sealed(sealed)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("hold", "says"),
        [
            (None, "No law asks to keep the evidence, and nothing was referred: no hold"),
            ({"kept_until": None, "because": ["eu-tco-14-5"]}, "until released, Art 14(5)"),
            (
                {"kept_until": DUE, "because": ["house.referred"]},
                "until 01 March 2026, by the provider's own rule, since no law sets a time: what "
                "was referred is kept for 90 days",
            ),
        ],
    )
    def test_says_what_is_kept_and_why(self, hold: Any, says: str) -> None:
        assert says in demo_story._kept({"hold": hold})

    @pytest.mark.parametrize(
        ("seen", "says"),
        [(None, "not known"), (True, "true"), (3, "3"), (["a", "b"], "a, b"), ([], "nothing")],
    )
    def test_says_what_is_on_record(self, seen: object, says: str) -> None:
        lacks = {"fact": "threat.imminent", "says": None, "seen": seen}
        told = demo_story._why_not({"rule": "eu-tco-14-5", "outcome": "fails", "lacks": lacks})
        assert told.endswith(
            "It needs “The threat is imminent”. On record is “The threat is imminent”: "
            f"{says} (threat.imminent)."
        )

    def test_says_in_words_what_a_law_lacked(self) -> None:
        lacks = {"fact": "threat.to", "says": "threat to the life or safety", "seen": []}
        told = demo_story._why_not({"rule": "eu-dsa-18", "outcome": "fails", "lacks": lacks})
        assert told.endswith(
            "It needs “threat to the life or safety”. On record is “What the suspected offence "
            "threatens or threatened”: nothing (threat.to)."
        )

    @pytest.mark.parametrize(("outcome", "says"), demo_story.OUTCOMES.items())
    def test_says_why_a_law_gave_no_answer(self, outcome: str, says: str) -> None:
        told = demo_story._why_not({"rule": "eu-dsa-18", "outcome": outcome, "lacks": None})
        assert told.endswith(f"notify suspicions of criminal offences. {says}.")


class TestAccount:
    def test_names_the_first_thing_a_law_lacked(self, proposed: Determination) -> None:
        told = {each["rule"]: each for each in demo_account._why_not(proposed.explanation)}
        assert set(told) >= {"us-rrota-s2372"}
        # Neither what applies here, nor what asks nobody to tell anybody, nor what binds others.
        assert not set(told) & {"eu-dsa-18", "eu-tco-14-5", "eu-tco-6", "us-2339b-fi"}
        assert told["us-rrota-s2372"] == {
            "rule": "us-rrota-s2372", "outcome": "not_in_force", "lacks": None,
        }  # fmt: skip

    def test_looks_into_every_branch_that_failed(self) -> None:
        leaf = {"fact": "threat.to", "seen": [], "result": "fails", "says": "life", "cite": "Art 1"}
        held = {"fact": "item.visibility", "seen": "public", "result": "holds"}
        no = {"not": [held], "result": "fails"}
        tree = [no, {"all": [held, {"any": [leaf], "result": "fails"}], "result": "fails"}]
        assert [each["fact"] for each in demo_account._lacking(tree)] == ["threat.to"]
