"""What is decided about the law stays: triggers, so that not even SQL changes it by mistake.

A draft may be written anew until it is submitted, and decided on once. A document and a release
are never changed. On SQLite a later migration that alters one of these tables ends with `lay`.
"""

from typing import Any

from django.db import migrations

DOCUMENT, VERSION, RELEASE = (
    f"compliance_{name}" for name in ("ruledocument", "ruledocumentversion", "release")
)
# Table, and the condition under which an inserted row would replace one that is there.
TABLES = {
    DOCUMENT: "id = NEW.id OR key = NEW.key",
    VERSION: "id = NEW.id OR (document_id = NEW.document_id AND number = NEW.number)",
    RELEASE: "id = NEW.id",
}
SETTLED = (
    "OLD.state NOT IN ('drafted', 'submitted')"
    " OR NEW.document_id <> OLD.document_id OR NEW.number <> OLD.number"
    " OR OLD.state <> 'drafted' AND (NEW.text <> OLD.text OR NEW.sha256 <> OLD.sha256)"
)
REFUSAL = "what is decided about the law is never changed"

FUNCTION = f"""
CREATE OR REPLACE FUNCTION decided_law_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '{REFUSAL}' USING ERRCODE = 'restrict_violation'; END $$
"""


def statements(vendor: str) -> list[str]:
    """Return the SQL that lays the triggers on a database of this vendor."""
    each = [
        (table, same, f"WHEN ({SETTLED})" if table == VERSION else "")
        for table, same in TABLES.items()
    ]
    if vendor == "postgresql":
        return [FUNCTION, *(laid for table, _, when in each for laid in _postgresql(table, when))]
    return [laid for table, same, when in each for laid in _sqlite(table, same, when)]


def _postgresql(table: str, when: str) -> list[str]:
    act = "EXECUTE FUNCTION decided_law_stays()"
    return [
        f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} FOR EACH ROW {when} {act}",
        f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} FOR EACH ROW {act}",
        f"CREATE TRIGGER {table}_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {act}",
    ]


def _sqlite(table: str, same: str, when: str) -> list[str]:
    act = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
    # INSERT OR REPLACE deletes without asking a DELETE trigger, so it is asked here. INSERT OR
    # IGNORE would be refused as well, so a document is looked up before it is made.
    there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
    return [
        f"CREATE TRIGGER {table}_update BEFORE UPDATE ON {table} {when} {act}",
        f"CREATE TRIGGER {table}_delete BEFORE DELETE ON {table} {act}",
        f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} WHEN {there} {act}",
    ]


def lay(apps: Any, schema_editor: Any) -> None:
    """Lay the triggers."""
    for statement in statements(schema_editor.connection.vendor):
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("compliance", "0009_releases")]

    operations = [migrations.RunPython(lay)]
