"""A static site of a store: pages that open from disk, without a server or a network.

`write_site` builds it once, `SiteWriter` again and again for `mtlbench site --watch`. Only `mtlbench site` calls them.
"""

from leaderboard.site.build import SiteWriter, write_site

__all__ = ["SiteWriter", "write_site"]
