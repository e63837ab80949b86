#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include <tapestry/examples/airline/panel/hybrid_forecaster.h>
#include <tapestry/examples/airline/panel/panel_actual.h>
#include <tapestry/examples/airline/panel/panel_run.h>
#include <tapestry/examples/airline/panel/smoothing.h>
#include <tapestry/nn/gradcheck.h>
#include <tapestry/tensor/error.h>

using namespace tapestry;
using namespace tapestry::airline;
using doctest::Approx;
using Values = std::vector<double>;

namespace {

/// Positive, with two seasons and noise.
Values generated(size_t n, uint64_t seed) {
  Rng rng(seed);
  Values y;
  for (size_t t = 0; t < n; ++t) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(t);
    y.push_back(std::exp(3 + 0.3 * std::sin(angle / 4) + 0.2 * std::sin(angle / 8) +
                         0.01 * static_cast<double>(t) + 0.05 * rng.normal()));
  }
  return y;
}

std::vector<Prepared> panel_of(size_t count, size_t n, const SmoothingShape& shape) {
  std::vector<Prepared> out;
  for (size_t i = 0; i < count; ++i) out.push_back(prepare(generated(n + i, 10 + i), shape));
  return out;
}

HybridSettings small() {
  HybridSettings s;
  s.shape = {.season1 = 4, .season2 = 8, .horizon = 5};
  s.window = 6;
  s.stride = 3;
  s.hidden = 4;
  s.epochs = 3;
  s.batch = 4;
  return s;
}

