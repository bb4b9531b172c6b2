"""Modules in a list that knows what they are, and under any names."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from torch import nn
from torch.nn.utils import parametrize

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


def separate_class(module: nn.Module) -> None:
    """Give a module with parametrized weights a class of its own.

    torch writes what is computed into the class of the module, which copies have in common: what is added to a copy, or
    taken off it, would be so for all of them.
    """
    if parametrize.is_parametrized(module):
        own = type(module)
        skipped = ("__dict__", "__weakref__")
        members = {name: value for name, value in vars(own).items() if name not in skipped}
        module.__class__ = type(own.__name__, own.__bases__, members)


class Named(nn.ModuleDict):
    """A ModuleDict with keys of any name, as names of tasks: `forward` and `keys` too, which torch refuses.

    A key that is an attribute of ModuleDict is stored with MARK before it.
    """

    MARK = "/"

    def __getitem__(self, key: str) -> nn.Module:
        return super().__getitem__(key if key in self._modules else self.MARK + key)

    def __setitem__(self, key: str, module: nn.Module) -> None:
        super().__setitem__(self.MARK + key if key not in self._modules and hasattr(self, key) else key, module)
