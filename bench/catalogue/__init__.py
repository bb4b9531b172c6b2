"""The catalogue: registered parts with their options, and methods composed of them."""
