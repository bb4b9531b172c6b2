"""Imported in the process that workers are copies of: the modules they need, as far as they can be imported there.

What cannot be is imported again by the workers, which can say so.
"""

import importlib
import os
from contextlib import suppress

VARIABLE = "MTLBENCH_PRELOAD"

for _name in os.environ.get(VARIABLE, "").split():
    with suppress(Exception):
        importlib.import_module(_name)
