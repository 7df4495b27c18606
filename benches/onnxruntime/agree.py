"""How often ONNX Runtime and Joulewise give an image the same label.

usage: python agree.py MODEL.onnx IMAGES.npy LOGITS.npy

IMAGES is what `joulewise predict MODEL.onnx --input IMAGES.npy --output LOGITS.npy` read, f32 [n, c, h, w];
LOGITS is what it wrote, f32 [n, classes]. Prints one JSON object: the share of equal labels, the number of images, and
the largest difference between two logits.
"""

import json
import sys

import numpy as np
import onnxruntime

BATCH = 250


def main():
    model, images, ours = sys.argv[1], np.load(sys.argv[2]), np.load(sys.argv[3])
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = session.get_inputs()[0].name
    batches = (images[at : at + BATCH] for at in range(0, len(images), BATCH))
    theirs = np.concatenate([session.run(None, {feed: batch})[0] for batch in batches])
    if ours.shape != theirs.shape:
        sys.exit(f"{model}: joulewise gives {ours.shape}, ONNX Runtime {theirs.shape}")
    equal = np.argmax(ours, 1) == np.argmax(theirs, 1)
    difference = float(np.abs(ours - theirs).max())
    print(json.dumps(dict(agreement=float(equal.mean()), images=len(equal), max_difference=difference)))


if __name__ == "__main__":
    main()
