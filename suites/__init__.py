"""Standardized problems, one folder each: tasks, data, backbone, protocol, card."""
