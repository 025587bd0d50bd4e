"""Examples in docstrings become blocks of code on the pages."""

from __future__ import annotations

import griffe


class Doctests(griffe.Extension):
    """Puts fences around what begins with >>>, up to the next empty line."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring of one object."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(docstring: str) -> str:
    """The docstring with its examples fenced."""
    lines: list[str] = []
    inside = False
    for line in docstring.splitlines():
        begins = not inside and line.lstrip().startswith(">>>")
        ends = inside and not line.strip()
        indent = line[: len(line) - len(line.lstrip())]
        if begins:
            lines += ["", f"{indent}```pycon"]
            fence = f"{indent}```"
        if ends:
            lines.append(fence)
        inside = (inside or begins) and not ends
        lines.append(line)
    return "\n".join([*lines, fence] if inside else lines)
