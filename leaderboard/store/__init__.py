"""The store: records in files, what else lies beside them, and how they are read and written.

`store` is the folder of records as commands use it; `load`, `packed` and `walk` read its files, `merge` packs them;
`room` keeps a record within its size, `limits` and `json_text` are for reading and writing JSON, `committed` finds the
store that comes with the project, and `progress_notes` tells of runs that go on.

Any number of processes may write a store at once, and anybody may have written the files that are read: every file is
replaced in one step, and whatever cannot be used becomes a `Problem` beside the sound records.
"""

from leaderboard.store.problem import Problem
from leaderboard.store.store import Store, StoreContents

__all__ = ["Problem", "Store", "StoreContents"]
