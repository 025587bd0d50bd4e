"""A local server that answers well and badly."""

import hashlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import ClassVar

import pytest

from manako.errors import ArtefactError, ResourceError, UsageError
from manako.storage import download as module
from manako.storage.download import download, header_of
from web import serving

BODY = bytes(range(256)) * 20_000  # 5 MB: several chunks
DIGEST = hashlib.sha256(BODY).hexdigest()


class Answers(BaseHTTPRequestHandler):
    """/whole, /cut (half of what is announced), /endless (no length), /moved, /file (elsewhere)."""

    agents: ClassVar[list[str]] = []

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.agents.append(self.headers["User-Agent"])
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.send_header("X-Linked-Etag", f'"{DIGEST}"')
            self.end_headers()
        elif self.path == "/file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        elif self.path in ("/whole", "/cut", "/endless"):
            self.send_response(200)
            if self.path != "/endless":
                self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            if self.command == "GET":
                with suppress(ConnectionError):  # who has seen enough hangs up
                    self.wfile.write(BODY[: len(BODY) // 2] if self.path == "/cut" else BODY)
        else:
            self.send_error(404, "Nothing here")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    with serving(Answers) as address:
        yield address


@pytest.fixture
def fetch(server, tmp_path):
    def fetch(path, sha256=DIGEST, limit_bytes=10**8, **more):
        goal = tmp_path / "weights" / "file"
        return download(server + path, goal, sha256=sha256, limit_bytes=limit_bytes, **more), goal

    yield fetch
    folder = tmp_path / "weights"
    left = [path.name for path in folder.iterdir()] if folder.exists() else []
    assert left in ([], ["file"])  # nothing unfinished stays


@pytest.mark.parametrize("path", ["/whole", "/moved", "/endless"])
@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], DIGEST[:12].upper()])
def test_a_whole_file_with_the_promised_hash_is_kept(fetch, path, sha256):
    found, goal = fetch(path, sha256)

    assert found == DIGEST
    assert goal.read_bytes() == BODY


def test_nothing_is_told_to_the_server_but_the_name(fetch):
    Answers.agents.clear()

    fetch("/whole")

    assert Answers.agents == ["manako"]


def test_progress_is_told_up_to_the_end(fetch):
    told = []

    fetch("/whole", on_progress=told.append)

    assert sum(told) == len(BODY)
    assert len(told) > 1


def test_another_hash_is_refused_and_nothing_kept(fetch, tmp_path):
    with pytest.raises(ArtefactError, match=rf"its SHA-256 is {DIGEST}\n.*begins with 00000000"):
        fetch("/whole", "0" * 8)

    assert not (tmp_path / "weights" / "file").exists()


def test_what_was_there_stays_when_the_new_file_is_refused(fetch, tmp_path):
    goal = tmp_path / "weights" / "file"
    goal.parent.mkdir()
    goal.write_bytes(b"before")

    with pytest.raises(ResourceError):
        fetch("/cut")

    assert goal.read_bytes() == b"before"


def test_a_cut_connection_is_said_with_what_came(fetch):
    with pytest.raises(ResourceError, match=r"was cut after 2,560,000 of 5,120,000 bytes"):
        fetch("/cut")


@pytest.mark.parametrize("path", ["/whole", "/endless"])
def test_a_file_that_is_too_large_is_not_read_to_its_end(fetch, path):
    with pytest.raises(ArtefactError, match="is larger than 2,000,000 bytes"):
        fetch(path, limit_bytes=2_000_000)


def test_what_the_server_refuses_is_said(fetch):
    with pytest.raises(ResourceError, match="/nowhere: the server answers 404 Nothing here"):
        fetch("/nowhere")


def test_a_server_that_is_not_there_is_said(tmp_path):
    with serving(Answers) as address:
        pass

    with pytest.raises(ResourceError, match=r"cannot be reached: (.*\n)*.*MANAKO_MIRROR"):
        download(address, tmp_path / "file", sha256=DIGEST, limit_bytes=1)


def test_a_server_that_says_nothing_is_given_up(fetch, monkeypatch):
    import socket

    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent, pytest.raises(ResourceError, match="cannot be reached: timed"):
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        header_of(f"http://127.0.0.1:{silent.getsockname()[1]}/", "Etag")


@pytest.mark.parametrize("path", ["/file"])
def test_redirections_to_local_files_are_not_followed(fetch, path):
    with pytest.raises(ResourceError, match=r"the server answers 302"):
        fetch(path)


def test_an_encrypted_address_must_stay_encrypted():
    handler = module._StayingSafe(follow=True)
    request = module.urllib.request.Request("https://example.org/a")

    with pytest.raises(ResourceError, match=r"leads to http://example\.org/b, which is not encr"):
        handler.redirect_request(request, None, 302, "", {}, "http://example.org/b")


def test_a_header_of_the_first_answer_is_read(server):
    assert header_of(f"{server}/moved", "X-Linked-Etag") == f'"{DIGEST}"'
    assert header_of(f"{server}/whole", "X-Linked-Etag") is None


@pytest.mark.parametrize("sha256", ["", "abc", "0" * 65, "x" * 64])
def test_a_hash_that_is_none_is_refused(fetch, sha256):
    with pytest.raises(UsageError, match="is no SHA-256 to check a file by"):
        fetch("/whole", sha256)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://example.org/a", "resnet50"])
def test_other_addresses_are_refused(tmp_path, url):
    with pytest.raises(UsageError, match="is no address to fetch from"):
        download(url, tmp_path / "file", sha256=DIGEST, limit_bytes=1)
