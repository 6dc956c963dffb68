"""Files nobody should trust: each is refused with its name, or described, and nothing in it runs."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.backends.formats import describe, load
from muster.core.errors import Invalid, MusterError
from support.model_files import FILES, MLMODEL, contents, write_mlflow


@pytest.mark.parametrize("name", [name for name in FILES if name != "model.pt"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_truncated_file_is_invalid(name: str, part: float, tmp_path: Path) -> None:
    data = contents(name)
    path = tmp_path / name
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(Invalid, match=rf"{path.name}|{tmp_path}"):
        describe(path, FILES[name][0])


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "model.skops", "model.onnx", "model.safetensors"]
)
def test_an_empty_file_with_a_model_s_suffix_is_invalid_and_not_just_a_file(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(Invalid, match=name) as caught:
        describe(tmp_path / name)
    assert "name the format" in caught.value.hint
    assert describe(tmp_path / name, "file").format == "file"


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.sentinel}'",)


def torch_of(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("net/data.pkl", data)
    return file.getvalue()


@pytest.mark.parametrize("wrap", [bytes, zlib.compress, gzip.compress, bz2.compress, lzma.compress, torch_of])
def test_describing_a_pickle_runs_nothing_and_shows_what_it_would_run(
    wrap: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    sentinel = tmp_path / "ran"
    data = pickle.dumps(Attack(sentinel))
    (tmp_path / "model").write_bytes(wrap(data))
    described = describe(tmp_path / "model")
    assert described.extra["imports"] == [f"{os.system.__module__}.system"]
    with pytest.raises(MusterError):
        load(described.format, tmp_path / "model")
    assert not sentinel.exists()
    pickle.loads(data)
    assert sentinel.exists()


def repeated(count: int) -> bytes:
    """A pickle that lists one short string count times over."""
    return b"\x80\x04](" + b"\x8c\x01a" * count + b"e."


BOMBS = {
    "many opcodes": repeated(3_000_000),
    "many names": b"\x80\x04" + b"".join(b"cmodule\nname%d\n0" % n for n in range(20_000)) + b"N.",
}


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
@pytest.mark.slow
def test_a_pickle_that_goes_on_and_on_is_read_in_part(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(data)
    assert describe(tmp_path / "model.pkl").extra["partly_read"] is True


@pytest.mark.slow
@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, lzma.compress])
def test_a_compressed_pickle_is_not_unpacked_to_its_end(
    pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    size = 400 << 20
    (tmp_path / "model.joblib").write_bytes(
        pack(b"\x80\x04\x8e" + struct.pack("<Q", size) + bytes(size) + b".")
    )
    tracemalloc.start()
    assert describe(tmp_path / "model.joblib").extra["partly_read"] is True
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def zip_of(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return file.getvalue()


def zip_with_directory_of(size: int) -> bytes:
    """A skops file whose directory says that it is size bytes long."""
    data = bytearray(contents("model.skops"))
    struct.pack_into("<I", data, data.rindex(b"PK\5\6") + 12, size)
    return bytes(data)


def safetensors_of(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(begin: int, end: int, dtype: Any = "U8", shape: Any = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [end - begin] if shape is None else shape, "data_offsets": [begin, end]}


def field(number: int, data: bytes) -> bytes:
    """A length-delimited field of a protocol buffer."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def onnx_of(*graph: bytes) -> bytes:
    return b"\x08\x09" + field(8, b"\x10\x12") + field(7, b"".join(graph))


OUTPUT = field(12, field(1, b"y") + field(2, field(1, b"\x08\x01" + field(2, b""))))


def nested_type(depth: int) -> bytes:
    kind = field(1, b"\x08\x01")
    for _ in range(depth):
        kind = field(4, field(1, kind))
    return field(12, field(1, b"y") + field(2, kind))


def external(location: str) -> bytes:
    return field(5, field(8, b"w") + field(13, field(1, b"location") + field(2, location.encode())))


HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "safetensors: overlapping": (
        "m.safetensors", safetensors_of({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "overlap",
    ),
    "safetensors: a gap": (
        "m.safetensors", safetensors_of({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)), "gap",
    ),
    "safetensors: end before begin": (
        "m.safetensors", safetensors_of({"a": tensor(4, 0, "F9", [1])}, bytes(4)), "overlap",
    ),
    "safetensors: beyond the end": (
        "m.safetensors", safetensors_of({"a": tensor(0, 99)}, bytes(4)), "take 99",
    ),
    "safetensors: bytes left over": (
        "m.safetensors", safetensors_of({"a": tensor(0, 4)}, bytes(9)), "file has 9",
    ),
    "safetensors: size against shape": (
        "m.safetensors", safetensors_of({"a": tensor(0, 4, "F32", [2])}, bytes(4)), "another size",
    ),
    "safetensors: huge header": (
        "m.safetensors", safetensors_of(b"{}", length=2**63), "too long for the file",
    ),
    "safetensors: huge shape": (
        "m.safetensors", safetensors_of({"a": tensor(0, 4, "F9", [2**62, 2**62])}, bytes(4)), "64 bits",
    ),
    "safetensors: no number": (
        "m.safetensors", safetensors_of({"a": tensor(0, 4, "U8", [True])}, bytes(4)), "sound",
    ),
    "safetensors: no tensor": ("m.safetensors", safetensors_of({"a": [1]}), "tensor 'a' is not a mapping"),
    "safetensors: metadata of numbers": (
        "m.safetensors", safetensors_of({"__metadata__": {"a": 1}}), "strings",
    ),
    "safetensors: a name twice": ("m.safetensors", safetensors_of(b'{"a": {}, "a": {}}'), "twice"),
    "safetensors: nesting": ("m.safetensors", safetensors_of(b'{"a":' + b"[" * 100_000), "not sound JSON"),
    "safetensors: not UTF-8": ("m.safetensors", safetensors_of(b'{"\xff": 1}'), "not UTF-8"),
    "safetensors: half a character": (
        "m.safetensors", safetensors_of({"__metadata__": {"a": "\ud800"}}), "metadata.a is not text",
    ),
    "onnx: nested types": ("m.onnx", onnx_of(nested_type(1000)), "nested too deep"),
    "onnx: a tensor larger than the file": (
        "m.onnx", onnx_of(b"\x2a\xff\xff\xff\xff\x0f", OUTPUT), "larger than",
    ),
    "onnx: a number without end": ("m.onnx", onnx_of(b"\x08" + b"\xff" * 20), "does not end"),
    "onnx: a group": ("m.onnx", onnx_of(b"\x0b\x0c", OUTPUT), "wire type 3"),
    "onnx: no output": ("m.onnx", onnx_of(), "no output"),
    "onnx: weights above the model": ("m.onnx", onnx_of(external("../w"), OUTPUT), "not a path inside"),
    "onnx: weights anywhere": ("m.onnx", onnx_of(external("/etc/passwd"), OUTPUT), "not a path inside"),
    "onnx: weights on a drive": ("m.onnx", onnx_of(external("C:\\w"), OUTPUT), "not a path inside"),
    "skops: a zip bomb": ("m.skops", zip_of(schema__json=bytes(40 << 20)), "unpacks to more than"),
    "skops: a huge directory": ("m.skops", zip_with_directory_of(2**31), "larger than any model needs"),
    "skops: nesting": ("m.skops", zip_of(schema__json=b"[" * 100_000), "not sound JSON"),
    "skops: many lists": ("m.skops", zip_of(schema__json=b"[" + b"[]," * 3_000_000), "lists and mappings"),
    "skops: no type": ("m.skops", zip_of(schema__json=b"{}"), "what type of object"),
    "skops: not a mapping": ("m.skops", zip_of(schema__json=b"[]"), "not a mapping"),
    "keras: not JSON": (
        "m.keras",
        zip_of(metadata__json=b"x", config__json=b"{}", **{"model.weights__h5": b""}),
        "metadata.json is not sound JSON",
    ),
    "gguf: many keys": ("m.gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "ends too early"),
    "gguf: a long array": (
        "m.gguf", b"GGUF" + struct.pack("<IQQQIIQ", 3, 0, 1, 0, 9, 8, 2**63) + bytes(64), "ends too early",
    ),
    "gguf: an array of arrays": (
        "m.gguf", b"GGUF" + struct.pack("<IQQQIIQ", 3, 0, 1, 0, 9, 9, 1) + bytes(64), "unknown type 9",
    ),
    "gguf: a huge tensor": (
        "m.gguf",
        b"GGUF" + struct.pack("<IQQQIQQIQ", 3, 1, 0, 0, 2, 2**63, 2**63, 0, 0) + bytes(64),
        "beyond",
    ),
    "pickle: a huge string": ("m.pkl", b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"a.", "ends too early"),
    "pickle: an empty stack": ("m.pkl", b"\x80\x040.", "more from its stack"),
    "pickle: no such memo": ("m.pkl", b"\x80\x04h\x07.", "refers to a value"),
    "pickle: no opcode": ("m.pkl", b"\x80\x04N\xff.", "unknown opcode"),
    "pickle: an endless line": ("m.pkl", b"\x80\x02c" + b"a" * 100_000, "does not end"),
    "joblib: a huge window": ("m.joblib", b"\x5d\0\0\0\xff" + b"\xff" * 8 + bytes(64), "not a sound pickle"),
    "xgboost: cut": ("m.json", contents("model.json")[:-5], "does not end as an XGBoost"),
    "a pointer of Git LFS": (
        "m.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "data", "words"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_invalid_with_its_name(name: str, data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(Invalid, match=words) as caught:
        describe(path)
    assert name in str(caught.value)


def nested(depth: int) -> str:
    return "flavors: " + "[" * depth + "]" * depth


ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
FLAVOR = "flavors: {sklearn: {}}\n"
HOSTILE_MLMODELS: dict[str, tuple[str | bytes, str]] = {
    "an alias bomb": (ALIASES + FLAVOR, "too many values"),
    "a merge bomb": (MERGES + FLAVOR, "merge key"),
    "a loop": ("flavors: &a {sklearn: *a}", "nested too deep"),
    "nesting": (nested(100_000), "nested too deep"),
    "Python": ("flavors: !!python/object/apply:os.system ['touch x']", "not sound YAML"),
    "NaN in the metrics": (FLAVOR + "metrics: {rmse: .nan}", "metrics.rmse is not a finite number"),
    "an infinity": (FLAVOR + "metadata: {rmse: -.inf}", "metadata.rmse is not a finite number"),
    "NaN in the signature": (FLAVOR + "signature: {inputs: '[{\"type\": NaN}]'}", "finite number"),
    "a number of 2000 digits": (FLAVOR + "metadata: {n: 1" + "0" * 2000 + "}", "64 bits"),
    "a number of 9000 digits": (FLAVOR + "metadata: {n: 1" + "0" * 9000 + "}", "not sound YAML"),
    "a date that is none": (FLAVOR + "metadata: {day: 2026-99-99}", "not sound YAML"),
    "a binary value": (FLAVOR + "metadata: {key: !!binary aGk=}", "metadata.key is not text"),
    "a list as a key": (FLAVOR + "? [a]\n: 1", "sound YAML|no short string"),
    "not UTF-8": (b"flavors: \xff", "not UTF-8"),
    "control characters": ("flavors: \x00", "not sound YAML"),
    "two documents": ("---\na: 1\n---\nb: 1\n", "not sound YAML"),
    "nothing": ("", "names no flavor"),
    "a list": ("- a", "not a mapping"),
    "flavors that are a list": ("flavors: [sklearn]", "flavors is not a mapping"),
    "a signature that is text": (FLAVOR + "signature: none", "signature is not a mapping"),
    "columns that are a mapping": (FLAVOR + "signature: {inputs: '{}'}", "list of columns"),
    "columns that are no text": (FLAVOR + "signature: {inputs: [a]}", "inputs is not a string"),
    "columns that are no JSON": (FLAVOR + "signature: {inputs: '['}", "not sound JSON"),
    "a run that is a number": (FLAVOR + "run_id: 12", "run_id is not a string"),
    "an example above": (FLAVOR + "saved_input_example_info: {artifact_path: ../../x}", "not a path inside"),
    "an example anywhere": (
        FLAVOR + "saved_input_example_info: {artifact_path: /etc/passwd}",
        "not a path inside",
    ),
    "2 MiB": (FLAVOR + "# " + "x" * (2 << 20), "larger than"),
}


@pytest.mark.parametrize(("text", "words"), HOSTILE_MLMODELS.values(), ids=HOSTILE_MLMODELS)
def test_a_hostile_mlmodel_is_invalid_with_its_name(text: str | bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        describe(write_mlflow(tmp_path / "model", text))
    assert "MLmodel" in str(caught.value)


def test_a_directory_of_git_lfs_pointers_is_invalid(tmp_path: Path) -> None:
    directory = write_mlflow(tmp_path / "model")
    (directory / "model.pkl").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(Invalid, match=r"model\.pkl is a pointer of Git LFS"):
        describe(directory)


def test_a_link_in_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("password==1\n")
    (tmp_path / "real.onnx").write_bytes(contents("model.onnx"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "requirements.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "model" / "README.md").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "model" / "model.onnx").symlink_to(tmp_path / "real.onnx")
    described = describe(tmp_path / "model")
    assert (described.format, described.requirements, described.model_card) == ("directory", (), None)


def test_a_pipe_or_device_is_invalid_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.onnx")
    for path in (tmp_path / "model.onnx", Path("/dev/zero")):
        with pytest.raises(Invalid, match="this is neither"):
            describe(path)
    assert describe(tmp_path).format == "directory"


def test_a_pickle_beside_a_safe_model_is_not_hidden_by_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(contents("model.safetensors"))
    (tmp_path / "notes.txt").write_bytes(contents("model.pkl"))
    assert describe(tmp_path).format == "directory"


def test_a_pickle_with_another_format_s_suffix_is_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(contents("model.pkl"))
    assert describe(tmp_path / "model.safetensors").format == "pickle"
    with pytest.raises(Invalid, match="looks like pickle"):
        load("onnx", tmp_path / "model.safetensors")


def test_a_model_of_four_gigabytes_is_described_in_little_memory(tmp_path: Path) -> None:
    size = 4 << 30
    weight = field(8, b"w") + b"\x4a" + varint(size)
    graph = OUTPUT + b"\x2a" + varint(len(weight) + size) + weight
    head = b"\x08\x09" + field(8, b"\x10\x12") + b"\x3a" + varint(len(graph) + size) + graph
    (tmp_path / "m.onnx").write_bytes(head)
    os.truncate(tmp_path / "m.onnx", len(head) + size)
    (tmp_path / "m.safetensors").write_bytes(header := safetensors_of({"w": tensor(0, size)}))
    os.truncate(tmp_path / "m.safetensors", len(header) + size)
    (tmp_path / "m.pkl").write_bytes(begin := b"\x80\x04\x8e" + struct.pack("<Q", size - 1))
    os.truncate(tmp_path / "m.pkl", len(begin) + size - 1)
    with (tmp_path / "m.pkl").open("ab") as file:
        file.write(b".")
    tracemalloc.start()
    assert describe(tmp_path / "m.onnx").signature is not None
    assert describe(tmp_path / "m.safetensors").extra["parameters"] == size
    assert "partly_read" not in describe(tmp_path / "m.pkl", "pickle").extra
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def only_muster_errors(path: Path) -> None:
    """Describe path in every way there is; an error of any other class fails the test."""
    for format in (None, *sorted({format for format, _ in FILES.values()})):
        try:
            describe(path, format)
        except MusterError as error:
            assert str(error)


BEGINNINGS = [
    b"",
    b"\x80\x04",
    b"\x78\x9c",
    b"\x1f\x8b",
    b"BZh9",
    b"PK\3\4",
    b"GGUF\3\0\0\0",
    b"\x08\x09",
    b"tree\n",
]
SHARED = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150
)


@SHARED
@given(begin=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=400), suffix=st.sampled_from([*FILES, "m"]))
def test_random_bytes_raise_nothing_but_muster_s_errors(
    begin: bytes, rest: bytes, suffix: str, tmp_path: Path
) -> None:
    (tmp_path / suffix).write_bytes(begin + rest)
    only_muster_errors(tmp_path / suffix)
    (tmp_path / suffix).unlink()


@SHARED
@given(
    name=st.sampled_from(list(FILES)),
    flips=st.lists(st.tuples(st.floats(0, 0.999), st.integers(1, 255)), max_size=6),
)
def test_real_files_with_flipped_bits_raise_nothing_but_muster_s_errors(
    name: str, flips: list[tuple[float, int]], tmp_path: Path
) -> None:
    data = bytearray(contents(name))
    for where, mask in flips:
        data[int(where * len(data))] ^= mask
    (tmp_path / name).write_bytes(data)
    only_muster_errors(tmp_path / name)


@SHARED
@given(text=st.one_of(st.text(max_size=300), st.binary(max_size=300)), at=st.floats(0, 1))
def test_a_random_mlmodel_raises_nothing_but_muster_s_errors(
    text: str | bytes, at: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    middle = int(len(MLMODEL) * at)
    noise = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    directory = tmp_path_factory.mktemp("mlmodel")
    (directory / "MLmodel").write_bytes(MLMODEL[:middle].encode() + noise + MLMODEL[middle:].encode())
    only_muster_errors(directory)
