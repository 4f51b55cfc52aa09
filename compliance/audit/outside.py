"""Outside: one request to somebody who holds a part of the log's proof, and what they answer."""

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT = 5.0  # seconds
_LONGEST = 64 * 1024  # bytes of an answer


def post(url: str, body: bytes, media_type: str) -> tuple[int, bytes]:
    """Send `body` and return status and answer. Raises OSError. No redirect is followed.

    Over https the certificate is checked against the system's roots, or those in SSL_CERT_FILE.
    """
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = kind(where.netloc, timeout=TIMEOUT)
    try:
        connection.request("POST", where.path or "/", body, {"Content-Type": media_type})
        answer = connection.getresponse()
        return answer.status, answer.read(_LONGEST)
    except HTTPException as error:
        raise OSError(type(error).__name__) from error
    finally:
        connection.close()
