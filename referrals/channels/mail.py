"""Mail: the bundle waits behind the liaison API, and a mail without content says that it does."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from referrals.channels import Confirmation, DeliveryFailed, Parcel
from referrals.channels.pickup import Pickup

TEXT = """Referral {number} waits for you at {base}.

Your client fetches and acknowledges it there. This mail carries no content and wants no answer.
"""


class Mail:
    """Tells one mailbox that something waits. Sent twice, it has the same Message-ID twice."""

    name = "mail"

    def __init__(self, address: str) -> None:
        self._address = address

    def transmit(self, parcel: Parcel) -> Confirmation:
        """See that the parcel can be collected, then say so."""
        confirmation = Pickup().transmit(parcel)
        if not settings.EMAIL_HOST:
            raise DeliveryFailed("No mail server is named. Set DUTYLINE_MAIL_URL.", permanent=True)
        mark = "[TEST] " if parcel.environment == "test" else ""
        notice = EmailMessage(
            subject=f"{mark}Referral {parcel.number} waits for you",
            body=TEXT.format(number=parcel.number, base=settings.BASE_URL),
            to=[self._address],
            headers={"Message-ID": f"<{parcel.sha256[:32]}@{settings.LOG_ORIGIN.split('/')[0]}>"},
        )
        try:
            notice.send()
        except smtplib.SMTPRecipientsRefused as error:
            raise DeliveryFailed("The agency's mailbox was refused.", permanent=True) from error
        except OSError as error:  # of which every error of SMTP is one
            raise DeliveryFailed("The mail could not be sent.", permanent=False) from error
        return confirmation
