"""Runs an exported model in ONNX Runtime, as it is deployed: prints its test accuracy, or how many pictures it labelled."""

import argparse
import json

import onnxruntime

from model import load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("task", choices=["evaluate", "serve"])
parser.add_argument("model")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--inferences", type=int, default=50_000)
args = parser.parse_args()

session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
pictures, labels = (array.numpy() for array in load(None, "test"))
if args.task == "evaluate":
    predicted = session.run(None, {"pictures": pictures})[0].argmax(1)
    print(json.dumps(dict(accuracy=float((predicted == labels).mean()))))
else:
    batch = pictures[: args.batch]
    batches = args.inferences // len(batch)
    for _ in range(batches):
        session.run(None, {"pictures": batch})
    print(json.dumps(dict(inferences=batches * len(batch))))
