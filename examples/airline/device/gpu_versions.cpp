#include <tapestry/examples/airline/device/buffer.h>
#include <tapestry/examples/airline/device/gpu_versions.h>
#include <tapestry/examples/airline/device/slots.h>
#include <tapestry/examples/airline/device/tiles.h>
#include <tapestry/examples/airline/methods/ensemble.h>

#include <algorithm>
#include <map>
#include <numeric>

namespace tapestry::airline {
namespace {

constexpr int64_t kSlots = 1024, kTeams = 256;  // at most

/// What all have: weights on the host that the model gets in the end, and series on the device.
class OnDevice : public Trainer {
 public:
  explicit OnDevice(Regressor& model)
      : model_(model), layout_{model.readout.w.shape()[0]}, host_(flat_weights(model)) {}

  Traffic traffic() const override { return traffic_; }

 protected:
  /// All values of a series, which stay there.
  const double* resident(std::span<const double> values) {
    const auto [place, is_new] = series_.try_emplace(values.data(), traffic_);
    if (is_new) place->second.put(values);
    return place->second.data();
  }

  Regressor& model_;
  ScalarLayout layout_;
  std::vector<double> host_;
  Traffic traffic_;

 private:
  std::map<const double*, Buffer> series_;
};

enum class Moves { all, values, nothing };  // for each mini-batch

/// gpu 1 to 3.
template <Moves moves>
class Slots : public OnDevice {
 public:
  explicit Slots(Regressor& model) : OnDevice(model) {
    if (moves == Moves::nothing) weights_.put(host_);
  }
  ~Slots() override {
    if (moves == Moves::nothing) host_ = weights_.get(layout_.size());
    set_weights(model_, host_);
  }

  double step(const Windows& data, int64_t first, int64_t n, double lr) override {
    const SlotWork work = prepare(data, first, n);
    launch(traffic_, [&] { run_slots(work, n, true); });
    if (moves == Moves::all) {
      const std::vector<double> all = gradients_.get(work.slots * layout_.size());
      for (size_t i = 0; i < all.size(); ++i) host_[i % host_.size()] -= lr * all[i];
    } else {
      launch(traffic_,
             [&] { descend(weights_.data(), work.gradients, work.slots, layout_.size(), lr); });
      if (moves == Moves::values) host_ = weights_.get(layout_.size());
    }
    return sum_of_squares(work);
  }

  double errors(const Windows& data, int64_t first, int64_t n) override {
    const SlotWork work = prepare(data, first, n);
    launch(traffic_, [&] { run_slots(work, n, false); });
    return sum_of_squares(work);
  }

 private:
  SlotWork prepare(const Windows& data, int64_t first, int64_t n) {
    SlotWork work{layout_, data.length, std::min(n, kSlots), nullptr, nullptr, 0, 1, {}, {}, {}};
    const auto values =
        data.values.subspan(static_cast<size_t>(first), static_cast<size_t>(n + data.length));
    if (moves == Moves::all) {
      std::vector<double> weights, samples;
      for (int64_t slot = 0; slot < work.slots; ++slot)
        weights.insert(weights.end(), host_.begin(), host_.end());
      for (int64_t i = 0; i < n; ++i)
        samples.insert(samples.end(), values.data() + i, values.data() + i + data.length + 1);
      weights_.put(weights);
      values_.put(samples);
      work.weights_apart = layout_.size();
      work.values_apart = data.length + 1;
    } else if (moves == Moves::values) {
      weights_.put(host_);
      values_.put(values);
    }
    work.weights = weights_.data();
    work.values = moves == Moves::nothing ? resident(data.values) + first : values_.data();
    work.room = room_.reserve(work.slots * layout_.room(data.length));
    work.gradients = gradients_.reserve(work.slots * layout_.size());
    work.squares = squares_.reserve(work.slots);
    return work;
  }
  double sum_of_squares(const SlotWork& work) const {
    const std::vector<double> squares = squares_.get(work.slots);
    return std::accumulate(squares.begin(), squares.end(), 0.0);
  }

  Buffer weights_{traffic_}, values_{traffic_}, room_{traffic_}, gradients_{traffic_},
      squares_{traffic_};
};

/// gpu 4.
class Tiles : public OnDevice {
 public:
  explicit Tiles(Regressor& model) : OnDevice(model) {
    weights_.put(host_);
    transposed_.put(transposed_weights(layout_, host_));
  }
  ~Tiles() override { set_weights(model_, weights_.get(layout_.size())); }

  double step(const Windows& data, int64_t first, int64_t n, double lr) override {
    return sum_of_squares(n, [&] { descend_by(data, first, n, lr); });
  }
  double epoch(const Windows& data, int64_t batch, double lr) override {
    return sum_of_squares(batch, [&] {
      for (int64_t i = 0; i < data.count(); i += batch)
        descend_by(data, i, std::min(batch, data.count() - i), lr);
    });
  }
  double errors(const Windows& data, int64_t first, int64_t n) override {
    return sum_of_squares(n, [&] {
      const TileWork work = prepare(data, n);
      launch(traffic_, [&] { run_tiles(work, first, n, false); });
    });
  }

 private:
  void descend_by(const Windows& data, int64_t first, int64_t n, double lr) {
    const TileWork work = prepare(data, n);
    launch(traffic_, [&] { run_tiles(work, first, n, true); });
    launch(traffic_, [&] { descend(work, lr); });
  }
  static int64_t teams_of(int64_t n) { return std::min(kTeams, (n + kTile - 1) / kTile); }
  TileWork prepare(const Windows& data, int64_t n) {
    TileWork work{layout_,
                  data.length,
                  teams_of(n),
                  weights_.data(),
                  transposed_.data(),
                  resident(data.values),
                  {},
                  {},
                  squares_.data()};
    work.room = room_.reserve(work.teams * work.room_size());
    work.gradients = gradients_.reserve(work.teams * layout_.size());
    return work;
  }
  /// What the kernels of `run`, of at most n samples each, add up to.
  template <class F>
  double sum_of_squares(int64_t n, const F& run) {
    const int64_t count = teams_of(n) * kTile;
    squares_.put(std::vector<double>(static_cast<size_t>(count), 0.0));
    run();
    const std::vector<double> squares = squares_.get(count);
    return std::accumulate(squares.begin(), squares.end(), 0.0);
  }

  Buffer weights_{traffic_}, transposed_{traffic_}, room_{traffic_}, gradients_{traffic_},
      squares_{traffic_};
};

template <class T>
std::unique_ptr<Trainer> make_on_device(Regressor& model, int) {
  return std::make_unique<T>(model);
}

constexpr Version kGpu[] = {
    {"gpu 1", "all copied for every mini-batch", false, make_on_device<Slots<Moves::all>>},
    {"gpu 2", "each sample at a fixed slot", false, make_on_device<Slots<Moves::values>>},
    {"gpu 3", "values shared and resident", false, make_on_device<Slots<Moves::nothing>>},
    {"gpu 4", "tiles, an epoch on the device", false, make_on_device<Tiles>},
};

}  // namespace

std::span<const Version> gpu_versions() { return kGpu; }

double launch_seconds() {
  std::vector<double> seconds;
  for (int i = 0; i < 20; ++i) {
    Traffic traffic;
    launch(traffic, [] {
#pragma omp target
      {}
    });
    seconds.push_back(traffic.computing);
  }
  return median(seconds);
}

}  // namespace tapestry::airline
