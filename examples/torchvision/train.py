"""Trains a network of torchvision on a folder of pictures, as reference scripts do. Nothing in here knows of Joulewise."""

import argparse
import datetime
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import models, transforms
from torchvision.datasets import ImageFolder
from torchvision.models.resnet import BasicBlock, ResNet

LAYERS = dict(resnet18=[2, 2, 2, 2], resnet34=[3, 4, 6, 3])


class ScaledResNet(ResNet):
    """A ResNet whose first stage has `width` channels instead of 64."""

    def __init__(self, layers, width, num_classes):
        super().__init__(BasicBlock, layers, num_classes=num_classes)
        self.inplanes = width
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        for stage, blocks in enumerate(layers):
            layer = self._make_layer(BasicBlock, width * 2**stage, blocks, stride=1 if stage == 0 else 2)
            setattr(self, f"layer{stage + 1}", layer)
        self.fc = nn.Linear(8 * width, num_classes)


def build(name, width, classes):
    """The network of that name in torchvision; of another width if it is one that can be scaled."""
    if width == 64:
        return models.get_model(name, num_classes=classes)
    if name not in LAYERS:
        raise SystemExit(f"--width is for {', '.join(LAYERS)}")
    return ScaledResNet(LAYERS[name], width, classes)


class Mean:
    """The last value of something, and its mean."""

    def __init__(self):
        self.last, self.total, self.count = 0.0, 0.0, 0

    def update(self, value, n=1):
        self.last, self.total, self.count = value, self.total + value * n, self.count + n

    @property
    def mean(self):
        return self.total / max(self.count, 1)

    def __str__(self):
        return f"{self.last:.4f} ({self.mean:.4f})"


class MetricLogger:
    """Prints what was measured, every so many batches."""

    def __init__(self):
        self.means = {}

    def update(self, n=1, **values):
        for name, value in values.items():
            self.means.setdefault(name, Mean()).update(value, n)

    def log_every(self, batches, every, header):
        began = time.time()
        for i, batch in enumerate(batches):
            yield batch
            if i % every == 0 or i == len(batches) - 1:
                left = (time.time() - began) / (i + 1) * (len(batches) - i - 1)
                shown = "  ".join(f"{name}: {mean}" for name, mean in self.means.items())
                eta = datetime.timedelta(seconds=int(left))
                print(f"{header}  [{i:>{len(str(len(batches)))}}/{len(batches)}]  eta: {eta}  {shown}")
        print(f"{header} Total time: {datetime.timedelta(seconds=int(time.time() - began))}")


def topk(logits, labels, ks=(1, 5)):
    """The share of the labels among the k best, in percent, for each k."""
    best = logits.topk(max(ks), dim=1).indices
    hits = best == labels[:, None]
    return [100.0 * hits[:, :k].any(1).float().mean().item() for k in ks]


def train_one_epoch(model, loss_of, optimizer, loader, device, epoch, args):
    model.train()
    logger = MetricLogger()
    for pictures, labels in logger.log_every(loader, args.print_freq, f"Epoch: [{epoch}]"):
        began = time.time()
        pictures, labels = pictures.to(device), labels.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=args.amp):
            logits = model(pictures)
            loss = loss_of(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        n, (acc1, acc5) = len(labels), topk(logits, labels)
        logger.update(n, loss=loss.item(), acc1=acc1, acc5=acc5)
        logger.update(lr=optimizer.param_groups[0]["lr"], img_s=n / (time.time() - began))


def evaluate(model, loss_of, loader, device, args):
    model.eval()
    logger = MetricLogger()
    with torch.inference_mode():
        for pictures, labels in logger.log_every(loader, args.print_freq, "Test:"):
            pictures, labels = pictures.to(device), labels.to(device)
            logits = model(pictures)
            acc1, acc5 = topk(logits, labels)
            logger.update(len(labels), loss=loss_of(logits, labels).item(), acc1=acc1, acc5=acc5)
    print(f"Test:  Acc@1 {logger.means['acc1'].mean:.3f} Acc@5 {logger.means['acc5'].mean:.3f}")


def load(args):
    normalise = transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    plain = transforms.Compose([transforms.ToTensor(), normalise])
    flipped = transforms.Compose([transforms.RandomHorizontalFlip(), plain])
    train = ImageFolder(args.data_path / "train", flipped)
    held_out = ImageFolder(args.data_path / args.eval_split, plain)
    classes = len(train.classes)
    if args.subset:
        train = Subset(train, np.load(args.subset).tolist())
    loader = dict(batch_size=args.batch_size, num_workers=args.workers)
    return DataLoader(train, shuffle=True, **loader), DataLoader(held_out, **loader), classes


def main(args):
    torch.manual_seed(args.seed)
    device = torch.device(args.device)
    train_loader, test_loader, classes = load(args)
    model = build(args.model, args.width, classes).to(device)
    loss_of = nn.CrossEntropyLoss(label_smoothing=args.label_smoothing)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=args.lr, momentum=args.momentum, weight_decay=args.weight_decay, nesterov=True
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=args.epochs)
    start = 0
    if args.weights:
        model.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True)["model"])
    if args.resume:
        checkpoint = torch.load(args.resume, map_location="cpu", weights_only=True)
        model.load_state_dict(checkpoint["model"])
        if not args.test_only:
            optimizer.load_state_dict(checkpoint["optimizer"])
            scheduler.load_state_dict(checkpoint["lr_scheduler"])
            start = checkpoint["epoch"] + 1
    if args.test_only:
        evaluate(model, loss_of, test_loader, device, args)
        return

    print("Start training")
    began = time.time()
    for epoch in range(start, args.epochs):
        train_one_epoch(model, loss_of, optimizer, train_loader, device, epoch, args)
        scheduler.step()
        evaluate(model, loss_of, test_loader, device, args)
        if args.output_dir:
            args.output_dir.mkdir(parents=True, exist_ok=True)
            state = dict(model=model, optimizer=optimizer, lr_scheduler=scheduler)
            checkpoint = {name: part.state_dict() for name, part in state.items()}
            torch.save(dict(checkpoint, epoch=epoch), args.output_dir / "checkpoint.pth")
    print(f"Training time {datetime.timedelta(seconds=int(time.time() - began))}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-path", type=Path, default="pictures", help="folder with train and val")
    parser.add_argument("--model", default="resnet18", help="a classification network of torchvision")
    parser.add_argument("--width", type=int, default=64, help="channels of the first stage of a ResNet")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("-b", "--batch-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=90)
    parser.add_argument("-j", "--workers", type=int, default=0)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--wd", "--weight-decay", dest="weight_decay", type=float, default=1e-4)
    parser.add_argument("--label-smoothing", type=float, default=0.0)
    parser.add_argument("--print-freq", type=int, default=10)
    parser.add_argument("--output-dir", type=Path, help="where to leave checkpoint.pth")
    parser.add_argument("--resume", default="", help="checkpoint to go on from")
    parser.add_argument("--weights", default="", help="checkpoint whose weights to start from")
    parser.add_argument("--subset", default="", help=".npy file with the numbers of the training pictures to use")
    parser.add_argument("--eval-split", default="val", help="folder of the pictures to evaluate on")
    parser.add_argument("--test-only", action="store_true", help="evaluate and end")
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=False, help="compute in bfloat16 where that does")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main(parse())
