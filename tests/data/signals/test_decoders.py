"""Signals and volumes from bytes: what they hold, and what is refused by name."""

from __future__ import annotations

import gzip
import io
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from manako.data.signals.series import decode_array, decode_table
from manako.data.signals.signal import as_values
from manako.data.signals.ts import decode_ts
from manako.data.signals.volumes import decode_nifti
from manako.data.signals.wav import decode_wav
from manako.errors import DataError, ResourceError

nibabel = pytest.importorskip("nibabel")


def wav(samples, rate=8000):
    stream = io.BytesIO()
    wavfile.write(stream, rate, samples)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 255), ("int16", -(2**15), 2**15 - 1), ("int32", -(2**31), 2**31 - 1)],
)
def test_sound_is_scaled_to_one(dtype, low, high):
    middle = 128 if dtype == "uint8" else 0
    signal = decode_wav(wav(np.array([low, middle, high], dtype)), "a.wav")
    assert signal.rate_hz == 8000
    assert signal.values.dtype == np.float32
    assert signal.values.shape == (1, 3)
    np.testing.assert_allclose(signal.values[0], [-1, 0, 1], atol=0.01)


def test_sound_of_two_channels_and_of_floats():
    samples = np.array([[0.5, -0.25], [0.125, 1.0]], np.float32)
    np.testing.assert_array_equal(decode_wav(wav(samples), "a.wav").values, samples.T)


def test_sound_of_24_bits():
    values = [-(2**23), 0, 2**22]
    body = b"".join(value.to_bytes(3, "little", signed=True) for value in values)
    form = (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (8000).to_bytes(4, "little")
    form += (24000).to_bytes(4, "little") + (3).to_bytes(2, "little") + (24).to_bytes(2, "little")
    chunks = b"fmt " + (16).to_bytes(4, "little") + form
    chunks += b"data" + len(body).to_bytes(4, "little") + body + b"\0"  # an odd chunk is padded
    file = b"RIFF" + (4 + len(chunks)).to_bytes(4, "little") + b"WAVE" + chunks
    np.testing.assert_allclose(decode_wav(file, "a.wav").values, [[-1, 0, 0.5]])


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("remark", [b"", b"sensor data run 3", b"data\xff\xff\xff\x7f"])
def test_sound_after_remarks_and_in_both_orders_of_bytes(order, remark):
    def number(value, size):
        return value.to_bytes(size, order, signed=value < 0)

    values = [-(2**15), 0, 2**14]
    fields = ((1, 2), (1, 2), (8000, 4), (16000, 4), (2, 2), (16, 2))
    form = b"".join(number(value, size) for value, size in fields)
    chunks = b"fmt " + number(16, 4) + form
    chunks += b"note" + number(len(remark), 4) + remark + b"\0" * (len(remark) % 2)
    chunks += b"data" + number(6, 4) + b"".join(number(value, 2) for value in values)
    kind = b"RIFF" if order == "little" else b"RIFX"
    file = kind + number(4 + len(chunks), 4) + b"WAVE" + chunks
    np.testing.assert_allclose(decode_wav(file, "a.wav").values, [[-1, 0, 0.5]])
    with pytest.raises(DataError, match=r"a\.wav"):
        decode_wav(file[:-1], "a.wav")


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"\x89PNG\r\n\x1a\n", wav(np.zeros(9, np.int16))[:40]]
)
def test_what_is_no_sound_is_refused(data):
    with pytest.raises(DataError, match=r"a\.wav cannot be read as sound|a\.wav is cut off"):
        decode_wav(data, "a.wav")


@given(st.integers(1, 999))
def test_sound_that_is_cut_off_is_refused(lost):
    whole = wav(np.arange(500, dtype=np.int16))
    with pytest.raises(DataError, match=r"a\.wav"):
        decode_wav(whole[:-lost], "a.wav")


@pytest.mark.parametrize("separator", [",", ";", "\t", " ", ", ", "   "])
def test_tables_of_any_separator(separator):
    rows = [["1", "-2.5", "3e-1"], ["4", "5", "6"]]
    text = "\n".join(separator.join(row) for row in rows)
    expected = np.array([[1, 4], [-2.5, 5], [0.3, 6]], np.float32)
    np.testing.assert_array_equal(decode_table(text.encode(), "a.csv").values, expected)
    with_names = separator.join(["x", "y", "z"]) + "\n" + text
    np.testing.assert_array_equal(decode_table(with_names.encode(), "a.csv").values, expected)


