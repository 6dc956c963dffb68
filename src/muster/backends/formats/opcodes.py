"""What a pickle would build, without building it: a pickle machine whose every value is inert.

Each opcode moves placeholders on a stack as `pickletools` documents it; no class is imported, nothing called.
joblib's files are pickles in which an array's raw bytes follow each `NumpyArrayWrapper`: those it skips.
Work is bounded: after MAX_OPCODES or MAX_READ bytes the machine stops, and what it saw so far is the answer.
"""

from __future__ import annotations

import io
import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

MAX_OPCODES = 2_000_000  # some four seconds
MAX_READ = 256 << 20  # bytes; skipping within a file on disk is free
MAX_NAMES = 10_000  # classes and functions
MAX_DIMENSIONS = 64  # of an array
MAX_ARGUMENT = 4 << 10  # bytes of one argument; longer ones become placeholders
WRAPPER = "joblib.numpy_pickle.NumpyArrayWrapper"
_CODES = {ord(op.code): op for op in pickletools.opcodes}
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_MARK = object()
_OPAQUE = object()


class Malformed(Exception):
    """The bytes are not a pickle: an unknown opcode, an early end, or too little on the stack."""


class Enough(Exception):
    """The budget is spent."""


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function the pickle would import."""

    path: str


@dataclass(slots=True)
class Instance:
    """What calling `of` would give: the arguments, and the state set afterwards."""

    of: str
    arguments: Any = None
    state: Any = None


@dataclass(frozen=True, slots=True)
class Pickle:
    """What was seen: the outermost value, all that would be imported, and whether the end was reached."""

    root: Any
    protocol: int
    names: frozenset[str]
    complete: bool


class Source:
    """The bytes and opcodes of a pickle, within the budget."""

    def __init__(self, file: BinaryIO, *, on_disk: bool) -> None:
        self._file, self._on_disk = file, on_disk
        self._bytes, self._opcodes = MAX_READ, MAX_OPCODES

    def opcode(self) -> pickletools.OpcodeInfo:
        """Return the next opcode."""
        self._opcodes -= 1
        if self._opcodes < 0:
            raise Enough
        op = _CODES.get(self.read(1)[0])
        if op is None:
            raise Malformed("it has an unknown opcode")
        return op

    def argument(self, op: pickletools.OpcodeInfo) -> Any:
        """Return op's argument as `pickletools` decodes it; of a long one, skipped, a placeholder."""
        if op.arg is None:
            return _CONSTANTS.get(op.name, _OPAQUE)
        prefix = self.read(_LENGTHS.get(op.arg.n, 0))
        if not prefix:
            raw = self._lines(op) if op.arg.n == pickletools.UP_TO_NEWLINE else self.read(op.arg.n)
        else:
            length = int.from_bytes(prefix, "little")
            if length > MAX_ARGUMENT:
                self.skip(length)
                return _OPAQUE
            raw = prefix + self.read(length)
        try:
            return op.arg.reader(io.BytesIO(raw))
        except (ValueError, OverflowError) as error:
            raise Malformed(str(error)) from error

    def _lines(self, op: pickletools.OpcodeInfo) -> bytes:
        lines = 2 if op.name in ("GLOBAL", "INST") else 1
        return b"".join(self._line() for _ in range(lines))

    def _line(self) -> bytes:
        line = self._file.readline(MAX_ARGUMENT)
        self._spend(len(line))
        if not line.endswith(b"\n"):
            raise Malformed("a line in it does not end")
        return line

    def read(self, size: int) -> bytes:
        """Return exactly size bytes."""
        self._spend(size)
        data = self._file.read(size)
        if len(data) != size:
            raise Malformed("it ends too early")
        return data

    def skip(self, size: int) -> None:
        """Pass over size bytes, all of which must be there."""
        if self._on_disk:
            target = self._file.tell() + size
            if target > self._file.seek(0, io.SEEK_END):
                raise Malformed("it ends too early")
            self._file.seek(target)
            return
        while size > 0:
            size -= len(self.read(min(size, 1 << 16)))

    def _spend(self, amount: int) -> None:
        self._bytes -= amount
        if self._bytes < 0:
            raise Enough


