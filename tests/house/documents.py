"""The two documents that are made from the code: run this file to write them."""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINE = re.compile(r'env\.\w+\("(DUTYLINE_\w+)"(?:, (.*?))?\)+  # (.*)$', re.MULTILINE)


def states() -> str:
    """Draw the moves of every record that has a lifecycle."""
    from django.apps import apps  # noqa: PLC0415 (Django is set up by now)

    from compliance import lifecycle  # noqa: PLC0415

    parts = [
        "# States",
        "",
        "Made from the `MOVES` tables. A state is the last thing that happened.",
    ]
    for model in apps.get_models():
        if hasattr(model, "MOVES"):
            parts += ["", f"## {model.__name__}", "```mermaid", lifecycle.diagram(model), "```"]
    return "\n".join(parts) + "\n"


def settings() -> str:
    """List the environment variables as config/settings.py reads them."""
    source = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    parts = [
        "# Settings",
        "",
        "Made from `config/settings.py`. Each variable has a twin that ends in `_FILE` and names a",
        "file with the value, for secrets. A malformed one stops the start with its name.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, default, meaning in LINE.findall(source):
        if default.startswith("("):  # a choice, whose first is the default
            default = default.split(",")[0]
        if default.startswith("'"):  # JSON, shown as it is
            parts.append(f"| `{name}` | `{default[1:-1]}` | {meaning} |")
            continue
        shown = re.sub(r'["()]|^str', "", default.replace("BASE_DIR / ", "")) or "empty"
        parts.append(f"| `{name}` | {shown} | {meaning} |")
    return "\n".join(parts) + "\n"


def write() -> None:
    """Write both documents."""
    import django  # noqa: PLC0415

    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for make in (states, settings):
        (ROOT / "docs" / f"{make.__name__}.md").write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    write()
