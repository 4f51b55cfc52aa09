#!/usr/bin/env python
"""Dutyline's commands: `manage.py help` lists them."""

import os
import sys

import django
from django.core.management import execute_from_command_line
from django.utils.module_loading import import_string

# Django's own commands that write records: the log names them as the one who acted.
WRITERS = ("createsuperuser", "changepassword")


def main() -> None:
    """Run the command that was asked for."""
    if sys.argv[1:2] and sys.argv[1] in WRITERS:
        django.setup()  # before it, no module of the audit log can be loaded
        with import_string("compliance.audit.context.acting")(f"command:{sys.argv[1]}"):
            execute_from_command_line(sys.argv)
    else:
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    main()
