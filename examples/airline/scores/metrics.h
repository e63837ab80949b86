#pragma once
// How far a forecast was off, on the original scale; errors are actual - forecast.
//
//   RMSE   sqrt(mean e^2)             MAE   mean |e|               both in the unit of the series
//   MAPE   mean 100 |e| / |actual|                                 percent
//   sMAPE  mean 200 |e| / (|actual| + |forecast|)                  percent, 0 to 200; 0/0 counts as
//   0 MASE   MAE / (mean |y_t - y_{t-m}| over the training part)     below 1 beats seasonal naive
//   there
//          (Hyndman and Koehler, 2006)
//
// MAPE is NaN where an actual is 0, MASE where the training part repeats itself exactly or is no
// longer than m: the ratio is undefined, and is to be shown as "n/a". Nothing else is NaN: values
// that are not finite throw NonFiniteError, unequal or no lengths ShapeError.

#include <span>

namespace tapestry::airline {

struct Scores {
  double rmse, mae, smape, mape, mase;
};

/// All of them; `train` is what the forecast was fitted on, m its season.
Scores score(std::span<const double> actual, std::span<const double> forecast,
             std::span<const double> train, size_t m);

double rmse(std::span<const double> actual, std::span<const double> forecast);
double mae(std::span<const double> actual, std::span<const double> forecast);
double smape(std::span<const double> actual, std::span<const double> forecast);
double mape(std::span<const double> actual, std::span<const double> forecast);
double mase(std::span<const double> actual, std::span<const double> forecast,
            std::span<const double> train, size_t m);

/// 1 - error / reference: the share of the reference's error that is gone; negative when worse,
/// NaN when the reference makes no error.
double skill(double error, double reference);

}  // namespace tapestry::airline
