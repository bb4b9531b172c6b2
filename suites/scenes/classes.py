"""The 13 classes of NYUv2 in their order, and which of them are parts of the room."""

from suites._shared.dense.classes import CLASSES

__all__ = ["CLASSES", "IDS", "MOVABLE", "ROOM"]
# What a label image stores, int8: bed is 0, window 12.
IDS = {name: index for index, name in enumerate(CLASSES)}
ROOM = ("ceiling", "floor", "picture", "wall", "window")  # told by place and shape at every value of the dial
MOVABLE = tuple(name for name in CLASSES if name not in ROOM)
