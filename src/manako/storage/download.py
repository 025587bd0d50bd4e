"""One file from a web server, whole and with the hash that was promised, or not at all."""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from manako.errors import ArtefactError, ResourceError, UsageError
from manako.storage.durability import disk_errors, make_folder, sync_file, sync_published
from manako.storage.temporary import remove, temporary_path

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 20
HASH = re.compile(r"[0-9a-f]{8,64}")
AGENT = {"User-Agent": "manako"}  # some servers refuse urllib's own; nothing else is told


def download(
    url: str,
    path: Path,
    *,
    sha256: str,
    limit_bytes: int,
    on_progress: Callable[[int], None] = lambda count: None,
) -> str:
    """Fetch `url` into the file `path` and return its SHA-256, 64 hexadecimal digits.

    `sha256` is what the file must have: the digest, or at least its first 8 digits. The file
    appears under its name only once it is whole, verified and on the disk. `on_progress` is told
    of the bytes of each portion.

    Errors: UsageError for a `sha256` that is none or an address that is not http(s), ResourceError
    where the server cannot be reached, refuses or breaks off, or the disk refuses; ArtefactError
    for more than `limit_bytes`, or for another hash.
    """
    sha256 = sha256.lower()
    if HASH.fullmatch(sha256) is None:
        raise UsageError(
            f"{sha256!r} is no SHA-256 to check a file by",
            expected="64 hexadecimal digits, or at least the first 8",
        )
    with disk_errors(path):
        make_folder(path.parent)
    unfinished = temporary_path(path)
    try:
        with _opened(url) as answer, disk_errors(path), unfinished.open("xb") as file:
            found = _copy(url, answer, file, limit_bytes, on_progress)
        if not found.startswith(sha256):
            raise ArtefactError(
                f"{url} is not the file that was promised: its SHA-256 is {found}",
                expected=f"a SHA-256 that begins with {sha256}",
                fix="try again; if it stays so, the file was changed: do not use it",
            )
        with disk_errors(path):
            sync_file(unfinished)
            unfinished.replace(path)
    finally:
        remove(unfinished)
    sync_published(path)
    return found


def header_of(url: str, name: str) -> str | None:
    """One header of what the server answers first to a request for `url`, redirections included.

    Errors: as `download`.
    """
    try:
        with _opened(url, method="HEAD", follow=False) as answer:
            found: str | None = answer.headers.get(name)
            return found
    except urllib.error.HTTPError as redirection:  # what is not followed counts as an error
        with redirection:
            return redirection.headers.get(name)


class _StayingSafe(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but never from https to http; or none at all."""

    def __init__(self, follow: bool) -> None:
        self.follow = follow

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        if not self.follow:
            return None
        before, after = urlsplit(req.full_url).scheme, urlsplit(newurl).scheme
        if after != "https" and (before == "https" or after != "http"):
            raise ResourceError(
                f"{req.full_url} leads to {newurl}, which is not encrypted",
                expected="https all the way",
                fix="fetch the file by other means, and compare its hash",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opened(url: str, *, method: str = "GET", follow: bool = True) -> Any:
    if urlsplit(url).scheme not in ("https", "http"):
        raise UsageError(f"{url!r} is no address to fetch from", expected="https://...")
    opener = urllib.request.build_opener(_StayingSafe(follow))
    request = urllib.request.Request(url, headers=AGENT, method=method)
    try:
        return opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if not follow and 300 <= error.code < 400:
            raise
        with error:
            raise ResourceError(
                f"{url}: the server answers {error.code} {error.reason}",
                expected="the file",
                fix="see whether the address still holds in a browser",
            ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise ResourceError(
            f"{url} cannot be reached: {reason}",
            expected="a way to that server",
            fix="check the network, or set MANAKO_MIRROR to a server that has the files",
        ) from error


def _copy(
    url: str,
    answer: Any,
    file: IO[bytes],
    limit_bytes: int,
    on_progress: Callable[[int], None],
) -> str:
    """The body of `answer` into `file`; its SHA-256."""
    promised = answer.headers.get("Content-Length")
    total = int(promised) if promised is not None and promised.isdigit() else None
    hashed, done = hashlib.sha256(), 0
    while True:
        try:
            chunk = answer.read(CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _cut(url, done, total) from error
        if not chunk:
            break
        done += len(chunk)
        if max(done, total or 0) > limit_bytes:
            raise ArtefactError(
                f"{url} is larger than {limit_bytes:,} bytes",
                expected="a file of weights",
                fix="fetch it by other means if that is right",
            )
        hashed.update(chunk)
        file.write(chunk)
        on_progress(len(chunk))
    if total is not None and done != total:
        raise _cut(url, done, total)
    return hashed.hexdigest()


def _cut(url: str, done: int, total: int | None) -> ResourceError:
    of = "" if total is None else f" of {total:,}"
    return ResourceError(
        f"{url}: the connection was cut after {done:,}{of} bytes",
        expected="the whole file",
        fix="try again; nothing was kept",
    )