def test_a_clock_is_no_channel_and_tells_the_rate():
    table = b"# sensor 3\n\ntime_ms,x,y\n0,1,2\n250,3,4\n500,5,6\n"
    signal = decode_table(table, "a.csv")
    assert signal.rate_hz == 4
    assert signal.values.tolist() == [[1, 3, 5], [2, 4, 6]]
    assert decode_table(b"t,x\n0,1\n1,2\n", "a.csv").rate_hz is None  # of which unit?
    assert decode_table(b"index,x\n7,1\n9,2\n", "a.csv").values.tolist() == [[1, 2]]
    assert decode_table(b"temperature,x\n7,1\n9,2\n", "a.csv").values.tolist() == [[7, 9], [1, 2]]


@pytest.mark.parametrize(
    ("head", "channels"),
    [
        ("T1,T2", 2),
        ("index_finger,thumb", 2),
        ("step_count,pulse", 2),
        ("sample_1,sample_2", 2),
        (",x", 1),  # as pandas writes an index
        ('"time (s)",x', 1),
        ("Timestamp,x", 1),
        ("frame,x", 1),
    ],
)
def test_only_what_is_called_like_a_clock_is_one(head, channels):
    assert len(decode_table(f"{head}\n0,7\n1,8\n2,7\n".encode(), "a.csv").values) == channels


def test_what_does_not_rise_is_no_clock_and_uneven_ones_tell_no_rate():
    assert len(decode_table(b"time_s,x\n0,1\n2,1\n1,1\n", "a.csv").values) == 2
    uneven = decode_table(b"time_s,x\n0,1\n1,1\n3,1\n", "a.csv")
    assert (len(uneven.values), uneven.rate_hz) == (1, None)
    late = decode_table(b"time_s,x\n5.00,1\n5.01,1\n5.02,1\n", "a.csv")
    assert late.rate_hz == 100.0


def test_one_column_is_one_channel():
    assert decode_table(b"1\n2\n3\n", "a.csv").values.tolist() == [[1, 2, 3]]
    assert decode_table("\ufeff1\r\n2\r\n".encode(), "a.csv").values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.csv holds no numbers"),
        (b"# nothing\n\n", "a.csv holds no numbers"),
        (b"x,y\n", "a.csv holds no numbers"),
        (b"1,2\n3\n", "a.csv, line 2: 1 columns"),
        (b"1,2\n3,four\n", "a.csv, line 2: could not convert string to float: 'four'"),
        (b"1,5;2,5\n1,5;2,5\n", "line 1: could not convert string to float: '1,5'"),
        (b"1,2\n3,nan\n", r"a.csv holds nan at \[1, 1\], and 0 more"),
        (b"\xff\xfe1", "a.csv is no text in UTF-8"),
    ],
)
def test_tables_that_cannot_be_learned_from_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        decode_table(data, "a.csv")


def npy(array, **how):
    stream = io.BytesIO()
    np.save(stream, array, **how)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((7,), (1, 7)), ((3, 7), (3, 7)), ((4, 5, 6), (1, 4, 5, 6)), ((2, 4, 5, 6), (2, 4, 5, 6))],
)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "uint8", "bool"])
def test_arrays_have_their_channels_first(shape, expected, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    found = decode_array(npy(array), "a.npy").values
    assert found.shape == expected
    np.testing.assert_array_equal(found.reshape(shape), array.astype(np.float32))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.array([None]), allow_pickle=True), "a.npy cannot be read as an array"),
        (npy(np.zeros(9))[:-3], "a.npy cannot be read as an array"),
        (npy(np.zeros((1,) * 5)), "array of 5 dimensions"),
        (npy(np.zeros((0, 3))), "a.npy holds no numbers"),
        (npy(np.array(["x"])), "a.npy holds <U1"),
        (npy(np.array([1j])), "a.npy holds complex128"),
        (npy(np.array([1.0, np.inf])), r"a.npy holds inf at \[0, 1\]"),
        (b"PK\x03\x04", "a.npy cannot be read"),
    ],
)
def test_arrays_that_cannot_be_learned_from_are_refused(data, message):
    with pytest.raises(DataError, match=message):
        decode_array(data, "a.npy")


def test_more_numbers_than_memory_has_are_refused(monkeypatch):
    monkeypatch.setattr("manako.data.signals.signal.MOST_VALUES", 10)
    with pytest.raises(DataError, match="a holds 11 numbers"):
        as_values(np.zeros(11), "a")


TS = b"""# a remark
@problemName Walks
@timeStamps false
@classLabel true up down
@data
1,2,3:4,5,6:up
7,8:9,10:down
"""


