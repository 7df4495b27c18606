"""Draws a folder of pictures to train on: FOLDER/train/CLASS/0001.png, and the same below FOLDER/val and FOLDER/test."""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZE = 32
COUNTS = dict(train=200, val=80, test=80)  # of each class


def corners(sides, centre, radius, turn, dent=1.0):
    """A polygon; with a dent below 1 every other corner lies inside, as in a star."""
    count = sides if dent == 1.0 else 2 * sides
    at = turn + np.arange(count) * 2 * np.pi / count
    reach = radius * np.where(np.arange(count) % 2 == 0, 1.0, dent)
    return [(centre[0] + r * np.cos(a), centre[1] + r * np.sin(a)) for a, r in zip(at, reach)]


CLASSES = dict(
    disc=lambda c, r, turn: corners(24, c, r, turn),
    triangle=lambda c, r, turn: corners(3, c, r, turn),
    square=lambda c, r, turn: corners(4, c, r, turn),
    pentagon=lambda c, r, turn: corners(5, c, r, turn),
    cross=lambda c, r, turn: corners(4, c, r, turn, 0.35),
    star=lambda c, r, turn: corners(5, c, r, turn, 0.45),
    burst=lambda c, r, turn: corners(9, c, r, turn, 0.6),
    blade=lambda c, r, turn: corners(2, c, r, turn, 0.3),
)


def picture(shape, random):
    """A shape of any colour on a background of any other, nearly upright, under noise."""
    colours = random.integers(30, 226, (2, 3))
    while np.abs(colours[0] - colours[1]).sum() < 200:
        colours = random.integers(30, 226, (2, 3))
    radius = random.uniform(9, 14)
    centre = random.uniform(14, SIZE - 14, 2)
    image = Image.new("RGB", (SIZE, SIZE), tuple(map(int, colours[0])))
    ImageDraw.Draw(image).polygon(shape(centre, radius, random.uniform(-0.3, 0.3)), tuple(map(int, colours[1])))
    noisy = np.asarray(image) + random.normal(0, 15, (SIZE, SIZE, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    random = np.random.default_rng(1)
    for split, count in COUNTS.items():
        for name, shape in CLASSES.items():
            place = folder / split / name
            place.mkdir(parents=True, exist_ok=True)
            for number in range(count):
                picture(shape, random).save(place / f"{number:04}.png")


if __name__ == "__main__":
    main()
