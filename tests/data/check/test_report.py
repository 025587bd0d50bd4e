import json

import pytest
from PIL import PngImagePlugin

import shapes
from manako.data.check import check_dataset, examination, left_out, write_exclude_file
from manako.data.exclusion import parse_exclude_file, without_excluded
from manako.data.files import FolderTree
from manako.data.formats import read_dataset
from manako.data.selection import Selection
from manako.data.split import with_validation
from manako.errors import DataError
from planted import coded_anew, encoded, faulty_set, smooth


def checked(root, **options):
    dataset = with_validation(read_dataset(root), Selection(**options))
    return check_dataset(dataset, workers=0)


def different(*names):
    """Path -> a picture of its own."""
    return {name: encoded(smooth(7000 + number)) for number, name in enumerate(names)}


def in_folders(count, *folders):
    return different(*(f"{folder}/{n}.png" for folder in folders for n in range(count)))


def paths(groups):
    return [[place.path for place in group.places] for group in groups]


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return faulty_set(tmp_path_factory.mktemp("faulty") / "set")


@pytest.fixture(scope="module")
def report(faulty):
    return checked(faulty)


def test_each_planted_fault_is_found_once_and_nothing_else(report):
    assert {fault.path: fault.split for fault in report.faults} == {
        "train/cat/cut.jpg": "train",
        "train/cat/text.png": "train",
        "train/cat/empty.png": "train",
    }
    assert paths(report.leaks) == [
        ["test/cat/leak.png", "train/cat/leak.png"],
        ["val/dog/anew.png", "train/dog/anew.jpg"],
    ]
    assert [same.same_pixels for same in report.leaks] == [True, False]
    assert paths(report.conflicts) == [["train/cat/both.png", "train/dog/both.png"]]
    assert paths(report.repeats) == [["train/dog/twice_a.png", "train/dog/twice_b.png"]]
    assert {kind: [path for path, _ in rows] for kind, rows in report.oddities.items()} == {
        "ending": ["train/cat/png.jpg"],
        "deep": ["train/cat/deep.png"],
        "cmyk": ["train/cat/print.jpg"],
        "transparent": ["train/cat/clear.png"],
        "animated": ["train/cat/moving.gif"],
        "turned": ["train/cat/turned.jpg"],
        "tiny": ["train/cat/tiny.png"],
        "blank": ["train/cat/blank.png", "train/dog/blank.png"],
    }
    assert report.unused == ("beside.png",)
    assert report.alike == ()
    assert report.all_compared
    assert not report.is_fit()
    assert not report.is_fit(allow_leakage=True)


def test_the_error_of_an_unreadable_picture_is_told_whole(report):
    errors = {fault.path: fault.error for fault in report.faults}

    assert "cut off after" in errors["train/cat/cut.jpg"]
    assert "truncated" in errors["train/cat/cut.jpg"]
    assert errors["train/cat/empty.png"] == "train/cat/empty.png is empty"


def test_the_list_to_leave_out_spares_the_test_split_and_one_of_equal_copies(report):
    assert set(left_out(report)) == {
        "train/cat/cut.jpg",
        "train/cat/text.png",
        "train/cat/empty.png",
        "train/cat/leak.png",
        "train/dog/anew.jpg",
        "train/cat/both.png",
        "train/dog/both.png",
        "train/dog/twice_b.png",
    }


def test_without_what_is_listed_the_set_is_fit(report, faulty, tmp_path):
    count = write_exclude_file(tmp_path / "list.txt", report)

    excluded = parse_exclude_file(tmp_path / "list.txt")
    dataset = with_validation(read_dataset(faulty), Selection())
    again = check_dataset(without_excluded(dataset, excluded), workers=0)

    assert count == len(excluded) == 8
    assert again.is_fit()
    assert (again.conflicts, again.repeats) == ((), ())


def test_a_copy_in_test_and_val_is_taken_out_of_val_and_doubles_in_test_stay(write):
    test, both = encoded(smooth(1)), encoded(smooth(2))
    files = in_folders(
        3, *(f"{split}/{name}" for split in ("train", "val", "test") for name in ("cat", "horse"))
    )
    files |= {"test/cat/a.png": test, "val/cat/a.png": test}
    files |= {"test/cat/b.png": both, "test/horse/b.png": both}

    report = checked(write(files))

    assert paths(report.leaks) == [["test/cat/a.png", "val/cat/a.png"]]
    assert paths(report.conflicts) == [["test/cat/b.png", "test/horse/b.png"]]
    assert set(left_out(report)) == {"val/cat/a.png"}


def test_names_that_could_be_taken_for_comments_survive_the_list(write, tmp_path):
    root = write({**in_folders(3, "#one", "two"), "#one/empty.png": b""})

    write_exclude_file(tmp_path / "list.txt", checked(root))

    assert parse_exclude_file(tmp_path / "list.txt") == {"#one/empty.png"}


