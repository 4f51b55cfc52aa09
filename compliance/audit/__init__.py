"""The audit log's writing door: `record` an event, `watch` a model. Only the rooms may use it."""

from compliance.audit.context import attributed
from compliance.audit.entries import record, watch

__all__ = ["attributed", "record", "watch"]
