#include <tapestry/examples/airline/methods/combination.h>
#include <tapestry/examples/airline/scores/evaluation.h>

#include <algorithm>
#include <cmath>

#include <tapestry/tensor/error.h>

namespace tapestry::airline {
namespace {

/// Of the part that was fitted on, without the first values, which have no forecast.
Scores score_fitted(const Forecaster& fit, const Split& split) {
  const auto fitted = fit.fitted();
  size_t first = 0;
  while (first < fitted.size() && std::isnan(fitted[first])) ++first;
  return score(split.train().subspan(first), fitted.subspan(first), split.train(), split.season);
}

struct Measured {
  Scores multi_step, one_step, train;
};

/// Leaves the forecaster having seen the held-out part.
Measured measure(Forecaster& fit, const Split& split, size_t ahead) {
  Measured m{{}, {}, score_fitted(fit, split)};
  if (split.test().empty()) return m;
  const auto of = [&](const std::vector<double>& forecast) {
    return score(split.test().first(forecast.size()), forecast, split.train(), split.season);
  };
  m.multi_step = of(fit.forecast(ahead));
  m.one_step = of(one_step(fit, split.test()));
  return m;
}

double deviation(std::span<const Scores> runs) {
  double mean = 0, squares = 0;
  for (const Scores& s : runs) mean += s.rmse / static_cast<double>(runs.size());
  for (const Scores& s : runs) squares += (s.rmse - mean) * (s.rmse - mean);
  return runs.size() < 2 ? 0 : std::sqrt(squares / static_cast<double>(runs.size() - 1));
}

}  // namespace

Row median_row(std::span<const Scores> runs) {
  const auto middle = [&](double Scores::*measure) {
    std::vector<double> values;
    for (const Scores& s : runs) values.push_back(s.*measure);
    return median(values);
  };
  return {"lstm", "LSTM",
          Scores{middle(&Scores::rmse), middle(&Scores::mae), middle(&Scores::smape),
                 middle(&Scores::mape), middle(&Scores::mase)},
          deviation(runs)};
}

Evaluation evaluate(const Ensemble& ensemble, const HybridForecaster* hybrid, const Split& split,
                    size_t most) {
  Evaluation out;
  out.ahead = most > 0 ? std::min(most, split.test().size()) : split.test().size();
  const auto add = [&](const std::string& name, const std::string& title,
                       const std::optional<Measured>& m, const std::string& problem = "") {
    const auto row = [&](std::vector<Row>& rows, Scores Measured::*part) {
      rows.push_back({name, title, m ? std::optional((*m).*part) : std::nullopt, 0, problem});
    };
    if (!split.test().empty()) {
      row(out.multi_step, &Measured::multi_step);
      row(out.one_step, &Measured::one_step);
    }
    row(out.train, &Measured::train);
  };

  std::vector<Scores> multi, one, train;
  for (LstmForecaster member : ensemble.members()) {
    const Measured m = measure(member, split, out.ahead);
    multi.push_back(m.multi_step), one.push_back(m.one_step), train.push_back(m.train);
  }
  if (!split.test().empty()) {
    out.multi_step = {median_row(multi)};
    out.one_step = {median_row(one)};
  }
  out.train = {median_row(train)};
  if (Ensemble copy = ensemble; copy.members().size() > 1)
    add("lstm_median", "median forecast of the runs", measure(copy, split, out.ahead));

  const auto attempt = [&](const std::string& name, const std::string& title, auto fit) {
    try {
      const std::unique_ptr<Forecaster> forecaster = fit();
      add(name, title, measure(*forecaster, split, out.ahead));
    } catch (const Error& error) {
      add(name, title, {}, error.what());
    }
  };
  if (hybrid)
    attempt("hybrid", kHybridTitle, [&] { return std::make_unique<HybridForecaster>(*hybrid); });
  attempt("combination", combination_title(split.season),
          [&] { return combined(ensemble, split.train(), split.season); });
  for (const Baseline& b : baselines(split.season))
    attempt(b.name, b.title, [&] { return b.fit(split.train(), split.season); });
  return out;
}

std::string better_classic(std::span<const Row> rows) {
  const Row *own = nullptr, *classic = nullptr;
  for (const Row& row : rows) {
    if (!row.scores) continue;
    const Row*& best = row.name.starts_with("lstm") ? own : classic;
    if (!best || row.scores->rmse < best->scores->rmse) best = &row;
  }
  if (!own || !classic || classic->scores->rmse > 0.99 * own->scores->rmse) return "";
  return std::string(classic->title) + " is better than the LSTM here";
}

}  // namespace tapestry::airline
