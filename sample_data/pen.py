"""Smooth outlines in complex coordinates, and a pen that fills them with fur.

A point is the complex number ``x + y*1j``, with x to the right and y down, so that moving, turning
and scaling a part of the body is one multiplication and one addition.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np
from looks import Coat, Colour
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

Points = NDArray[np.complexfloating]
Mark = tuple[Points, Colour]

LINE = 7  # width of outlines in pixels


def ellipse(centre: complex, rx: float, ry: float, turn: float = 0) -> Points:
    circle: Points = np.exp(1j * np.linspace(0, 2 * np.pi, 72, endpoint=False))
    return centre + np.exp(1j * turn) * (rx * circle.real + 1j * ry * circle.imag)


def curve(knots: Sequence[complex], closed: bool = False) -> Points:
    """Return a Catmull-Rom spline through knots; a knot given twice in a row is a sharp corner."""
    ends = (knots[-1:], knots[:2]) if closed else (knots[:1], knots[-1:])
    p = np.array([*ends[0], *knots, *ends[1]], dtype=np.complex128)
    t = np.linspace(0, 1, 14, endpoint=False)[:, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    pieces = b + t * (c - a) / 2 + t**2 * (a - 2.5 * b + 2 * c - d / 2)
    pieces = pieces + t**3 * (1.5 * (b - c) + (d - a) / 2)
    last = p[1:2] if closed else p[-1:]
    return np.concatenate([pieces[:, b != c].T.ravel(), last])


def grown(outline: Points, by: float) -> Points:
    """Return a closed outline moved outwards."""
    before, after = np.roll(outline, 1), np.roll(outline, -1)
    along = after - before
    clockwise = np.sign((outline.conj() * after).imag.sum())
    return outline - 1j * by * clockwise * along / np.maximum(abs(along), 1e-9)


def mirrored(half: Sequence[complex]) -> Points:
    """Return a closed outline that is symmetric about the y axis, from its right half downwards."""
    return curve([*half, *(-np.conj(z) for z in reversed(half) if z.real)], closed=True)


def ribbon(knots: Sequence[complex], start: float, end: float) -> Points:
    """Return the outline of a limb along knots, whose half-width goes from start to end."""
    spine = curve(knots)
    ahead = np.gradient(spine)
    ahead = ahead / np.maximum(abs(ahead), 1e-9)
    side = 1j * ahead * np.linspace(start, end, len(spine))
    cap = np.exp(1j * np.linspace(np.pi / 2, -np.pi / 2, 14))
    tip, root = spine[-1] + end * ahead[-1] * cap, spine[0] - start * ahead[0] * cap
    return np.concatenate([spine + side, tip, (spine - side)[::-1], root])


def cloud(centre: complex, radius: float) -> Points:
    """Return the outline of a curly tuft."""
    angle = np.linspace(0, 2 * np.pi, 140, endpoint=False)
    return centre + radius * (0.9 + 0.14 * abs(np.sin(3.5 * angle))) * np.exp(1j * angle)


class Pen:
    """Draws with a coat of fur, in a frame of its own: z is drawn at ``scale * z + origin``."""

    def __init__(self, image: Image.Image, coat: Coat, scale: complex, origin: complex) -> None:
        self.image, self.coat, self.scale, self.origin = image, coat, scale, origin

    def at(self, place: complex, size: float = 1, turn: float = 0) -> Pen:
        """Return a pen whose frame lies at a place in this one's, resized and turned."""
        scale = self.scale * size * np.exp(1j * turn)
        return Pen(self.image, self.coat, scale, self.scale * place + self.origin)

    def _pixels(self, outline: Points, corner: complex = 0) -> list[float]:
        return (outline * self.scale + self.origin - corner).view(float).tolist()

    def fill(self, outline: Points, colour: Colour, marks: Sequence[Mark] = ()) -> None:
        """Fill an outline, and on it the parts of marks that lie inside."""
        pixels = self._pixels(outline)
        ImageDraw.Draw(self.image).polygon(pixels, fill=colour)
        if not marks:
            return
        left, top = int(min(pixels[::2])), int(min(pixels[1::2]))
        size = int(max(pixels[::2])) - left + 1, int(max(pixels[1::2])) - top + 1
        inside = self._mask(outline, complex(left, top), size)
        for mark, shade in marks:
            visible = ImageChops.multiply(inside, self._mask(mark, complex(left, top), size))
            self.image.paste(shade, (left, top), visible)

    def _mask(self, outline: Points, corner: complex, size: tuple[int, int]) -> Image.Image:
        mask = Image.new("L", size)
        ImageDraw.Draw(mask).polygon(self._pixels(outline, corner), fill=255)
        return mask

    def part(self, outline: Points, colour: Colour, marks: Sequence[Mark] = ()) -> None:
        """Fill a part of the body that has a line around it."""
        self.fill(grown(outline, LINE / abs(self.scale)), self.coat.line)
        self.fill(outline, colour, marks)

    def stroke(self, knots: Sequence[complex], colour: Colour, width: float = LINE) -> None:
        """Draw a line of a width in pixels."""
        self.fill(ribbon(knots, *[width / 2 / abs(self.scale)] * 2), colour)


def markings(coat: Coat, outline: Points, rng: Random) -> list[Mark]:
    """Return the marks of a coat for a trunk with this outline."""
    left, right = outline.real.min(), outline.real.max()
    top, bottom = outline.imag.min(), outline.imag.max()
    width, height = right - left, bottom - top

    def spot(low: float, high: float) -> Points:
        centre = complex(rng.uniform(left, right), rng.uniform(top, bottom))
        rx, ry = (rng.uniform(low, high) for _ in range(2))
        return ellipse(centre, rx, ry, rng.uniform(0, 3))

    if coat.pattern == "stripes":
        starts = np.arange(left + 0.15, right, rng.uniform(0.3, 0.38)) + 1j * (top - 0.1)
        stripe = complex(rng.uniform(-0.15, 0.15), height * 0.5 + 0.1)
        return [(ribbon([start, start + stripe], 0.09, 0.02), coat.dark) for start in starts]
    if coat.pattern == "spots":
        return [(spot(0.06, 0.13), coat.dark) for _ in range(round(12 * width * height))]
    if coat.pattern == "patches":
        return [(spot(0.3, 0.55), coat.dark) for _ in range(4)]
    if coat.pattern == "tuxedo":
        belly = complex((left + right) / 2, bottom)
        return [(ellipse(belly, width * 0.42, height * 0.5), coat.light)]
    return []
