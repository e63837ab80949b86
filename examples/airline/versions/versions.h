#pragma once
// The same LSTM trained in several ways, which differ in nothing but speed: what loops by hand,
// vector code, threads and batches give. Every version sees the same mini-batches in the same order
// and takes the same steps of gradient descent; their losses differ by rounding only.

#include <tapestry/nn/linear.h>
#include <tapestry/nn/rnn.h>

#include <memory>

namespace tapestry::airline {

/// Every `length` values of a series in a row, and the one that follows them.
struct Windows {
  std::span<const double> values;
  int64_t length;

  int64_t count() const { return static_cast<int64_t>(values.size()) - length; }
  const double* window(int64_t i) const { return values.data() + i; }
  double target(int64_t i) const { return values[static_cast<size_t>(i + length)]; }
  /// Windows first ... first + n - 1: (length, n, 1), and their targets: (n, 1).
  Tensor inputs(int64_t first, int64_t n) const;
  Tensor targets(int64_t first, int64_t n) const;
};

/// windows (length, B, 1) -> the next values (B, 1), all f64.
struct Regressor {
  RNN<LSTMCell> lstm;
  Linear readout;
  FIELDS(lstm, readout)

  Regressor(int64_t hidden, Rng& rng)
      : lstm(1, hidden, rng, {.cell = {.dtype = f64}}), readout(hidden, 1, rng, {.dtype = f64}) {}
  Var operator()(const Tensor& windows) const { return readout(output(lstm(windows).state)); }
};

/// What a version copied to and from a device, and ran there; nothing on the CPU.
struct Traffic {
  int64_t copies = 0, kernels = 0;
  double bytes = 0;                   // copied
  double copying = 0, computing = 0;  // seconds; launches are of the latter
};

/// How a version trains: what one mini-batch costs is all that differs. The model has the trained
/// weights when the trainer is gone.
class Trainer {
 public:
  virtual ~Trainer() = default;
  /// One step of gradient descent on the mean squared error of n windows; returns the sum of their
  /// squared errors before it.
  virtual double step(const Windows& data, int64_t first, int64_t n, double lr) = 0;
  /// Steps through all windows, `batch` at a time; returns the sum of what step() does.
  virtual double epoch(const Windows& data, int64_t batch, double lr);
  /// The sum of the squared errors of n windows.
  virtual double errors(const Windows& data, int64_t first, int64_t n) = 0;
  virtual Traffic traffic() const { return {}; }
};

struct Version {
  const char *name, *what;
  bool threaded;
  std::unique_ptr<Trainer> (*make)(Regressor& model, int threads);
};

/// sequential, vectorised, parallel 1 to 3, batched, batched with threads; in this order.
std::span<const Version> versions();

/// What a training is, but for the version.
struct Task {
  Windows train, valid;
  int64_t hidden = 50, batch = 16, epochs = 5;
  double lr = 0.1;
  uint64_t seed = 1;
  int threads = 2;
};

/// Mean squared errors of an epoch: while it trained, and of the held-out windows after it.
struct EpochLoss {
  double train, valid;
};

struct Training {
  std::vector<EpochLoss> losses;
  Traffic traffic;
};
Training train(const Version& version, const Task& task);

}  // namespace tapestry::airline
