"""Tagging words: tags and spans, metrics, networks and tasks, of generated sentences and of corpora."""
