"""The 13 classes of NYUv2, in their order: Couprie, Farabet, Najman, LeCun, Indoor Semantic Segmentation, ICLR 2013."""

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
