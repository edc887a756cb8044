"""Draw the sample pictures: ``python sample_data/draw.py [FOLDER]``.

The n-th cat and the n-th dog of a split share their scene: the size of the picture, the backdrop,
the coat, the pose and the place. Only the anatomy in ``animals.py`` tells them apart, so that no
colour, brightness or single pixel gives the answer away. Every picture has a random stream named
after itself, and a second run with the same version of Pillow writes the same bytes.
"""

from __future__ import annotations

import argparse
import colorsys
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from animals import draw_animal
from looks import BREEDS, FURS, IRISES, PATTERNS, VIEWS, Coat, Colour, Pose, blend
from PIL import Image, ImageDraw, ImageFilter

SPLITS = {"train": 32, "valid": 12}
ZOOM = 3  # backdrops are drawn this much larger, then reduced


def soft_colour(rng: Random, low: float = 0.62, high: float = 0.95) -> Colour:
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.15, 0.45), rng.uniform(low, high))
    red, green, blue = (round(255 * channel) for channel in rgb)
    return red, green, blue


def ramp(size: tuple[int, int], start: Colour, end: Colour, angle: float) -> Image.Image:
    """Return a picture that goes from start to end along a direction."""
    y, x = np.mgrid[-0.5 : 0.5 : size[1] * 1j, -0.5 : 0.5 : size[0] * 1j]
    share = np.clip(0.5 + x * math.cos(angle) + y * math.sin(angle), 0, 1)[..., None]
    return Image.fromarray(np.uint8(np.array(start) * (1 - share) + np.array(end) * share))


def plain(size: tuple[int, int], rng: Random) -> Image.Image:
    return Image.new("RGB", size, soft_colour(rng))


def gradient(size: tuple[int, int], rng: Random) -> Image.Image:
    return ramp(size, soft_colour(rng), soft_colour(rng), rng.uniform(0, 2 * math.pi))


def meadow(size: tuple[int, int], rng: Random) -> Image.Image:
    width, height = size
    sky = soft_colour(rng, 0.85, 0.98) if rng.random() < 0.3 else (150, 200, 238)
    image = ramp(size, sky, blend(sky, (255, 255, 255), 0.7), math.pi / 2)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, 3)):
        x, y, r = (
            rng.uniform(0, width),
            rng.uniform(0, height * 0.3),
            height * rng.uniform(0.04, 0.08),
        )
        for shift in (-1.3, 0, 1.3):
            box = (x + shift * r - r * 1.2, y - r * 0.7, x + shift * r + r * 1.2, y + r * 0.7)
            draw.ellipse(box, fill=(250, 250, 252))
    grass = blend((124, 178, 82), soft_colour(rng), 0.25)
    horizon = rng.uniform(0.45, 0.6) * height
    hill = rng.uniform(0, width)
    far = (hill - width, horizon - height * 0.14, hill + width, horizon + height)
    draw.ellipse(far, fill=blend(grass, sky, 0.4))
    draw.rectangle((0, horizon, width, height), fill=grass)
    for _ in range(170):
        x, y = rng.uniform(0, width), rng.uniform(horizon, height)
        tall = height * 0.02 * (0.5 + 1.5 * (y - horizon) / (height - horizon))
        shade = blend(grass, (40, 90, 40), rng.uniform(0.1, 0.4))
        draw.line((x, y, x + rng.uniform(-0.5, 0.5) * tall, y - tall), fill=shade, width=ZOOM)
    for _ in range(rng.randint(0, 12)):
        x, y, r = rng.uniform(0, width), rng.uniform(horizon, height), 2.2 * ZOOM
        draw.ellipse((x - r, y - r, x + r, y + r), fill=soft_colour(rng, 0.9, 1))
    return image


def room(size: tuple[int, int], rng: Random) -> Image.Image:
    width, height = size
    wall, wood = soft_colour(rng), blend((176, 128, 88), soft_colour(rng), 0.35)
    image = Image.new("RGB", size, wall)
    draw = ImageDraw.Draw(image)
    floor = rng.uniform(0.62, 0.76) * height
    for n in range(1, 9):
        stripe = blend(wall, (255, 255, 255), 0.12)
        draw.line((n * width / 9, 0, n * width / 9, floor), fill=stripe, width=3 * ZOOM)
    draw.rectangle((0, floor, width, height), fill=wood)
    for n in range(7):
        x = width * n / 6
        line = (x, floor, width / 2 + (x - width / 2) * 1.7, height)
        draw.line(line, fill=blend(wood, (40, 20, 10), 0.25), width=ZOOM)
    draw.rectangle((0, floor - 4 * ZOOM, width, floor + ZOOM), fill=blend(wall, (255, 255, 255), 0.6))
    x, y = rng.uniform(-0.05, 0.75) * width, rng.uniform(0.06, 0.2) * height
    frame = (x, y, x + width * 0.26, y + height * 0.3)
    draw.rectangle(frame, fill=soft_colour(rng), outline=blend(wood, (60, 40, 30), 0.4), width=4 * ZOOM)
    rug = (width * 0.08, (floor + height) / 2 - height * 0.06, width * 0.92, height * 1.02)
    draw.ellipse(rug, fill=soft_colour(rng), outline=soft_colour(rng), width=4 * ZOOM)
    return image


