#include <omp.h>
#include <tapestry/examples/airline/versions/scalar_lstm.h>

#include <algorithm>

#include <tapestry/optim/optimizer.h>

namespace tapestry::airline {
namespace {

/// The squared errors of n windows at once; with a tape, adds the gradient of their share of the
/// mean over `batch`.
double accumulate(const Regressor& model, const Tensor& inputs, const Tensor& targets,
                  int64_t batch) {
  Tape tape;
  const Var sum_of_squares = sum(square(model(inputs) - targets));
  tape.backward(sum_of_squares * (1.0 / static_cast<double>(batch)));
  return sum_of_squares.value().item();
}

double evaluate(const Regressor& model, const Windows& data, int64_t first, int64_t n) {
  return sum(square(model(data.inputs(first, n)) - data.targets(first, n))).value().item();
}

double accumulate(const Regressor& model, const Windows& data, int64_t first, int64_t n,
                  int64_t batch) {
  return accumulate(model, data.inputs(first, n), data.targets(first, n), batch);
}

/// Takes the gradients of a replica; the first ones without a copy.
void move_gradients(Regressor& from, Regressor& to) {
  const auto source = parameters(from), target = parameters(to);
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i].parameter->grad().empty()) continue;
    target[i].parameter->grad().add(source[i].parameter->grad().dense());
    source[i].parameter->grad().clear();
  }
}

/// Leaves the gradients to those below, and takes the step.
class Library : public Trainer {
 public:
  explicit Library(Regressor& model) : model_(model), optimizer_(model, SGD{}) {}

  double step(const Windows& data, int64_t first, int64_t n, double lr) override {
    const double sum = gradients(data, first, n);
    optimizer_.set_lr(lr);
    optimizer_.step();
    return sum;
  }

 protected:
  virtual double gradients(const Windows& data, int64_t first, int64_t n) = 0;
  Regressor& model_;

 private:
  Optimizer optimizer_;
};

struct Vectorised : Library {
  using Library::Library;
  double gradients(const Windows& data, int64_t first, int64_t n) override {
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) sum += accumulate(model_, data, i, 1, n);
    return sum;
  }
  double errors(const Windows& data, int64_t first, int64_t n) override {
    double sum = 0;
    for (int64_t i = first; i < first + n; ++i) sum += evaluate(model_, data, i, 1);
    return sum;
  }
};

/// The samples of a mini-batch on several threads, sample i on thread i modulo their number.
class Threads : public Library {
 public:
  Threads(Regressor& model, int threads) : Library(model), threads_(threads) {}

  double errors(const Windows& data, int64_t first, int64_t n) override {
    std::vector<double> sums(static_cast<size_t>(n));
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int64_t i = 0; i < n; ++i)
      sums[static_cast<size_t>(i)] = evaluate(model_, data, first + i, 1);
    double sum = 0;
    for (const double s : sums) sum += s;
    return sum;
  }

 protected:
  /// f(thread) on every thread.
  template <class F>
  void on_threads(F f) const {
#pragma omp parallel num_threads(threads_)
    f(omp_get_thread_num());
  }
  /// Accumulates the samples of a thread; from copies of their values where `copy` is set.
  double samples_of(int thread, const Regressor& model, const Windows& data, int64_t first,
                    int64_t n, bool copy) const {
    std::vector<double> values;
    double sum = 0;
    for (int64_t i = first + thread; i < first + n; i += threads_) {
      if (copy) {
        values.assign(data.window(i), data.window(i) + data.length + 1);
        sum += accumulate(model, Windows{values, data.length}, 0, 1, n);
      } else {
        sum += accumulate(model, data, i, 1, n);
      }
    }
    return sum;
  }
  int threads_;
};

/// A new replica for each thread and mini-batch.
struct Parallel1 : Threads {
  using Threads::Threads;
  double gradients(const Windows& data, int64_t first, int64_t n) override {
    double total = 0;
    on_threads([&](int thread) {
      Regressor replica = model_;
      const double sum = samples_of(thread, replica, data, first, n, true);
#pragma omp critical(airline_gradients)
      {
        move_gradients(replica, model_);
        total += sum;
      }
    });
    return total;
  }
};

