"""Transparency: what is published, and that nobody can take it apart again."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from compliance import (
    determinations,
    facts,
    findings,
    jurisdictions,
    preservation,
    requests,
    transparency,
)
from compliance.audit.entries import AuditEntry
from compliance.determinations import Determination
from compliance.errors import Malformed, WrongState
from compliance.findings import Finding
from compliance.preservation import Hold
from compliance.roles import User
from compliance.transparency import (
    SMALL,
    TABLES,
    Figures,
    Half,
    Happened,
    Table,
    TransparencyReport,
    suppressed,
)  # fmt: skip
from tests.cast import NOW, REVIEW

pytestmark = pytest.mark.usefixtures("worker")

HALF = Half.of(NOW.date())
LATER = HALF.due + timedelta(days=1)
AGES = Table("ages", "By age", {"minor": "a minor", "other": "of age"})


def crowd(cell: str, many: int, finding: uuid.UUID | None = None) -> list[Happened]:
    return [Happened("ages", cell, NOW, finding)] * many


def told(rows: Iterable[Happened], half: Half = HALF) -> dict[str, Figures]:
    return transparency.figures(half, (*TABLES, AGES), rows)


def counted() -> dict[str, dict[str, int]]:
    """Return what is counted before anything is suppressed: cells that are not zero."""
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for each in transparency.happened(HALF.end):
        found[each.table][each.cell] = found[each.table].get(each.cell, 0) + 1
    return dict(found)


class TestSuppressed:
    @pytest.mark.parametrize(
        ("cells", "shown", "total"),
        [
            ((0, 0), (0, 0), 0),
            ((12, 40), (12, 40), 52),
            ((0, 40), (0, 40), 40),
            ((3, 40), (None, None), 43),
            ((3, 4), (None, None), None),
            ((0, 9), (None, None), None),
            ((5, 5), (None, None), 10),
            ((3, 12, 40), (None, None, 40), 55),
            ((3, 12, 12, 40), (None, None, None, 40), 67),
            ((3, 0, 40, 50), (None, 0, None, 50), 93),
            ((9, 9, 9, 0), (None, None, None, 0), 27),
        ],
    )
    def test_hides_what_is_small_and_what_would_give_it_away(
        self, cells: tuple[int, ...], shown: tuple[int | None, ...], total: int | None
    ) -> None:
        found = suppressed({str(place): n for place, n in enumerate(cells)})
        assert (tuple(found.cells.values()), found.total) == (shown, total)

    @given(st.lists(st.integers(0, 60), min_size=1, max_size=SMALL - 1))
    def test_never_shows_a_small_cell_or_lets_one_be_subtracted(self, cells: list[int]) -> None:
        found = suppressed({str(place): n for place, n in enumerate(cells)})
        shown = [n for n in found.cells.values() if n is not None]
        assert all(n == 0 or n >= SMALL for n in shown)
        assert found.total is None or found.total == 0 or found.total >= SMALL
        hidden = [n for n, each in zip(cells, found.cells.values(), strict=True) if each is None]
        if found.total is not None and hidden:
            assert len(hidden) > 1
            assert found.total - sum(shown) >= SMALL  # nor are all hidden ones together few

    @given(st.lists(st.integers(0, 60), min_size=2, max_size=SMALL - 1))
    def test_says_the_same_of_tables_in_which_each_hidden_cell_is_another(
        self, cells: list[int]
    ) -> None:
        table = {str(place): n for place, n in enumerate(cells)}
        found = suppressed(table)
        hidden = {name: n for name, n in table.items() if found.cells[name] is None}
        assume(hidden and found.total is not None)
        values = [*hidden.values()]
        if len({*values}) == 1:  # all alike: the last could have one more, and the first one less
            values = [values[0] - 1, *values[1:-1], values[-1] + 1]
        assert len({*values}) > 1
        for _ in values:  # so that each hidden cell is each of these once
            values = [*values[1:], values[0]]
            assert suppressed(table | dict(zip(hidden, values, strict=True))) == found

    @pytest.mark.slow
    @pytest.mark.parametrize("size", [1, 2, 3])
    def test_leaves_no_cell_to_whoever_knows_the_rules_and_tries_every_table(
        self, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transparency, "SMALL", 4)
        possible: dict[Any, list[set[int]]] = {}
        for cells in product(range(13), repeat=size):
            found = suppressed({str(place): n for place, n in enumerate(cells)})
            key = (*found.cells.values(), found.total)
            for values, n in zip(
                possible.setdefault(key, [set() for _ in cells]), cells, strict=True
            ):
                values.add(n)
        for (*shown, total), values in possible.items():
            if total is not None and total > 12:
                continue  # tables beyond the bound could have said the same
            for each, candidates in zip(shown, values, strict=True):
                assert len(candidates) == 1 if each is not None else len(candidates) > 1


class TestTable:
    def test_has_fewer_cells_than_could_hold_one_each(self) -> None:
        with pytest.raises(Malformed):
            Table("many", "Many", {str(place): "one" for place in range(SMALL)})


class TestHalf:
    @pytest.mark.parametrize(
        ("half", "start", "end", "due"),
        [
            (Half(2026, 1), "2026-01-01", "2026-07-01", "2026-10-01"),
            (Half(2026, 2), "2026-07-01", "2027-01-01", "2027-04-01"),
        ],
    )
    def test_has_two_ends_and_a_day_from_which_it_is_told(
        self, half: Half, start: str, end: str, due: str
    ) -> None:
        days = [f"{each:%Y-%m-%d}" for each in (half.start, half.end, half.due)]
        assert days == [start, end, due]

    def test_are_named_whole_between_two_days(self) -> None:
        found = transparency.halves(date(2025, 7, 1), date(2026, 12, 31))
        assert [str(each) for each in found] == ["2025-H2", "2026-H1", "2026-H2"]

    @pytest.mark.parametrize(
        ("first", "last"),
        [
            ("2026-01-02", "2026-06-30"),
            ("2026-01-01", "2026-06-29"),
            ("2026-01-01", "2026-07-01"),
            ("2026-07-01", "2026-06-30"),
            ("2026-04-01", "2026-12-31"),
        ],
    )
    def test_are_never_cut(self, first: str, last: str) -> None:
        with pytest.raises(Malformed, match="whole half-years"):
            transparency.halves(date.fromisoformat(first), date.fromisoformat(last))


class TestHappened:
    @pytest.mark.slow
    def test_is_counted_from_the_log_and_from_what_counsel_decided(
        self, record: Any, ana: User, ben: User, carla: User, signed: Determination
    ) -> None:
        for value, route in (("removed_order", "hash_match"), ("live", "staff_inadvertent")):
            finding = record()
            said = {"item.status": value, "discovery.route": route}
            facts.assert_facts(finding, said, **REVIEW, by=ana)
            findings.dismiss(finding, because="A parody.", by=ben)
        requests.record(kind="access", identifiers=["pat"], received_at=NOW, by=ana)
        assert counted() == {
            "findings-by-item": {"removed_order": 1, "live": 1, "unknown": 1},
            "findings-by-discovery": {"automated": 1, "people": 1, "unknown": 1},
            "decisions": {"dismissed": 2, "signed": 1},
            "reports-by-recipient": {"foreign_gov": 1},
            "reports-by-kind": {"duty": 1},
            "reports-by-urgency": {"imminent": 1},
            "reports-by-age": {"other": 1},
            "requests-of-people": {"access": 1},
        }
        for table in TABLES:
            assert counted()[table.name].keys() <= table.cells.keys()

    def test_counts_a_declined_determination_and_what_is_unknown_to_the_vocabulary(
        self, proposed: Determination, carla: User
    ) -> None:
        determinations.decline(proposed, because="A play.", by=carla)
        facts.FactAssertion.objects.create(
            finding=proposed.finding, fact="item.status", value="lost", source="x",
            asserted_by=carla,
        )  # fmt: skip
        found = counted()
        assert found["decisions"] == {"declined": 1}
        assert found["findings-by-item"] == {"unknown": 1}
        assert "reports-by-age" not in found


class TestFigures:
    def test_are_integers_by_table_and_cell_and_count_their_half_alone(self, db: object) -> None:
        before = Happened("ages", "other", HALF.start - timedelta(seconds=1), None)
        found = told([*crowd("other", 40), *crowd("minor", 11), before])["ages"]
        assert found == Figures({"minor": 11, "other": 40}, 51)
        assert told([before])["ages"].total == 0

    def test_never_let_a_minor_show(self, db: object) -> None:
        for many in range(1, SMALL):
            found = told([*crowd("other", 40), *crowd("minor", many)])["ages"]
            assert found == Figures({"minor": None, "other": None}, 40 + many)


class TestSilence:
    @pytest.fixture
    def silent(self, proposed: Determination, sign: Any) -> Callable[..., Determination]:
        """A signed determination whose law keeps silent until a time, or until the hold ends."""

        def make(until: str | None, *towards: str) -> Determination:
            said = {name: each for name, each in proposed.result.items() if name != "sha256"}
            said["silence"] = [
                {"towards": list(towards) or ["public"], "until": until, "because": ["eu-tco-11"]}
            ]
            digest = jurisdictions.digest(said)
            Determination.objects.filter(pk=proposed.pk).update(
                result=said | {"sha256": digest}, result_sha256=digest
            )
            proposed.refresh_from_db()
            return sign(proposed)  # type: ignore[no-any-return]

        return make

    def total(self, finding: Finding, half: Half = HALF) -> int | None:
        """Return how many of age there are, one of whom belongs to this matter."""
        about = crowd("other", 1, finding.pk)
        at = half.start + timedelta(days=1)
        rest = [each._replace(at=at) for each in crowd("other", 40)]
        return told([*rest, *about], half)["ages"].total

    def test_keeps_a_matter_out_until_it_ends_and_counts_it_then(
        self, silent: Callable[..., Determination]
    ) -> None:
        ends = HALF.following.start + timedelta(days=9)
        finding = silent(f"{ends:%Y-%m-%dT%H:%M:%SZ}").finding
        assert self.total(finding) == 40
        assert self.total(finding, HALF.following) == 41

    def test_that_is_over_keeps_nothing_out(self, silent: Callable[..., Determination]) -> None:
        assert self.total(silent("2020-01-01T00:00:00Z").finding) == 41

    def test_towards_the_user_alone_keeps_nothing_out(
        self, silent: Callable[..., Determination]
    ) -> None:
        assert self.total(silent(None, "affected_user").finding) == 41

    def test_without_an_end_lasts_until_the_hold_is_lifted(
        self, silent: Callable[..., Determination], carla: User
    ) -> None:
        finding = silent(None).finding
        assert self.total(finding) == 40
        preservation.place_due()
        assert self.total(finding) == 40
        preservation.release(Hold.objects.get(), because="It was lifted.", by=carla)
        assert self.total(finding) == 41


class TestPublish:
    def test_makes_the_figures_of_a_half_once(self, db: object) -> None:
        many = crowd("other", 40)
        made = transparency.publish(HALF, (*TABLES, AGES), many, at=LATER)
        assert made.figures["ages"] == {"cells": {"minor": 0, "other": 40}, "total": 40}
        again = transparency.publish(HALF, (*TABLES, AGES), [*many, *many], at=LATER)
        assert again == made
        assert again.figures["ages"]["total"] == 40
        entry = AuditEntry.objects.get(event="transparencyreport.made")
        assert str(made) == str(HALF) == entry.object_repr

    def test_waits_for_three_months(self, db: object) -> None:
        with pytest.raises(WrongState, match=f"are made from {HALF.due:%Y-%m-%d} on"):
            transparency.publish(HALF, TABLES, [])
        with pytest.raises(WrongState):
            transparency.publish(HALF, TABLES, [], at=HALF.due - timedelta(seconds=1))
        assert transparency.publish(HALF, TABLES, [], at=HALF.due)

    def test_is_never_changed(self, db: object, stopped: Callable[[str], None]) -> None:
        transparency.publish(Half(2020, 1), TABLES, [], at=datetime(2027, 1, 1, tzinfo=UTC))
        assert TransparencyReport.objects.exists()
        stopped("UPDATE compliance_transparencyreport SET half = '2020-H2'")
        stopped("DELETE FROM compliance_transparencyreport")

    def test_gives_the_same_figures_when_they_are_counted_again(
        self, signed: Determination
    ) -> None:
        first = told(transparency.happened(HALF.end))
        assert told(transparency.happened(HALF.end)) == first
        assert all(
            isinstance(n, int | None) for each in first.values() for n in each.cells.values()
        )
