"""Tiny drawn data sets: shapes whose class is the shape, never the colour. And one drawing of a cat."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

Box = tuple[int, int, int, int]
Colour = tuple[int, int, int]


def _circle(draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    draw.ellipse(box, fill=colour)


def _square(draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    draw.rectangle(box, fill=colour)


def _stripes(draw: ImageDraw.ImageDraw, box: Box, colour: Colour) -> None:
    for y in range(box[1], box[3], 8):
        draw.line((box[0], y, box[2], y), fill=colour, width=3)


SHAPES = {"circles": _circle, "squares": _square, "stripes": _stripes}


def draw_pictures(folder: Path, classes: dict[str, int], *, seed: int = 0, size: int = 96) -> None:
    """Write so many pictures of each shape into `folder/<class>/`: random colours, places and sizes."""
    random = np.random.default_rng(seed)
    for label, count in classes.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            ground, colour = (_colour(random) for _ in range(2))
            picture = Image.new("RGB", (size, size), ground)
            left, top = random.integers(0, size // 3, 2).tolist()
            side = int(random.integers(size // 3, size // 2))
            SHAPES[label](ImageDraw.Draw(picture), (left, top, left + side, top + side), colour)
            picture.save(folder / label / f"{label}.{number}.png")


def draw_cat(path: Path) -> None:
    """Write a drawing of a cat's head in flat colours, 300 x 240 pixels: no photo at all."""
    picture = Image.new("RGB", (300, 240), "palegreen")
    pen = ImageDraw.Draw(picture)
    for middle in (100, 200):
        pen.polygon([(middle - 40, 110), (middle, 20), (middle + 40, 110)], "orange", "black", 3)
    pen.ellipse((60, 60, 240, 220), "orange", "black", 3)
    for middle in (110, 190):
        pen.ellipse((middle - 16, 105, middle + 16, 145), "white", "black", 3)
        pen.ellipse((middle - 5, 110, middle + 5, 140), "black")
    pen.polygon([(140, 160), (160, 160), (150, 172)], "pink", "black", 2)
    for end in (155, 175, 195):
        pen.line((30, end, 120, 175, 30, end), "black", 2)
        pen.line((270, end, 180, 175, 270, end), "black", 2)
    picture.save(path)


def _colour(random: np.random.Generator) -> Colour:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue
