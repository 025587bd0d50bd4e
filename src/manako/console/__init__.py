"""What a person at the terminal sees: messages, tables, progress, and silence."""

from manako.console.messages import is_quiet, print_json, print_table, say, set_quiet, warn
from manako.console.progress import Progress, track

__all__ = [
    "Progress",
    "is_quiet",
    "print_json",
    "print_table",
    "say",
    "set_quiet",
    "track",
    "warn",
]
