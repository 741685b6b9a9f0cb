import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from idiolect.data.config import CausalObjective
from idiolect.device import DeviceConfig, resolve_device
from idiolect.models import FAMILIES
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdafactorConfig, AdamWConfig, LionConfig, MuonConfig, OptimConfig, SGDConfig
from idiolect.plan import memory, memory_gpt, memory_measured, throughput
from idiolect.train import loss
from idiolect.train.loss import lm_loss

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"n_layers": 4, "d_model": 128, "n_heads": 2, "context_length": 128}
SHAPES = [
    {},
    {"mlp": "swiglu"},
    {"norm": "layer", "positions": "learned", "qk_norm": False, "bias": True, "mlp": "gelu", "tied_head": False},
    {"dropout": 0.1},
]


@pytest.mark.parametrize("changes", SHAPES, ids=["default", "swiglu", "gpt2-like", "dropout"])
def test_activations_are_what_autograd_keeps(changes):
    config = GPTConfig(**(SMALL | changes))
    model, kept = build_model(config, 512, seed=0), {}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            # The tensor is held with its size: a freed storage's address would be given to the next one.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(torch.zeros(8, 128, dtype=torch.int64))
    measured = sum(size for size, _ in kept.values())
    assert memory_gpt.activations(config, 8 * 128) == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize("rule", [AdamWConfig(), MuonConfig(), SGDConfig(), LionConfig(), AdafactorConfig()],
                         ids=lambda rule: rule.kind)  # fmt: skip
def test_moments_are_what_the_optimiser_holds(rule):
    config, optim = GPTConfig(**SMALL), OptimConfig(optimiser=rule)
    model = build_model(config, 512, seed=0)
    optimiser = build_optimiser(optim, model)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    held = sum(tensor.nbytes for tensor in optimiser.tensors().values())
    counted = memory.training_memory(config, 512, 128, optim)
    assert counted["moments"] == pytest.approx(held, rel=0.05)
    assert counted["weights"] == sum(p.nbytes for p in model.parameters())


TABLES = {"ngram_orders": (2, 3), "ngram_buckets": 3000, "ngram_head_orders": (1, 2), "ngram_head_buckets": 5000}


def test_of_tables_only_the_rows_read_have_gradients():
    config, optim = GPTConfig(**SMALL, **TABLES), OptimConfig(clip_norm=1.0)
    model = build_model(config, 70, seed=0)
    optimiser = build_optimiser(optim, model)
    batch = throughput.random_batch(4, config, 70)
    lm_loss(model, batch)[0].backward()
    optimiser.clip()
    held = 0
    for p in model.parameters():
        held += p.grad.values().nbytes + p.grad.indices().nbytes if p.grad.is_sparse else p.grad.nbytes
    shared = 4 * 4 * 128 * (128 + 70)
    counted = memory.training_memory(config, 70, 4 * 128, optim)
    # Above, because of two rows that are read twice; all rows of all tables would be 1.9 MB more.
    assert held + shared <= counted["gradients"] <= 1.1 * (held + shared)
    assert counted["weights"] == sum(p.nbytes for p in model.parameters())
    optimiser.step()
    assert counted["moments"] == pytest.approx(sum(t.nbytes for t in optimiser.tensors().values()), rel=0.05)


def test_tables_at_the_head_widen_the_hidden_state():
    plain, tabled = GPTConfig(**SMALL), GPTConfig(**SMALL, ngram_head_orders=(1, 2))
    for vocabulary, tokens in ((70, 512), (2000, 8192)):
        with_tables, without = (memory_gpt.logits(config, vocabulary, tokens, "cpu") for config in (tabled, plain))
        assert with_tables - without >= 4 * tokens * (128 + vocabulary)


def test_logits_are_counted_by_the_roads_the_loss_takes():
    assert memory_gpt.PLAIN_LOGITS is loss.PLAIN_LOGITS and memory_gpt.CHUNK_LOGITS is loss.CHUNK_LOGITS


