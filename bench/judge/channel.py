"""The typed channel between a judge and a player: messages of JSON values and tensors, and nothing that runs code.

A message is an 8-byte little-endian length, a JSON header of that many bytes, and the raw bytes of its tensors one
after the other. The header has `kind`, the tree of values with tensors replaced by numbers, and for each tensor [dtype,
shape, channels last]. Nothing is unpickled: the reader allocates tensors of declared sizes, after it has checked them,
and fills them.
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
MAX_TENSORS = 1_000_000  # in one message
MAX_BYTES = 32 << 30  # of the tensors of one message
MAX_DEPTH = 40  # of values inside of values, far below Python's limit of recursion
# Types that may cross; complex and quantised ones may not.
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
    """A message that was received: its kind, and its values by name, tensors among them."""

    kind: str
    values: dict[str, Any]


class Channel:
    """One end of a connected socket.

    A tensor that stands in several places of a message is sent once, and is one tensor on the other side too: a model
    whose tasks read one input runs its trunk once there as well. `max_bytes` bounds the tensors of one received
    message.
    """

    def __init__(self, connection: socket.socket, max_bytes: int = MAX_BYTES) -> None:
        self.connection, self.max_bytes = connection, max_bytes

    def send(self, kind: str, values: Mapping[str, Any] | None = None) -> None:
        """Send a message.

        Values are None, booleans, numbers, texts, dense tensors, and lists, tuples and mappings of them; a mapping may
        have keys of any of these types.

        Raises:
            ValueError: A value has another type, or is nested deeper than MAX_DEPTH.
            ChannelError: Nobody listens any more.
        """
        tensors: dict[int, tuple[int, Tensor]] = {}
        tree = _encode(dict(values or {}), tensors)
        parts = [_lay_out(tensor) for _, tensor in tensors.values()]
        header = json.dumps({"kind": kind, "tree": tree, "tensors": [layout for layout, _ in parts]}).encode()
        try:
            self.connection.sendall(_LENGTH.pack(len(header)) + header)
            for _, data in parts:
                self.connection.sendall(data)
        except OSError as error:
            raise ChannelError("the other side left") from error

    def receive(self) -> Message:
        """Wait for the next message.

        Raises ChannelError where the other side left, or the message is malformed or too large.
        """
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
        """Close this end; the other side's next read or write raises ChannelError."""
        self.connection.close()

    def _receive_tensors(self, layouts: list[Any]) -> list[Tensor]:
        """Read the tensors that the header announces. Their total size is checked before any of them is allocated."""
        if len(layouts) > MAX_TENSORS:
            raise ValueError("too many tensors")
        shapes = [(DTYPES[name], [_as_count(n) for n in shape], bool(last)) for name, shape, last in layouts]
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
        """Fill `target`, a buffer of bytes, from the socket. Raises ChannelError where the other side left before."""
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
    """A value as JSON in which tensors are numbered and every container is an object of one key, its kind.

    Containers are tagged so that tuples, lists and mappings with keys of any type come back as what they were.
    `tensors` collects tensors: identity -> (number, tensor). Raises ValueError for types that may not cross.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"What a method keeps should be at most {MAX_DEPTH} levels deep. Found more.")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        # JSON has no infinities or NaN, and the reader refuses Python's words for them.
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
    """The inverse of `_encode`. Raises ValueError, TypeError or LookupError for what it cannot have written."""
    if depth > MAX_DEPTH:
        raise ValueError("too deep")
    if not isinstance(node, dict):
        return node
    [(kind, content)] = node.items()
    if kind == "tensor":
        return tensors[_as_count(content)]
    if kind == "float":
        return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[content]
    if kind == "map":
        return {_decode(key, tensors, depth + 1): _decode(item, tensors, depth + 1) for key, item in content}
    items = [_decode(item, tensors, depth + 1) for item in content]
    return {"list": items, "tuple": tuple(items)}[kind]


def _lay_out(tensor: Tensor) -> tuple[list[Any], memoryview]:
    """[dtype, shape as it lies in memory, whether channels are last], and the bytes.

    The memory format is kept, since convolutions sum in another order under another one, which moves digits.
    """
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
    """The memory of a contiguous tensor as bytes, without a copy."""
    flat: Any = tensor.reshape(-1).view(torch.uint8).numpy()
    return memoryview(flat)


def _as_count(value: Any) -> int:
    """The value where it is a whole number in [0, 2^48), else ValueError; True is no number here."""
    if type(value) is not int or not 0 <= value < 1 << 48:
        raise ValueError("not a count")
    return value


def _refuse_constant(name: str) -> Any:
    """Raise ValueError for `NaN` and `Infinity`, which Python's JSON reader would accept."""
    raise ValueError(name)
