"""Curves of scalars: chosen, thinned, drawn, taken away."""
