"""Equal: faults that change nothing that anybody can see, each with the reason."""

EQUAL: dict[tuple[str, str, str, str], str] = {
    ("changes.py", "_substance", "'outcomes'", "'outcomesx'"): (
        "both sides of the comparison are called so"
    ),
    ("release.py", "Release.barring", "''", "'x'"): "no record is called x either",
}
