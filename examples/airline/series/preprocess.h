#pragma once
// What the network sees of a series: numbers z of order 1 without trend and season. In this order:
//   log                   x = log y
//   difference            x(t) - x(t-1), `difference` times over
//   seasonal difference   x(t) - S(t), S(t) being the mean of the values one, two, ... seasons ago
//                         with weights 1, a, a^2, ...; a = 0 is the plain seasonal difference, a =
//                         1 the mean of all years (exponential smoothing within each month)
//   scale                 (x - shift) / scale, which give the training part mean 0 and deviation 1,
//                         or the range 0 to 1
// Shift and scale are fitted on the training part, nothing else is fitted at all; every step looks
// back only. value() is the exact inverse.

#include <span>
#include <vector>

namespace tapestry::airline {

enum class Scale { none, standard, minmax };

struct PreprocessingSettings {
  bool log = true;
  size_t difference = 1;
  bool seasonal_difference = true;
  double season_memory = 0.9;  // a
  Scale scale = Scale::standard;
};

class Preprocessing {
 public:
  /// Has seen the training part; a season of 1 has no seasonal difference. Throws ValueError when
  /// fewer than two z are left, or when one that is not positive should have a logarithm.
  Preprocessing(std::span<const double> train, size_t season, const PreprocessingSettings& s);

  /// Shows the next value.
  void push(double value);
  /// One for each value seen but the first lost() ones.
  std::span<const double> z() const { return z_; }
  size_t lost() const { return lost(season_, settings_); }
  static size_t lost(size_t season, const PreprocessingSettings& s);
  /// A copy that remembers only what is needed to go on, and the last `count` z: to follow a
  /// forecast takes no longer the longer the series is.
  Preprocessing recent(size_t count) const;

  /// The value that follows all values seen if its z is this.
  double value(double z) const { return value(z, size()); }
  /// The same for the value number `t` (from 0), which may have been seen: t >= lost().
  double value(double z, size_t t) const;

  size_t size() const { return forgotten_ + levels_.front().size(); }
  double shift() const { return shift_; }
  double scale() const { return scale_; }

 private:
  struct Mean {
    double sum = 0, weight = 0;
  };
  Preprocessing(const PreprocessingSettings& s, size_t season)
      : settings_(s), season_(season), levels_(s.difference + 1) {}
  bool seasonal() const { return settings_.seasonal_difference && season_ > 1; }
  double at(size_t k, size_t t) const { return levels_[k][t - forgotten_]; }
  void push_season(size_t t);
  double expected(size_t t) const;

  PreprocessingSettings settings_;
  size_t season_, forgotten_ = 0;
  double shift_ = 0, scale_ = 1;
  std::vector<std::vector<double>> levels_;  // [k][t]: x(t) after k differences; NaN where none is
  std::vector<Mean> season_means_;           // [t]: of the values one, two ... seasons before t
  std::vector<double> z_;
};

}  // namespace tapestry::airline
