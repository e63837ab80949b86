#include <tapestry/examples/airline/device/buffer.h>
#ifdef TAPESTRY_GPU
#include <omp.h>
#endif

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

#ifdef TAPESTRY_GPU
int target_device() { return has_device() ? omp_get_default_device() : omp_get_initial_device(); }
void* allocate(size_t bytes) { return omp_target_alloc(bytes, target_device()); }
void release(void* memory) { omp_target_free(memory, target_device()); }
void copy_bytes(void* to, const void* from, size_t bytes, bool to_device) {
  const int host = omp_get_initial_device(), device = target_device();
  const int status = omp_target_memcpy(to, from, bytes, 0, 0, to_device ? device : host,
                                       to_device ? host : device);
  require(status == 0, "gpu: ", bytes, " bytes could not be copied");
}
#else
void* allocate(size_t bytes) { return std::malloc(bytes); }
void release(void* memory) { std::free(memory); }
void copy_bytes(void* to, const void* from, size_t bytes, bool) { std::memcpy(to, from, bytes); }
#endif

/// Timed and counted.
void copy(Traffic& traffic, double* to, const double* from, size_t count, bool to_device) {
  const double start = seconds_now();
  copy_bytes(to, from, count * sizeof(double), to_device);
  traffic.copying += seconds_now() - start;
  traffic.bytes += static_cast<double>(count * sizeof(double));
  ++traffic.copies;
}

}  // namespace

bool has_device() {
#ifdef TAPESTRY_GPU
  return omp_get_num_devices() > 0;
#else
  return false;
#endif
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Buffer::~Buffer() { release(data_); }

double* Buffer::reserve(int64_t count) {
  if (count <= capacity_) return data_;
  release(data_);
  capacity_ = 0;
  const size_t bytes = static_cast<size_t>(count) * sizeof(double);
  data_ = static_cast<double*>(allocate(bytes));
  if (!data_) throw std::bad_alloc();
  capacity_ = count;
  return data_;
}

void Buffer::put(std::span<const double> from) {
  reserve(static_cast<int64_t>(from.size()));
  copy(*traffic_, data_, from.data(), from.size(), true);
}

std::vector<double> Buffer::get(int64_t count) const {
  std::vector<double> out(static_cast<size_t>(count));
  copy(*traffic_, out.data(), data_, out.size(), false);
  return out;
}

}  // namespace tapestry::airline
