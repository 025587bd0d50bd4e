"""What was asked and what was resolved, with the origin of each value."""

from manako.config.amounts import parse_amount
from manako.config.durations import format_duration, parse_duration
from manako.config.settings import Asked, Resolved, Settings
from manako.config.sizes import format_size, parse_sides, parse_size

__all__ = [
    "Asked",
    "Resolved",
    "Settings",
    "format_duration",
    "format_size",
    "parse_amount",
    "parse_duration",
    "parse_sides",
    "parse_size",
]
