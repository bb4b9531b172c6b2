"""How far records can be believed: what is checked inside one, between several, and by runs made again."""
