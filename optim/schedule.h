#pragma once
// Schedule: the learning rate at time t = 0, 1, 2, ... Whether t counts updates or epochs is up to
// the caller, who hands the rate to the optimizer:  optimizer.set_lr(schedule.lr(t)).
//
//   Schedule::constant(lr)
//   Schedule::step(lr, every, factor)   times `factor` after each `every` units of t
//   Schedule::cosine(lr, length, last)  half a cosine from lr to `last` (Loshchilov & Hutter, 2017)
//   Schedule::linear(lr, length, last)  a line from lr to `last`
//   Schedule::plateau(lr, factor, patience)   times `factor` when the observed loss was above the
//       best so far more than `patience` times in a row
//   ... .warm_up(length)                before any of these: linear from lr / length up to lr; the
//       schedule behind it begins at its own t = 0
//
// A small value: copy it freely. Only plateau learns anything: what it observed is what save()
// keeps; the rest comes from the code that makes the schedule.

#include <cstdint>
#include <string>

#include <tapestry/tensor/safetensors.h>

namespace tapestry {

class Schedule {
 public:
  // Each throws ValueError for a value out of range.
  static Schedule constant(double lr);
  static Schedule step(double lr, int64_t every, double factor = 0.1);
  static Schedule cosine(double lr, int64_t length, double last = 0);
  static Schedule linear(double lr, int64_t length, double last = 0);
  static Schedule plateau(double lr, double factor = 0.5, int64_t patience = 0);
  Schedule warm_up(int64_t length) const;

  double lr(int64_t t) const;
  /// Tells the schedule a loss; returns true when that lowered the rate. Throws NonFiniteError.
  bool observe(double loss);

  void save(NamedTensors& out, const std::string& prefix = "schedule.") const;
  /// Throws FormatError, then unchanged.
  void load(const NamedTensors& in, const std::string& prefix = "schedule.");

 private:
  enum class Kind { constant, step, cosine, linear, plateau };
  Schedule(Kind kind, double lr) : kind_(kind), lr_(lr) {}
  const char* name() const;

  Kind kind_;
  double lr_;
  int64_t length_ = 1;    // step: every; cosine, linear: length; plateau: patience
  double factor_ = 1;     // step, plateau; cosine, linear: last
  int64_t warm_up_ = 0;   // units of t
  double best_ = 0;       // plateau: the least loss observed
  int64_t rises_ = 0;     // plateau: losses above it in a row
  int64_t observed_ = 0;  // plateau: losses so far
  double scale_ = 1;      // plateau: the product of the factors applied so far
};

}  // namespace tapestry
