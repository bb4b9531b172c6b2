"""Charts as SVG inside pages, drawn when a site is built: they need no script, print, and weigh a few kilobytes.

`draw_chart` takes a `Figure` (`leaderboard.site.view`). `scales` places values on axes, `words` measures and escapes
labels, `marks` draws lines, points, bars and heat maps, `panel` puts marks, axes and labels together, `chart` a figure
of one or several panels. Charts have no colours of their own but names that the style sheet resolves, and no width:
the browser stretches them.
"""

from leaderboard.site.drawing.chart import draw_chart

__all__ = ["draw_chart"]
