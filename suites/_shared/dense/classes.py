"""The 13 classes of NYUv2, in the order of their numbers, 0 to 12.

Couprie, Farabet, Najman, LeCun, Indoor Semantic Segmentation, ICLR 2013; the order is the one of the copies
that the literature trains on (MTAN), and so of every label that is stored.
"""

CLASSES = (
    "bed",
    "books",
    "ceiling",
    "chair",
    "floor",
    "furniture",
    "objects",
    "picture",
    "sofa",
    "table",
    "tv",
    "wall",
    "window",
)
