"""A labeling configuration: `xml` parses, `vocabulary` knows tags, `config` reads and checks."""
