"""Errors: a refusal says its sentence, and carries a name for programs."""

import pytest

from compliance import errors
from compliance.errors import KeyUnusable, Malformed, Refused, SamePerson, Stale

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type)]


class TestRefused:
    def test_says_its_docstring_when_nothing_else_is_said(self) -> None:
        refusal = SamePerson()
        assert refusal.message == str(refusal) == "A second person must take this step."

    def test_says_what_it_was_given(self) -> None:
        refusal = Malformed("The statement is empty.")
        assert refusal.message == str(refusal) == "The statement is empty."

    def test_of_a_kind_without_a_docstring_still_has_a_message(self) -> None:
        class Unworded(Refused):
            pass

        Unworded.__doc__ = None
        assert Unworded().message == ""

    @pytest.mark.parametrize(
        ("kind", "code"),
        [(Refused, "refused"), (Stale, "stale"), (KeyUnusable, "key_unusable")],
    )
    def test_has_a_stable_name_for_programs(self, kind: type[Refused], code: str) -> None:
        assert kind().code == code

    @pytest.mark.parametrize("kind", KINDS)
    def test_of_every_kind_is_a_sentence_and_can_be_caught_as_one(
        self, kind: type[Refused]
    ) -> None:
        assert issubclass(kind, Refused)
        assert kind().message[0].isupper()
        assert kind().message.endswith(".")
