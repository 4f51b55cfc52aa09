"""Exhibits at the desk: Ben says why, proves who he is, and sees what is veiled until he asks."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from compliance import evidence, media
from compliance.admin import exhibits, proof
from compliance.audit.entries import AuditEntry
from compliance.evidence import Item, View
from compliance.findings import Finding
from compliance.roles import User
from tests.cast import PASSWORD

Sits = Callable[[User], Any]
Attach = Callable[..., Item]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
FILM = b"\0\0\0\x18ftypisom" + bytes(3 * 2**16)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
PAGE = b"<!doctype html><script src=https://example.org/x.js></script><img src=x onerror=alert(1)>"
POLYGLOT = b"GIF89a/*\x01\0\x01\0*/=1;/*<script>alert(1)</script>*/"
BOMB = b"PK\3\4" + bytes(200)


def place(item: Item, room: str) -> str:
    """Return the address of a room of an exhibit."""
    return f"/admin/compliance/item/{item.pk}/{room}/"


def opens(seat: Any, item: Item, password: str = PASSWORD) -> Any:
    """Say why, prove who one is, and return the page on which the exhibit is seen."""
    seat.takes(item, "open", purpose="Second reading.")
    return seat.browser.post(place(item, "view"), {"password": password}, follow=True)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Let time go by at the desk, but not in the session's own end."""

    class Clock:
        ahead = timedelta()

        @classmethod
        def now(cls) -> Any:
            return timezone.now() + cls.ahead

    monkeypatch.setattr(exhibits, "timezone", Clock)
    monkeypatch.setattr(proof, "timezone", Clock)
    return lambda ahead: setattr(Clock, "ahead", ahead)


class TestOpen:
    def test_wants_a_purpose_and_asks_on_the_page_of_the_finding(
        self, sits: Sits, ben: User, item: Item
    ) -> None:
        page = sits(ben).takes(item, "open", purpose=" ")
        assert (page.status_code, page.said) == (400, ["Say why you open this item."])
        text = page.content.decode()
        assert f"<h1>Finding {item.finding}</h1>" in text
        assert '<details class="step step-open" open>' in text
        assert not View.objects.exists()

    def test_leads_to_the_question_who_is_there(self, sits: Sits, ben: User, item: Item) -> None:
        page = sits(ben).takes(item, "open", purpose="Second reading.")
        assert page.redirect_chain == [(place(item, "view"), 302)]
        assert "Is it still you?" in page.content.decode()
        assert not AuditEntry.objects.filter(event="evidence.viewed").exists()
        assert AuditEntry.objects.get(event="item.shown").actor == ben

    def test_is_refused_to_auditors(self, sits: Sits, otto: User, item: Item) -> None:
        seat = sits(otto)
        assert seat.takes(item, "open", purpose="Curious.").status_code == 403
        for room in ("view", "content"):
            assert seat.browser.get(place(item, room)).status_code == 403
        assert seat.browser.post(place(item, "copy")).status_code == 403
        assert not View.objects.exists()

    def test_is_the_only_way_in(self, sits: Sits, ben: User, item: Item) -> None:
        seat = sits(ben)
        assert seat.browser.get(place(item, "content")).status_code == 403
        assert seat.browser.post(place(item, "copy")).status_code == 403
        page = seat.browser.get(place(item, "view"), follow=True)
        assert page.redirect_chain == [(f"/admin/compliance/finding/{item.finding_id}/", 302)]
        assert "Say on this page why you open the exhibit." in page.content.decode()
        assert not View.objects.exists()

    def test_holds_for_one_exhibit_and_one_session(
        self, sits: Sits, ben: User, item: Item, finding: Finding, attach: Attach
    ) -> None:
        other = attach(finding, PNG)
        seat = sits(ben)
        opens(seat, item)
        assert seat.browser.get(place(other, "content")).status_code == 403
        assert sits(ben).browser.post(place(item, "copy")).status_code == 403


