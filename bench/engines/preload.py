"""Imported by the fork server: loads the modules that workers need, so that each starts as a copy that has them.

`bench.engines.local.warm_up` names them in the environment variable MTLBENCH_PRELOAD, separated by spaces. A module
that fails to import here is left out without a word: the worker imports it again and reports the reason.
"""

import importlib
import os
from contextlib import suppress

# An environment variable, since the fork server takes no arguments from its parent.
VARIABLE = "MTLBENCH_PRELOAD"

for _name in os.environ.get(VARIABLE, "").split():
    with suppress(Exception):
        importlib.import_module(_name)
