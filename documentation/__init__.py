"""What the pages of `docs/` need to become a site: figures, references written from the source, links, equations."""
