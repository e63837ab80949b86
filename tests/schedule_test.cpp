#include <doctest/doctest.h>

#include <cmath>

#include <tapestry/optim/schedule.h>

using namespace tapestry;

namespace {

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("schedule: constant, step, cosine and linear") {
  const Schedule constant = Schedule::constant(0.5);
  CHECK(constant.lr(0) == 0.5);
  CHECK(constant.lr(1000000) == 0.5);

  const Schedule step = Schedule::step(1, 3, 0.5);
  const double steps[] = {1, 1, 1, 0.5, 0.5, 0.5, 0.25};
  for (int64_t t = 0; t < 7; ++t) CHECK(step.lr(t) == steps[t]);

  const Schedule line = Schedule::linear(1, 10, 0.2);
  for (int64_t t = 0; t <= 10; ++t)
    CHECK(line.lr(t) == doctest::Approx(1 - 0.08 * static_cast<double>(t)));
  CHECK(line.lr(25) == doctest::Approx(0.2));
  const Schedule cosine = Schedule::cosine(1, 10, 0.2);
  CHECK(cosine.lr(0) == 1);
  CHECK(cosine.lr(5) == doctest::Approx(0.6));
  CHECK(cosine.lr(10) == doctest::Approx(0.2));
  CHECK(cosine.lr(25) == doctest::Approx(0.2));
  for (int64_t t = 0; t < 10; ++t) CHECK(cosine.lr(t + 1) < cosine.lr(t));
}

TEST_CASE("schedule: plateau halves when the loss is above the best") {
  Schedule s = Schedule::plateau(1);
  CHECK(!s.observe(9));  // nothing to compare with
  CHECK(s.lr(0) == 1);
  CHECK(!s.observe(8));
  CHECK(!s.observe(8));  // equal is no rise
  CHECK(s.observe(8.5));
  CHECK(s.lr(7) == 0.5);
  CHECK(s.observe(8.2));  // below the one before, above the best
  CHECK(s.lr(8) == 0.25);
  CHECK(!s.observe(7.9));
  CHECK(s.observe(8));

  Schedule patient = Schedule::plateau(1, 0.1, 1);
  for (const double loss : {5.0, 6.0, 5.0, 6.0}) CHECK(!patient.observe(loss));
  CHECK(patient.observe(5.5));  // two in a row
  CHECK(!patient.observe(8));
  CHECK(patient.observe(7));
  CHECK(patient.lr(0) == doctest::Approx(0.01));

  CHECK(message_of<NonFiniteError>([&] { s.observe(std::nan("")); }) ==
        "schedule: the observed loss is nan");
  Schedule constant = Schedule::constant(1);
  CHECK(!constant.observe(1));
  CHECK(!constant.observe(2));
  CHECK(constant.lr(2) == 1);
}

TEST_CASE("schedule: a warm-up rises linearly to the schedule behind it") {
  const Schedule s = Schedule::step(1, 2, 0.5).warm_up(4);
  const double expected[] = {0.25, 0.5, 0.75, 1, 1, 1, 0.5, 0.5, 0.25};
  for (int64_t t = 0; t < 9; ++t) CHECK(s.lr(t) == expected[t]);
  CHECK(Schedule::constant(2).warm_up(0).lr(0) == 2);
}

TEST_CASE("schedule: its state is saved and resumed") {
  Schedule a = Schedule::plateau(1, 0.5, 1), b = a;
  const double losses[] = {5, 6, 7, 6, 7, 8, 9};
  for (int i = 0; i < 5; ++i) a.observe(losses[i]);
  NamedTensors state;
  a.save(state);
  b.load(state);
  for (int i = 5; i < 7; ++i) CHECK(a.observe(losses[i]) == b.observe(losses[i]));
  CHECK(a.lr(0) == b.lr(0));
  CHECK(a.lr(0) == 0.125);

  Schedule other = Schedule::constant(1);
  CHECK(message_of<FormatError>([&] { other.load(state); }) ==
        "load: schedule.kind is plateau in the file, the schedule is constant");
  state.put("schedule.scale", -1);
  CHECK_THROWS_AS(b.load(state), FormatError);
  CHECK(a.lr(0) == b.lr(0));
  NamedTensors none;
  CHECK_THROWS_AS(b.load(none), FormatError);
}

TEST_CASE("schedule: values out of range are refused with name, value and range") {
  CHECK(message_of<ValueError>([] { Schedule::constant(-1); }) ==
        "schedule: lr is -1, expected a finite number of at least 0");
  CHECK(message_of<ValueError>([] { Schedule::step(1, 0); }) ==
        "schedule: every is 0, expected at least 1");
  CHECK(message_of<ValueError>([] { Schedule::plateau(1, 1.5); }) ==
        "schedule: factor is 1.5, expected 0 < factor <= 1");
  CHECK_THROWS_AS(Schedule::step(1, 1, 0), ValueError);
  CHECK_THROWS_AS(Schedule::step(std::nan(""), 1), ValueError);
  CHECK_THROWS_AS(Schedule::cosine(1, 0), ValueError);
  CHECK_THROWS_AS(Schedule::linear(1, 0), ValueError);
  CHECK_THROWS_AS(Schedule::cosine(1, 5, -1), ValueError);
  CHECK_THROWS_AS(Schedule::plateau(1, 0.5, -1), ValueError);
  CHECK_THROWS_AS(Schedule::constant(1).warm_up(-1), ValueError);
  CHECK_THROWS_AS(Schedule::constant(1).lr(-1), ValueError);
}
