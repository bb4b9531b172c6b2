"""A source of many rows and a target of few, whose features may differ and whose inputs may lie elsewhere."""

from suites.transfer.suite import TransferPair

__all__ = ["TransferPair"]
