"""Bringing tasks in: files and bodies read piece by piece, and the media that tasks name."""
