"""Trains a small network. Nothing in here knows of Joulewise."""

import argparse
import json

import torch
from torch import nn

from model import SmallCnn, accuracy, load


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of IDX files; default: textures that are drawn on the spot")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", default="model.pt")
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    pictures, labels = load(args.data, "train")
    held_out = load(args.data, "validation")
    net, loss_of = SmallCnn(), nn.CrossEntropyLoss()
    optimiser = torch.optim.Adam(net.parameters(), lr=args.lr)
    for epoch in range(1, args.epochs + 1):
        net.train()
        total = 0.0
        for at in torch.randperm(len(labels)).split(args.batch):
            loss = loss_of(net(pictures[at]), labels[at])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(at)
        row = dict(epoch=epoch, loss=total / len(labels), accuracy=accuracy(net, *held_out))
        print(json.dumps(row), flush=True)
    torch.save(net.state_dict(), args.out)


if __name__ == "__main__":
    main()
