"""What a report says of its data: the findings of the doctor, a line each."""

from __future__ import annotations

from manako.data.check import DataReport
from manako.data.names import listed
from manako.reports.check_text import sections

_MOST_FINDINGS = 12
_MOST_EXAMPLES = 2


def findings(report: DataReport) -> tuple[str, ...]:
    """The worst findings first, each with a few examples."""
    found = sections(report, allow_leakage=True)
    lines = [
        f"{one.title}: {listed(one.rows, _MOST_EXAMPLES)}" if one.rows else one.title
        for one in found
    ]
    if len(lines) > _MOST_FINDINGS:
        more = len(lines) - _MOST_FINDINGS
        lines = [*lines[:_MOST_FINDINGS], f"and {more} more: manako check tells all"]
    return tuple(lines) or ("every picture was checked, and no fault was found",)
