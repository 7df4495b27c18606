"""Labels pictures for a while, as a service would, and prints how many."""

import argparse
import json

import torch

from train import build

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("checkpoint")
parser.add_argument("--model", default="resnet18")
parser.add_argument("--width", type=int, default=64)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--inferences", type=int, default=3000)
args = parser.parse_args()

weights = torch.load(args.checkpoint, map_location="cpu", weights_only=True)["model"]
net = build(args.model, args.width, len(weights["fc.bias"]))
net.load_state_dict(weights)
net.eval()
pictures = torch.rand(args.batch_size, 3, 32, 32)
batches = args.inferences // args.batch_size
with torch.inference_mode():
    for _ in range(batches):
        net(pictures)
print(json.dumps(dict(inferences=batches * args.batch_size)))
