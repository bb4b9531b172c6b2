"""A list of modules that knows what they are."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from torch import nn

M = TypeVar("M", bound=nn.Module)


class Modules(nn.ModuleList, Generic[M]):
    """`torch.nn.ModuleList` of one type: `Modules[Gate]` gives a Gate where a ModuleList gives any Module.

    It differs for type checkers only. Names of parameters, and so stored states, are those of a ModuleList; a slice is
    a `Modules` again.
    """

    if TYPE_CHECKING:

        def __init__(self, modules: Iterable[M] = ()) -> None: ...

        @overload
        def __getitem__(self, idx: slice) -> "Modules[M]": ...

        @overload
        def __getitem__(self, idx: int) -> M: ...

        def __getitem__(self, idx: int | slice) -> "M | Modules[M]": ...

        def __iter__(self) -> Iterator[M]: ...

        def append(self, module: M) -> "Modules[M]": ...  # type: ignore[override]
