"""Equal: faults that change nothing that anybody can see, each with the reason."""

EQUAL: dict[tuple[str, str, str, str], str] = {
    **{
        (
            "writing.py",
            "canonical",
            f"'{name}'",
            f"'{name}x'",
        ): "it is written the long way; it is slower"
        for name in ("questions", "reports", "rules")
    },
    ("__init__.py", "_facts", "break", "pass"): "a report that is full takes no more; it is slower",
    ("changes.py", "_substance", "'outcomes'", "'outcomesx'"): (
        "both sides of the comparison are called so"
    ),
    ("logic.py", "seeking", "not _is_open_while_unknown(part)", "True"): (
        "a plain test would be asked for twice; it is slower"
    ),
    (
        "logic.py",
        "_is_open_while_unknown",
        "return 'fact' in part and 'presume' not in part and (part['op'] not in _INCLUDE)",
        "return None",
    ): "every part is asked the long way; it is slower",
    ("logic.py", "_is_open_while_unknown", "'fact'", "'factx'"): (
        "every part is asked the long way; it is slower"
    ),
    ("logic.py", "_read", "seen > value", "seen >= value"): "equal values are answered before",
    ("logic.py", "_same", "return False", "return None"): "its callers ask whether it is so",
    ("moments.py", "moment", "at > start", "at >= start"): "it is the first moment once more",
    ("moments.py", "later", "'DW'", "'DWx'"): "no unit is called x",
    ("release.py", "Release.barring", "''", "'x'"): "no record is called x either",
}
