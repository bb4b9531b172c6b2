"""A static site of a store: pages that open from disk, without a server or a network."""

from leaderboard.site.build import SiteWriter, write_site

__all__ = ["SiteWriter", "write_site"]
