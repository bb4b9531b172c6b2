"""NYUv2-like rooms, rendered from a seed: the dense suite that everyone has."""

from suites.scenes.suite import Scenes

__all__ = ["Scenes"]
