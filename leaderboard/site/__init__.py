"""A static site of a store: one file that opens from disk, without a server or a network."""

from leaderboard.site.build import write_site

__all__ = ["write_site"]
