"""One run on several devices: worker processes and what they exchange."""
