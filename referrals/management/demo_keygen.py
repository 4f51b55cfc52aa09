"""What `age-keygen` does, for sample desks on machines without it: a process of the agency's side.

python -m referrals.management.demo_keygen KIND FILE
"""

import json
import os
import sys
from collections.abc import Sequence

from compliance.vault import age


def main(arguments: Sequence[str]) -> None:
    """Write a new age identity to a file, mode 0600; print the public key and its fingerprint."""
    kind, path = arguments
    identity = age.generate_identity(kind)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"# public key: {identity.recipient}\n{identity}\n")
    recipient = identity.recipient
    print(json.dumps({"recipient": str(recipient), "fingerprint": age.fingerprint(recipient)}))


if __name__ == "__main__":
    main(sys.argv[1:])