WORKER = """
import json, sys
import torch
torch.set_num_threads(1)
from idiolect.device import DeviceConfig, peak_resident_bytes, resolve_device
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, MuonConfig, OptimConfig
from idiolect.plan import memory, memory_gpt, throughput
from idiolect.train.loss import lm_loss
from idiolect.train.step import take_step
asked = json.loads(sys.argv[1])
config = GPTConfig(**asked["model"])
optim = OptimConfig(optimiser=MuonConfig() if asked["muon"] else AdamWConfig())
model = build_model(config, asked["vocabulary"], 0)
optimiser = build_optimiser(optim, model)
batch = throughput.random_batch(asked["rows"], config, asked["vocabulary"])
device = resolve_device(DeviceConfig(kind="cpu"))
for _ in range(3):
    take_step(model, optimiser, batch, loss_of=lm_loss, device=device)
counted = memory.training_memory(config, asked["vocabulary"], asked["rows"] * config.context_length, optim)
print(json.dumps({"peak": peak_resident_bytes(), "counted": counted}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak resident set")
@pytest.mark.parametrize(("width", "layers", "rows", "vocabulary", "muon", "orders"),
                         [(256, 4, 12, 4096, False, []), (384, 4, 8, 8192, True, []), (128, 8, 32, 512, False, []),
                          (128, 3, 32, 256, True, [1, 2, 3, 4, 5])])  # fmt: skip
def test_the_peak_of_a_real_process_is_within_15_percent(width, layers, rows, vocabulary, muon, orders):
    asked = {"model": {"n_layers": layers, "d_model": width, "n_heads": width // 64, "context_length": 256,
                       "ngram_head_orders": orders},
             "rows": rows, "vocabulary": vocabulary, "muon": muon}  # fmt: skip
    # With freed memory given back at once the peak is what is alive; the heap's own spread is `resident`'s business.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "131072", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", WORKER, json.dumps(asked)], env=environment, cwd=ROOT, timeout=300,
                          capture_output=True, text=True, check=True)  # fmt: skip
    said = json.loads(done.stdout)
    assert said["counted"]["peak"] == pytest.approx(said["peak"], rel=0.15), said


def test_micro_batches_bfloat16_and_chunked_logits_need_less():
    config = GPTConfig(**SMALL)
    whole = memory.training_memory(config, 512, 8192)
    assert memory.training_memory(config, 512, 1024)["activations"] == pytest.approx(whole["activations"] / 8, rel=0.01)
    assert memory_gpt.activations(config, 8192, "bfloat16") < whole["activations"]
    assert memory_gpt.logits(config, 32768, 65536, "cpu") < 4 * 32768 * 65536 / 10


def test_throughput_is_measured_with_its_spread():
    device = resolve_device(DeviceConfig(kind="cpu"))
    config = GPTConfig(n_layers=1, d_model=32, n_heads=2, context_length=32)
    said = throughput.measure_training(config, 64, 256, device, seconds=0.1)
    assert 0 < said["low"] <= said["tokens_per_second"] <= said["high"] and said["steps"] >= 3
    assert said["flops_per_second"] == pytest.approx(said["tokens_per_second"] * said["flops_per_token"])


@pytest.mark.parametrize("rule", [AdamWConfig(), MuonConfig(), AdafactorConfig()], ids=lambda rule: rule.kind)
def test_measuring_and_counting_agree_on_a_gpt(rule):
    config, optim = GPTConfig(**SMALL), OptimConfig(optimiser=rule)
    counted = memory_gpt.parts_of(config, 512, 8 * 128, optim, "cpu", "float32")
    measured = memory_measured.parts_of(config, 512, 8 * 128, optim, "float32", CausalObjective())
    assert measured["weights"] == counted["weights"]
    assert measured["moments"] == pytest.approx(counted["moments"], rel=0.05)
    # The head's logits are in the one's activations and a part of their own in the other.
    together = counted["activations"] + counted["logits"]
    assert measured["activations"] == pytest.approx(together, rel=0.2)


OTHERS = sorted(set(FAMILIES) - {"gpt", "ngram"})


@pytest.mark.parametrize("kind", OTHERS)
def test_every_family_can_be_forecast(kind):
    config = FAMILIES[kind].config.sized(32, 32)
    said = memory.training_memory(config, 300, 128)
    assert 0 < said["activations"] < said["peak"] < said["resident"]
    more = memory.training_memory(config, 300, 256)
    assert more["activations"] > 1.5 * said["activations"] and more["weights"] == said["weights"]
    device = resolve_device(DeviceConfig(kind="cpu"))
    assert throughput.measure_training(config, 300, 64, device, seconds=0.01)["tokens_per_second"] > 0
