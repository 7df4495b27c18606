"""Trains as train.py does, and takes what every practice can hand over. Writes ONNX, and a checkpoint beside it."""

import argparse
import json

import numpy as np
import torch

from distil import distillation_loss, teacher_logits
from model import SmallCnn, accuracy, load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--width", type=int, default=16, help="channels of the first convolution")
    parser.add_argument("--subset", default="", help=".npy file with the numbers of the examples to use; default: all")
    parser.add_argument("--teacher", default="", help="safetensors file with a teacher's logits; default: none")
    parser.add_argument("--init", default="", help="checkpoint to start from; default: random weights")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--out", default="model.onnx")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    pictures, labels = load(None, "train")
    held_out = load(None, "validation")
    used = torch.from_numpy(np.load(args.subset)) if args.subset else torch.arange(len(labels))
    taught = teacher_logits(args.teacher)
    net = SmallCnn(width=args.width)
    if args.init:
        net.load_state_dict(torch.load(args.init, weights_only=True))
    optimiser = torch.optim.Adam(net.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        net.train()
        total = 0.0
        for at in used[torch.randperm(len(used))].split(args.batch):
            with torch.autocast("cpu", torch.bfloat16, enabled=args.precision == "bf16"):
                logits = net(pictures[at])
            loss = distillation_loss(logits.float(), labels[at], taught[at] if taught is not None else None)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(at)
        row = dict(epoch=epoch, loss=total / len(used), accuracy=accuracy(net, *held_out))
        print(json.dumps(row), flush=True)
    net.eval()
    torch.save(net.state_dict(), f"{args.out}.pt")
    names = dict(input_names=["pictures"], output_names=["logits"], dynamic_axes={"pictures": {0: "batch"}})
    torch.onnx.export(net, (pictures[:1],), args.out, dynamo=False, **names)


if __name__ == "__main__":
    main()
