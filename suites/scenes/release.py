"""What the suite and its generator have to agree on without importing each other."""

RELEASE = 1  # of the renderer: moves when the bytes of any image change
VIEWS_PER_ROOM = 3  # images index // VIEWS_PER_ROOM share a room; rooms are never shared by splits