/// A replica for each thread, that stays; the values are copied for each mini-batch unless shared.
/// Gradients are added in the order of the threads: the same numbers in every run.
template <bool shared>
class Replicas : public Threads {
 public:
  Replicas(Regressor& model, int threads) : Threads(model, threads) {
    for (int i = 0; i < threads; ++i) replicas_.push_back(shared ? share(model) : model);
  }
  double gradients(const Windows& data, int64_t first, int64_t n) override {
    std::vector<double> sums(replicas_.size());
    on_threads([&](int thread) {
      Regressor& replica = replicas_[static_cast<size_t>(thread)];
      if (!shared) replica = model_;
      sums[static_cast<size_t>(thread)] = samples_of(thread, replica, data, first, n, !shared);
    });
    double total = 0;
    for (size_t i = 0; i < replicas_.size(); ++i) {
      move_gradients(replicas_[i], model_);
      total += sums[i];
    }
    return total;
  }

 private:
  std::vector<Regressor> replicas_;
};

/// The mini-batch as one tensor, or one for each thread.
class Batched : public Library {
 public:
  Batched(Regressor& model, int threads) : Library(model), threads_(threads) {
    for (int i = 0; i < threads; ++i) replicas_.push_back(share(model));
  }
  double gradients(const Windows& data, int64_t first, int64_t n) override {
    if (threads_ == 1) return accumulate(model_, data, first, n, n);
    const double total = split(first, n, [&](Regressor& replica, int64_t from, int64_t count) {
      return accumulate(replica, data, from, count, n);
    });
    for (Regressor& replica : replicas_) move_gradients(replica, model_);
    return total;
  }
  double errors(const Windows& data, int64_t first, int64_t n) override {
    return split(first, n, [&](Regressor& replica, int64_t from, int64_t count) {
      return evaluate(replica, data, from, count);
    });
  }

 private:
  /// The sum of f over equal parts, each on its thread with its replica.
  template <class F>
  double split(int64_t first, int64_t n, F f) {
    std::vector<double> sums(replicas_.size());
#pragma omp parallel for num_threads(threads_) schedule(static)
    for (int i = 0; i < threads_; ++i) {
      const int64_t from = n * i / threads_, to = n * (i + 1) / threads_;
      if (from < to)
        sums[static_cast<size_t>(i)] =
            f(replicas_[static_cast<size_t>(i)], first + from, to - from);
    }
    double total = 0;
    for (const double s : sums) total += s;
    return total;
  }

  int threads_;
  std::vector<Regressor> replicas_;
};

template <class T>
std::unique_ptr<Trainer> make(Regressor& model, int threads) {
  if constexpr (std::is_constructible_v<T, Regressor&, int>)
    return std::make_unique<T>(model, threads);
  else
    return std::make_unique<T>(model);
}

constexpr Version all[] = {
    {"sequential", "loops by hand, a sample at a time", false, make_sequential},
    {"vectorised", "the library, a sample at a time", false, make<Vectorised>},
    {"parallel 1", "samples on threads, all copied each time", true, make<Parallel1>},
    {"parallel 2", "each sample at a fixed thread and slot", true, make<Replicas<false>>},
    {"parallel 3", "the same without the copies", true, make<Replicas<true>>},
    {"batched", "the mini-batch as one tensor", false,
     [](Regressor& model, int) { return make<Batched>(model, 1); }},
    {"batched, threads", "and one for each thread", true, make<Batched>},
};

}  // namespace

Tensor Windows::inputs(int64_t first, int64_t n) const {
  Tensor out = Tensor::empty({length, n, 1}, f64);
  double* to = out.data<double>();
  for (int64_t t = 0; t < length; ++t) to = std::copy_n(window(first + t), n, to);
  return out;
}

Tensor Windows::targets(int64_t first, int64_t n) const {
  return Tensor::from<double>(
      {n, 1}, values.subspan(static_cast<size_t>(first + length), static_cast<size_t>(n)));
}

std::span<const Version> versions() { return all; }

double Trainer::epoch(const Windows& data, int64_t batch, double lr) {
  double sum = 0;
  for (int64_t i = 0; i < data.count(); i += batch)
    sum += step(data, i, std::min(batch, data.count() - i), lr);
  return sum;
}

Training train(const Version& version, const Task& task) {
  Rng rng(task.seed);
  Regressor model(task.hidden, rng);
  const auto trainer = version.make(model, version.threaded ? task.threads : 1);
  Training out;
  const int64_t n = task.train.count(), held_out = task.valid.count();
  for (int64_t epoch = 0; epoch < task.epochs; ++epoch) {
    const double train = trainer->epoch(task.train, task.batch, task.lr);
    double valid = 0;
    constexpr int64_t at_once = 256;  // of the held-out windows
    for (int64_t i = 0; i < held_out; i += at_once)
      valid += trainer->errors(task.valid, i, std::min(at_once, held_out - i));
    out.losses.push_back({train / static_cast<double>(n), valid / static_cast<double>(held_out)});
  }
  out.traffic = trainer->traffic();
  return out;
}

}  // namespace tapestry::airline
