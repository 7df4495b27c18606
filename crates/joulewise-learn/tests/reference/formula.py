"""Tensors made by a formula, so that the Rust tests rebuild the same bits instead of reading them.

Element `i` of the tensor called `name` comes from `z = splitmix64(fnv1a64(name) + i)` (64-bit, wrapping):
a uniform number is `u = (z >> 40) / 2^24`, exact in f32, a signed one `2u - 1`, a label `z % classes`.
"""

import numpy as np

U64 = np.uint64


def fnv1a64(name: str) -> int:
    """The FNV-1a hash of a name's UTF-8 bytes."""
    hash = 0xCBF29CE484222325
    for byte in name.encode():
        hash = (hash ^ byte) * 0x100000001B3 % 2**64
    return hash


def bits(name: str, count: int) -> np.ndarray:
    """The first `count` values of splitmix64 for `name`."""
    with np.errstate(over="ignore"):
        z = U64(fnv1a64(name)) + np.arange(count, dtype=U64) + U64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
        return z ^ (z >> U64(31))


def signed(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values `2u - 1` in [-1, 1), f32."""
    u = (bits(name, int(np.prod(shape))) >> U64(40)).astype(np.float32) / np.float32(2**24)
    return (np.float32(2) * u - np.float32(1)).reshape(shape)


def weight(name: str, shape: tuple[int, ...], fan_in: int) -> np.ndarray:
    """Values `(2u - 1) * bound` with `bound = 1 / sqrt(fan_in)`, rounded from f64 to f32."""
    return signed(name, shape) * np.float32(1 / np.sqrt(np.float64(fan_in)))


def labels(name: str, count: int, classes: int) -> np.ndarray:
    """Class indices `z % classes`."""
    return (bits(name, count) % U64(classes)).astype(np.int64)