class Machine:
    """Runs one pickle, collecting in `names` what it would import; the stack begins with the outermost."""

    def __init__(self, source: Source, names: set[str], *, joblib: bool) -> None:
        self.source, self.names, self.joblib = source, names, joblib
        self.protocol = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the outermost value; Malformed or Enough if it does not come to that."""
        while True:
            op = self.source.opcode()
            argument = self.source.argument(op)
            if op.name == "STOP":
                return self.pop()
            if rule := _RULES.get(op.name):
                rule(self, argument)
            else:
                self._by_the_book(op, argument)

    def pop(self) -> Any:
        """Take the top of the stack."""
        if not self.stack:
            raise Malformed("it takes more from its stack than is there")
        return self.stack.pop()

    def top(self) -> Any:
        """Return the top of the stack, which stays."""
        self.stack.append(value := self.pop())
        return value

    def pop_to_mark(self) -> list[Any]:
        """Take all that was put on the stack since the last mark, oldest first."""
        items = []
        while (value := self.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def name(self, path: str) -> Name:
        """Return the class or function at path, and remember that it was asked for."""
        if len(self.names) >= MAX_NAMES:
            raise Enough
        self.names.add(path)
        return Name(path)

    def _by_the_book(self, op: pickletools.OpcodeInfo, argument: Any) -> None:
        """Do to the stack what pickletools says op does, with placeholders for what op would make."""
        takes = op.stack_before
        if pickletools.markobject in takes:
            self.pop_to_mark()
            takes = takes[: takes.index(pickletools.markobject)]
        for _ in takes:
            self.pop()
        made = _OPAQUE if takes or op.name in _ELSEWHERE else argument
        self.stack.extend(made for _ in op.stack_after)


def _global(machine: Machine, argument: Any) -> None:
    machine.stack.append(machine.name(".".join(argument.split(" "))))


def _stack_global(machine: Machine, _: Any) -> None:
    name, module = machine.pop(), machine.pop()
    known = isinstance(name, str) and isinstance(module, str)
    machine.stack.append(machine.name(f"{module}.{name}" if known else "?"))


def _instance(cls: Any, arguments: Any) -> Any:
    """Return what calling cls would give, seeing through the calls by which copyreg makes instances."""
    if not isinstance(cls, Name):
        return _OPAQUE
    if (
        cls.path in _BY_COPYREG
        and isinstance(arguments, tuple)
        and arguments
        and isinstance(arguments[0], Name)
    ):
        return Instance(arguments[0].path, arguments[1:])
    return Instance(cls.path, arguments)


def _reduce(machine: Machine, _: Any) -> None:
    arguments, cls = machine.pop(), machine.pop()
    machine.stack.append(_instance(cls, arguments))


def _newobj_ex(machine: Machine, _: Any) -> None:
    machine.pop()
    _reduce(machine, _)


def _obj(machine: Machine, _: Any) -> None:
    cls, *arguments = machine.pop_to_mark() or [_OPAQUE]
    machine.stack.append(_instance(cls, tuple(arguments)))


def _inst(machine: Machine, argument: Any) -> None:
    arguments = tuple(machine.pop_to_mark())
    machine.stack.append(_instance(machine.name(".".join(argument.split(" "))), arguments))


def _build(machine: Machine, _: Any) -> None:
    state, made = machine.pop(), machine.top()
    if isinstance(made, Instance):
        made.state = state
        if machine.joblib and made.of == WRAPPER:
            _skip_array(machine, state if isinstance(state, dict) else {})


def _skip_array(machine: Machine, wrapper: dict[str, Any]) -> None:
    """Pass over the array behind its wrapper, laid out as in joblib/numpy_pickle.py."""
    dtype, shape = wrapper.get("dtype"), wrapper.get("shape")
    size = _item_size(dtype) if isinstance(dtype, Instance) else None
    if size is None or not _is_shape(shape):
        raise Enough
    if size == _OBJECTS:
        Machine(machine.source, machine.names, joblib=False).run()
        return
    if wrapper.get("numpy_array_alignment_bytes") is not None:
        machine.source.skip(machine.source.read(1)[0])
    machine.source.skip(math.prod(shape or ()) * size)


def _is_shape(value: Any) -> bool:
    """Tell whether value could be an array's shape: a few numbers, none of them too large for a file."""
    return (
        isinstance(value, tuple)
        and len(value) <= MAX_DIMENSIONS
        and all(isinstance(n, int) and 0 <= n < 1 << 63 for n in value)
    )


