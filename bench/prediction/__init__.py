"""Predictions of new rows by models that runs kept: found in a store, fed from a file, written in people's terms."""
