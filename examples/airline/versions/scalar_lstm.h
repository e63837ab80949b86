#pragma once
// An LSTM that reads one number at a time, and its readout, in loops over numbers, without BLAS and
// tape; written from the formulas (Hochreiter and Schmidhuber, 1997; Gers, Schmidhuber and Cummins,
// 2000), and so also an independent check of the library's gradients. Inner loops run along rows of
// the weights, which is the order that compilers make vector code of. The functions for one window
// can be called on a device of OpenMP, too.

#include <tapestry/examples/airline/versions/versions.h>

namespace tapestry::airline {

/// The weights of a Regressor one after the other, in the order of its FIELDS; likewise gradients.
std::vector<double> flat_weights(Regressor& model);
void set_weights(Regressor& model, std::span<const double> flat);

#pragma omp declare target

/// Where the weights of `hidden` units lie in them; those of the input come first.
struct ScalarLayout {
  int64_t hidden;

  int64_t recurrent() const { return 4 * hidden; }
  int64_t bias() const { return recurrent() + 4 * hidden * hidden; }
  int64_t readout() const { return bias() + 4 * hidden; }
  int64_t readout_bias() const { return readout() + hidden; }
  int64_t size() const { return readout_bias() + 1; }
  /// Numbers that a window of `length` needs room for.
  int64_t room(int64_t length) const { return (7 * length + 8) * hidden; }
};

/// The forecast after the window x; `room` keeps what backward() needs.
double forward(const ScalarLayout& layout, const double* weights, const double* x, int64_t length,
               double* room);
/// Adds the gradient of a loss whose derivative by the forecast is dy.
void backward(const ScalarLayout& layout, const double* weights, const double* x, int64_t length,
              double dy, double* room, double* gradient);

#pragma omp end declare target

/// The sequential version: these functions, one sample after the other.
std::unique_ptr<Trainer> make_sequential(Regressor& model, int threads);

}  // namespace tapestry::airline
