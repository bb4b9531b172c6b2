"""Backbones as lists of stages."""
