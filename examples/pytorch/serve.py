"""Labels pictures for a while, as a service would, and prints how many."""

import argparse
import json

import torch

from model import SmallCnn, load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("--batch", type=int, default=64)
parser.add_argument("--inferences", type=int, default=20_000)
args = parser.parse_args()

net = SmallCnn()
net.load_state_dict(torch.load(args.model, weights_only=True))
net.eval()
pictures = load(None, "test")[0][: args.batch]
batches = args.inferences // len(pictures)
with torch.inference_mode():
    for _ in range(batches):
        net(pictures)
print(json.dumps(dict(inferences=batches * len(pictures))))
