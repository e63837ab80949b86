#include <omp.h>
#include <tapestry/examples/airline/methods/ensemble.h>
#include <tapestry/examples/airline/panel/training.h>
#include <tapestry/examples/airline/parallel.h>
#include <tapestry/optim/schedule.h>
#include <tapestry/optim/server/parameter_server.h>

#include <algorithm>
#include <atomic>
#include <numeric>

namespace tapestry::airline {
namespace {

struct Item {
  std::vector<int32_t> ids;
  size_t cut;
};

struct Plan {
  int64_t workers, batches;  // batches of an epoch, as many items each as there are workers
};

Plan plan_of(const Hybrid& hybrid, int64_t workers) {
  const auto n = static_cast<int64_t>(hybrid.series().size());
  const int64_t wanted = workers > 0 ? workers : omp_get_num_procs();
  const int64_t used = std::clamp<int64_t>(wanted, 1, n);
  const int64_t batch = std::max(hybrid.settings().batch, used);
  return {used, std::max<int64_t>(1, (n + batch - 1) / batch)};
}

/// Series in random order, but those of one batch of about the same length; the batches in random
/// order, each cut into a part for each worker.
void add_epoch(const Hybrid& hybrid, const Plan& plan, Rng& rng, std::vector<Item>& items) {
  std::vector<int32_t> ids(hybrid.series().size());
  std::iota(ids.begin(), ids.end(), 0);
  rng.shuffle(std::span(ids));
  const auto length = [&](int32_t id) {
    return hybrid.series()[static_cast<size_t>(id)].x.size() / 200;
  };
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return length(a) < length(b); });
  std::vector<int32_t> order(static_cast<size_t>(plan.batches));
  std::iota(order.begin(), order.end(), 0);
  rng.shuffle(std::span(order));
  const size_t parts = static_cast<size_t>(plan.batches * plan.workers);
  const HybridSettings& s = hybrid.settings();
  for (const int32_t batch : order) {
    // Origins at another place in the stride each time.
    const size_t cut =
        s.shape.horizon + static_cast<size_t>(rng.uniform() * static_cast<double>(s.stride_size()));
    for (int64_t k = 0; k < plan.workers; ++k) {
      const size_t part = static_cast<size_t>(batch * plan.workers + k);
      const auto at = [&](size_t i) {
        return ids.begin() + static_cast<ptrdiff_t>(i * ids.size() / parts);
      };
      items.push_back({{at(part), at(part + 1)}, cut});
    }
  }
}

}  // namespace

int64_t items(const Hybrid& hybrid, int64_t workers) {
  const Plan plan = plan_of(hybrid, workers);
  return plan.batches * plan.workers * hybrid.settings().epochs;
}

HybridTraining train(const Hybrid& hybrid, int64_t workers,
                     const std::function<void(int64_t, double)>& on_item) {
  const HybridSettings& s = hybrid.settings();
  const Plan plan = plan_of(hybrid, workers);
  std::vector<Item> all;
  Rng order(s.seed, 1);
  for (int64_t epoch = 0; epoch < s.epochs; ++epoch) add_epoch(hybrid, plan, order, all);

  HybridTraining out{hybrid.initial_network(), {}};
  const Schedule schedule = Schedule::cosine(s.lr, plan.batches * s.epochs);
  ParameterServer<Hybrid::Network> server(
      out.network, Adam{.lr = s.lr},
      {.workers = static_cast<int>(plan.workers),
       .update = UpdatePolicy::sync,
       .lr = [&](int64_t updates) { return schedule.lr(updates); }});
  std::vector<double> losses(all.size());
  std::atomic<int64_t> done = 0;
  server.run(static_cast<int64_t>(all.size()), [&](Hybrid::Network& network, Worker& worker,
                                                   int64_t number) {
    const auto i = static_cast<size_t>(number);
    const Item& item = all[i];
    Rng dropout(s.seed, 2 + i);
    const double weight = std::max(hybrid.weight(item.ids, item.cut), 1e-12);
    losses[i] = worker.update([&] { return hybrid.loss(network, item.ids, item.cut, &dropout); },
                              static_cast<double>(item.ids.size()), weight);
    if (on_item) on_item(++done, losses[i]);
  });
  const size_t per_epoch = static_cast<size_t>(plan.batches * plan.workers);
  for (size_t first = 0; first < losses.size(); first += per_epoch)
    out.losses.push_back(std::accumulate(losses.begin() + static_cast<ptrdiff_t>(first),
                                         losses.begin() + static_cast<ptrdiff_t>(first + per_epoch),
                                         0.0) /
                         static_cast<double>(per_epoch));
  return out;
}

std::vector<std::vector<double>> forecast_all(const Hybrid& hybrid,
                                              std::span<const Hybrid::Network> networks,
                                              int64_t workers) {
  const size_t n = hybrid.series().size(), horizon = hybrid.settings().shape.horizon;
  constexpr size_t most = 32;  // series at once
  std::vector<int32_t> ids(n);
  std::iota(ids.begin(), ids.end(), 0);
  std::stable_sort(ids.begin(), ids.end(), [&](int32_t a, int32_t b) {
    return hybrid.series()[static_cast<size_t>(a)].x.size() <
           hybrid.series()[static_cast<size_t>(b)].x.size();
  });
  std::vector<std::vector<double>> out(n, std::vector<double>(horizon));
  parallel_for((n + most - 1) / most, workers, [&](size_t batch) {
    const auto some =
        std::span<const int32_t>(ids).subspan(batch * most, std::min(most, n - batch * most));
    std::vector<Hybrid::Paths> paths;
    for (const Hybrid::Network& network : networks) paths.push_back(hybrid.forecast(network, some));
    for (size_t row = 0; row < some.size(); ++row) {
      const auto id = static_cast<size_t>(some[row]);
      for (size_t h = 0; h < horizon; ++h) {
        std::vector<double> x;
        for (const Hybrid::Paths& p : paths) x.push_back(p[row][0][h]);
        out[id][h] = hybrid.series()[id].value(median(std::move(x)));
      }
    }
  });
  return out;
}

}  // namespace tapestry::airline
