"""Archives: an index held against `tarfile`, and hostile or damaged ones refused."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import struct
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manako.data import archives
from manako.data.archives import open_archive
from manako.data.files import open_tree
from manako.data.tar_index import tar_members
from manako.errors import ArtefactError, ResourceError
from manako.storage.caches import Cache

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="/\\"),
    min_size=1,
    max_size=130,
).filter(lambda name: not name.startswith(".") and len(name.encode()) < 250)


def tar_of(path: Path, members: list[tuple[tarfile.TarInfo, bytes]], **options) -> Path:
    with tarfile.open(path, "w", **options) as file:
        for info, content in members:
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=1500), max_size=6
    ),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_the_index_agrees_with_tarfile(tmp_path, files, form):
    members = [(member(name), content) for name, content in files.items()]
    path = tar_of(tmp_path / "a.tar", members, format=form)

    found = {item.name: (item.offset, item.size) for item in tar_members(path)}

    with tarfile.open(path) as reference:
        expected = {item.name: (item.offset_data, item.size) for item in reference}
    assert found == expected


def test_ustar_prefixes_and_old_v7_headers_are_understood(tmp_path):
    name = "/".join(["folder" * 8] * 4) + "/1.jpg"
    path = tar_of(tmp_path / "a.tar", [(member(name), b"abc")], format=tarfile.USTAR_FORMAT)
    old = bytearray(path.read_bytes())
    short = tar_of(tmp_path / "b.tar", [(member("1.jpg"), b"abc")], format=tarfile.USTAR_FORMAT)
    v7 = bytearray(short.read_bytes())
    v7[156:512] = bytes(512 - 156)  # neither type nor magic
    v7[148:156] = b"%06o\0 " % (sum(v7[:148]) + 256 + sum(v7[156:512]))
    short.write_bytes(v7)

    assert [item.name for item in tar_members(path)] == [name]
    assert [item.name for item in tar_members(short)] == ["1.jpg"]
    assert path.read_bytes() == old


def test_a_size_in_binary_and_global_headers_are_understood(tmp_path):
    path = tar_of(
        tmp_path / "a.tar",
        [(member("a.jpg"), b"abc")],
        format=tarfile.PAX_FORMAT,
        pax_headers={"comment": "made by git archive"},
    )
    data = bytearray(path.read_bytes())
    start = data.index(b"a.jpg\0")
    data[start + 124 : start + 136] = b"\x80" + (3).to_bytes(11, "big")
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    path.write_bytes(data)

    assert open_tree(path).read("a.jpg") == b"abc"


HOSTILE = {
    "../../.bashrc": (member("../../.bashrc"), "would lie outside the archive"),
    "a/../../b": (member("a/../../b"), "would lie outside the archive"),
    "/etc/passwd": (member("/etc/passwd"), "has an absolute path"),
    "C:/windows": (member("C:/windows"), "has an absolute path"),
    "symlink": (member("a", tarfile.SYMTYPE, "/etc"), "'a' is a symbolic link"),
    "hard link": (member("a", tarfile.LNKTYPE, "good.txt"), "'a' is a hard link"),
    "fifo": (member("a", tarfile.FIFOTYPE), "'a' is a FIFO"),
    "device": (member("a", tarfile.CHRTYPE), "'a' is a character device"),
    "block device": (member("a", tarfile.BLKTYPE), "'a' is a block device"),
    "twice": (member("good.txt"), "'good.txt' is there twice"),
    "twice, written otherwise": (member("./good.txt"), "'./good.txt' is there twice"),
    "both": (member("good.txt", tarfile.DIRTYPE), "'good.txt' is both a file and a folder"),
    "below a file": (member("good.txt/b"), "'good.txt' is both a file and a folder"),
    "unknown": (member("a", b"Z"), "of the unknown type b'Z'"),
}


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_tar_is_refused_and_nothing_is_written(tmp_path, monkeypatch, case, kind):
    monkeypatch.setenv("MANAKO_CACHE", str(tmp_path / "cache"))
    info, message = HOSTILE[case]
    path = tar_of(tmp_path / "a.tar", [(member("good.txt"), b"x"), (info, b"")])
    if kind == "tar.gz":
        path = tmp_path / "a.tar.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.tar").read_bytes()))
    before = {one for one in tmp_path.rglob("*") if one.is_file()}

    with pytest.raises(ArtefactError) as caught:
        open_tree(path)

    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{path}: the member ")
    assert Cache("archives").entries() == []
    assert {one for one in tmp_path.rglob("*") if one.is_file()} == before


def test_a_hostile_name_in_an_extended_header_is_refused(tmp_path):
    info = member("harmless.txt")
    info.pax_headers = {"path": "../" * 40 + "etc/passwd"}
    path = tar_of(tmp_path / "a.tar", [(info, b"x")], format=tarfile.PAX_FORMAT)

    with pytest.raises(ArtefactError, match="would lie outside the archive"):
        open_tree(path)


def test_a_sparse_file_and_a_name_that_is_not_utf_8_are_refused(tmp_path):
    info = member("a.bin")
    info.pax_headers = {"GNU.sparse.major": "1"}
    sparse = tar_of(tmp_path / "a.tar", [(info, b"x")], format=tarfile.PAX_FORMAT)
    latin = tar_of(
        tmp_path / "b.tar", [(member("é.jpg"), b"x")], format=tarfile.GNU_FORMAT, encoding="latin-1"
    )

    with pytest.raises(ArtefactError, match=r"'a\.bin' is a sparse file"):
        open_tree(sparse)
    with pytest.raises(ArtefactError, match=r"the name b'\\xe9\.jpg' is not UTF-8"):
        open_tree(latin)


def test_a_tar_cut_off_anywhere_is_an_error_and_never_a_smaller_set(tmp_path):
    members = [(member(f"{n}.txt"), b"x" * 700) for n in range(3)]
    data = tar_of(tmp_path / "a.tar", members).read_bytes()
    end = data.rindex(b"x") + 1
    whole = -(-end // 512) * 512 + 512  # one block of zeros ends the archive
    path = tmp_path / "b.tar"

    for length in [*range(0, whole, 97), 512, 1024, 2048, whole - 512]:
        path.write_bytes(data[:length])
        with pytest.raises(ArtefactError, match=r"b\.tar is cut off after \d"):
            open_tree(path)
    path.write_bytes(data[:whole])
    assert len(open_tree(path).paths) == 3


def test_a_damaged_header_is_found_by_its_checksum(tmp_path):
    data = bytearray(
        tar_of(tmp_path / "a.tar", [(member(f"{n}.txt"), b"x") for n in range(3)]).read_bytes()
    )
    data[1024] ^= 1
    (tmp_path / "a.tar").write_bytes(data)

    with pytest.raises(ArtefactError, match="the header at byte 1,024 does not match its checksum"):
        open_tree(tmp_path / "a.tar")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=5))
def test_damage_raises_nothing_but_our_errors(tmp_path, damage):
    members = [(member("é" * 90 + f"{n}.txt"), b"x" * 300) for n in range(2)]
    data = bytearray(tar_of(tmp_path / "a.tar", members, format=tarfile.PAX_FORMAT).read_bytes())
    for place, value in damage:
        data[place] = value
    (tmp_path / "b.tar").write_bytes(data)

    with contextlib.suppress(ArtefactError):
        open_tree(tmp_path / "b.tar")


def test_a_compressed_tar_that_is_cut_off_or_damaged_is_refused(tmp_path):
    members = [(member(f"{n}.txt"), os.urandom(3000)) for n in range(4)]
    data = gzip.compress(tar_of(tmp_path / "a.tar", members).read_bytes())
    cut, damaged, none = (tmp_path / f"{n}.tar.gz" for n in ("cut", "damaged", "none"))
    cut.write_bytes(data[: len(data) // 2])
    damaged.write_bytes(data[:2000] + bytes(100) + data[2100:])
    none.write_bytes(b"<html>")

    for path in (cut, damaged, none):
        with pytest.raises(ArtefactError, match=rf"{path.name} is cut off or damaged \("):
            open_tree(path)
    assert Cache("archives").folder(archives._identity(cut)) is None


def test_unpacking_stops_before_the_disk_is_full(tmp_path, monkeypatch):
    monkeypatch.setenv("MANAKO_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bytes(30_000_000)))
    free = archives.shutil.disk_usage(tmp_path)._replace(free=5_000_000)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: free)

    with pytest.raises(ResourceError, match=r"bomb\.tar\.gz unpacks to more than 0\.0 GB"):
        open_tree(path)

    assert Cache("archives").entries() == []


def test_a_compressed_tar_is_unpacked_once_and_anew_when_it_changes(write, monkeypatch):
    path = write({"a.txt": "a"}, "tar.gz")
    first = open_tree(path)
    monkeypatch.setattr(archives, "_decompressed", lambda *_: pytest.fail("unpacked again"))
    again = open_tree(path)
    monkeypatch.undo()
    os.utime(path, ns=(1, 1))
    changed = open_tree(path)

    assert first.read("a.txt") == again.read("a.txt") == changed.read("a.txt") == b"a"
    assert first.file == again.file != changed.file
    assert first.root == path


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    path = tar_of(tmp_path / "a.tar", [(member(f"{n}.txt"), b"") for n in range(4)])

    with pytest.raises(ArtefactError, match="holds more than 3 members"):
        open_tree(path)


def test_one_folder_around_everything_is_left_away_unless_it_is_a_split(tmp_path):
    around = tar_of(
        tmp_path / "a.tar", [(member("./set/cat/1.jpg"), b""), (member("set"), b"")][:1]
    )
    split = tar_of(tmp_path / "b.tar", [(member("train/cat/1.jpg"), b"")])
    two = tar_of(tmp_path / "c.tar", [(member("cat/1.jpg"), b""), (member("dog/1.jpg"), b"")])
    flat = tar_of(tmp_path / "d.tar", [(member("1.jpg"), b"")])
    hidden = tar_of(tmp_path / "e.tar", [(member("set/1.jpg"), b""), (member("._set"), b"")])

    assert [open_tree(path).paths for path in (around, split, two, flat, hidden)] == [
        ("cat/1.jpg",),
        ("train/cat/1.jpg",),
        ("cat/1.jpg", "dog/1.jpg"),
        ("1.jpg",),
        ("1.jpg",),
    ]


def zip_of(path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for info, content in members:
            file.writestr(info, content)
    return path


def zip_link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("a")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("info", "message"),
    [
        (zipfile.ZipInfo("../a"), "'../a' would lie outside"),
        (zipfile.ZipInfo("b\\..\\..\\a"), "would lie outside"),
        (zipfile.ZipInfo("/a"), "'/a' has an absolute path"),
        (zip_link(), "'a' is a link or device"),
        (zipfile.ZipInfo("good.txt"), "'good.txt' is there twice"),
    ],
)
def test_a_hostile_zip_is_refused(tmp_path, info, message):
    path = zip_of(tmp_path / "a.zip", [(zipfile.ZipInfo("good.txt"), b"x"), (info, b"/etc")])

    with pytest.raises(ArtefactError) as caught:
        open_tree(path)

    assert message in str(caught.value)


def test_an_encrypted_or_strangely_compressed_zip_is_refused(tmp_path):
    data = bytearray(zip_of(tmp_path / "a.zip", [(zipfile.ZipInfo("a"), b"x")]).read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    lzma = zipfile.ZipInfo("a")
    lzma.compress_type = zipfile.ZIP_LZMA

    with pytest.raises(ArtefactError, match="'a' is encrypted"):
        open_tree(tmp_path / "a.zip")
    with pytest.raises(ArtefactError, match="'a' is compressed by method 14"):
        open_tree(zip_of(tmp_path / "b.zip", [(lzma, b"x")]))


def test_a_zip_with_damaged_content_is_refused_when_it_is_read(tmp_path):
    info = zipfile.ZipInfo("a.txt")
    path = zip_of(tmp_path / "a.zip", [(info, b"content"), (zipfile.ZipInfo("b.txt"), b"b")])
    path.write_bytes(path.read_bytes().replace(b"content", b"c0ntent"))
    tree = open_tree(path)

    with pytest.raises(ArtefactError, match=r"a\.zip: a\.txt is damaged"):
        tree.read("a.txt")
    assert tree.read("b.txt") == b"b"


def test_a_zip_that_is_cut_off_or_none_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", [(zipfile.ZipInfo(f"{n}.txt"), b"x" * 99) for n in range(5)])
    data = path.read_bytes()

    for length in (0, 100, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:length])
        with pytest.raises(ArtefactError, match=r"a\.zip cannot be read as a zip"):
            open_tree(path)


def test_a_member_that_inflates_to_more_than_it_states_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.txt", bytes(1_000_000))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 10)
    path.write_bytes(data)

    with pytest.raises(ArtefactError, match=r"a\.txt is damaged"):
        open_tree(path).read("a.txt")


def test_a_huge_member_is_listed_but_not_read(write, monkeypatch):
    tree = open_tree(write({"video.mp4": "x" * 100, "a.txt": "a"}, "tar"))
    monkeypatch.setattr(archives, "MAX_FILE_BYTES", 50)

    with pytest.raises(ArtefactError, match=r"video\.mp4 has 100 bytes"):
        tree.read("video.mp4")
    assert tree.read("a.txt") == b"a"
    with pytest.raises(ArtefactError, match=r"holds no 'b\.txt'"):
        tree.read("b.txt")


def test_other_files_are_no_archives(write):
    assert open_archive(write({"a.7z": "x"}) / "a.7z") is None


@pytest.mark.slow
def test_cifar_10_opens_in_two_seconds_once_it_is_unpacked(shared_data):
    path = shared_data("cifar10.tar.gz")
    tree = open_tree(path)
    started = time.process_time()

    again = open_tree(path)

    assert time.process_time() - started < 2
    assert len(again.paths) == 60_000
    assert again.read("test/cat/0000.jpg").startswith(b"\xff\xd8\xff")
    assert tree.cache_key() == again.cache_key()
