"""Writes hypervolume_improvement.json: what BoTorch expects trials to add to fronts of several objectives.

    python -m pip install botorch==0.18.1 torch==2.15.0
    python hypervolume_improvement.py > hypervolume_improvement.json

All objectives are to be small; BoTorch's are to be great, so that signs change here.
"""

import json
import warnings

import numpy as np
import torch
from botorch.acquisition.multi_objective.analytic import ExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.models import ModelListGP, SingleTaskGP
from botorch.sampling.normal import SobolQMCNormalSampler
from botorch.utils.multi_objective.box_decompositions import FastNondominatedPartitioning
from botorch.utils.testing import MockModel, MockPosterior
from gpytorch.kernels import MaternKernel

warnings.simplefilter("ignore")
torch.set_default_dtype(torch.double)
rng = np.random.default_rng(3)

# Exactly, of values that are normal and independent.
exact = []
for objectives in (2, 3, 4):
    front = rng.normal(size=(9, objectives))
    reference = np.full(objectives, 1.5)
    boxes = FastNondominatedPartitioning(torch.tensor(-reference), torch.tensor(-front))
    rows = []
    for _ in range(4):
        mean, deviation = rng.normal(size=objectives), rng.uniform(0.1, 1.0, size=objectives)
        posterior = MockPosterior(mean=torch.tensor(-mean)[None, None], variance=torch.tensor(deviation**2)[None, None])
        acquisition = ExpectedHypervolumeImprovement(MockModel(posterior), (-reference).tolist(), boxes)
        volume = acquisition(torch.zeros(1, 1, 1)).item()
        rows.append({"mean": mean.tolist(), "deviation": deviation.tolist(), "volume": volume})
    exact.append({"front": front.tolist(), "reference": reference.tolist(), "volumes": rows})

# Where noise leaves the front in doubt and trials run. The same processes as ours: length scales and noise are given, the
# mean is the most plausible one.
points, at = rng.uniform(size=(10, 2)), rng.uniform(size=(4, 2))
running = np.array([[0.35, 0.6], [0.8, 0.2]])
objectives = [
    {"scales": [0.5, 0.8], "noise": 0.05, "values": np.sin(5 * points[:, 0]) + points[:, 1]},
    {"scales": [0.7, 0.4], "noise": 0.02, "values": np.cos(4 * points[:, 1]) - points[:, 0]},
    {"scales": [0.6, 0.6], "noise": 0.1, "values": (points[:, 0] - points[:, 1]) ** 2},
]
models = []
for objective in objectives:
    values = objective["values"] + np.sqrt(objective["noise"]) * rng.normal(size=10)
    kernel = MaternKernel(nu=2.5, ard_num_dims=2)
    kernel.lengthscale = torch.tensor(objective["scales"])
    covariance = kernel(torch.tensor(points)).to_dense().detach().numpy() + objective["noise"] * np.eye(10)
    ones = np.linalg.solve(covariance, np.ones(10))
    model = SingleTaskGP(
        torch.tensor(points),
        torch.tensor(-values)[:, None],
        torch.full((10, 1), objective["noise"]),
        covar_module=kernel,
        outcome_transform=None,
    )
    model.mean_module.constant = -float(ones @ values / ones.sum())
    models.append(model.eval())
    objective["values"] = values.tolist()
reference = [2.0, 2.0, 2.0]
logs = []
for seed in range(48):
    acquisition = qLogNoisyExpectedHypervolumeImprovement(
        ModelListGP(*models),
        [-end for end in reference],
        torch.tensor(points),
        sampler=SobolQMCNormalSampler(torch.Size([1024]), seed=seed),
        X_pending=torch.tensor(running),
        tau_relu=1e-6,
        tau_max=1e-4,
        fat=False,
    )
    with torch.no_grad():
        logs.append(acquisition(torch.tensor(at)[:, None]).numpy())
volumes = np.exp(np.array(logs))
noisy = {
    "points": points.tolist(),
    "running": running.tolist(),
    "objectives": objectives,
    "reference": reference,
    "at": at.tolist(),
    "volumes": volumes.mean(0).tolist(),
    "standard_errors": (volumes.std(0, ddof=1) / np.sqrt(len(volumes))).tolist(),
}
print(json.dumps({"exact": exact, "noisy": noisy}, indent=1))
