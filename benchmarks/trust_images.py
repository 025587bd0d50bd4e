"""Every picture of Pillow's own tests is decoded, or refused by a message that names the file.

The collection holds what broke a decoder once: cut-off files, headers that promise gigabytes,
formats within formats. It comes with Pillow's source archive, which pip fetches from the package
index it is set up for; PILLOW_SOURCE=pillow-13.0.0.tar.gz names one that is there already.

A process decodes the files one after another as `manako.data.decode.decode_image` does, its memory
limited to 1 GB more than it had before the first one. When it does not answer within 5 s, or ends,
the picture counts as crashed and a new process goes on with the next.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tarfile
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from record import WORK, prove

SECONDS, BYTES = 5.0, 2**30
FOLDER = "Tests/images/"


def source_archive() -> Path:
    """Pillow's source archive, of the version that is installed."""
    import PIL

    if "PILLOW_SOURCE" in os.environ:
        return Path(os.environ["PILLOW_SOURCE"])
    target = WORK / "pillow"
    name = f"pillow-{PIL.__version__}.tar.gz"
    if not (target / name).exists():
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
        subprocess.run([*pip, "--dest", str(target), f"pillow=={PIL.__version__}"], check=True)
    return target / name


def pictures(archive: Path) -> dict[str, bytes]:
    """The files of the test collection by their names."""
    with tarfile.open(archive) as tar:
        return {
            member.name.split(FOLDER, 1)[1]: file.read()
            for member in tar
            if FOLDER in member.name and (file := tar.extractfile(member)) is not None
        }


def serve(pipe: Connection) -> None:
    """Decode what comes; answer with what became of it, and how long that took."""
    from manako.data.decode import decode_image
    from manako.errors import ManakoError

    decode_image(b"P6 1 1 255 abc", "one.ppm")  # all that it needs is loaded now
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + BYTES, has + BYTES))
    pipe.send(None)
    while True:
        name, data = pipe.recv()
        start = time.perf_counter()
        try:
            height, width = decode_image(data, name).shape[1:]
            found = ("decoded", f"{height} x {width}")
        except ManakoError as error:
            named = str(error).startswith(name) and error.exit_code == 3
            found = ("refused" if named else "crashed", str(error))
        except BaseException as error:  # whatever else comes out is what this looks for
            found = ("crashed", repr(error))
        pipe.send((*found, time.perf_counter() - start))


class Decoder:
    """The process, started anew where one has ended."""

    def __init__(self) -> None:
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.pipe.recv()

    def ask(self, name: str, data: bytes) -> tuple[str, str, float]:
        """What became of a picture; "crashed" where no answer comes in time."""
        self.pipe.send((name, data))
        if not self.pipe.poll(SECONDS):
            return "crashed", f"no answer within {SECONDS:g} s", SECONDS
        try:
            answer: tuple[str, str, float] = self.pipe.recv()
        except EOFError:
            self.process.join()
            return "crashed", f"the process ended with code {self.process.exitcode}", 0.0
        return answer

    def end(self) -> None:
        self.process.kill()
        self.process.join()


def measure() -> dict[str, Any]:
    """All pictures, and what was wrong with those that are neither decoded nor refused."""
    found: Counter[str] = Counter()
    crashes: dict[str, str] = {}
    slowest = (0.0, "")
    collection = pictures(source_archive())
    decoder = Decoder()
    for name, data in sorted(collection.items()):
        outcome, note, seconds = decoder.ask(name, data)
        found[outcome] += 1
        slowest = max(slowest, (seconds, name))
        if "--verbose" in sys.argv:
            print(f"{outcome:8} {seconds:5.2f} s  {name}: {note}", flush=True)
        if outcome == "crashed":
            crashes[name] = note
            decoder.end()
            decoder = Decoder()
    decoder.end()
    return {
        "pictures": len(collection),
        "decoded": found["decoded"],
        "refused": found["refused"],
        "crashed": found["crashed"],
        "crashes": crashes,
        "slowest_seconds": round(slowest[0], 2),
        "slowest": slowest[1],
        "seconds_each_at_most": SECONDS,
        "bytes_each_at_most": BYTES,
        "reached": len(collection) > 1000 and not crashes,
    }


if __name__ == "__main__":
    sys.exit(0 if prove("trust-images", measure)["reached"] else 8)
