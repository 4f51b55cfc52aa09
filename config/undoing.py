"""Undoing: the piles of the front page about findings that were wrong."""

from compliance import overturnings
from compliance.models import Overturning
from config.piles import SHOWN, Pile, Row, ago, page_of, pile_of, share_of, when
from referrals import retractions


def to_sign() -> Pile:
    """Return the retractions that wait for counsel."""
    waiting = retractions.waiting().select_related("overturning__finding", "agency")
    rows = (
        Row(
            f"The {each}",
            page_of(each),
            when(each.due_at),
            share_of(each.proposed_at, each.due_at),
        )
        for each in waiting[:SHOWN]
    )
    empty = "Every retraction is signed."
    return pile_of("Retractions for counsel", empty, waiting, rows, is_urgent=True)


def doubted() -> Pile:
    """Return the confirmed findings that somebody says were wrong."""
    waiting = Overturning.objects.filter(signed_at=None, declined_at=None)
    rows = (
        Row(
            f"Finding {each.finding}",
            page_of(each.finding),
            f"{each.get_reason_display()}, says {each.proposed_by} {ago(each.proposed_at)}",
        )
        for each in waiting.select_related("finding", "proposed_by").order_by("proposed_at")[:SHOWN]
    )
    empty = "No confirmed finding is said to be wrong."
    return pile_of("Said to be wrong", empty, waiting, rows, is_urgent=True)


def to_redress() -> Pile:
    """Return what was overturned while the user has not got back what is theirs."""
    waiting = overturnings.unredressed()
    rows = (
        Row(f"Finding {each.finding}", page_of(each.finding), _owed_to_the_user(each))
        for each in waiting.select_related("finding")[:SHOWN]
    )
    return pile_of("To be put right", "Whoever was wronged got it back.", waiting, rows)


def _owed_to_the_user(overturning: Overturning) -> str:
    owed = [
        words
        for at, words in (
            (overturning.reinstated_at, "content is not back"),
            (overturning.told_at, "the user was not told"),
        )
        if at is None
    ]
    return ", ".join(owed)
