"""Makes the table of `recipes/yarally-search.toml` from what `joulewise tune trials --json` printed (stdin).

CPU-seconds of a trial are shared out over its epochs as its modelled joules were, which follow CPU time.
"""

import json
import sys

print("setting,lr,beta1,beta2,epoch,accuracy,cpu_s")
for trial in json.load(sys.stdin):
    if trial["state"] != "done":
        continue
    p, scale = trial["parameters"], trial["cpu_s"] / trial["energy_j"]
    for report in trial["curve"]:
        print(f"{trial['trial']},{p['train.lr']:.6g},{p['train.beta1']:.6g},{p['train.beta2']:.6g},"
              f"{report['step']},{report['metrics']['accuracy']:.4f},{report['energy_j'] * scale:.3f}")
