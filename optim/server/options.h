#pragma once
// What a parameter server can be told.

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include <tapestry/autograd/parameter.h>

namespace tapestry {

enum class UpdatePolicy { async, sync, ssp, hogwild, critical, critical_push };
const char* name_of(UpdatePolicy policy);

struct ServerOptions {
  int workers = 1;
  UpdatePolicy update = UpdatePolicy::async;
  int64_t shards = 64;      // locks per large parameter
  int64_t staleness = 0;    // of ssp, in items
  double clip_norm = 0;     // largest norm of a pushed gradient; 0: off
  bool damp_stale = false;  // divide the learning rate by 1 + staleness (Zhang et al., 2016)
  std::vector<const Parameter*> shared = {};
  std::function<double(int64_t updates)> lr = {};  // schedule; empty: the optimizer's own rate
  const std::atomic<int>* stop = nullptr;          // non-zero: finish the running items and return
};

/// Throws ValueError for what is out of range, and for a pointer in `shared` that is null or that
/// of none of these parameters.
void check(const ServerOptions& options, std::span<const NamedParameter> parameters);

}  // namespace tapestry
