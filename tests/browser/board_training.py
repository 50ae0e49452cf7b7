"""A real training in a process of its own: logistic regression of handwritten digits, logged with
TensorBoard's own writer. Takes a folder, how many steps, and how many seconds between two."""

from __future__ import annotations

import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter


def train(folder: str, steps: int, pause_s: float) -> None:
    """Gradient descent; a point of loss and accuracy a step, flushed to the disk."""
    pixels, digits = load_digits(return_X_y=True)
    pixels = np.hstack([pixels / 16, np.ones((len(pixels), 1))])
    wanted = np.eye(10)[digits]
    weights = np.zeros((pixels.shape[1], 10))
    writer = EventFileWriter(folder)
    for step in range(steps):
        scores = pixels @ weights
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        loss = -np.log((chances * wanted).sum(axis=1)).mean()
        accuracy = (scores.argmax(axis=1) == digits).mean()
        values = [
            summary_pb2.Summary.Value(tag=tag, simple_value=value)
            for tag, value in (("train/loss", loss), ("train/accuracy", accuracy))
        ]
        event = event_pb2.Event(wall_time=time.time(), step=step)
        event.summary.value.extend(values)
        writer.add_event(event)
        writer.flush()
        sys.stdout.write(f"{step} {loss}\n")
        sys.stdout.flush()
        weights -= 0.5 * pixels.T @ (chances - wanted) / len(pixels)
        time.sleep(pause_s)
    writer.close()


if __name__ == "__main__":
    train(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