def test_what_was_left_out_before_stays_in_the_list(report, tmp_path):
    count = write_exclude_file(tmp_path / "list.txt", report, {"train/dog/5.png"})

    excluded = parse_exclude_file(tmp_path / "list.txt")
    assert excluded == {*left_out(report), "train/dog/5.png"}
    assert count == len(excluded)


def test_a_report_is_plain_json(report):
    values = json.loads(json.dumps(report.as_json()))

    assert values["fit"] is False
    assert values["leaks"][0]["places"][0] == {
        "path": "test/cat/leak.png",
        "split": "test",
        "truth": "cat",
    }
    assert values["class_counts"]["val"] == {"cat": 3, "dog": 4}


def test_classes_are_counted_and_missing_ones_named(write):
    names = [*(f"train/a/{n}.png" for n in range(12)), *(f"train/b/{n}.png" for n in range(6))]

    report = checked(write(different(*names, "val/a/1.png", "val/a/2.png")))

    assert report.class_counts == {"train": {"a": 12, "b": 6}, "val": {"a": 2, "b": 0}}
    assert report.absent == {"val": ["b"]}
    assert report.imbalance == 2.0


@pytest.mark.parametrize("task", sorted(shapes.MAKERS))
def test_the_little_sets_of_the_tests_are_sound(task, tmp_path):
    report = checked(shapes.MAKERS[task](tmp_path))

    assert report.is_fit()
    assert (report.conflicts, report.repeats, report.alike, report.oddities) == ((), (), (), {})


def test_masks_are_counted_without_decoding_them_again(tmp_path):
    report = checked(shapes.mask_pairs(tmp_path))

    assert report.class_counts["train"] == {"ground": 24, "blue": 12, "red": 12}
    assert 0 < report.ignored_shares["train"] < 0.1


def test_several_labels_of_one_picture_are_compared_as_a_whole(write):
    picture = encoded(smooth(1))
    pictures = different(*(f"{n}.png" for n in range(8)))
    table = "path,labels\n" + "".join(f"{n}.png,{'a|b' if n % 2 else 'a'}\n" for n in range(8))
    table += "x.png,a|b\ny.png,a\n"
    root = write({**pictures, "x.png": picture, "y.png": picture, "data.csv": table})

    report = checked(root)

    found = [*report.conflicts, *report.leaks]
    assert {place.truth for place in found[0].places} == {"a|b", "a"}
    assert found[0].is_contradiction


def test_what_was_found_is_kept_however_the_set_is_divided(write, monkeypatch):
    root = write(in_folders(9, "a", "b"))
    first = checked(root, seed=1)

    monkeypatch.setattr(examination, "all_seen", None)  # looking again would fail
    second = checked(root, seed=2)

    assert first.splits == second.splits
    monkeypatch.undo()
    (root / "a" / "0.png").write_bytes(b"changed")
    assert [fault.path for fault in checked(root).faults] == ["a/0.png"]


def test_a_kept_examination_that_is_damaged_is_made_anew(write, tmp_path, monkeypatch):
    monkeypatch.setenv("MANAKO_CACHE", str(tmp_path / "cache"))
    root = write(in_folders(3, "a", "b"))
    first = checked(root)
    (kept,) = (tmp_path / "cache").rglob("examination.json")
    kept.write_bytes(b"[" * kept.stat().st_size)

    assert checked(root) == first


@pytest.mark.parametrize("failure", [PermissionError(13, "Permission denied"), MemoryError()])
def test_where_the_machine_failed_at_a_picture_nothing_is_kept(write, monkeypatch, failure):
    root = write(in_folders(3, "a", "b"))
    read = FolderTree.read

    def failing(tree, path):
        if path != "a/0.png":
            return read(tree, path)
        try:
            raise failure
        except OSError as error:
            raise DataError(f"{path} cannot be read") from error

    monkeypatch.setattr(FolderTree, "read", failing)
    first = checked(root)
    monkeypatch.undo()

    assert [fault.path for fault in first.faults] == ["a/0.png"]
    assert checked(root).faults == ()


def test_memory_that_runs_out_inside_a_decoder_is_no_damage(write, monkeypatch):
    root = write(in_folders(3, "a", "b"))

    def failing(picture):
        raise MemoryError

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", failing)
    first = checked(root)
    monkeypatch.undo()

    errors = {fault.error for fault in first.faults}
    assert "a/0.png takes more memory than there is" in errors
    assert checked(root).faults == ()


def test_a_picture_far_larger_than_the_others_is_told(write):
    files = in_folders(4, "a", "b")
    files["a/large.png"] = encoded(smooth(99, (1500, 1600)))

    report = checked(write(files))

    assert report.oddities == {"huge": (("a/large.png", "1,600 x 1,500, far above the median"),)}


def test_a_scaled_copy_across_splits_is_a_leak(write):
    files = in_folders(4, "train/a", "train/b", "test/a", "test/b")
    files |= {"test/a/first.png": encoded(smooth(1))}
    files |= {"train/a/again.jpg": coded_anew(smooth(1), 50, 1.7)}

    report = checked(write(files))

    assert paths(report.leaks) == [["test/a/first.png", "train/a/again.jpg"]]
