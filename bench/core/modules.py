"""Modules in a list that knows what they are, and under any names."""

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


class Named(nn.ModuleDict):
    """A ModuleDict with keys of any name, as names of tasks: `forward` and `keys` too, which torch refuses.

    A key that is an attribute of ModuleDict is stored with MARK before it.
    """

    MARK = "/"

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(key if key in self._modules else self.MARK + key)

    def __setitem__(self, key: str, module: nn.Module) -> None:
        super().__setitem__(self.MARK + key if key not in self._modules and hasattr(self, key) else key, module)
