#pragma once
// The parallel versions on a device, by OpenMP's target regions. They differ in what is copied
// when:
//   gpu 1   for every mini-batch, the weights and samples of each slot, and back the gradients
//   gpu 2   for every mini-batch, the weights and the values once for all, each sample in its slot
//   gpu 3   values and weights stay on the device, gradients apart; squared errors come back
//   gpu 4   tiles of samples by teams, two kernels a mini-batch, one copy an epoch
// Where there is no device they run on the host, and say nothing of speed.

#include <tapestry/examples/airline/versions/versions.h>

namespace tapestry::airline {

std::span<const Version> gpu_versions();

/// Seconds of a kernel that does nothing: the median of a few launches.
double launch_seconds();

}  // namespace tapestry::airline
