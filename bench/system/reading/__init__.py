"""Files from others, read in a process of its own: what breaks its reader is a sentence and nothing more."""
