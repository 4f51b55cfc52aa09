"""Equal: faults that change nothing that anybody can see, each with the reason."""

EQUAL: dict[tuple[str, str, str, str], str] = {}
