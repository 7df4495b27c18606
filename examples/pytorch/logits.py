"""Writes a trained model's logits for every training example, in the order in which the training numbers them."""

import argparse

import torch
from safetensors.torch import save_file

from model import SmallCnn, load

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("model")
parser.add_argument("teacher", help="safetensors file to write")
parser.add_argument("--width", type=int, default=16)
args = parser.parse_args()

net = SmallCnn(width=args.width)
net.load_state_dict(torch.load(f"{args.model}.pt", weights_only=True))
net.eval()
with torch.inference_mode():
    logits = torch.cat([net(pictures) for pictures in load(None, "train")[0].split(500)])
save_file({"logits": logits}, args.teacher)
