"""Figures for papers: boards, curves and dials drawn with matplotlib into axes of the caller.

Numbers are those of `leaderboard.analysis`; nothing is estimated here. The site draws the same things for a browser.
"""
