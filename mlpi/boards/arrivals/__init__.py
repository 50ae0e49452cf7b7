"""Event files that come in over HTTP, piece by piece."""
