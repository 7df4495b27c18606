"""PyTorch's side of `cargo xtask bench train`: the cost of one training step.

usage: python torch_step.py NET BATCH THREADS SECONDS

channels_last, f32, SGD with momentum 0.9, cross-entropy, random data: what `joulewise bench NET --mode train` does.
Prints one JSON object with the fields of `joulewise bench --json`. CPU time is that of all threads.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2] / "crates/joulewise-learn/tests/reference"))
from nets import CLASSES, NETS  # noqa: E402

WARM_UP_STEPS = 5


def main():
    name, batch, threads, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    torch.manual_seed(1)
    torch.set_num_threads(threads)
    shape, net = NETS[name]()
    x, y = torch.randn(batch, *shape), torch.randint(0, CLASSES, (batch,))
    net, x = net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    optimiser, loss_of = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9), nn.CrossEntropyLoss()

    def step():
        optimiser.zero_grad(set_to_none=True)
        loss_of(net(x), y).backward()
        optimiser.step()

    for _ in range(WARM_UP_STEPS):
        step()
    steps, start, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        step()
        steps += 1
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(json.dumps(dict(
        images_per_s=steps * batch / wall,
        cpu_ms_per_step=1e3 * cpu / steps,
        steps=steps,
        rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )))


if __name__ == "__main__":
    main()
