#pragma once
// How fast the versions train, against one another and against the machine.

#include <tapestry/examples/airline/versions/versions.h>

namespace tapestry::airline {

struct Timing {
  const Version* version;
  double seconds;  // the median of the repetitions
  std::vector<EpochLoss> losses;
  Traffic traffic;  // of the last repetition
};

/// Trains every version `repetitions` times, in turns.
std::vector<Timing> time_versions(std::span<const Version* const> versions, const Task& task,
                                  int repetitions);

/// The largest difference of any loss from that of the first version.
double largest_difference(std::span<const Timing> timings);

/// f64 products through BLAS on so many threads at once: FLOP/s. The median of a few.
double gemm_peak(int threads);

/// FLOP of the matrix products in a training; nothing else is counted as useful.
double useful_flop(const Task& task);

}  // namespace tapestry::airline
