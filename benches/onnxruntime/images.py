"""Writes a data set's test images as networks see them: f32 [n, c, h, w], each channel with mean 0 and deviation 1.

usage: python images.py FOLDER OUT.npy            (FOLDER: MNIST's IDX files, or Parquet with Hugging Face's columns)
"""

import gzip
import io
import sys
from pathlib import Path

import numpy as np


def idx(path):
    """The array [n, h, w] in an IDX file of images."""
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    return np.frombuffer(raw, np.uint8, offset=16).reshape(np.frombuffer(raw, ">u4", 3, 4))


def parquet(path):
    """The array [n, h, w, c] of the pictures in a Parquet file."""
    from PIL import Image
    from pyarrow.parquet import read_table

    table = read_table(path)
    column = table["img" if "img" in table.column_names else "image"]
    return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"]))) for cell in column.to_pylist()])


def main():
    folder, out = Path(sys.argv[1]), sys.argv[2]
    images = next(folder.glob("t10k-images*"), None)
    pixels = idx(images)[..., None] if images else parquet(next(folder.glob("test*.parquet")))
    scaled = pixels.astype(np.float32) / 255
    centred = (scaled - scaled.mean((0, 1, 2))) / scaled.std((0, 1, 2))
    np.save(out, np.ascontiguousarray(centred.transpose(0, 3, 1, 2)))


if __name__ == "__main__":
    main()