std::vector<int32_t> all(size_t n) {
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

std::string complaint(const std::string& text, PanelOptions options = {}) {
  try {
    parse_panel(text, "p.csv", options);
  } catch (const FormatError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("smoothing follows its recursions, whatever is behind the end of a shorter series") {
  const double a = 0.3, b = 0.2, c = 0.1;
  const Values x{1.0, 1.4, 0.9, 1.2, 1.1, 1.6, 0.8, 1.3};
  const auto columns = static_cast<int64_t>(x.size());
  Values padded(2 * x.size(), 100);
  std::copy(x.begin(), x.end(), padded.begin());
  std::copy(x.begin(), x.end() - 2, padded.begin() + columns);
  const Values initial{1, 0.1, -0.1, 0.05, 0, -0.05, 1, 0.1, -0.1, 0.05, 0, -0.05};
  const SmoothingBatch batch{Tensor::from<double>({2, columns}, padded),
                             Tensor::from<double>({2, 6}, initial),
                             Tensor::indices({8, 6}),
                             Tensor::indices({5, 7, -1, 5}).reshape({2, 2}),
                             2,
                             3,
                             3,
                             4};
  const Values rates{a, b, c, a, b, c};
  const Values y = smooth(Tensor::from<double>({2, 3}, rates), batch).value().to_vector<double>();

  double level = 1;
  Values u{0.1, -0.1}, v{0.05, 0, -0.05}, rest;
  for (size_t t = 0; t <= 5; ++t) {
    const double season = u[t % 2] + v[t % 3], e = x[t] - level - season;
    rest.push_back(x[t] - season);
    level += a * e;
    u[t % 2] += b * e;
    v[t % 3] += c * e;
  }
  for (size_t k = 0; k < 3; ++k) CHECK(y[k] == Approx(rest[3 + k] - level));
  for (size_t h = 1; h <= 4; ++h)
    CHECK(y[2 + h] == Approx(level + u[(5 + h) % 2] + v[(5 + h) % 3]));
  for (size_t i = 0; i < 7; ++i) CHECK(y[14 + i] == 0);             // the second one from none
  for (size_t i = 0; i < 7; ++i) CHECK(y[21 + i] == Approx(y[i]));  // and from 5
  CHECK_THROWS_AS(smooth(Tensor::zeros({2, 2}, f64), batch), ShapeError);
  SmoothingBatch beyond = batch;
  beyond.origins = Tensor::indices({5, 7, -1, 6}).reshape({2, 2});
  CHECK_THROWS_AS(smooth(Tensor::zeros({2, 3}, f64), beyond), IndexError);
}

TEST_CASE("the gradients of the whole hybrid are those of finite differences") {
  const uint64_t seed = 3;
  CAPTURE(seed);
  HybridSettings s = small();
  s.dtype = f64;
  const std::vector<Prepared> series = panel_of(3, 40, s.shape);
  const Hybrid hybrid(series, s);
  Hybrid::Network network = hybrid.initial_network();
  Rng rng(seed);
  for (const auto& [name, p] : parameters(network))
    p->value().copy_(uniform(p->shape(), 0.3, rng, f64));
  const std::vector<int32_t> ids = all(3);
  const GradReport report =
      gradcheck(network, [&](Hybrid::Network& n) { return hybrid.loss(n, ids, 6, nullptr); });
  CHECK_MESSAGE(report.ok, report.message);
}

TEST_CASE("an untrained hybrid is its smoothing, and training makes it better") {
  HybridSettings s = small();
  s.epochs = 60;
  s.hidden = 12;
  s.lr = 0.01;
  const std::vector<Prepared> series = panel_of(12, 90, s.shape);
  const Hybrid hybrid(series, s);
  const std::vector<int32_t> ids = all(12);
  Hybrid::Network untrained = hybrid.initial_network();
  const double before = hybrid.loss(untrained, ids, 5, nullptr).value().item();
  const HybridTraining trained = train(hybrid, 1);
  CHECK(trained.losses.size() == 60);
  CHECK(hybrid.loss(trained.network, ids, 5, nullptr).value().item() < 0.9 * before);
  Hybrid::Network another = hybrid.initial_network();
  another.readout.w.value().fill_(0);
  CHECK(hybrid.forecast(another, ids)[3][0][2] == hybrid.forecast(untrained, ids)[3][0][2]);
}

TEST_CASE("two workers train what one trains, but for rounding; each number repeats its bits") {
  HybridSettings s = small();
  s.dropout = 0;
  s.dtype = f64;
  std::vector<Prepared> series;
  for (uint64_t i = 0; i < 9; ++i)
    series.push_back(prepare(generated(60 + 7 * i, 10 + i), s.shape));
  const Hybrid hybrid(series, s);
  const Hybrid::Network one = train(hybrid, 1).network, two = train(hybrid, 2).network;
  const Hybrid::Network again = train(hybrid, 2).network;
  const auto forecast = [&](const Hybrid::Network& n) { return forecast_all(hybrid, {&n, 1}, 1); };
  for (size_t i = 0; i < 9; ++i)
    for (size_t h = 0; h < 5; ++h) {
      CHECK(forecast(two)[i][h] == forecast(again)[i][h]);
      CHECK(forecast(one)[i][h] == Approx(forecast(two)[i][h]).epsilon(1e-6));
    }
}

TEST_CASE("neither forecast nor loss of a series depends on those beside it") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  HybridSettings s = small();
  s.dtype = f64;
  std::vector<Prepared> series;
  for (const size_t n : {45, 60, 61, 150, 300}) series.push_back(prepare(generated(n, n), s.shape));
  const Hybrid hybrid(series, s);
  Hybrid::Network network = hybrid.initial_network();
  Rng rng(seed);
  for (const auto& [name, p] : parameters(network))
    p->value().copy_(uniform(p->shape(), 0.5, rng, f64));
  const std::vector<std::vector<int32_t>> batches = {{0, 1, 2, 3, 4}, {4, 0}, {2, 1, 3}};
  const size_t origins = 4;
  for (const std::vector<int32_t>& batch : batches) {
    const Hybrid::Paths beside = hybrid.forecast(network, batch, 2, origins);
    double sum = 0, weights = 0;
    for (size_t row = 0; row < batch.size(); ++row) {
      const std::vector<int32_t> one = {batch[row]};
      const Hybrid::Paths alone = hybrid.forecast(network, one, 2, origins);
      for (size_t k = 0; k < origins; ++k)
        for (size_t h = 0; h < 5; ++h) {
          CAPTURE(batch[row]);
          CHECK(beside[row][k][h] == Approx(alone[0][k][h]).epsilon(1e-12));
        }
      const double weight = hybrid.weight(one, 6);
      sum += weight * hybrid.loss(network, one, 6, nullptr).value().item();
      weights += weight;
    }
    CHECK(hybrid.loss(network, batch, 6, nullptr).value().item() == Approx(sum / weights));
  }
}

TEST_CASE("without smoothing the level is the last value, and training leaves it so") {
  HybridSettings s = small();
  s.shape.smooth = false;
  s.lr = 0.01;
  std::vector<Prepared> series;
  for (uint64_t i = 0; i < 4; ++i) series.push_back(prepare(generated(60, 10 + i), s.shape));
  const Hybrid hybrid(series, s);
  const Hybrid::Network untrained = hybrid.initial_network();
  const auto is_last_value = [&](const Hybrid::Network& network) {
    const Hybrid::Paths paths = hybrid.forecast(network, all(4));
    for (const double x : paths[1][0]) CHECK(x == Approx(series[1].x.back()));
  };
  is_last_value(untrained);
  Hybrid::Network trained = train(hybrid, 1).network;
  CHECK(hybrid.forecast(trained, all(4))[1][0][2] != Approx(series[1].x.back()));
  trained.readout.w.value().fill_(0);
  trained.readout.bias.value().fill_(0);
  is_last_value(trained);
}

TEST_CASE("a season is believed only where it helps") {
  const SmoothingShape shape{.season1 = 4, .horizon = 4};
  Rng rng(1);
  Values noise, wave;
  for (int t = 0; t < 80; ++t) {
    noise.push_back(std::exp(0.1 * rng.normal()));
    wave.push_back(std::exp((t % 4 == 0 ? 1.0 : 0.0) + 0.01 * rng.normal()));
  }
  CHECK(prepare(noise, shape).initial == Values{prepare(noise, shape).initial[0], 0, 0, 0, 0});
  CHECK(prepare(wave, shape).initial[1] > 0.5);
  CHECK_THROWS_AS(prepare(Values(15, 1.0), shape), ValueError);
  CHECK_THROWS_AS(prepare(Values(16, -1.0), shape), ValueError);
}

TEST_CASE("the hybrid of one series is a forecaster: updates move it, longer horizons go on") {
  HybridSettings s = HybridForecaster::settings_for(8, 5, true);
  s.epochs = 2;
  HybridForecaster fit(generated(70, 4), s, 2);
  REQUIRE(fit.fitted().size() == 70);
  CHECK(std::isnan(fit.fitted()[2]));
  CHECK(std::isfinite(fit.fitted()[40]));
  const Values ahead = fit.forecast(12);
  HybridForecaster fed = fit;
  for (size_t h = 0; h < 5; ++h) fed.update(ahead[h]);
  CHECK(fed.forecast(5)[0] == Approx(ahead[5]));
  fit.update(1000);
  CHECK(fit.forecast(1)[0] > ahead[1]);
}

TEST_CASE("a long panel is read by the column of names, a wide one by its rows") {
  const std::string text =
      "shop,month,sales\nb,1950-01,1\na,1950-01,5\nb,1950-02,2\na,1950-02,6\nb,1950-03,4\n"
      "a,1950-03,7\n";
  const Panel panel = parse_panel(text, "p.csv", {.id_column = "shop"});
  CHECK(panel.ids == std::vector<std::string>{"b", "a"});
  CHECK(panel.series[1].values == Values{5, 6, 7});
  CHECK(panel.frequency() == Frequency::monthly);
  CHECK(panel.values() == 6);
  const Panel wide =
      parse_panel("\"V1\",\"V2\",\"V3\",\"V4\",\"V5\"\n\"H1\",1,2,3,\nH2,4,5,6,7\n", "p.csv", {});
  CHECK(wide.ids == std::vector<std::string>{"H1", "H2"});
  CHECK(wide.series[0].values == Values{1, 2, 3});
  CHECK(wide.series[1].future(1)[0] == "5");
}

TEST_CASE("short series take part in calibration, and errors are in proportion to recent changes") {
  PanelRun run;
  run.hybrid = small();
  run.hybrid.shape = {.horizon = 3};
  run.hybrid.stride = 0;
  for (uint64_t i = 0; i < 14; ++i) run.train.push_back(generated(24, i));
  const Intervals intervals = calibrate(run, 1, {});  // 9 values ahead of 15, from 3 origins
  REQUIRE(intervals.known());
  for (size_t h = 1; h <= 3; ++h) CHECK(intervals.half_width(0, h) < intervals.half_width(1, h));

  Values y(100, 1), calm(100, 1);
  for (size_t t = 0; t < 100; ++t)
    y[t] = std::exp((t < 80 ? 0.01 : 0.1) * static_cast<double>(t % 2));
  for (size_t t = 0; t < 100; ++t)
    calm[t] = std::exp(t < 80 ? 0.1 * static_cast<double>(t % 2) : 1.0);
  const SmoothingShape shape{.horizon = 3};
  CHECK(spread(prepare(y, shape), shape, 100) == Approx(0.1));
  CHECK(spread(prepare(y, shape), shape, 80) == Approx(0.01));
  const Prepared still = prepare(calm, shape);
  CHECK(spread(still, shape, 100) == Approx(still.scale / 10));
}

TEST_CASE("a bad series is named with its line, and left out when asked") {
  const std::string good = "a,1,2,3,4\n";
  CHECK(complaint(good + "b,1,x,3\n") ==
        "series b: p.csv:2: \"x\" in field 3 is not a number; --skip-bad leaves such series out");
  CHECK(complaint(good + "a,1,2,3\n").starts_with("series a: p.csv:2: given before, in line 1"));
  CHECK(complaint(good + "b,5,5,5\n").starts_with("series b: p.csv:2: constant (5 in all 3"));
  CHECK(complaint(good + "b,5,6\n").starts_with("series b: p.csv:2: 2 values, at least 3"));
  CHECK(complaint(good + "b,5,6,-1\n")
            .starts_with("series b: p.csv:2: value -1 in field 4: only positive values have"));
  const Panel panel = parse_panel(good + "b,5,5,5\nc,3,2,1\n", "p.csv", {.skip_bad = true});
  CHECK(panel.ids == std::vector<std::string>{"a", "c"});
  CHECK(panel.left_out.size() == 1);
  const std::string gap =
      "id,t,y\na,2001-01,1\na,2001-02,2\na,2001-03,4\nb,2001-01,1\nb,2001-02,3\nb,2001-04,2\n";
  CHECK(complaint(gap, {.id_column = "id"})
            .starts_with("series b: p.csv:7:3: no row for 1 month: 2001-03"));
  const std::string zero =
      "id,t,y\na,2001-01,1\na,2001-02,2\nb,2001-01,1\na,2001-03,4\nb,2001-03,3\nb,2001-02,0\n";
  CHECK(complaint(zero, {.id_column = "id"})
            .starts_with("series b: p.csv:7:11: \"y\" is 0: only positive values have"));
  CHECK(parse_panel(zero, "p.csv", {.id_column = "id", .positive = false}).values() == 6);
  CHECK(complaint(gap, {.id_column = "shop"})
            .starts_with("p.csv:1:1: no column \"shop\"; the columns are \"id\", \"t\", \"y\""));
  CHECK(complaint("a,1,1,1\n", {.skip_bad = true}).find("all are left out") != std::string::npos);
}

TEST_CASE("what followed is read by time from the long form, in order from the wide one") {
  InputSettings input;
  input.id_column = "id";
  input.read.time_column = "t";
  const std::vector<std::string> ids{"a", "b"};
  const std::vector<std::vector<std::string>> times(2, {"2001-04", "2001-05", "2001-06"});
  const auto parse = [&](const std::string& text) {
    return parse_actual(text, "n.csv", input, Frequency::monthly, ids, times);
  };
  const std::string b = "b,2001-04,7\n", head = "id,t,y\n";
  CHECK(parse(head + "a,2001-05,5\na,2001-03,9\na,2001-04,4\n" + b + "c,2001-04,1\n") ==
        std::vector<Values>{{4, 5}, {7}});
  CHECK(parse("a,4,5,6,9\nb,7,8\n") == std::vector<Values>{{4, 5, 6}, {7, 8}});
  const auto complaint_of = [&](const std::string& text) -> std::string {
    try {
      parse(text);
    } catch (const FormatError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(complaint_of(head + b) == "n.csv: no series a");
  CHECK(complaint_of(head + b + "a,2001-05,5\n") ==
        "series a: n.csv:3:3: no value at 2001-04, but at 2001-05");
  CHECK(complaint_of(head + b + "a,2002-05,5\n") ==
        "series a: n.csv:3:3: no value at 2001-04, which is forecast first, or later");
  CHECK(complaint_of(head + b + "a,soon,5\n").starts_with("series a: n.csv:3:3: \"soon\" "));
  CHECK(complaint_of(head + b + "a,2001-04,5\na,2001-04,6\n").find("more than once") !=
        std::string::npos);
}

TEST_CASE("a panel is scored as M4 scores it") {
  const std::vector<Values> train{{1, 2, 4, 3}, {10, 10, 10, 12}}, actual{{5, 6}, {11, 13}};
  const PanelMethod method{"m", "m", {{4, 6}, {11, 12}}};
  const PanelScores s = score(method, train, actual, 1);
  CHECK(s.smape[0] == Approx(100 * 2.0 / 9 / 2));
  CHECK(s.mase[0] == Approx(0.5 / (4.0 / 3)));
  CHECK(s.mean_smape == Approx((s.smape[0] + 200 * 1.0 / 25 / 2) / 2));
  CHECK(s.mean_mase == Approx((s.mase[0] + 0.5 / (2.0 / 3)) / 2));
  CHECK(owa(s, s) == 1);
  CHECK(scoring_season(Frequency::weekly, 52) == 1);
  CHECK(scoring_season(Frequency::hourly, 24) == 24);
}
