"""The typed channel between a judge and a player: messages of JSON values and tensors, and nothing that runs code.

A message is an 8-byte length, a JSON header of that many bytes, and the raw bytes of its tensors one after the other.
"""

import json
import math
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

MAX_HEADER = 16 << 20  # bytes; the curves and matrices of a run are far below
MAX_TENSORS = 1_000_000
MAX_BYTES = 32 << 30  # of the tensors of one message
MAX_DEPTH = 40  # of values inside of values
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
_LENGTH = struct.Struct("<Q")


class ChannelError(Exception):
    """The other side left, or what it sent is no message."""


@dataclass(frozen=True)
class Message:
    """What was sent: its kind, and its values by name, tensors among them."""

    kind: str
    values: dict[str, Any]


class Channel:
    """One end of a connected socket. A tensor that stands in several places of a message is sent once, and is one
    tensor on the other side, too: tasks that look at one input still do.

    `max_bytes` bounds the tensors of a message that comes."""

    def __init__(self, connection: socket.socket, max_bytes: int = MAX_BYTES) -> None:
        self.connection, self.max_bytes = connection, max_bytes

    def send(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Send a message. Raises ValueError for a value of another type, ChannelError where nobody listens."""
        tensors: dict[int, tuple[int, Tensor]] = {}
        tree = _encode(dict(values or {}), tensors)
        parts = [_as_bytes(tensor) for _, tensor in tensors.values()]
        header = json.dumps({"kind": kind, "tree": tree, "tensors": [layout for layout, _ in parts]}).encode()
        try:
            self.connection.sendall(_LENGTH.pack(len(header)) + header)
            for _, data in parts:
                self.connection.sendall(data)
        except OSError as error:
            raise ChannelError("the other side left") from error

    def receive(self) -> Message:
        """The next message. Raises ChannelError where there is none, or it is malformed or too large."""
        (length,) = _LENGTH.unpack(bytes(self._read(bytearray(_LENGTH.size))))
        if length > MAX_HEADER:
            raise ChannelError(f"a header should have at most {MAX_HEADER:,} bytes, found {length:,}")
        try:
            header = json.loads(bytes(self._read(bytearray(length))), parse_constant=_refuse_constant)
            tensors = self._receive_tensors(header["tensors"])
            kind, values = header["kind"], _decode(header["tree"], tensors)
        except (ValueError, TypeError, LookupError, AttributeError, RuntimeError, MemoryError) as error:
            raise ChannelError(f"a message is malformed ({type(error).__name__})") from error
        if not isinstance(kind, str) or not isinstance(values, dict):
            raise ChannelError("a message is malformed")
        return Message(kind, values)

    def close(self) -> None:
        """Leave."""
        self.connection.close()

    def _receive_tensors(self, layouts: list[Any]) -> list[Tensor]:
        if len(layouts) > MAX_TENSORS:
            raise ValueError("too many tensors")
        shapes = [(DTYPES[name], [_natural(n) for n in shape], bool(last)) for name, shape, last in layouts]
        total = sum(dtype.itemsize * math.prod(shape) for dtype, shape, _ in shapes)
        if total > self.max_bytes:
            raise ChannelError(f"a message should have at most {self.max_bytes:,} bytes of tensors, found {total:,}")
        tensors = []
        for dtype, shape, last in shapes:
            tensor = torch.empty(shape, dtype=dtype)
            if tensor.numel():
                self._read(_view_of_bytes(tensor))
            tensors.append(tensor.permute(0, 3, 1, 2) if last else tensor)
        return tensors

    def _read(self, target: Any) -> Any:
        view, done = memoryview(target), 0
        while done < len(view):
            try:
                count = self.connection.recv_into(view[done:])
            except OSError as error:
                raise ChannelError("the other side left") from error
            if not count:
                raise ChannelError("the other side left")
            done += count
        return target


def _encode(value: Any, tensors: dict[int, tuple[int, Tensor]], depth: int = 0) -> Any:
    """A tree as JSON in which tensors are numbered; `tensors` collects them: identity -> number, tensor."""
    if depth > MAX_DEPTH:
        raise ValueError(f"What a method keeps should be at most {MAX_DEPTH} levels deep. Found more.")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, Tensor):
        number, _ = tensors.setdefault(id(value), (len(tensors), value))
        return {"tensor": number}
    if isinstance(value, (list, tuple)):
        return {"list" if isinstance(value, list) else "tuple": [_encode(item, tensors, depth + 1) for item in value]}
    if isinstance(value, Mapping):
        return {"map": [[_encode(part, tensors, depth + 1) for part in pair] for pair in value.items()]}
    raise ValueError(
        f"What a method keeps should be numbers, texts, tensors, and lists, tuples and dictionaries of them. Found "
        f"{type(value).__name__}."
    )


def _decode(node: Any, tensors: list[Tensor], depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if not isinstance(node, dict):
        return node
    [(kind, content)] = node.items()
    if kind == "tensor":
        return tensors[_natural(content)]
    if kind == "float":
        return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[content]
    if kind == "map":
        return {_decode(key, tensors, depth + 1): _decode(item, tensors, depth + 1) for key, item in content}
    items = [_decode(item, tensors, depth + 1) for item in content]
    return {"list": items, "tuple": tuple(items)}[kind]


def _as_bytes(tensor: Tensor) -> tuple[list[Any], memoryview]:
    """[dtype, shape as it lies in memory, whether channels are last], and the bytes."""
    if tensor.layout is not torch.strided:
        raise ValueError("A tensor should be dense. Found a sparse one.")
    tensor = tensor.detach().cpu()
    last = tensor.dim() == 4 and not tensor.is_contiguous()
    last = last and tensor.is_contiguous(memory_format=torch.channels_last)
    plain = (tensor.permute(0, 2, 3, 1) if last else tensor).contiguous()
    layout = [str(plain.dtype).removeprefix("torch."), list(plain.shape), last]
    if layout[0] not in DTYPES:
        raise ValueError(f"A tensor should be of {', '.join(DTYPES)}. Found {layout[0]}.")
    return layout, _view_of_bytes(plain) if plain.numel() else memoryview(b"")


def _view_of_bytes(tensor: Tensor) -> memoryview:
    """The memory of a contiguous tensor."""
    flat: Any = tensor.reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)


def _natural(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise ValueError("not a count")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)
