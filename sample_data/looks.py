"""What an animal can look like: coats and poses, which cats and dogs share, and breeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
INK: Colour = (44, 36, 38)


def blend(a: Colour, b: Colour, share: float) -> Colour:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


@dataclass(frozen=True)
class Coat:
    """Three shades of fur and how they are laid out; cats and dogs wear the same coats."""

    base: Colour
    light: Colour
    dark: Colour
    pattern: Literal["plain", "stripes", "spots", "patches", "tuxedo", "points"]

    @property
    def line(self) -> Colour:
        return blend(self.dark, INK, 0.55)

    @property
    def tip(self) -> Colour:
        """The shade of ears and tail."""
        return self.dark if self.pattern in ("points", "patches") else self.base

    @property
    def muzzle(self) -> Colour:
        return blend(self.base, self.dark if self.pattern == "points" else self.light, 0.8)

    @property
    def foot(self) -> Colour:
        shades = {"points": self.dark, "tuxedo": self.light, "patches": self.light}
        return shades.get(self.pattern, self.base)


@dataclass(frozen=True)
class Breed:
    """The build of one animal; lengths are relative to an average one."""

    kind: Literal["cat", "dog"]
    ears: Literal["pointed", "tufted", "floppy", "long", "erect", "folded", "button", "puff"]
    ear_size: float = 1.0
    head_width: float = 1.0
    muzzle: float = 1.0
    girth: float = 1.0
    leg: float = 1.0
    tail: Literal["thin", "bushy", "sabre", "curled", "pompom"] = "thin"
    fluffy: bool = False


@dataclass(frozen=True)
class Pose:
    """What the animal does, and the small things in which two of a breed differ."""

    view: Literal["portrait", "sitting", "walking", "lying"]
    tilt: float  # of the head, in radians
    profile: bool  # a walking animal's head is seen from the side
    collar: Colour | None
    open_mouth: bool
    narrow_pupils: bool
    iris: Colour


CATS = (
    Breed("cat", "pointed"),
    Breed("cat", "pointed", ear_size=1.25, head_width=0.9, girth=0.85, leg=1.15),
    Breed("cat", "pointed", ear_size=0.8, head_width=1.12, girth=1.2, tail="bushy", fluffy=True),
    Breed("cat", "tufted", ear_size=1.15, girth=1.1, tail="bushy", fluffy=True),
    Breed("cat", "pointed", ear_size=1.05, head_width=1.06, girth=0.9, leg=0.85),
)
DOGS = (
    Breed("dog", "floppy", tail="sabre"),
    Breed("dog", "long", head_width=0.92, muzzle=1.1, leg=0.8, tail="sabre"),
    Breed("dog", "erect", head_width=1.05, leg=0.75, girth=1.1, tail="curled", fluffy=True),
    Breed("dog", "folded", head_width=0.95, muzzle=1.05, girth=0.9, leg=1.1, tail="sabre"),
    Breed("dog", "button", head_width=1.12, muzzle=0.95, girth=1.15, leg=0.8, tail="curled"),
    Breed("dog", "puff", head_width=0.88, muzzle=0.9, girth=0.85, leg=1.15, tail="pompom"),
)
BREEDS = {"cat": CATS, "dog": DOGS}

VIEWS = ("portrait", "sitting", "walking", "lying")
PATTERNS = ("plain", "stripes", "spots", "patches", "tuxedo", "points")
FURS: tuple[tuple[Colour, Colour, Colour], ...] = (  # base, light, dark
    ((226, 148, 72), (252, 232, 202), (172, 94, 38)),
    ((154, 156, 164), (230, 230, 232), (98, 100, 112)),
    ((84, 80, 84), (240, 236, 230), (50, 46, 50)),
    ((244, 238, 228), (255, 252, 246), (176, 148, 122)),
    ((146, 102, 68), (228, 198, 162), (92, 60, 40)),
    ((238, 214, 168), (254, 246, 226), (150, 108, 74)),
    ((178, 96, 64), (244, 214, 186), (108, 54, 38)),
    ((132, 146, 168), (232, 236, 242), (78, 90, 112)),
)
IRISES: dict[str, tuple[Colour, ...]] = {
    "cat": ((122, 178, 84), (222, 170, 60), (96, 166, 214)),
    "dog": ((110, 66, 36), (148, 94, 48), (118, 168, 206)),
}
