#pragma once
// Numbers in the memory of the device that OpenMP offloads to, or of the host where there is none.
// What is copied and launched is counted and timed.

#include <tapestry/examples/airline/versions/versions.h>

namespace tapestry::airline {

/// Whether OpenMP has a device to offload to. Without one, kernels run on the host.
bool has_device();

double seconds_now();

/// Runs a kernel, which must be done when `kernel` returns.
template <class F>
void launch(Traffic& traffic, const F& kernel) {
  const double start = seconds_now();
  kernel();
  traffic.computing += seconds_now() - start;
  ++traffic.kernels;
}

class Buffer {
 public:
  /// Nothing yet. `traffic` must outlive it.
  explicit Buffer(Traffic& traffic) : traffic_(&traffic) {}
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  /// Makes room for `count` numbers, which are undefined unless there was room before. Throws
  /// std::bad_alloc.
  double* reserve(int64_t count);
  void put(std::span<const double> from);
  std::vector<double> get(int64_t count) const;
  double* data() const { return data_; }

 private:
  Traffic* traffic_;
  double* data_ = nullptr;
  int64_t capacity_ = 0;
};

}  // namespace tapestry::airline
