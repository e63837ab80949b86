#!/usr/bin/python3
"""tapestry against PyTorch on one core: the same steps on the same sentences, in turns in one run.

    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 peers.py BENCH_SPEED [TEXT]

BENCH_SPEED serves passes over a pipe, so that both sides are warm and only one of them runs at a
time. Where PyTorch can say a step in several ways, each is timed first and the fastest is compared.
"""

import os
import statistics
import subprocess
import sys
import time

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    if os.environ.get(name) != "1":  # read when the libraries load
        sys.exit(f"peers.py: set {name}=1 (torch.set_num_threads does not bind Debian's BLAS)")
# Both sides multiply with the same kernels, also where OpenBLAS does not know the processor.
core = subprocess.run([sys.argv[1], "--blas-core"], check=True, capture_output=True, text=True)
if core.stdout.strip():
    os.environ["OPENBLAS_CORETYPE"] = core.stdout.strip()
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

torch.set_num_threads(1)
torch.manual_seed(1)
ROUNDS = 15
WORDS, HIDDEN = 8000, 100


def updates(bench, text, batch):
    """The sentences [begin w1 .. end] of each update of a pass."""
    out = subprocess.run([bench, *text, "--dump", str(batch)], check=True, capture_output=True)
    blocks = out.stdout.decode().split("\n\n")
    return [
        [torch.tensor([int(i) for i in line.split()]) for line in block.splitlines()]
        for block in blocks
        if block.strip()
    ]


class Reference(nn.Module):
    """tanh RNN without biases. The one-hot input weights are a sparse embedding of width HIDDEN."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, HIDDEN, sparse=True)
        self.recurrent = nn.Parameter(torch.empty(HIDDEN, HIDDEN).uniform_(-0.1, 0.1))
        self.out = nn.Linear(HIDDEN, WORDS, bias=False)

    def unroll(self, x):
        """x (T, B, H) -> (T, B, H), a step at a time."""
        h = torch.tanh(x[0])
        states, w = [h], self.recurrent.t()
        for step in x[1:].unbind(0):
            h = torch.tanh(torch.addmm(step, h, w))
            states.append(h)
        return torch.stack(states)


class ReferenceModule(Reference):
    """The loop of nn.RNN, whose input weights are the identity and are not trained."""

    def __init__(self):
        super().__init__()
        self.recurrent = None
        self.rnn = nn.RNN(HIDDEN, HIDDEN, bias=False)
        with torch.no_grad():
            self.rnn.weight_ih_l0.copy_(torch.eye(HIDDEN))
        self.rnn.weight_ih_l0.requires_grad_(False)

    def unroll(self, x):
        return self.rnn(x)[0]


def trainer(model, batches, loss, lr):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=lr)

    def run():
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss(model, batch).backward()
            optimizer.step()

    return run


def cross_entropy(model, h, targets, sentences, **options):
    loss = nn.functional.cross_entropy(model.out(h), targets, reduction="sum", **options)
    return loss / sentences


def reference_single(bench, text):
    batches = [(s[0][:-1].unsqueeze(1), s[0][1:]) for s in updates(bench, text, 1)]

    def loss(model, batch):
        x, y = batch
        return cross_entropy(model, model.unroll(model.embedding(x)).squeeze(1), y, 1)

    return {
        "loop": trainer(Reference(), batches, loss, 0.005),
        "nn.RNN": trainer(ReferenceModule(), batches, loss, 0.005),
    }


def reference_batched(bench, text):
    groups = updates(bench, text, 10)
    packed, padded = [], []
    for group in groups:
        group = sorted(group, key=len, reverse=True)
        ins, outs = [s[:-1] for s in group], [s[1:] for s in group]
        packed.append((pack_sequence(ins), pack_sequence(outs).data, len(group)))
        x = nn.utils.rnn.pad_sequence(ins)
        y = nn.utils.rnn.pad_sequence(outs, padding_value=-1)
        real = (y.reshape(-1) >= 0).nonzero().squeeze(1)
        padded.append((x, y.reshape(-1)[real], real, len(group)))

    def packed_loss(model, batch):
        x, y, n = batch
        rows = x._replace(data=model.embedding(x.data))
        return cross_entropy(model, model.rnn(rows)[0].data, y, n)

    def padded_loss(model, batch):
        x, y, real, n = batch
        h = model.unroll(model.embedding(x)).reshape(-1, HIDDEN)
        return cross_entropy(model, h[real], y, n)  # no softmax of padding

    return {
        "packed, nn.RNN": trainer(ReferenceModule(), packed, packed_loss, 0.005),
        "padded, nn.RNN": trainer(ReferenceModule(), padded, padded_loss, 0.005),
        "padded, loop": trainer(Reference(), padded, padded_loss, 0.005),
    }


class LstmModel(nn.Module):
    def __init__(self, sparse):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 200, sparse=sparse)
        self.rnn = nn.LSTM(200, 200, 2)
        self.out = nn.Linear(200, WORDS)


def lstm(_bench, _text):
    ids = torch.randint(WORDS, (35, 20))

    def loss(model, x):
        h = model.rnn(model.embedding(x))[0]
        return cross_entropy(model, h.reshape(-1, 200), x.reshape(-1), 20)

    return {
        "sparse embedding": trainer(LstmModel(True), [ids], loss, 0.1),
        "dense embedding": trainer(LstmModel(False), [ids], loss, 0.1),
    }


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(1, 50)
        self.out = nn.Linear(50, 1)


def airline(_bench, _text):
    x, y = torch.rand(12, 16, 1), torch.rand(16, 1)

    def loss(model, _):
        return nn.functional.mse_loss(model.out(model.rnn(x)[0][-1]), y)

    model = Forecaster()
    return {"nn.LSTM": trainer(model, range(20), loss, 0.01)}  # 20 updates a pass, as tapestry's


def seconds(run):
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Served:
    """Passes of the other program."""

    def __init__(self, command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.seconds()  # its own warm-up is over when it answers

    def seconds(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    bench, text = sys.argv[1], sys.argv[2:]
    rows = [
        ("reference step, 1 sentence per update", "reference1", reference_single, "2.3x", "3x"),
        ("reference step, 10 sentences per update", "reference10", reference_batched, "1.5x", "1.7x"),
        ("LSTM model 2 x 200, batch 20, window 35", "lstm", lstm, "1.0x", "1.2x"),
        ("airline LSTM step, hidden 50, batch 16", "airline", airline, "5x", "8x"),
    ]
    print(f"PyTorch {torch.__version__}")
    print(f"{'one thread, f32, ms per pass':<42}{'PyTorch':>10}{'tapestry':>10}{'faster':>9}"
          f"{'at least':>10}{'aim':>7}  PyTorch's fastest way")
    for title, name, make, least, aim in rows:
        ways = make(bench, text)
        tried = {}
        for way, run in ways.items():
            run()
            tried[way] = min(seconds(run) for _ in range(3))
        fastest = min(tried, key=tried.get)
        ours = Served([bench, *text, "--serve", name])
        pairs = [(seconds(ways[fastest]), ours.seconds()) for _ in range(ROUNDS)]
        ours.close()
        theirs, mine = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(a / b for a, b in pairs)
        print(f"{title:<42}{1e3 * theirs:>10.2f}{1e3 * mine:>10.2f}{f'{ratio:.2f}x':>9}"
              f"{least:>10}{aim:>7}  {fastest}", flush=True)


if __name__ == "__main__":
    main()
