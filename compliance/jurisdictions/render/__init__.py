"""Render: a rule to read, its parts, and a proof in words. Plain text; the desk escapes it."""

from compliance.jurisdictions.render.notes import certificate
from compliance.jurisdictions.render.rules import parts, rule

__all__ = ["certificate", "parts", "rule"]
