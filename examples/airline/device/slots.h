#pragma once
// The kernels of gpu 1 to 3: each sample of a mini-batch is the work of one thread of the device,
// which has a slot with a gradient of its own.

#include <tapestry/examples/airline/versions/scalar_lstm.h>

namespace tapestry::airline {

/// Pointers are those of the device. Sample i of n belongs to slot i modulo their number.
struct SlotWork {
  ScalarLayout layout;
  int64_t length, slots;
  const double *weights, *values;
  int64_t weights_apart;               // from slot to slot; 0: all share them
  int64_t values_apart;                // from window to window, with its target behind it
  double *room, *gradients, *squares;  // of each slot
};

/// The sum of the squared errors of the samples of each slot; with `learn`, the gradient of their
/// share of the mean over n, too.
void run_slots(const SlotWork& work, int64_t n, bool learn);

/// weights -= lr * the sum of `count` gradients of `size` numbers, one after the other.
void descend(double* weights, const double* gradients, int64_t count, int64_t size, double lr);

}  // namespace tapestry::airline
