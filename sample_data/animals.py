"""The parts of cats and dogs, and how they make up an animal.

Animals face right; whoever wants one that faces left mirrors the finished sprite.
"""

from __future__ import annotations

from random import Random

from looks import INK, Breed, Coat, Colour, Pose, blend
from pen import Mark, Pen, cloud, curve, ellipse, markings, mirrored, ribbon
from PIL import Image

PINK: Colour = (238, 160, 164)
TONGUE: Colour = (232, 98, 114)
MOUTH: Colour = (110, 38, 46)
SHINE: Colour = (255, 255, 255)
GLINT: Colour = (170, 166, 168)
BELL: Colour = (240, 204, 84)

CANVAS = 1600  # pixels along one side of the sprite's canvas
UNIT = 250  # pixels to one unit of length


def draw_cat_eye(pen: Pen, pose: Pose, place: complex) -> None:
    pen.part(ellipse(place, 0.24, 0.2, -0.25 if place.real > 0 else 0.25), pose.iris)
    pen.fill(ellipse(place, 0.065 if pose.narrow_pupils else 0.13, 0.17), INK)
    pen.fill(ellipse(place + 0.07 - 0.07j, 0.05, 0.05), SHINE)


def draw_dog_eye(pen: Pen, pose: Pose, place: complex) -> None:
    pen.part(ellipse(place, 0.18, 0.19), SHINE)
    pen.fill(ellipse(place + 0.01j, 0.145, 0.155), pose.iris)
    pen.fill(ellipse(place + 0.01j, 0.09, 0.1), INK)
    pen.fill(ellipse(place + 0.05 - 0.05j, 0.045, 0.045), SHINE)


def draw_whiskers(pen: Pen, root: complex, way: int) -> None:
    shade = pen.coat.line if sum(pen.coat.base) > 300 else pen.coat.light
    for rise in (-0.22, 0.02, 0.26):
        bend = complex(0.5 * way, rise * 0.7)
        end = complex(0.98 * way, rise * 1.1 + 0.04)
        pen.stroke([root + 0.2j * rise, root + bend, root + end], shade, 5)


def draw_tongue(pen: Pen, root: complex) -> None:
    knots = [-0.15 + 0j, 0.15 + 0j, 0.18 + 0.3j, 0.46j, -0.18 + 0.3j]
    pen.part(root + curve(knots, closed=True), TONGUE)
    pen.stroke([root + 0.08j, root + 0.26j], blend(TONGUE, MOUTH, 0.5), 5)


def draw_ears(pen: Pen, breed: Breed, behind: bool) -> None:
    """Draw those of the two ears that belong behind the head, or in front of it."""
    if behind != (breed.ears in ("pointed", "tufted", "erect")):
        return
    coat, size, wide = pen.coat, breed.ear_size, breed.head_width
    inner = None
    if breed.ears in ("pointed", "tufted"):
        tip = 0.8 - 1.42j * (0.55 + 0.45 * size)
        knots = [0.12 - 0.75j, tip, tip, 0.98 - 0.15j, 0.5 - 0.3j]
        inner = curve([0.38 - 0.72j, tip * 0.93, tip * 0.93, 0.86 - 0.4j], closed=True)
    elif breed.ears == "erect":
        knots = [0.15 - 0.7j, 0.36 - 1.25j, 0.68 - 1.45j, 0.95 - 1.2j, 0.95 - 0.3j, 0.5 - 0.3j]
        hollow = [0.42 - 0.75j, 0.5 - 1.15j, 0.69 - 1.27j, 0.83 - 1.1j, 0.82 - 0.65j]
        inner = curve(hollow, closed=True)
    elif breed.ears == "folded":
        knots = [0.22 - 0.8j, 0.5 - 1.14j, 0.86 - 1.0j, 1.14 - 0.42j, 0.98 - 0.32j, 0.6 - 0.62j]
    elif breed.ears == "button":
        knots = [0.4 - 0.82j, 0.85 - 0.8j, 1.08 - 0.4j, 1.0 - 0.05j, 0.8 - 0.1j, 0.6 - 0.5j]
    else:
        drop = 0.95j if breed.ears == "long" else 0.45j
        knots = [0.4 - 0.8j, 0.82 - 0.8j, 1.15 - 0.25j, 1.2 + drop, 0.95 + drop * 1.3]
        knots += [0.74 + drop * 0.7, 0.62 - 0.3j]
    shade = coat.tip if coat.pattern == "points" else blend(coat.tip, coat.dark, 0.45)
    outline = cloud(1.0 + 0.1j, 0.48) if breed.ears == "puff" else curve(knots, closed=True)
    for way in (wide, -wide):
        pen.part(outline.real * way + 1j * outline.imag, coat.tip if behind else shade)
        if inner is not None:
            pen.fill(inner.real * way + 1j * inner.imag, PINK)
        if breed.ears == "tufted":
            for lean in (0, 0.08, 0.16):
                end = complex((0.84 + lean) * way, -1.78 + 1.5 * lean)
                pen.stroke([complex(0.8 * way, -1.42), end], coat.line)


