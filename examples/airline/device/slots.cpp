#include <tapestry/examples/airline/device/slots.h>

namespace tapestry::airline {

void run_slots(const SlotWork& work, int64_t n, bool learn) {
  const SlotWork w = work;
#pragma omp target teams distribute parallel for firstprivate(w, n, learn)
  for (int64_t slot = 0; slot < w.slots; ++slot) {
    const double* weights = w.weights + slot * w.weights_apart;
    double* room = w.room + slot * w.layout.room(w.length);
    double* gradient = w.gradients + slot * w.layout.size();
    if (learn) {
#pragma omp simd
      for (int64_t p = 0; p < w.layout.size(); ++p) gradient[p] = 0;
    }
    double sum = 0;
    for (int64_t i = slot; i < n; i += w.slots) {
      const double* x = w.values + i * w.values_apart;
      const double error = forward(w.layout, weights, x, w.length, room) - x[w.length];
      if (learn)
        backward(w.layout, weights, x, w.length, 2 * error / static_cast<double>(n), room,
                 gradient);
      sum += error * error;
    }
    w.squares[slot] = sum;
  }
}

void descend(double* weights, const double* gradients, int64_t count, int64_t size, double lr) {
#pragma omp target teams distribute parallel for simd is_device_ptr(weights, gradients)
  for (int64_t p = 0; p < size; ++p) {
    double sum = 0;
    for (int64_t k = 0; k < count; ++k) sum += gradients[k * size + p];
    weights[p] -= lr * sum;
  }
}

}  // namespace tapestry::airline
