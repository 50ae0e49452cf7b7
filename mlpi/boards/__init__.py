"""Boards: TensorBoard's logs, read by a reader of our own."""
