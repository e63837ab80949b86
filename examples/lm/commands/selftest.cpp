// lm selftest: whether this machine computes what it should: gradients, products, threads.

#include <fmt/format.h>
#include <omp.h>
#include <sched.h>
#include <tapestry/examples/common/options.h>
#include <tapestry/examples/lm/commands.h>
#include <tapestry/examples/lm/model/check_gradients.h>
#include <tapestry/examples/lm/text/grammar.h>
#include <tapestry/examples/lm/training/checkpoint.h>
#include <tapestry/nn/init.h>
#include <tapestry/optim/server/parameter_server.h>
#include <tapestry/tensor/blas.h>
#include <tapestry/tensor/matmul.h>

#include <numeric>
#include <set>

namespace tapestry::lm {
namespace {

EncodedCorpus sentences(int64_t n, Vocabulary* vocabulary) {
  const Corpus corpus = generate(AgreementGrammar(), n, 1);
  *vocabulary = Vocabulary::build(corpus);
  return vocabulary->encode(corpus);
}

std::vector<int64_t> first(int64_t n) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), 0);
  return out;
}

/// The largest difference between BLAS and the definition of a product, over its magnitude.
double product_error(int64_t m, int64_t k, int64_t n, DType dtype, bool transposed) {
  Rng rng(1);
  const Tensor a = gaussian({m, k}, 1, rng, dtype);
  const Tensor b =
      transposed ? gaussian({n, k}, 1, rng, dtype).transpose() : gaussian({k, n}, 1, rng, dtype);
  const auto left = a.cast(f64).to_vector<double>(), right = b.cast(f64).to_vector<double>(),
             found = matmul(a, b).cast(f64).to_vector<double>();
  double worst = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t l = 0; l < k; ++l)
        sum += left[static_cast<size_t>(i * k + l)] * right[static_cast<size_t>(l * n + j)];
      worst = std::max(worst, std::abs(sum - found[static_cast<size_t>(i * n + j)]));
    }
  return worst / std::sqrt(static_cast<double>(k));
}

/// The parameters after a short training by `workers` in rounds.
uint64_t trained(int workers) {
  Vocabulary vocabulary = Vocabulary::build(Corpus());
  const EncodedCorpus text = sentences(64, &vocabulary);
  Rng rng(1);
  const ModelShape shape{.cell = "lstm", .vocabulary = vocabulary.size(), .hidden = 16};
  LanguageModel model(shape, rng, f32);
  ParameterServer server(model, Adam{.lr = 0.01},
                         {.workers = workers, .update = UpdatePolicy::sync});
  server.run(16, [&](LanguageModel& m, Worker& w, int64_t item) {
    std::vector<int64_t> four = first(4);
    for (int64_t& s : four) s += 4 * item;
    w.update([&] { return m.loss(make_batch(text, four)); });
  });
  NamedTensors state;
  to_tensors(model, state);
  return fingerprint(state);
}

double gradient_error(const std::string& cell, Bptt bptt) {
  Vocabulary vocabulary = Vocabulary::build(Corpus());
  const EncodedCorpus text = sentences(4, &vocabulary);
  Rng rng(1);
  const ModelShape shape{.cell = cell, .vocabulary = vocabulary.size(), .hidden = 6, .layers = 2};
  LanguageModel model(shape, rng, f64);
  model.rnn.set_bptt(bptt);
  double worst = 0;
  for (const CheckedParameter& p : check_gradients(model, make_batch(text, first(4)), 5, 1e-6, 1))
    worst = std::max(worst, p.report.worst);
  return worst;
}

/// "0-3, 8": the processors this process may use.
std::string allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return "unknown";
  std::string out;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (!CPU_ISSET(i, &set)) continue;
    int last = i;
    while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, &set)) ++last;
    out +=
        (out.empty() ? "" : ", ") + (last > i ? fmt::format("{}-{}", i, last) : std::to_string(i));
    i = last;
  }
  return out;
}

/// The processor on which each of n workers finds itself.
std::string thread_map(int n, bool* together) {
  std::vector<int> processors(static_cast<size_t>(n), -1);
  int given = 0;
#pragma omp parallel num_threads(n)
  {
    processors[static_cast<size_t>(omp_get_thread_num())] = sched_getcpu();
#pragma omp single
    given = omp_get_num_threads();
  }
  *together = given == n;
  std::string out;
  for (const int p : processors) out += (out.empty() ? "" : " ") + std::to_string(p);
  return out;
}

}  // namespace

void add_options(app::Command& command, SelftestSettings&) {
  command.footer("Takes a few seconds. Exit code 11 where a check fails. Example: lm selftest");
}

app::ExitCode selftest(const SelftestSettings&) {
  bool ok = true;
  const auto check = [&](bool good, const std::string& what, const std::string& found) {
    fmt::print("{}  {:<44} {}\n", good ? "ok    " : "FAILED", what, found);
    ok = ok && good;
  };
  for (const DType dtype : {f32, f64})
    for (const bool transposed : {false, true}) {
      double worst = 0;
      for (const auto [m, k, n] : {std::array<int64_t, 3>{1, 1, 1}, {7, 33, 5}, {20, 100, 130}})
        worst = std::max(worst, product_error(m, k, n, dtype, transposed));
      check(worst < (dtype == f32 ? 1e-5 : 1e-13),
            fmt::format("product{} by BLAS and by definition, {}", transposed ? ", transposed" : "",
                        dtype == f32 ? "float" : "double"),
            fmt::format("error {:.1e}", worst));
    }
  for (const char* cell : {"rnn", "lstm", "gru"})
    for (const BpttMode mode : {BpttMode::exact, BpttMode::chunk, BpttMode::full}) {
      const Bptt bptt{mode, 3};
      const double worst = gradient_error(cell, bptt);
      check(worst < 1e-6, fmt::format("gradients of 2 {} layers, {}", cell, describe_bptt(bptt)),
            fmt::format("error {:.1e}", worst));
    }
  for (const int workers : {1, 2}) {
    const uint64_t one = trained(workers), two = trained(workers);
    check(one == two, fmt::format("training twice, {} worker{}", workers, workers > 1 ? "s" : ""),
          one == two ? hex(one) : hex(one) + " and " + hex(two));
  }
  const int n = omp_get_num_procs();
  bool together = false;
  const std::string map = thread_map(n, &together);
  check(together, fmt::format("{} threads at once", n), "on processors " + map);
  fmt::print("allowed processors {}; {}\n", allowed_processors(), blas_description());
  fmt::print("{}\n", ok ? "passed" : "failed");
  return ok ? app::ExitCode::ok : app::ExitCode::check_failed;
}

}  // namespace tapestry::lm