def checks(size: tuple[int, int], rng: Random) -> Image.Image:
    side = rng.randint(22, 42) * ZOOM
    colour = soft_colour(rng)
    other = blend(colour, soft_colour(rng), 0.5)
    y, x = np.mgrid[0 : size[1], 0 : size[0]] // side
    return Image.fromarray(np.where(((x + y) % 2 == 0)[..., None], colour, other).astype(np.uint8))


def noise(size: tuple[int, int], rng: Random) -> Image.Image:
    grain = Image.frombytes("RGB", (12, 12), rng.randbytes(12 * 12 * 3))
    grain = grain.resize(size, Image.Resampling.BICUBIC)
    return Image.blend(Image.new("RGB", size, soft_colour(rng)), grain, rng.uniform(0.2, 0.45))


def bokeh(size: tuple[int, int], rng: Random) -> Image.Image:
    image = ramp(size, soft_colour(rng, 0.4, 0.7), soft_colour(rng, 0.5, 0.8), rng.uniform(0, 6))
    for _ in range(16):
        across = round(rng.uniform(0.1, 0.28) * max(size))
        glow = Image.new("L", (across, across))
        ImageDraw.Draw(glow).ellipse((0, 0, across - 1, across - 1), fill=rng.randint(50, 120))
        x, y = (rng.randint(-across // 2, side - across // 2) for side in size)
        image.paste(soft_colour(rng, 0.85, 1), (x, y), glow)
    return image.filter(ImageFilter.GaussianBlur(2 * ZOOM))


BACKDROPS: tuple[Callable[[tuple[int, int], Random], Image.Image], ...] = (
    meadow,
    plain,
    room,
    gradient,
    checks,
    bokeh,
    noise,
)


def drop_shadow(image: Image.Image, left: int, bottom: int, width: int) -> None:
    """Darken the ground under an animal."""
    mask = Image.new("L", image.size)
    box = (left + width * 0.08, bottom - width * 0.09, left + width * 0.92, bottom + width * 0.03)
    ImageDraw.Draw(mask).ellipse(box, fill=90)
    image.paste((30, 26, 34), mask=mask.filter(ImageFilter.GaussianBlur(width * 0.02)))


def draw_picture(kind: str, split: str, number: int) -> Image.Image:
    """Return the picture of a cat or a dog in the scene of this number."""
    scene, own = Random(f"{split} scene {number}"), Random(f"{split} {kind} {number}")
    view = VIEWS[number % len(VIEWS)]
    long, short = scene.randint(216, 280), scene.randint(190, 224)
    size = (short, long) if view == "sitting" and scene.random() < 0.7 else (long, short)
    backdrop = BACKDROPS[number % len(BACKDROPS)]
    image = backdrop((size[0] * ZOOM, size[1] * ZOOM), scene).reduce(ZOOM)

    coat = Coat(*scene.choice(FURS), pattern=scene.choice(PATTERNS))
    pose = Pose(
        view=view,
        tilt=scene.uniform(-0.3, 0.3),
        profile=scene.random() < 0.6,
        collar=soft_colour(scene, 0.5, 0.8) if scene.random() < 0.4 else None,
        open_mouth=own.random() < (0.8 if kind == "dog" else 0.4),
        narrow_pupils=own.random() < 0.5,
        iris=own.choice(IRISES[kind]),
    )
    breeds = BREEDS[kind]
    breed = breeds[sum(divmod(number, len(VIEWS))) % len(breeds)]  # in turn in every view
    animal = draw_animal(breed, pose, coat, own)
    if scene.random() < 0.5:
        animal = animal.transpose(Image.Transpose.FLIP_LEFT_RIGHT)

    fit = min(size[0] / animal.width, size[1] / animal.height)
    fit *= scene.uniform(0.82, 1.08) if view == "portrait" else scene.uniform(0.72, 0.97)
    width, height = round(animal.width * fit), round(animal.height * fit)
    animal = animal.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2)
    left = round(scene.random() * (size[0] - width))
    top = round(scene.uniform(0.5, 1) * (size[1] - height))
    if view == "portrait":
        top = max(size[1] - round(height * 0.93), 2)  # the chest ends below the picture
    else:
        drop_shadow(image, left, top + height, width)
    image.paste(animal, (left, top), animal)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the sample pictures of cats and dogs.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent)
    folder: Path = parser.parse_args().folder
    for split, count in SPLITS.items():
        for kind in BREEDS:
            target = folder / split / f"{kind}s"
            target.mkdir(parents=True, exist_ok=True)
            for number in range(1, count + 1):
                picture = draw_picture(kind, split, number)
                picture.save(target / f"{kind}.{number:02}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