def face_marks(coat: Coat) -> list[Mark]:
    """Return the marks of a coat on a head of radius one."""
    if coat.pattern == "stripes":
        bars = [ribbon([x - 1j, x * 0.7 - 0.45j], 0.07, 0.03) for x in (-0.32, 0, 0.32)]
        for end in (1.2 + 0.2j, 1.2 + 0.45j, -1.2 + 0.2j, -1.2 + 0.45j):
            bars.append(ribbon([end, end - 0.4 * end.real], 0.06, 0.02))
        return [(bar, coat.dark) for bar in bars]
    if coat.pattern == "patches":
        patches = ellipse(-0.5 - 0.2j, 0.45, 0.55), ellipse(0.9 - 0.8j, 0.5, 0.4)
        return [(patch, coat.dark) for patch in patches]
    if coat.pattern == "tuxedo":
        return [(mirrored([-1.1j, 0.1 - 0.6j, 0.16 - 0.1j, 0.75 + 0.6j, 1.2j]), coat.light)]
    if coat.pattern == "points":
        return [(ellipse(0.3j, 0.68, 0.6), coat.dark)]
    return [(ellipse(s * 0.36 - 0.45j, 0.13, 0.08), coat.light) for s in (1, -1)]


def draw_cat_face(pen: Pen, breed: Breed, pose: Pose) -> None:
    coat, wide, muzzle = pen.coat, breed.head_width, pen.coat.muzzle
    draw_ears(pen, breed, behind=True)
    cheek = [1.18 * wide + 0.42j] * 2 if breed.fluffy else [0.98 * wide + 0.3j]
    half = [-0.86j, 0.6 * wide - 0.74j, 1.0 * wide - 0.1j, *cheek, 0.55 * wide + 0.74j, 0.86j]
    pen.part(mirrored(half), coat.base, face_marks(coat))
    pen.fill(ellipse(0.56j, 0.2, 0.14), muzzle)
    if pose.open_mouth:
        pen.part(ellipse(0.56j, 0.12, 0.12), MOUTH)
    for way in (1, -1):
        draw_cat_eye(pen, pose, way * 0.44 * wide - 0.08j)
        pen.fill(ellipse(way * 0.17 + 0.4j, 0.22, 0.16), muzzle)
        pen.stroke([0.34j, way * 0.03 + 0.46j, way * 0.17 + 0.5j, way * 0.3 + 0.43j], coat.line)
        draw_whiskers(pen, way * 0.32 + 0.4j, way)
    pen.part(curve([-0.12 + 0.22j, 0.12 + 0.22j, 0.35j, 0.35j], closed=True), PINK)


def draw_dog_face(pen: Pen, breed: Breed, pose: Pose) -> None:
    coat, wide, muzzle = pen.coat, breed.head_width, pen.coat.muzzle
    draw_ears(pen, breed, behind=True)
    cheek = (0.98 if breed.fluffy else 0.82) * wide + 0.32j
    half = [-0.92j, 0.55 * wide - 0.82j, 0.9 * wide - 0.25j, cheek, 0.55 * wide + 0.72j, 0.84j]
    pen.part(mirrored(half), coat.base, face_marks(coat))
    for way in (1, -1):
        draw_dog_eye(pen, pose, way * 0.4 * wide - 0.2j)
    snout = pen.at(0.12j, breed.muzzle)
    if pose.open_mouth:
        snout.part(ellipse(0.68j, 0.3, 0.27), MOUTH)
        draw_tongue(snout, 0.66j)
    else:
        snout.part(ellipse(0.68j, 0.26, 0.18), muzzle)
    lips = [-0.05j, 0.26 + 0.02j, 0.5 + 0.4j, 0.4 + 0.68j, 0.14 + 0.72j, 0.62j]
    snout.part(mirrored(lips), muzzle)
    snout.stroke([0.3j, 0.62j], coat.line)
    snout.part(mirrored([0.02j, 0.22 + 0.05j, 0.23 + 0.2j, 0.08 + 0.33j, 0.35j]), INK)
    snout.fill(ellipse(-0.07 + 0.11j, 0.07, 0.035), GLINT)
    for freckle in (-0.3, -0.22, 0.22, 0.3):
        snout.fill(ellipse(freckle + 0.45j, 0.02, 0.02), coat.line)
    draw_ears(pen, breed, behind=False)
    if breed.ears == "puff":
        pen.part(cloud(-0.95j, 0.5), coat.tip)


