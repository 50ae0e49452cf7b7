"""Frames of the image surface while a large image with many shapes is zoomed, panned and drawn on.

    python -m tests.bench.labels_surfaces --shapes 200

Times lie between two animation frames of a headless Chromium that has no graphics card: what a
person sees is no worse. One frame at 60 Hz is 16.7 ms.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tests.bench.measure import machine
from tests.browser.conftest import OPTIONS, chromium
from tests.browser.surfaces_page import Surfaces, control, serve_surfaces

SIZES = {"4k": (3840, 2160), "8k": (7680, 4320)}
FRAMES = 120

# Runs act(i) in every animation frame; answers with the milliseconds between frames and of act.
FOLLOW = """async ({ frames, what }) => {
  const stage = document.querySelector(".easel");
  const { left, top, width, height } = stage.getBoundingClientRect();
  const [x, y] = [left + width / 2, top + height / 2];
  const pointer = (type, dx, dy, buttons) => {
    const button = type === "pointermove" ? -1 : 0;
    const at = { clientX: x + dx, clientY: y + dy };
    const init = { pointerId: 1, isPrimary: true, bubbles: true, button, buttons, ...at };
    stage.dispatchEvent(new PointerEvent(type, init));
  };
  const wheel = (deltaY) => {
    const init = { ctrlKey: true, deltaY, clientX: x, clientY: y, bubbles: true, cancelable: true };
    stage.dispatchEvent(new WheelEvent("wheel", init));
  };
  const held = (i, dx, dy) =>
    i ? pointer("pointermove", dx, dy, 1) : pointer("pointerdown", 0, 0, 1);
  stage.setPointerCapture = () => {};
  const acts = {
    zoom: (i) => wheel(i % 60 < 30 ? -20 : 20),
    pan: (i) => held(i, 60 * Math.sin(i / 5), 40 * Math.cos(i / 5)),
    draw: (i) => held(i, 3 * i, 2 * i),
    redraw: () => harness.redraw(),
  };
  if (what === "draw") harness.choose("box", "Car");
  if (what === "pan") { harness.choose(null); harness.surface.zoom(3); }
  const next = () => new Promise(requestAnimationFrame);
  await next(); await next();
  const [between, spent] = [[], []];
  let before = await next();
  for (let i = 0; i < frames; i += 1) {
    const from = performance.now();
    acts[what](i);
    spent.push(performance.now() - from);
    const now = await next();
    between.push(now - before);
    before = now;
  }
  if (what === "draw" || what === "pan") pointer("pointerup", 0, 0, 0);
  return { between, spent };
}"""


def regions(count: int) -> list[dict[str, Any]]:
    """Results of every kind of shape, spread over the image."""
    random = np.random.default_rng(7)
    made = []
    for number in range(count):
        x, y = (float(one) for one in random.uniform(5, 85, 2))
        kind = ("rectanglelabels", "polygonlabels", "ellipselabels", "keypointlabels")[number % 4]
        value: dict[str, Any] = {kind: ["Car" if number % 3 else "Sky"]}
        if kind == "rectanglelabels":
            value |= {"x": x, "y": y, "width": 8, "height": 6, "rotation": 15 if number % 8 else 0}
        elif kind == "polygonlabels":
            turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            value["points"] = [[x + 4 * float(np.cos(t)), y + 4 * float(np.sin(t))] for t in turns]
        elif kind == "ellipselabels":
            value |= {"x": x, "y": y, "radiusX": 4, "radiusY": 3, "rotation": 30}
        else:
            value |= {"x": x, "y": y, "width": 0.5}
        name = {"r": "box", "p": "poly", "e": "ell", "k": "dot"}[kind[0]]
        made.append(
            {"id": f"b{number}", "from_name": name, "to_name": "picture", "type": kind}
            | {"value": value}
        )
    return made


CONTROLS = [
    control("RectangleLabels", "box", "Car", "Sky"),
    control("PolygonLabels", "poly", "Car", "Sky"),
    control("EllipseLabels", "ell", "Car", "Sky"),
    control("KeyPointLabels", "dot", "Car", "Sky"),
]


def picture(path: Path, size: tuple[int, int]) -> None:
    """A JPEG with something in every part of it."""
    noise = np.random.default_rng(3).integers(0, 256, (size[1] // 16, size[0] // 16, 3), "uint8")
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path, quality=88)


def measure(page: Page, surfaces: Surfaces, name: str, shapes: int) -> None:
    page.goto(surfaces.page("Image", f"/media/{name}.jpg", CONTROLS, regions=regions(shapes)))
    page.wait_for_selector(".easel[data-ready]")
    for what in ("zoom", "pan", "draw", "redraw"):
        found = page.evaluate(FOLLOW, {"frames": FRAMES, "what": what})
        cells = [f"{name}, {shapes} shapes", what]
        for series in (found["between"], found["spent"]):
            cells += [f"{statistics.median(series):.1f}"]
            cells += [f"{statistics.quantiles(series, n=20)[-1]:.1f}"]
        print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shapes", type=int, default=200)
    shapes = parser.parse_args().shapes
    print(machine())
    print("\n| image | while | frame, ms | p95 | script, ms | p95 |\n| --- |" + " --- |" * 5)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name, size in SIZES.items():
            picture(Path(folder) / f"{name}.jpg", size)
        with serve_surfaces(Path(folder)) as surfaces:
            browser = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
            page = browser.new_page(viewport={"width": 1280, "height": 800})
            for name in SIZES:
                measure(page, surfaces, name, shapes)
            browser.close()


if __name__ == "__main__":
    main()
