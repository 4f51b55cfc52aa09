"""House rules that no type checker knows, read off the source."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import documents
import pytest
from django.apps import apps
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from compliance import lifecycle
from referrals.docket import Referral

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = [ROOT / "compliance", ROOT / "referrals", ROOT / "config"]
DRAWERS = {"utils", "helpers", "common", "misc", "base", "tools", "lib"}

# Verbs of people: the module, and what they are called there.
VERBS = {
    "compliance/roles.py": ["prove_again"],
    "compliance/erasures.py": ["ask", "approve", "refuse"],
    "compliance/readings.py": ["show", "trace", "prove", "list_"],
    "compliance/findings.py": ["record", "climb", "confirm", "dismiss"],
    "compliance/facts.py": ["assert_facts", "record_profile", "sign_profile"],
    "compliance/drafts.py": ["draft", "retire", "submit", "approve", "reject", "load"],
    "compliance/evidence.py": ["attach", "read"],
    "compliance/parts.py": ["begin", "put", "complete"],
    "compliance/conflicts.py": ["resolve", "approve"],
    "compliance/determinations.py": ["sign", "decline"],
    "compliance/overturnings.py": ["propose", "sign", "decline", "reinstate", "tell"],
    "compliance/preservation.py": ["extend", "release"],
    "compliance/requests.py": ["record", "answer"],
    "compliance/exports.py": ["export"],
    "referrals/agencies.py": [
        "enrol",
        "approve",
        "revoke",
        "add_key",
        "approve_key",
        "revoke_key",
    ],
    "referrals/clients.py": ["admit", "approve", "revoke"],
    "referrals/routes.py": ["add", "approve", "revoke"],
    "referrals/docket.py": ["withdraw", "close"],
    "referrals/processes.py": ["record", "approve", "refuse"],
    "referrals/retractions.py": ["sign"],
    "referrals/inquiries.py": ["receive", "refuse_tasking", "answer", "refuse"],
    "referrals/shredding.py": ["propose", "approve", "reject", "spare"],
    "referrals/provenance.py": ["export"],
    "referrals/receipts.py": ["read", "collect", "acknowledge", "note_reference"],
}

# Writes that django-auditlog does not see, and why each is right.
UNSEEN = {
    "compliance/lifecycle.py": "the lease on owed work is no evidence",
    "compliance/releases.py": "the shipped set is made at once; each version has its event",
    "referrals/shredding.py": "headers go, under the event of the approval",
    "referrals/clients.py": "expired tokens and answers are swept",
    "compliance/vault/escrow.py": "a batch is kept under an event that counts it",
    "compliance/vault/keys.py": "wraps move in batches, each under an event that counts them",
    "compliance/vault/uploads.py": "what no record points at yet is no evidence",
    "compliance/audit/checkpoints.py": "the sealer moves leaves in SQL, under its lock",
    "compliance/audit/entries.py": "names the methods in order to refuse them",
}
# What .ci/run runs as it stands in the README.
COMMANDS = [
    "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements-dev.txt"
    " && .venv/bin/python manage.py demo",
    ".venv/bin/python -m pytest",
]


def sources(*folders: Path) -> Iterator[tuple[str, str]]:
    for folder in folders or PRODUCT:
        for path in sorted(folder.rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def functions(name: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


class TestStates:
    def test_are_set_in_one_file_only(self) -> None:
        setters = {
            name
            for name, text in sources()
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Assign | ast.AugAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            for part in ast.walk(target)
            if isinstance(part, ast.Attribute) and part.attr == "state"
        }
        assert setters == {"compliance/lifecycle.py"}

    def test_of_every_lifecycle_that_name_a_person_have_their_constraint(self) -> None:
        for model in apps.get_models():
            if not hasattr(model, "MOVES"):
                continue
            fields = {field.name for field in model._meta.get_fields()}
            first = next(iter(model.MOVES))
            reached = {to for after in model.MOVES.values() for to in after}
            names = {constraint.name for constraint in model._meta.constraints}
            for state in reached:
                assert f"{state}_at" in fields, (model, state)
                assert f"{model._meta.model_name}_{state}_is_stamped" in names, (model, state)
            assert f"{first}_at" in fields


class TestVerbs:
    @pytest.mark.parametrize(
        ("module", "name"), [(m, n) for m, all_ in VERBS.items() for n in all_]
    )
    def test_name_who_acts_by_keyword_and_without_a_default(self, module: str, name: str) -> None:
        signature = functions(module)[name].args
        position = [argument.arg for argument in signature.kwonlyargs].index("by")
        assert signature.kw_defaults[position] is None
        assert position == len(signature.kwonlyargs) - 1, "`by` comes last"

    def test_that_take_a_person_are_all_in_the_table(self) -> None:
        for module in VERBS:
            takers = {
                name
                for name, node in functions(module).items()
                if not name.startswith("_") and any(a.arg == "by" for a in node.args.kwonlyargs)
            }
            assert takers == set(VERBS[module])


class TestArrow:
    def test_no_compliance_model_knows_a_referrals_model(self) -> None:
        for model in apps.get_app_config("compliance").get_models():
            for field in model._meta.get_fields():
                related = getattr(field, "related_model", None)
                assert related is None or related._meta.app_label != "referrals", (model, field)

    def test_compliance_never_names_referrals_in_a_string(self) -> None:
        for name, text in sources(ROOT / "compliance"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not re.search(r"\breferrals\.[A-Za-z]", node.value), (name, node.lineno)


class TestAuditedModels:
    def test_are_never_written_behind_the_back_of_the_log(self) -> None:
        hidden = {"update", "bulk_create", "bulk_update", "delete", "raw", "_raw_delete"}
        for name, text in sources():
            if name in UNSEEN:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    called = node.func
                    if called.attr in hidden and _is_a_queryset(called.value):
                        pytest.fail(f"{name}:{node.lineno} calls .{called.attr}( on rows")

    def test_no_line_switches_the_field_diffs_off(self) -> None:
        for name, text in sources():
            assert "disable_auditlog" not in text, name


def _is_a_queryset(node: ast.expr) -> bool:
    return any(
        isinstance(part, ast.Attribute) and part.attr in {"objects", "_default_manager"}
        for part in ast.walk(node)
    )


class TestFiles:
    def test_are_short_enough_to_read(self) -> None:
        assert not [name for name, text in sources() if text.count("\n") > 400]

    def test_are_no_drawers(self) -> None:
        names = {Path(name).stem for name, _ in sources()} | {
            path.name for folder in PRODUCT for path in folder.rglob("*") if path.is_dir()
        }
        assert not names & DRAWERS

    def test_open_by_saying_which_room_they_are(self) -> None:
        for name, text in sources():
            if text.strip():
                assert ast.get_docstring(ast.parse(text)), f"{name} has no docstring"

    def test_document_every_public_function(self) -> None:
        for name, text in sources():
            for node in ast.parse(text).body:
                if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                    assert ast.get_docstring(node), f"{name}: {node.name} has no docstring"

    def test_name_no_machine_and_no_host_of_packages(self) -> None:
        forbidden = re.compile(
            r"(?<!\w)/work/|/root/|/home/[a-z]|pypi\.|files\.pythonhosted|index-url"
        )
        for path in ROOT.rglob("*"):
            parts = path.relative_to(ROOT).parts
            if parts[0] in {".git", ".venv", "var", ".hypothesis"} or not path.is_file():
                continue
            if path.suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".sh", ".html", ".css", ""}:
                if path == Path(__file__) or "cache" in str(path) or path.name == ".coverage":
                    continue
                found = forbidden.search(path.read_text(encoding="utf-8", errors="replace"))
                assert not found, f"{path.relative_to(ROOT)} names {found and found.group()}"


class TestLocks:
    def test_hold_no_package_that_asks_for_an_extra_of_another(self) -> None:
        # pip 23.2, which Python 3.11.7 brings, does not match such a wish with a hashed line.
        locked = re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements-dev.txt").read_text("utf-8"))
        ours = {canonicalize_name(name) for name in locked}
        for package in (each for each in distributions() if canonicalize_name(each.name) in ours):
            for line in package.requires or ():
                wish = Requirement(line)
                asked = wish.marker is None or wish.marker.evaluate({"extra": ""})
                assert not (wish.extras and asked), f"{package.name} asks for {wish}"


class TestDocuments:
    @pytest.mark.parametrize("name", ["states", "settings"])
    def test_say_what_the_code_says(self, name: str) -> None:
        written = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert written == getattr(documents, name)(), "run tests/house/documents.py"

    def test_show_a_newcomer_two_commands_and_a_referrals_way(self) -> None:
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        assert readme.split("```")[1].strip().splitlines() == COMMANDS
        assert readme.index(COMMANDS[0]) < len("".join(readme.splitlines(True)[:15]))
        assert f"```mermaid\n{lifecycle.diagram(Referral)}\n```" in readme

    def test_list_every_variable(self) -> None:
        source = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
        written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
        for name in re.findall(r'"(DUTYLINE_\w+)"', source):
            assert f"`{name}`" in written, name
