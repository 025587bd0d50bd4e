"""What happens to a page before it is built: formulas become MathML, links to files find pages.

Formulas are written as GitHub shows them, $...$ in a line and $$...$$ by themselves; browsers draw
MathML without any script.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

_CODE = re.compile(r"(^```.*?^```|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"\$\$(.+?)\$\$", re.DOTALL)
_INLINE = re.compile(r"(?<![\w\\$])\$([^$\n]+?)\$(?![\w$])")
_SOURCE_LINK = re.compile(r"\[([^\]]+)\]\((?:\.\./)?(?:src|benchmarks|tests)/[^)]*\)")
_INCLUDED = re.compile(r"^\{% include (\S+) %\}$", re.MULTILINE)
_ROOT_FILE = re.compile(r"\]\((CONTRIBUTING|SECURITY|CHANGELOG)\.md")
_FROM_README = re.compile(r"\]\(docs/")


def on_config(config: object, **_: object) -> None:
    """Let the code that pages run find `drawing`."""
    sys.path.insert(0, str(Path(__file__).parent))


def on_page_markdown(markdown: str, page: object, **_: object) -> str:
    """The page with its formulas and links made ready."""
    markdown = _INCLUDED.sub(lambda found: Path(found[1]).read_text("utf-8"), markdown)
    markdown = _ROOT_FILE.sub(lambda found: f"]({found[1].lower()}.md", markdown)
    markdown = _FROM_README.sub("](", _SOURCE_LINK.sub(r"\1", markdown))
    parts = _CODE.split(markdown)
    return "".join(part if place % 2 else _formulas(part) for place, part in enumerate(parts))


def on_page_content(html: str, page: Any, **_: object) -> str:
    """In the textbook the code is shown, for it is the formula."""
    if not page.file.src_uri.startswith("textbook/"):
        return html
    return html.replace(
        '<details class="mkdocstrings-source">', '<details class="mkdocstrings-source" open>'
    )


def _formulas(text: str) -> str:
    text = _BLOCK.sub(lambda found: convert(found[1].strip(), display="block"), text)
    # In a <span>: a line that began with <math> would be taken for a paragraph of its own.
    return _INLINE.sub(lambda found: f"<span>{convert(found[1])}</span>", text)
