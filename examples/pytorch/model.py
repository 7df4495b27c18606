"""The network and the data of the example: small pictures of ten textures, or any IDX data set."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import nn


class SmallCnn(nn.Sequential):
    """Two convolutions and two linear layers for 28x28 pictures of one channel."""

    def __init__(self, classes=10, width=16):
        super().__init__(
            nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(2 * width * 7 * 7, 4 * width), nn.ReLU(), nn.Linear(4 * width, classes),
        )


def textures(count, seed):
    """Gratings of ten directions, shifted at random and drowned in noise; pictures in [0, 1] and labels."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, count)
    angle = (labels * np.pi / 10)[:, None, None]
    phase = random.uniform(0, 2 * np.pi, (count, 1, 1))
    frequency = random.uniform(0.6, 1.2, (count, 1, 1))
    down, right = np.mgrid[0:28, 0:28]
    wave = np.sin(frequency * (right * np.cos(angle) + down * np.sin(angle)) + phase)
    noisy = 0.5 + 0.25 * wave + random.normal(0, 0.35, wave.shape)
    return noisy.clip(0, 1).astype(np.float32), labels


def idx(path):
    """The array in an IDX file, plain or compressed."""
    raw = gzip.open(path).read() if path.suffix == ".gz" else path.read_bytes()
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load(data, split):
    """Pictures and labels of `split` (train, validation or test), drawn or from the folder of IDX files `data`."""
    if data is None:
        counts = dict(train=(6000, 1), validation=(1500, 2), test=(1500, 3))
        pictures, labels = textures(*counts[split])
    else:
        stem = "t10k" if split == "test" else "train"
        read = lambda kind: idx(next(Path(data).glob(f"{stem}-{kind}*")))
        pictures, labels = read("images").astype(np.float32) / 255, read("labels").astype(np.int64)
        held_out = len(labels) // 10
        part = dict(train=slice(held_out, None), validation=slice(0, held_out), test=slice(None))[split]
        pictures, labels = pictures[part], labels[part]
    return torch.from_numpy(pictures)[:, None], torch.from_numpy(labels)


@torch.inference_mode()
def accuracy(net, pictures, labels, batch=500):
    """Share of the pictures that the network labels rightly."""
    net.eval()
    right = sum((net(x).argmax(1) == y).sum().item() for x, y in zip(pictures.split(batch), labels.split(batch)))
    return right / len(labels)
