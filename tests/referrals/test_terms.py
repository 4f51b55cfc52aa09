"""Terms: the texts that go with a referral, and the digest by which they are accepted."""

from hashlib import sha256
from pathlib import Path

import pytest

from referrals import terms


class TestOf:
    def test_is_the_general_text_where_no_law_adds_to_it(self) -> None:
        agreed = terms.of("bka", ["house-referral"])
        assert agreed.names == ("general/1",)
        assert agreed.text == (terms.FOLDER / "general.1.txt").read_bytes()

    @pytest.mark.parametrize(
        ("authority", "rules", "names"),
        [
            ("bka", ["eu-dsa-18"], ("general/1", "eu/1")),
            ("ncmec", ["us-2258a"], ("general/1", "us-2258a/1")),
            ("ncmec", ["us-2258a", "eu-tco-14-5"], ("general/1", "eu/1", "us-2258a/1")),
            ("europol", ["us-2258", "uk-tact-38b"], ("general/1",)),
        ],
    )
    def test_adds_the_text_of_each_law(
        self, authority: str, rules: list[str], names: tuple[str, ...]
    ) -> None:
        assert terms.of(authority, rules).names == names

    def test_takes_the_newest_version_and_what_is_for_this_agency_alone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(terms, "FOLDER", tmp_path)
        for name in ("general.9", "general.10", "bka.1", "fbi.1"):
            (tmp_path / f"{name}.txt").write_text(f"{name}.")
        agreed = terms.of("bka", [])
        assert (agreed.names, agreed.text) == (("general/10", "bka/1"), b"general.10.\nbka.1.")
        assert agreed.sha256 == sha256(agreed.text).hexdigest()


class TestTexts:
    def test_say_that_no_counsel_verified_them(self) -> None:
        for path in terms.FOLDER.glob("*.txt"):
            assert "not verified by counsel" in path.read_text("utf-8").splitlines()[0], path