class TestProof:
    def test_is_asked_for_again_after_a_few_minutes(
        self, sits: Sits, ben: User, item: Item, later: Callable[[timedelta], None]
    ) -> None:
        seat = sits(ben)
        assert "Tonight." in opens(seat, item).content.decode()
        later(proof.FRESH - timedelta(seconds=1))
        assert "Tonight." in seat.browser.get(place(item, "view")).content.decode()
        later(proof.FRESH + timedelta(seconds=1))
        assert "Is it still you?" in seat.browser.get(place(item, "view")).content.decode()

    def test_lasts_no_longer_than_the_purpose(
        self, sits: Sits, ben: User, item: Item, later: Callable[[timedelta], None]
    ) -> None:
        seat = sits(ben)
        opens(seat, item)
        later(exhibits.OPEN_FOR)
        assert seat.browser.post(place(item, "copy")).status_code == 403

    def test_is_on_record(self, sits: Sits, ben: User, item: Item) -> None:
        opens(sits(ben), item)
        event = AuditEntry.objects.get(event="user.proved_again")
        assert (event.actor_ref, event.object_pk) == (f"user:{ben.pk}", str(ben.pk))

    @pytest.mark.parametrize("typed", ["", "wrong-horse-battery"])
    def test_that_is_wrong_opens_nothing(
        self, sits: Sits, ben: User, item: Item, typed: str
    ) -> None:
        page = opens(sits(ben), item, typed)
        assert page.status_code == 400
        said = "This is not your password." if typed else "This field is required."
        assert said in page.content.decode()
        assert not View.objects.exists()

    def test_of_another_person_is_none(self, sits: Sits, ben: User, ana: User, item: Item) -> None:
        ben.set_password("another-horse-battery")
        type(ben).objects.filter(pk=ben.pk).update(password=ben.password)
        page = opens(sits(ben), item)  # the password is Ana's
        assert page.status_code == 400

    @pytest.mark.slow
    def test_that_fails_too_often_ends_the_session(self, sits: Sits, ben: User, item: Item) -> None:
        seat = sits(ben)
        for _ in range(proof.TRIES - 1):
            assert opens(seat, item, "wrong").status_code == 400
        page = opens(seat, item, "wrong")
        assert page.redirect_chain[-1][0].startswith("/admin/login/")
        assert "Too many wrong passwords. Sign in again." in page.content.decode()

    @pytest.mark.slow
    def test_that_is_right_forgets_the_wrong_ones(self, sits: Sits, ben: User, item: Item) -> None:
        seat = sits(ben)
        for _ in range(proof.TRIES - 1):
            opens(seat, item, "wrong")
        opens(seat, item)
        assert opens(seat, item, "wrong").status_code == 400