def draw_cat_profile(pen: Pen, breed: Breed, pose: Pose) -> None:
    coat = pen.coat
    tall = 1.4 * (0.55 + 0.45 * breed.ear_size)
    for shift, shade in ((0.2, blend(coat.tip, INK, 0.2)), (-0.25, coat.tip)):
        tip = complex(shift * 1.2, -tall)
        pen.part(curve([shift - 0.4 - 0.4j, tip, tip, shift + 0.3 - 0.5j], closed=True), shade)
    tip = complex(-0.28, -tall * 0.88)
    pen.fill(curve([-0.48 - 0.65j, tip, tip, -0.08 - 0.7j], closed=True), PINK)
    knots = [-0.85 + 0j, -0.5 - 0.72j, 0.15 - 0.82j, 0.62 - 0.45j, 0.78 - 0.02j, 1.0 + 0.2j]
    knots += [0.92 + 0.5j, 0.5 + 0.74j, -0.4 + 0.72j]
    pen.part(curve(knots, closed=True), coat.base, face_marks(coat)[:3])
    pen.fill(ellipse(0.72 + 0.38j, 0.24, 0.19), coat.muzzle)
    draw_cat_eye(pen, pose, 0.34 - 0.14j)
    pen.stroke([0.94 + 0.4j, 0.8 + 0.5j, 0.62 + 0.46j], coat.line)
    pen.part(ellipse(0.98 + 0.2j, 0.1, 0.08), PINK)
    draw_whiskers(pen, 0.72 + 0.4j, 1)
    draw_whiskers(pen, 0.62 + 0.4j, -1)


def draw_dog_profile(pen: Pen, breed: Breed, pose: Pose) -> None:
    coat = pen.coat
    if breed.ears == "erect":
        ear = curve([-0.55 - 0.4j, -0.5 - 1.2j, -0.3 - 1.4j, -0.05 - 1.2j, 0.2 - 0.6j], closed=True)
        pen.part(ear + 0.24, blend(coat.tip, INK, 0.2))
        pen.part(ear, coat.tip)
    reach = 0.55 + 0.85 * breed.muzzle
    if pose.open_mouth:
        pen.part(ribbon([0.2 + 0.55j, reach - 0.25 + 0.72j], 0.2, 0.12), coat.muzzle)
        draw_tongue(pen, reach - 0.3 + 0.55j)
    knots = [
        -0.85 + 0.1j,
        -0.6 - 0.65j,
        0.1 - 0.8j,
        0.5 - 0.42j,
        0.75 - 0.12j,
        reach - 0.05 - 0.08j,
    ]
    knots += [reach + 0.02 + 0.32j, reach - 0.3 + 0.56j, 0.4 + 0.62j, -0.3 + 0.75j]
    snout = ellipse(reach - 0.1 + 0.4j, 0.75, 0.4)
    pen.part(curve(knots, closed=True), coat.base, [*face_marks(coat)[:1], (snout, coat.muzzle)])
    pen.stroke([reach - 0.02 + 0.36j, reach - 0.45 + 0.4j, reach - 0.75 + 0.3j], coat.line)
    draw_dog_eye(pen, pose, 0.24 - 0.25j)
    pen.part(ellipse(reach, 0.17, 0.15), INK)
    pen.fill(ellipse(reach - 0.02 - 0.06j, 0.06, 0.03), GLINT)
    shade = blend(coat.tip, coat.dark, 0.45)
    if breed.ears == "puff":
        pen.part(cloud(-0.35 + 0.15j, 0.5), shade)
        pen.part(cloud(-0.25 - 1.0j, 0.46), coat.tip)
    elif breed.ears != "erect":
        drop = {"long": 0.95, "floppy": 0.6}.get(breed.ears, 0.1) * 1j
        knots = [-0.15 - 0.7j, -0.5 - 0.68j, -0.68 - 0.2j, -0.6 + drop * 0.8, -0.35 + drop]
        pen.part(curve([*knots, -0.1 + drop * 0.6, 0.02 - 0.3j], closed=True), shade)


