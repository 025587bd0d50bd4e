"""`python -m manako` and the `manako` command."""

from __future__ import annotations

from manako.cli.main import main

if __name__ == "__main__":
    main()
