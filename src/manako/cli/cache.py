"""`manako cache`: what is kept between runs, and how to clear it."""

from __future__ import annotations

from typing import Annotated

import typer

from manako.cli.options import Json


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    json: Json = False,
) -> None:
    """Show or clear the cache of decoded pictures and unpacked archives."""
    from manako.console.messages import print_json, print_table
    from manako.storage.caches import all_caches, cache_root

    freed = sum(one.clear() for one in all_caches()) if clear else 0
    rows = [
        (one.name, len(one.entries()), sum(entry.bytes for entry in one.entries()))
        for one in all_caches()
    ]
    if json:
        print_json(
            {
                "folder": str(cache_root()),
                "freed_bytes": freed,
                "caches": {name: {"entries": n, "bytes": size} for name, n, size in rows},
            }
        )
        return
    if clear:
        print_table(("freed",), [(f"{freed / 1e6:,.1f} MB",)])
        return
    print_table(
        ("cache", "entries", "size"),
        [(name, n, f"{size / 1e6:,.1f} MB") for name, n, size in rows],
    )
