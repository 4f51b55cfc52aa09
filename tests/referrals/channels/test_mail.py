"""Mail: the agency hears that something waits, and nothing of what it is."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes
from threading import Thread
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from referrals.channels import DeliveryFailed, Parcel
from referrals.channels.mail import Mail
from tests.referrals.channels.parcel import PARCEL


@contextmanager
def mailbox(refusing: str = "") -> Iterator[tuple[int, list[bytes]]]:
    """A mail server on loopback (RFC 5321) that may refuse one command; its port and its mail."""
    listening = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def serve() -> None:
        try:
            line, _ = listening.accept()
        except OSError:
            return
        with line, line.makefile("rwb", buffering=0) as file:
            file.write(b"220 mx.agency.example.org\r\n")
            for row in iter(file.readline, b""):
                verb = row[:4].decode().upper().strip()
                if verb == refusing:
                    file.write(b"550 no\r\n")
                elif verb == "DATA":
                    file.write(b"354 go on\r\n")
                    got.append(b"".join(iter(file.readline, b".\r\n")))
                    file.write(b"250 kept\r\n")
                else:
                    file.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], got
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


@pytest.fixture
def house(settings: Any) -> Any:
    """A house whose mail goes out over a real connection."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.LOG_ORIGIN = "127.0.0.1", "dutyline.example.org/log"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return settings


def send(house: Any, parcel: Parcel = PARCEL, refusing: str = "") -> list[bytes]:
    with mailbox(refusing) as (house.EMAIL_PORT, got):
        Mail("desk@agency.example.org").transmit(parcel)
    return got


class TestTransmit:
    def test_says_that_something_waits_and_nothing_of_what(self, house: Any) -> None:
        mail = message_from_bytes(send(house)[0])
        assert mail["Subject"] == "[TEST] Referral R-7K3M-9QXT waits for you"
        assert mail["To"] == "desk@agency.example.org"
        assert mail["Message-ID"] == f"<{PARCEL.sha256[:32]}@dutyline.example.org>"
        assert f"waits for you at {house.BASE_URL}." in mail.get_payload()

    def test_marks_no_real_mail_as_a_test(self, house: Any) -> None:
        mail = message_from_bytes(send(house, replace(PARCEL, environment="production"))[0])
        assert mail["Subject"] == "Referral R-7K3M-9QXT waits for you"

    def test_promises_nothing_that_cannot_be_collected(self, house: Any) -> None:
        with pytest.raises(DeliveryFailed, match="A sealed object is missing"):
            send(house, replace(PARCEL, objects=(("nowhere", 7),)))

    def test_is_sent_when_all_lies_there(self, house: Any) -> None:
        name = default_storage.save("whole", ContentFile(b"1234567"))
        assert len(send(house, replace(PARCEL, objects=((name, 7),)))) == 1

    def test_fails_for_good_when_the_mailbox_is_refused(self, house: Any) -> None:
        with pytest.raises(DeliveryFailed, match="mailbox was refused") as caught:
            send(house, refusing="RCPT")
        assert caught.value.permanent

    def test_is_tried_again_when_the_server_is_out_of_order(self, house: Any) -> None:
        with pytest.raises(DeliveryFailed, match=r"The mail could not be sent\.") as caught:
            send(house, refusing="MAIL")
        assert not caught.value.permanent

    def test_is_tried_again_when_nobody_is_there(self, house: Any) -> None:
        with mailbox() as (house.EMAIL_PORT, _):
            pass
        with pytest.raises(DeliveryFailed, match=r"The mail could not be sent\."):
            Mail("desk@agency.example.org").transmit(PARCEL)

    def test_wants_a_mail_server(self, house: Any) -> None:
        house.EMAIL_HOST = ""
        with pytest.raises(DeliveryFailed, match="Set DUTYLINE_MAIL_URL") as caught:
            Mail("desk@agency.example.org").transmit(PARCEL)
        assert caught.value.permanent
