"""The desk in a real browser: what people read, type and press, under the policy of every page."""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from compliance import determinations, facts
from compliance.determinations import Determination
from compliance.evidence import Item, View
from compliance.findings import Finding
from compliance.roles import User
from tests.cast import IMMINENT, NOW, PASSWORD

try:
    from playwright.sync_api import Page, sync_playwright
except ImportError:  # the browser's driver is a lock of its own
    sync_playwright = None  # type: ignore[assignment]

CHROMIUM = shutil.which("chromium")
SAMPLES = Path(__file__).resolve().parents[2] / "docs" / "samples"
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
FACTS = "\n".join(
    f"{name}: {str(value).lower() if isinstance(value, bool) else value}".replace("'", "")
    for name, value in IMMINENT.items()
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        sync_playwright is None or CHROMIUM is None,
        reason="not installed: chromium and requirements-interop.txt",
    ),
]


@pytest.fixture
def chromium(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The system's own Chromium. Its driver runs a loop in this thread, which Django would mind."""
    monkeypatch.setitem(os.environ, "DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()
        connections.close_all()  # beside a running loop Django has connections of its own


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser complained about; a page that breaks its policy is among it."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def sits_down(chromium: Any, live_server: Any, complaints: list[str]) -> Callable[[User], "Page"]:
    """Let a person sign in at the desk, each in a browser profile of their own."""

    def sit_down(person: User) -> "Page":
        page = chromium.new_context(base_url=live_server.url).new_page()
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/admin/")
        page.get_by_label("Username").fill(person.username)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        return page

    return sit_down


def unfold(page: "Page", step: str) -> Any:
    """Open one of the steps that a page offers, and return its form."""
    within = page.locator("details", has=page.get_by_text(step, exact=True)).first
    within.locator("summary").click()
    return within


def test_a_finding_is_recorded_confirmed_and_signed_by_three_people(
    sits_down: Callable[[User], "Page"],
    ana: User,
    ben: User,
    carla: User,
    profile: facts.ProviderProfile,
    tmp_path: Path,
) -> None:
    post = tmp_path / "post.txt"
    post.write_text("Tonight, at the market hall.")
    # Ana records what she found, and attaches the post.
    page = sits_down(ana)
    page.get_by_role("link", name="Record a finding").first.click()
    page.get_by_label("Statement").fill("An account announces an attack on a market hall.")
    for label, minutes in (("Suspicion arose", 20), ("Reasonable belief since", 10)):
        page.get_by_label(label).fill(f"{NOW - timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%S}")
    page.get_by_label("Facts", exact=True).fill(FACTS)
    page.get_by_label("Reason of judgements").fill("The post names a place and an hour.")
    page.get_by_role("button", name="Record").click()
    finding = Finding.objects.get()
    assert finding.recorded_by == ana
    step = unfold(page, "Attach evidence")
    step.get_by_label("File").set_input_files(post)
    step.get_by_label("It was", exact=True).select_option("C_pub")
    step.get_by_label("Acquired at").fill(f"{NOW:%Y-%m-%dT%H:%M:%S}")
    step.get_by_role("button", name="Attach evidence").click()
    assert finding.items.get().name == "post.txt"
    # She cannot confirm it herself: there is no button.
    assert page.get_by_text("You recorded this finding. A colleague decides on it.").is_visible()
    assert page.get_by_role("button", name="Confirm").count() == 0
    # Ben finds it on his front page, says why, proves who he is, reads the post and confirms.
    page = sits_down(ben)
    page.get_by_role("link", name=f"Finding {finding}").click()
    step = unfold(page, "Open")
    step.get_by_label("Purpose").fill("Second reading.")
    step.get_by_role("button", name="Open").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    assert page.get_by_text("Tonight, at the market hall.").is_hidden()
    page.get_by_text("Show the text").click()
    assert page.get_by_text("Tonight, at the market hall.").is_visible()
    assert View.objects.get().viewed_by == ben
    with page.expect_download() as download:
        page.get_by_role("button", name="Save a copy").click()
    assert Path(download.value.path()).read_bytes() == post.read_bytes()
    page.get_by_role("link", name=f"Back to {finding}").click()
    step = unfold(page, "Confirm")
    step.get_by_label("Reason").fill("Credible and specific.")
    step.get_by_role("button", name="Confirm").click()
    # The worker looks the law up; Carla reads why, and signs.
    assert determinations.propose_due() == 1
    page = sits_down(carla)
    page.get_by_role("link", name=f"The law on {finding}").click()
    assert page.get_by_text("Bundeskriminalamt").first.is_visible()
    step = unfold(page, "Sign")
    step.get_by_role("radio", name="Accept").check()
    step.get_by_label("Reason").first.fill("Every condition is met.")
    step.get_by_label("Reason").last.fill("The duty holds.")
    step.get_by_role("button", name="Sign").click()
    signed = Determination.objects.get()
    assert (signed.state, signed.signed_by) == (Determination.State.SIGNED, carla)
    assert [due.recipient for due in signed.obligations.all()] == ["bka"]


def test_evidence_stays_veiled_and_runs_nothing(
    sits_down: Callable[[User], "Page"], ben: User, finding: Finding, attach: Callable[..., Item]
) -> None:
    picture = attach(finding, (SAMPLES / "berlin-picture.png").read_bytes(), name="picture.png")
    film = attach(finding, (SAMPLES / "historic-video.mp4").read_bytes(), name="film.mp4")
    hostile = attach(finding, b"<svg><script>document.title = 'run'</script></svg>", name="x.svg")
    page = sits_down(ben)

    def see(item: Item) -> None:
        page.goto(f"/admin/compliance/finding/{finding.pk}/")
        step = page.locator(".exhibit").nth(item.exhibit - 1)
        step.locator("summary").click()
        step.get_by_label("Purpose").fill("Second reading.")
        step.get_by_role("button", name="Open").click()
        if page.get_by_label("Your password").count():
            page.get_by_label("Your password").fill(PASSWORD)
            page.get_by_role("button", name="Go on").click()

    def veil(tag: str) -> Any:
        return page.locator(tag).evaluate("it => getComputedStyle(it).filter")

    # A picture is blurred and grey; each press takes one veil away.
    see(picture)
    page.locator("img").evaluate("it => it.decode()")
    assert veil("img") == "blur(32px) grayscale(1)"
    page.get_by_text("Show it clearly").click()
    assert veil("img") == "grayscale(1)"
    page.get_by_text("Show its colours").click()
    assert veil("img") == "none"
    # A film is muted as well, and is fetched in ranges.
    see(film)
    page.locator("video").evaluate(
        "it => it.readyState || new Promise(done => it.addEventListener('loadedmetadata', done))"
    )
    assert page.locator("video").evaluate("it => it.muted && it.paused")
    assert veil("video") == "blur(32px) grayscale(1)"
    # Markup is letters.
    see(hostile)
    page.get_by_text("Show the text").click()
    assert page.get_by_text("document.title = 'run'").is_visible()
    assert page.title() != "run"
    assert page.locator("pre svg").count() == 0