def _item_size(dtype: Instance) -> int | None:
    """Return the bytes of one item of a pickled numpy.dtype, _OBJECTS for Python's own, None if unknown."""
    code = dtype.arguments[0] if isinstance(dtype.arguments, tuple) and dtype.arguments else None
    match = re.fullmatch(r"([a-zA-Z])([0-9]{1,9})", code) if isinstance(code, str) else None
    if match is None or dtype.of != "numpy.dtype":
        return None
    flags = dtype.state[-1] if isinstance(dtype.state, tuple) and len(dtype.state) >= 8 else 0
    if match[1] == "O" or (isinstance(flags, int) and match[1] == "V" and flags & 1):
        return _OBJECTS
    return int(match[2]) * (4 if match[1] == "U" else 1)


def _set(made: Any, items: list[Any]) -> None:
    if isinstance(made, dict):
        made.update((k, v) for k, v in zip(items[::2], items[1::2], strict=False) if isinstance(k, str))


def _dict(machine: Machine, _: Any) -> None:
    made: dict[str, Any] = {}
    _set(made, machine.pop_to_mark())
    machine.stack.append(made)


def _setitem(machine: Machine, _: Any) -> None:
    value, key = machine.pop(), machine.pop()
    _set(machine.top(), [key, value])


def _setitems(machine: Machine, _: Any) -> None:
    items = machine.pop_to_mark()
    _set(machine.top(), items)


def _append(machine: Machine, _: Any) -> None:
    machine.pop()
    machine.top()


def _appends(machine: Machine, _: Any) -> None:
    machine.pop_to_mark()
    machine.top()


def _tuple(length: int) -> Rule:
    def rule(machine: Machine, _: Any) -> None:
        machine.stack.append(tuple([machine.pop() for _ in range(length)][::-1]))

    return rule


def _put(machine: Machine, argument: Any) -> None:
    machine.memo[argument] = machine.top()


def _memoize(machine: Machine, _: Any) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _get(machine: Machine, argument: Any) -> None:
    if argument not in machine.memo:
        raise Malformed("it refers to a value that is not there")
    machine.stack.append(machine.memo[argument])


def _proto(machine: Machine, argument: Any) -> None:
    machine.protocol = argument


Rule = Callable[[Machine, Any], None]
_OBJECTS = -1
_ELSEWHERE = frozenset(["PERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER"])  # their value is not in the pickle
_BY_COPYREG = frozenset(
    f"{module}.{name}" for module in ("copyreg", "copy_reg") for name in ("_reconstructor", "__newobj__")
)
_RULES: dict[str, Rule] = {
    "PROTO": _proto,
    "MARK": lambda machine, _: machine.stack.append(_MARK),
    "DUP": lambda machine, _: machine.stack.append(machine.top()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _newobj_ex,
    "OBJ": _obj,
    "INST": _inst,
    "BUILD": _build,
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "DICT": _dict,
    "SETITEM": _setitem,
    "SETITEMS": _setitems,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "EMPTY_TUPLE": _tuple(0),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.pop_to_mark())),
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
}


def begins_pickle(data: bytes) -> bool:
    """Tell whether data begins as pickles of protocol 2 and later do."""
    return len(data) > 2 and data[0] == 0x80 and 2 <= data[1] <= 5 and data[2] in _CODES


def look(file: BinaryIO, *, on_disk: bool, joblib: bool) -> Pickle:
    """Return what the pickle in file would build; Malformed if it is none."""
    names: set[str] = set()
    machine = Machine(Source(file, on_disk=on_disk), names, joblib=joblib)
    try:
        root, complete = machine.run(), True
    except Enough:
        root, complete = (machine.stack[0] if machine.stack else None), False
    return Pickle(root, machine.protocol, frozenset(names), complete)
