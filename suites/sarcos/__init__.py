"""Inverse dynamics of a robot arm: seven torques from positions, velocities and accelerations."""

from suites.sarcos.suite import Sarcos

__all__ = ["Sarcos"]
