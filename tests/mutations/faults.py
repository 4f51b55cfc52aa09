"""Faults: every small change to a source that a careless hand might make, one at a time."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPARED = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
RECKONED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}  # fmt: skip
NAMED = {
    "HOLDS": "UNDETERMINED", "UNDETERMINED": "HOLDS", "FAILS": "UNDETERMINED",
    "min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list",
}  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """A change at one place: the statement it stands in, what was there and what is there now."""

    file: Path
    line: int
    within: str  # the function, or nothing at the top of the module
    was: str
    now: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.file.name}:{self.line} {self.within or 'module'}: {self.was} -> {self.now}"

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return what names a fault though lines move."""
        return self.file.name, self.within, self.was, self.now


def faults(file: Path) -> Iterator[Fault]:
    """Yield every fault of a file; its tree is that of the fault only until the next is asked."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for holder, field, index, node, within in list(_places(tree, "")):
        for other in _others(node, holder, field):
            _put(holder, field, index, other)
            ast.fix_missing_locations(tree)
            yield Fault(file, node.lineno, within, _text(node), _text(other), tree)
        _put(holder, field, index, node)


def _places(node: ast.AST, within: str) -> Iterator[tuple[Any, str, int | None, Any, str]]:
    """Yield each place in a tree that a fault may be put in, and the function it belongs to."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "decorator_list", "bases"):
            continue
        listed = isinstance(value, list)
        for index, child in enumerate(value if listed else [value]):
            if not isinstance(child, ast.AST) or _is_words(child) or _is_slots(child):
                continue
            if isinstance(child, ast.expr | ast.stmt):
                yield node, field, index if listed else None, child, within
            is_named = isinstance(child, ast.FunctionDef | ast.ClassDef)
            inner = ".".join(filter(None, (within, child.name))) if is_named else within
            yield from _places(child, inner)


def _is_words(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_slots(node: ast.AST) -> bool:
    """Return whether a statement only says which attributes there are; objects keep theirs."""
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__"


def _put(holder: Any, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(holder, field, node)
    else:
        getattr(holder, field)[index] = node


def _others(node: ast.AST, holder: ast.AST, field: str) -> Iterator[ast.AST]:
    """Yield what might stand in the place of a node."""
    if field in ("test", "ifs") and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield _located(ast.UnaryOp(ast.Not(), node), node)
    if field == "ifs":
        yield _located(ast.Constant(True), node)
    match node:
        case ast.Compare(left, [op], rest) if type(op) in COMPARED:
            yield _located(ast.Compare(left, [COMPARED[type(op)]()], rest), node)
        case ast.BoolOp(op, values):
            turned = ast.And() if isinstance(op, ast.Or) else ast.Or()
            yield _located(ast.BoolOp(turned, values), node)
        case ast.UnaryOp(ast.Not() | ast.USub(), operand):
            yield operand
        case ast.BinOp(left, op, right) if type(op) in RECKONED:
            yield _located(ast.BinOp(left, RECKONED[type(op)](), right), node)
        case ast.Name(name, ast.Load()) if name in NAMED:
            yield _located(ast.Name(NAMED[name], ast.Load()), node)
        case ast.Constant(value) if not isinstance(holder, ast.FormattedValue | ast.JoinedStr):
            yield from _constants(value, node)
        case ast.Return(value) if value is not None and not _is_none(value):
            yield _located(ast.Return(ast.Constant(None)), node)
        case ast.Break() | ast.Continue():
            yield _located(ast.Pass(), node)
        case ast.AugAssign(target, op, value) if type(op) in RECKONED:
            yield _located(ast.AugAssign(target, RECKONED[type(op)](), value), node)


def _constants(value: Any, node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield _located(ast.Constant(not value), node)
    elif isinstance(value, int):
        yield _located(ast.Constant(value + 1), node)
    elif isinstance(value, str):
        yield _located(ast.Constant(f"{value}x"), node)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _located(new: ast.AST, old: ast.AST) -> ast.AST:
    return ast.copy_location(new, old)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())