HEADS = {
    ("cat", False): draw_cat_face,
    ("dog", False): draw_dog_face,
    ("cat", True): draw_cat_profile,
    ("dog", True): draw_dog_profile,
}


def draw_head(pen: Pen, breed: Breed, pose: Pose, place: complex, size: float) -> None:
    """Draw a head of radius size."""
    profile = pose.profile and pose.view == "walking"
    tilt = pose.tilt * (0.6 if profile else 1)
    HEADS[breed.kind, profile](pen.at(place, size, tilt), breed, pose)


SWING = (0.2 + 0j, -0.45 + 0.12j, -0.95 - 0.2j, -1.05 - 0.75j, -1.4 - 1.05j)
TAILS: dict[str, tuple[tuple[complex, ...], float, float]] = {  # knots, width at root and at tip
    "thin": (SWING, 0.11, 0.09),
    "bushy": (SWING, 0.16, 0.24),
    "sabre": ((0.2 + 0j, -0.4 - 0.1j, -0.75 - 0.45j, -0.85 - 0.85j), 0.2, 0.09),
    "curled": ((0.2 + 0j, -0.4 - 0.12j, -0.62 - 0.6j, -0.3 - 1j, 0.08 - 0.86j), 0.2, 0.13),
    "pompom": ((0.2 + 0j, -0.25 - 0.25j, -0.4 - 0.6j), 0.12, 0.1),
}


def draw_tail(pen: Pen, breed: Breed, root: complex, lift: float) -> None:
    """Draw a tail that leaves root to the left; lift turns it upwards."""
    tail, coat = pen.at(root, 1, lift), pen.coat
    knots, start, end = TAILS[breed.tail]
    rings = [(ribbon([z - 0.3, z + 0.3], 0.05, 0.05), coat.dark) for z in knots[1:]]
    tail.part(ribbon(knots, start, end), coat.tip, rings if coat.pattern == "stripes" else ())
    if breed.tail == "pompom":
        tail.part(cloud(-0.42 - 0.7j, 0.3), coat.tip)


def draw_leg(pen: Pen, breed: Breed, hip: complex, foot: complex, far: bool = False) -> None:
    width = 0.15 if breed.kind == "cat" else 0.19
    shade = blend(pen.coat.base, INK, 0.22) if far else pen.coat.base
    sock = ellipse(foot, 0.5, 0.32), pen.coat.foot
    pen.part(ribbon([hip, (hip + foot) / 2 - 0.04, foot], width * 1.35, width), shade, [sock])
    paw = foot + 0.07 + 0.02j
    pen.part(ellipse(paw, width * 1.5, width * 0.85), pen.coat.foot)
    for toe in (-0.25, 0.35):
        pen.stroke([paw + width * (toe + 0.2j), paw + width * (toe + 0.7j)], pen.coat.line, 5)


def draw_collar(pen: Pen, pose: Pose, left: complex, right: complex) -> None:
    if pose.collar:
        middle = (left + right) / 2 + 0.14j
        pen.part(ribbon([left, middle, right], 0.085, 0.085), pose.collar)
        pen.part(ellipse(middle + 0.14j, 0.1, 0.1), BELL)


def draw_portrait(pen: Pen, breed: Breed, pose: Pose, rng: Random) -> None:
    girth = breed.girth
    chest = mirrored([0.2j, 0.62 + 0.3j, 0.98 * girth + 0.9j, 1.12 * girth + 2j, 2j])
    pen.part(chest, pen.coat.base, markings(pen.coat, chest, rng))
    draw_collar(pen, pose, -0.66 + 0.72j, 0.66 + 0.72j)
    draw_head(pen, breed, pose, -0.35j, 1.15)