class TestView:
    def test_veils_a_picture_until_it_is_asked_for(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        item = attach(finding, PNG)
        text = opens(sits(ben), item).content.decode()
        assert f'<div class="veil"><img src="{place(item, "content")}"' in text
        assert 'id="clear" class="press"' in text
        assert "checked" not in text
        assert not View.objects.exists()  # the page alone shows nothing

    def test_shows_a_film_without_sound(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        item = attach(finding, FILM)
        text = opens(sits(ben), item).content.decode()
        assert f'<video src="{place(item, "content")}" muted controls preload="metadata"' in text
        assert "autoplay" not in text

    def test_plays_no_sound_by_itself(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        text = opens(sits(ben), attach(finding, b"ID3" + bytes(50))).content.decode()
        assert re.search(r'<audio src="[^"]+" muted controls preload="none">', text)

    @pytest.mark.parametrize(
        ("data", "shown"),
        [
            (SVG, "&lt;svg xmlns=&quot;http://www.w3.org/2000/svg&quot; onload="),
            (PAGE, "&lt;!doctype html&gt;&lt;script src=https://example.org/x.js&gt;"),
            ("\ufeffGröße".encode(), "<bdi>Größe</bdi>"),
            ("Größe".encode("utf-16"), "<bdi>Größe</bdi>"),
        ],
    )
    def test_shows_whatever_is_text_as_letters(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach, data: bytes, shown: str
    ) -> None:
        page = opens(sits(ben), attach(finding, data))
        text = page.content.decode()
        assert shown in text
        assert "onerror=alert(1)>" not in text
        assert "<svg" not in text.partition("<pre")[2].partition("</pre>")[0]
        assert "script-src 'self'" in page["Content-Security-Policy"]
        entry = AuditEntry.objects.get(event="evidence.viewed")
        assert entry.purpose == "Second reading."

    def test_shows_the_beginning_of_a_long_text_and_says_so(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        item = attach(finding, b"x" * (exhibits.TEXT_SHOWN + 1))
        text = opens(sits(ben), item).content.decode()
        assert "This is the beginning; a copy holds all of it." in text
        assert evidence.was_viewed(item) == "part"

    @pytest.mark.slow
    @pytest.mark.parametrize("data", [BOMB, b"%PDF-1.7\n", b"MZ" + bytes(99), b"\x80" * 99])
    def test_shows_and_opens_nothing_else(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach, data: bytes
    ) -> None:
        item, seat = attach(finding, data), sits(ben)
        text = opens(seat, item).content.decode()
        assert "This kind of file is not shown here, and was not opened." in text
        assert place(item, "content") not in text
        assert seat.browser.get(place(item, "content")).status_code == 403
        assert evidence.was_viewed(item) == "none"

    def test_says_that_a_file_is_called_what_it_is_not(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        text = opens(sits(ben), attach(finding, POLYGLOT)).content.decode()  # as text/plain
        assert "It is called text/plain; its first bytes say image/gif." in text

    def test_tells_its_reader_how_much_it_was_today(
        self, sits: Sits, ben: User, item: Item, finding: Finding, attach: Attach
    ) -> None:
        seat = sits(ben)
        picture = attach(finding, PNG)
        assert "In the last 8 hours you opened 0 exhibits." in _line(opens(seat, picture))
        for _ in range(2):
            assert "you opened 1 exhibit; a pause is yours" in _line(opens(seat, item))
        seat.browser.get(place(picture, "content")).getvalue()
        assert "you opened 2 exhibits; a pause is yours" in _line(opens(seat, item))
        View.objects.update(viewed_at=timezone.now() - timedelta(hours=9))
        assert "you opened 0 exhibits." in _line(opens(seat, picture))

    def test_tells_in_words_that_the_stored_object_was_changed(
        self, sits: Sits, ben: User, item: Item, settings: Any
    ) -> None:
        path = Path(settings.MEDIA_ROOT) / item.sealed_name
        path.write_bytes(b"\x00" * item.sealed_size)
        page = opens(sits(ben), item)
        assert page.redirect_chain[-1][0] == f"/admin/compliance/finding/{item.finding_id}/"
        assert "The stored object of this item was changed." in page.content.decode()


def _line(page: Any) -> str:
    text = page.content.decode()
    return re.sub(r"\s+", " ", text[text.index("In the last") :][:200])


class TestContent:
    @pytest.fixture
    def film(self, finding: Finding, attach: Attach) -> Item:
        return attach(finding, FILM)

    def test_is_on_record_before_the_first_byte(self, sits: Sits, ben: User, film: Item) -> None:
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"))
        entry = AuditEntry.objects.get(event="evidence.viewed")
        assert (entry.actor, entry.purpose) == (ben, "Second reading.")
        assert not View.objects.exists()
        assert b"".join(answer.streaming_content) == FILM
        assert View.objects.get().is_whole

    def test_is_inert_whatever_a_browser_makes_of_it(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach
    ) -> None:
        item, seat = attach(finding, POLYGLOT, name="x.html"), sits(ben)
        opens(seat, item)
        answer = seat.browser.get(place(item, "content"))
        assert answer["Content-Type"] == "image/gif"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "no-store" in answer["Cache-Control"]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("asked", "span"),
        [
            ("bytes=0-", (0, None)),
            ("bytes=5-9", (5, 10)),
            ("bytes=65530-65545", (65_530, 65_546)),
            ("bytes=-7", (len(FILM) - 7, None)),
            ("bytes=0-999999999", (0, None)),
        ],
    )
    def test_comes_in_ranges(
        self, sits: Sits, ben: User, film: Item, asked: str, span: tuple[int, int | None]
    ) -> None:
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"), headers={"Range": asked})
        start, stop = span[0], span[1] or len(FILM)
        assert answer.status_code == 206
        assert b"".join(answer.streaming_content) == FILM[start:stop]
        assert answer["Content-Range"] == f"bytes {start}-{stop - 1}/{len(FILM)}"
        entry = AuditEntry.objects.get(event="evidence.viewed")
        assert entry.additional_data == {"start": start, "stop": stop}

    @pytest.mark.slow
    @pytest.mark.parametrize("asked", ["bytes=-", "lines=1-2", "bytes=1-2,4-5", "x"])
    def test_comes_whole_where_a_range_is_not_understood(
        self, sits: Sits, ben: User, film: Item, asked: str
    ) -> None:
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"), headers={"Range": asked})
        assert answer.status_code == 200
        assert answer["Content-Length"] == str(len(FILM))

    @pytest.mark.slow
    @pytest.mark.parametrize("asked", [f"bytes={len(FILM)}-", "bytes=9-5", "bytes=-0"])
    def test_has_no_range_beyond_its_end(
        self, sits: Sits, ben: User, film: Item, asked: str
    ) -> None:
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"), headers={"Range": asked})
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(FILM)}")
        assert not AuditEntry.objects.filter(event="evidence.viewed").exists()

    def test_counts_as_seen_only_what_was_taken_when_the_browser_goes_away(
        self, sits: Sits, ben: User, film: Item
    ) -> None:
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"))
        coming = iter(answer.streaming_content)
        assert len(next(coming)) + len(next(coming)) < film.size
        for close in answer._resource_closers:  # what a server ends when its reader is gone
            close()
        assert View.objects.get().is_whole is False

    def test_of_an_object_that_was_changed_is_refused_in_words(
        self, sits: Sits, ben: User, film: Item, settings: Any
    ) -> None:
        (Path(settings.MEDIA_ROOT) / film.sealed_name).write_bytes(b"\0" * film.sealed_size)
        seat = sits(ben)
        opens(seat, film)
        answer = seat.browser.get(place(film, "content"))
        assert answer.status_code == 409
        assert answer.content == b"The stored object of this item was changed."
        assert answer["Content-Type"] == "text/plain"

    def test_is_read_and_not_posted(self, sits: Sits, ben: User, film: Item) -> None:
        browser = sits(ben).browser
        assert browser.post(place(film, "content")).status_code == 405
        assert browser.get(place(film, "copy")).status_code == 405


class TestCopy:
    def test_is_a_file_that_no_browser_shows_or_keeps(
        self, sits: Sits, ben: User, item: Item
    ) -> None:
        seat = sits(ben)
        opens(seat, item)
        View.objects.all().delete()
        answer = seat.browser.post(place(item, "copy"))
        assert b"".join(answer.streaming_content) == b"Tonight."
        assert View.objects.get().viewed_by == ben
        assert answer["Content-Type"] == media.UNKNOWN
        assert answer["Content-Length"] == "8"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer["Content-Security-Policy"]
        assert "no-store" in answer["Cache-Control"]
        assert answer["Content-Disposition"] == f'attachment; filename="{item.finding}-1-post.txt"'

    def test_of_an_object_that_is_gone_is_refused_in_words(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach, settings: Any
    ) -> None:
        item, seat = attach(finding, BOMB), sits(ben)
        opens(seat, item)
        (Path(settings.MEDIA_ROOT) / item.sealed_name).unlink()
        answer = seat.browser.post(place(item, "copy"))
        assert (answer.status_code, answer.content) == (
            409, b"The stored object of this item is gone.",
        )  # fmt: skip
        assert "Content-Disposition" not in answer

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("given", "saved"),
        [
            ('a"; filename=b.html', "afilenameb.html"),
            (".hidden", "hidden"),
            ("Größe\r\nX: y.p d f", "Grex0dx0aXy.pdf"),
            ("con", "con"),
            ("~/.ssh/authorized_keys", "x2f.sshx2fauth"),
            ("日本.日本", "item"),
            (f"{'x' * 100}.{'y' * 50}", f"{'x' * 60}.{'y' * 10}"),
        ],
    )
    def test_is_named_harmlessly_whatever_its_sender_called_it(
        self, sits: Sits, ben: User, finding: Finding, attach: Attach, given: str, saved: str
    ) -> None:
        item, seat = attach(finding, name=given), sits(ben)
        opens(seat, item)
        answer = seat.browser.post(place(item, "copy"))
        assert answer["Content-Disposition"] == f'attachment; filename="{finding}-1-{saved}"'
