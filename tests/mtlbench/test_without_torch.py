"""What reads results works where torch, and all that trains, cannot be imported."""

import subprocess
import sys
from pathlib import Path

from tests.pages import ROOT

BLOCKER = """
import sys

class Blocker:
    blocked = {"torch", "torchvision", "lightning", "pytorch_lightning", "wandb", "torchjd", "sklearn", "h5py"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocker())
import matplotlib
matplotlib.use("agg")
import mtlbench as mb
"""
PROGRAM = """
runs = mb.load_results(suite="scenes")
print(len(runs) > 0, runs[runs.primary].gain.max() > 0)
board = mb.table("scenes_1")
print(len(board.statistics()), "<table" in board._repr_html_(), len(board.text()) > 1000)
print(mb.compare(board, "hard").verdict)
print(mb.plot(board).get_title(loc="left"))
print(mb.plot("scenes_1").figure.savefig("scenes.png"))
print(mb.statistics.holm([0.01, 0.02]).tolist())
print("torch" in sys.modules)
try:
    mb.run("synthetic", "hard")
except ModuleNotFoundError as error:
    print(error)
"""


def test_the_light_part(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKER + PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "True True",
        "10 True True",
        "better",
        "scenes_1",
        "None",
        "[0.02, 0.02]",
        "False",
        "No module named 'torch'",
    ]
