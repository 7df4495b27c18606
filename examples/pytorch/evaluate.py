"""Prints the test accuracy of a model that train.py saved."""

import argparse
import json

import torch

from model import SmallCnn, accuracy, load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("--data", help="folder of IDX files; default: textures that are drawn on the spot")
args = parser.parse_args()

net = SmallCnn()
net.load_state_dict(torch.load(args.model, weights_only=True))
print(json.dumps(dict(accuracy=accuracy(net, *load(args.data, "test")))))
