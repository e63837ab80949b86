#pragma once
// The kernels of gpu 4: a team of the device takes a tile of samples through the whole recurrence,
// forward and backward, and adds up their gradient; a second kernel adds up those of the teams and
// takes the step. A thread has a column of the weights, so that each weight that is read serves the
// whole tile. GCC 12 gives no way to a device's shared memory: weights come through its caches.

#include <tapestry/examples/airline/versions/scalar_lstm.h>

namespace tapestry::airline {

#pragma omp declare target
constexpr int64_t kTile = 16;  // samples
#pragma omp end declare target

/// Pointers are those of the device.
struct TileWork {
  ScalarLayout layout;
  int64_t length, teams;
  double *weights, *transposed;  // the latter: recurrent weights as (4 hidden, hidden)
  const double* values;
  double *room, *gradients;  // of each team
  double* squares;           // kTile sums of squared errors of each team, which are added to

  /// Of a team.
  int64_t room_size() const { return kTile * (layout.hidden * (7 * length + 5) + 1); }
};

/// Windows first ... first + n - 1; with `learn`, the gradient of their mean, too.
void run_tiles(const TileWork& work, int64_t first, int64_t n, bool learn);
/// The step of gradient descent.
void descend(const TileWork& work, double lr);
/// What `transposed` is to be.
std::vector<double> transposed_weights(const ScalarLayout& layout, std::span<const double> weights);

}  // namespace tapestry::airline