def draw_sitting(pen: Pen, breed: Breed, pose: Pose, rng: Random) -> None:
    coat, girth = pen.coat, breed.girth
    draw_tail(pen, breed, -0.5 * girth + 1.3j, 0.15)
    half = [-0.9j, 0.5 - 0.45j, 0.74 * girth + 0.5j, 0.86 * girth + 1.2j, 0.5 + 1.5j, 1.5j]
    trunk = mirrored(half)
    pen.part(trunk, coat.base, markings(coat, trunk, rng))
    for way in (1, -1):
        pen.part(ellipse(way * 0.7 * girth + 1.15j, 0.34, 0.4), coat.base)
        pen.part(ellipse(way * 0.74 * girth + 1.5j, 0.3, 0.13), coat.foot)
    for way in (1, -1):
        draw_leg(pen, breed, way * 0.24 + 0.35j, way * 0.26 + 1.45j)
    draw_collar(pen, pose, -0.42 - 0.45j, 0.42 - 0.45j)
    draw_head(pen, breed, pose, -1.1j, 0.88)


def draw_walking(pen: Pen, breed: Breed, pose: Pose, rng: Random) -> None:
    coat = pen.coat
    ground, stride = (0.45 + 0.8 * breed.leg) * 1j, rng.uniform(0.1, 0.4)
    for hip, step in ((-0.6, stride), (0.87, -stride)):
        draw_leg(pen, breed, hip + 0.2j, hip + step + ground - 0.06j, far=True)
    draw_tail(pen, breed, -1 - 0.2j, rng.uniform(-0.1, 0.35))
    deep = breed.girth * (0.5j if breed.kind == "cat" else 0.56j)
    knots = [-1.2 - 0.1j, -0.8 - 0.46j, -0.42j, 0.8 - 0.5j, 1.15 - 0.1j]
    trunk = curve([*knots, 0.8 + deep, 0.85 * deep, -0.8 + 0.9 * deep], closed=True)
    head = 1.35 - 0.95j
    neck = ribbon([0.75 - 0.1j, head], 0.42, 0.34)
    pen.part(neck, coat.base)
    pen.part(trunk, coat.base, markings(coat, trunk, rng))
    pen.fill(neck, coat.base)  # no line between trunk and neck
    for hip, step in ((-0.9, -stride), (0.75, stride)):
        draw_leg(pen, breed, hip + 0.15j, hip + step + ground)
    draw_collar(pen, pose, 0.62 - 0.55j, 1.24 - 0.1j)
    draw_head(pen, breed, pose, head, 0.74)


def draw_lying(pen: Pen, breed: Breed, pose: Pose, rng: Random) -> None:
    coat = pen.coat
    draw_tail(pen, breed, -1.2 + 0.45j, rng.uniform(-0.1, 0.2))
    draw_leg(pen, breed, 0.7 + 0.42j, 1.6 + 0.5j, far=True)
    knots = [-1.35 + 0.3j, -1.1 - 0.3j, -0.3 - 0.5j * breed.girth, 0.7 - 0.5j, 1.15 + 0.1j]
    trunk = curve([*knots, 1.1 + 0.62j, 0.62j, -1.2 + 0.64j], closed=True)
    pen.part(trunk, coat.base, markings(coat, trunk, rng))
    pen.part(ellipse(-0.85 + 0.25j, 0.48, 0.42), coat.base)
    pen.part(ellipse(-0.5 + 0.6j, 0.34, 0.14), coat.foot)
    draw_leg(pen, breed, 0.55 + 0.45j, 1.35 + 0.62j)
    draw_collar(pen, pose, 0.45 - 0.15j, 1.2 - 0.15j)
    draw_head(pen, breed, pose, 0.8 - 0.75j, 0.82)


BODIES = {
    "portrait": draw_portrait,
    "sitting": draw_sitting,
    "walking": draw_walking,
    "lying": draw_lying,
}


def draw_animal(breed: Breed, pose: Pose, coat: Coat, rng: Random) -> Image.Image:
    """Return the animal on a transparent ground, cropped to itself."""
    image = Image.new("RGBA", (CANVAS, CANVAS))
    pen = Pen(image, coat, UNIT, complex(CANVAS / 2, CANVAS / 2))
    BODIES[pose.view](pen, breed, pose, rng)
    return image.crop(image.getbbox())
