"""Equal: faults that change nothing that anybody can see, each with the reason."""

EQUAL: dict[tuple[str, str, str, str], str] = {
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
    (
        "rules.py",
        "Rule",
        "False",
        "True",
    ): "a class is made before the fault is",
    ("rules.py", "RuleSet.desks", "True", "False"): "that of any Member State will do",
    ("rules.py", "RuleSet.desks", "'@' in name", "True"): "no rule can name the desks it adds",
    ("rules.py", "Compiled.keeping", "len(about.named) > 1", "len(about.named) >= 1"): (
        "what is kept is found anew each time; it is slower"
    ),
    ("moments.py", "moment", "at > start", "at >= start"): "it is the first moment once more",
    ("moments.py", "later", "'DW'", "'DWx'"): "no unit is called x",
    ("release.py", "Release.barring", "''", "'x'"): "no record is called x either",
    **{
        ("writing.py", "canonical", f"'{name}'", f"'{name}x'"): "it is written the long way"
        for name in ("questions", "reports", "rules")
    },
}