def test_series_of_a_file_with_their_classes():
    found = decode_ts(TS, "a.ts")
    assert found.classes == ("up", "down")
    assert found.labels == ("up", "down")
    assert [one.tolist() for one in found.values] == [[[1, 2, 3], [4, 5, 6]], [[7, 8], [9, 10]]]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"up down", b"up", "class 'down' is not in its head"),
        (b"@timeStamps false", b"@timeStamps true", "has time stamps"),
        (b"1,2,3:4,5,6:up\n7,8:9,10:down\n", b"", "holds no series"),
        (b"7,8:9,10", b"7,8:9", "line 7: channels of 2, 1 values"),
        (b"7,8", b"7,?", "line 7: could not convert string to float"),
        (b"7,8", b"7,nan", "line 7 holds nan"),
    ],
)
def test_series_that_cannot_be_learned_from_are_refused(old, new, message):
    assert old in TS
    with pytest.raises(DataError, match=message):
        decode_ts(TS.replace(old, new), "a.ts")


def test_series_without_classes_can_be_answered():
    plain = TS.replace(b"@classLabel true up down", b"@classLabel false")
    plain = plain.replace(b":up", b"").replace(b":down", b"")
    series = decode_ts(plain, "a.ts")
    assert (series.labels, series.classes) == (("", ""), ())
    assert series.values[1].tolist() == [[7, 8], [9, 10]]


def test_a_single_number_is_no_signal():
    with pytest.raises(DataError, match="holds a single number"):
        as_values(np.array(3.0), "a.npy")


def nifti(voxels, affine=None, **head):
    image = nibabel.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    for key, value in head.items():
        image.header[key] = value
    return image.to_bytes()


@pytest.mark.parametrize("packed", [False, True])
def test_volumes_come_with_their_slices_first(packed):
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    data = gzip.compress(nifti(voxels)) if packed else nifti(voxels)
    found = decode_nifti(data, "a.nii.gz").values
    assert found.shape == (1, 4, 3, 2)
    np.testing.assert_array_equal(found[0], voxels.transpose(2, 1, 0))


def test_volumes_of_all_orientations_lie_alike():
    voxels = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    straight = nibabel.Nifti1Image(voxels, np.diag([2.0, 1.0, 3.0, 1.0]))
    turned = straight.as_reoriented(nibabel.orientations.axcodes2ornt(("P", "S", "L")).astype(int))
    assert turned.shape != straight.shape
    expected = decode_nifti(straight.to_bytes(), "a.nii").values
    np.testing.assert_array_equal(decode_nifti(turned.to_bytes(), "a.nii").values, expected)


def test_volumes_in_the_values_that_are_meant_and_over_time():
    voxels = np.ones((2, 3, 4, 5), np.uint8)
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    image.header.set_slope_inter(0.5, 3)
    found = decode_nifti(image.to_bytes(), "a.nii").values
    assert found.shape == (5, 4, 3, 2)
    values = np.linspace(-7, 9, 24).reshape(2, 3, 4)
    whole = nibabel.Nifti1Image(values, np.eye(4), dtype=np.int16)  # with a slope of its own
    assert whole.get_data_dtype() == np.int16
    found = decode_nifti(whole.to_bytes(), "a.nii").values[0]
    np.testing.assert_allclose(found, values.transpose(2, 1, 0), atol=1e-3)


@pytest.mark.parametrize("cut", [0, 10, 347, 360])
def test_volumes_that_are_damaged_are_refused(cut):
    whole = nifti(np.zeros((4, 4, 4), np.int16))
    for data in (whole[:cut], gzip.compress(whole)[: cut // 8 + 4]):
        with pytest.raises(DataError, match=r"a\.nii\.gz cannot be read as a NIfTI volume"):
            decode_nifti(data, "a.nii.gz")


def test_volumes_that_unpack_to_more_than_is_read_are_refused(monkeypatch):
    packed = gzip.compress(nifti(np.zeros((4, 4, 4), np.int16)))
    monkeypatch.setattr("manako.data.signals.volumes._MOST_BYTES", 400)
    with pytest.raises(DataError, match=r"a\.nii\.gz unpacks to more than 400 bytes"):
        decode_nifti(packed, "a.nii.gz")


def test_without_nibabel_its_extra_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ResourceError, match=r'pip install "manako\[volumes\]"'):
        decode_nifti(b"", "a.nii")
    assert "nibabel" in sys.modules  # only looked for, in this test
