// One LSTM layer, forward and backward, beside oneDNN's on the same numbers, in turns in one run.
// oneDNN with the weights kept as it packs them, and with weights that come as rows and go back as
// rows in each pass, as weights that are updated between passes do.

#include <omp.h>
#include <dnnl.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <tapestry/autograd/ops.h>
#include <tapestry/nn/rnn.h>

#include "bench.h"

using namespace tapestry;

namespace {

constexpr int64_t kSteps = 35, kBatch = 20, kWidth = 200;
constexpr int kRounds = 41;

/// What both read: inputs, the error of the outputs, weights.
struct Given {
  Rng rng{1};
  RNN<LSTMCell> rnn{kWidth, kWidth, rng};
  Tensor x = uniform({kSteps, kBatch, kWidth}, 1, rng);
  Tensor dy = uniform({kSteps, kBatch, kWidth}, 1, rng);
};

/// What both compute.
struct Result {
  Tensor y, dx, dw_ih, dw_hh, db;
};

Result tapestry_pass(const Given& given) {
  auto& cell = given.rnn.cells[0];
  for (const Parameter* p : {&cell.w_ih, &cell.w_hh, &cell.bias}) p->grad().clear();
  Tape tape;
  const Var x = tape.watch(given.x);
  const Var y = given.rnn(x).y;
  const auto d = tape.gradients(y, {x, cell.w_ih, cell.w_hh, cell.bias}, given.dy);
  return {y.value(), d[0], d[1], d[2], d[3]};
}

class OneDnn {
  using Memory = dnnl::memory;
  using Tag = Memory::format_tag;

 public:
  explicit OneDnn(const Given& given)
      : x_(wrap(given.x, {kSteps, kBatch, kWidth}, Tag::tnc)),
        dy_(wrap(given.dy, {kSteps, kBatch, kWidth}, Tag::tnc)),
        w_ih_(wrap(given.rnn.cells[0].w_ih.value(), kWeights, Tag::ldigo)),
        w_hh_(wrap(given.rnn.cells[0].w_hh.value(), kWeights, Tag::ldigo)),
        bias_(wrap(given.rnn.cells[0].bias.value(), {1, 1, 4, kWidth}, Tag::ldgo)) {
    const Memory::desc none, any(kWeights, Memory::data_type::f32, Tag::any);
    const Memory::desc state({1, 1, kBatch, kWidth}, Memory::data_type::f32, Tag::ldnc);
    const auto x = x_.get_desc(), b = bias_.get_desc();
    const auto left_to_right = dnnl::rnn_direction::unidirectional_left2right;
    const dnnl::lstm_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, left_to_right, x, state, state, any, any, none, none, b,
         x, state, state},
        engine_);
    const dnnl::lstm_backward::primitive_desc backward({dnnl::prop_kind::backward,
                                                        left_to_right,
                                                        x,
                                                        state,
                                                        state,
                                                        any,
                                                        any,
                                                        none,
                                                        none,
                                                        b,
                                                        x,
                                                        state,
                                                        state,
                                                        x,
                                                        state,
                                                        state,
                                                        any,
                                                        any,
                                                        none,
                                                        none,
                                                        b,
                                                        x,
                                                        state,
                                                        state},
                                                       engine_, forward);
    forward_ = dnnl::lstm_forward(forward);
    backward_ = dnnl::lstm_backward(backward);
    const auto make = [&](const Memory::desc& d) { return Memory(d, engine_); };
    for (Memory* m : {&h0_, &c0_, &dh_, &dc_, &h_, &c_, &dh0_, &dc0_}) {
      *m = make(state);
      zero(*m);
    }
    y_ = make(x), dx_ = make(x), db_ = make(b), workspace_ = make(forward.workspace_desc());
    forward_ih_ = make(forward.weights_layer_desc());
    forward_hh_ = make(forward.weights_iter_desc());
    backward_ih_ = make(backward.weights_layer_desc());
    backward_hh_ = make(backward.weights_iter_desc());
    packed_dih_ = make(backward.diff_weights_layer_desc());
    packed_dhh_ = make(backward.diff_weights_iter_desc());
    dih_ = make(w_ih_.get_desc()), dhh_ = make(w_hh_.get_desc());
    pack();
  }

  void pack() {
    for (auto [from, to] : {std::pair{&w_ih_, &forward_ih_},
                            {&w_hh_, &forward_hh_},
                            {&w_ih_, &backward_ih_},
                            {&w_hh_, &backward_hh_}})
      copy(*from, *to);
  }

  /// Weights as they were packed last; their gradients stay packed, too.
  void pass() {
    for (Memory* m : {&packed_dih_, &packed_dhh_, &db_}) zero(*m);  // it adds to these
    std::unordered_map<int, Memory> args{{DNNL_ARG_SRC_LAYER, x_},
                                         {DNNL_ARG_WEIGHTS_LAYER, forward_ih_},
                                         {DNNL_ARG_WEIGHTS_ITER, forward_hh_},
                                         {DNNL_ARG_BIAS, bias_},
                                         {DNNL_ARG_SRC_ITER, h0_},
                                         {DNNL_ARG_SRC_ITER_C, c0_},
                                         {DNNL_ARG_DST_LAYER, y_},
                                         {DNNL_ARG_DST_ITER, h_},
                                         {DNNL_ARG_DST_ITER_C, c_},
                                         {DNNL_ARG_WORKSPACE, workspace_}};
    forward_.execute(stream_, args);
    args[DNNL_ARG_WEIGHTS_LAYER] = backward_ih_;
    args[DNNL_ARG_WEIGHTS_ITER] = backward_hh_;
    args[DNNL_ARG_DIFF_DST_LAYER] = dy_;
    args[DNNL_ARG_DIFF_DST_ITER] = dh_;
    args[DNNL_ARG_DIFF_DST_ITER_C] = dc_;
    args[DNNL_ARG_DIFF_SRC_ITER] = dh0_;
    args[DNNL_ARG_DIFF_SRC_ITER_C] = dc0_;
    args[DNNL_ARG_DIFF_SRC_LAYER] = dx_;
    args[DNNL_ARG_DIFF_WEIGHTS_LAYER] = packed_dih_;
    args[DNNL_ARG_DIFF_WEIGHTS_ITER] = packed_dhh_;
    args[DNNL_ARG_DIFF_BIAS] = db_;
    backward_.execute(stream_, args);
    stream_.wait();
  }

  void reordering_pass() {
    pack();
    pass();
    copy(packed_dih_, dih_);
    copy(packed_dhh_, dhh_);
  }

  /// Of the last reordering pass.
  Result result() const {
    const auto tensor = [](const Memory& m, const Shape& shape) {
      Tensor t = Tensor::empty(shape);
      std::copy_n(static_cast<const float*>(m.get_data_handle()), t.numel(), t.data<float>());
      return t;
    };
    const Shape rows{kSteps, kBatch, kWidth}, weight{kWidth, 4 * kWidth};
    return {tensor(y_, rows), tensor(dx_, rows), tensor(dih_, weight), tensor(dhh_, weight),
            tensor(db_, {4 * kWidth})};
  }

 private:
  Memory wrap(const Tensor& t, const Memory::dims& dims, Tag tag) {
    return {{dims, Memory::data_type::f32, tag}, engine_, const_cast<float*>(t.data<float>())};
  }
  static void zero(Memory& m) {
    std::fill_n(static_cast<float*>(m.get_data_handle()), m.get_desc().get_size() / sizeof(float),
                0.F);
  }
  void copy(Memory& from, Memory& to) {
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
  }

  inline static const Memory::dims kWeights{1, 1, kWidth, 4, kWidth};
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  Memory x_, dy_, w_ih_, w_hh_, bias_;
  Memory h0_, c0_, h_, c_, dh0_, dc0_, dh_, dc_;  // states before and behind, and their errors
  Memory y_, dx_, db_, workspace_, dih_, dhh_;
  Memory forward_ih_, forward_hh_, backward_ih_, backward_hh_, packed_dih_, packed_dhh_;
  dnnl::lstm_forward forward_;
  dnnl::lstm_backward backward_;
};

/// The largest difference over the largest value.
double difference(const Tensor& a, const Tensor& b) {
  double most = 0, size = 0;
  for (int64_t i = 0; i < a.numel(); ++i) {
    most = std::max(most, std::abs(double{a.data<float>()[i]} - b.data<float>()[i]));
    size = std::max(size, std::abs(double{b.data<float>()[i]}));
  }
  return most / size;
}

}  // namespace

int main(int, char** argv) {
  restart_with_better_blas(argv);
  omp_set_num_threads(1);
  const Given given;
  OneDnn peer(given);
  peer.reordering_pass();
  const Result ours = tapestry_pass(given), theirs = peer.result();
  for (auto [a, b] : {std::pair{&ours.y, &theirs.y},
                      {&ours.dx, &theirs.dx},
                      {&ours.dw_ih, &theirs.dw_ih},
                      {&ours.dw_hh, &theirs.dw_hh},
                      {&ours.db, &theirs.db}})
    if (const double d = difference(a->reshape({-1}), b->reshape({-1})); !(d < 1e-4)) {
      fmt::print(stderr, "onednn: results differ by {:.1e} of their size\n", d);
      return 1;
    }

  bench::Peak peak(f32);
  std::vector<double> peaks, mine, reordered, packed, over_reordered, over_packed;
  for (int i = 0; i < kRounds; ++i) {
    peaks.push_back(peak.measure());
    mine.push_back(bench::seconds([&] { tapestry_pass(given); }));
    reordered.push_back(bench::seconds([&] { peer.reordering_pass(); }));
    packed.push_back(bench::seconds([&] { peer.pass(); }));
    over_reordered.push_back(reordered.back() / mine.back());
    over_packed.push_back(packed.back() / mine.back());
  }
  using bench::median;
  const double flop = 3 * 2. * kSteps * kBatch * 2 * kWidth * 4 * kWidth;
  const dnnl_version_t* version = dnnl_version();
  fmt::print("oneDNN {}.{}.{}, LSTM layer 200 -> 200, batch 20, 35 steps, forward and backward\n",
             version->major, version->minor, version->patch);
  fmt::print(
      "  ms: tapestry {:.2f}, oneDNN reordering {:.2f}, packed {:.2f}; share of the peak: "
      "{:.2f}, {:.2f}, {:.2f}\n",
      1e3 * median(mine), 1e3 * median(reordered), 1e3 * median(packed),
      flop / median(mine) / median(peaks), flop / median(reordered) / median(peaks),
      flop / median(packed) / median(peaks));
  bench::row("over oneDNN with weights reordered in each pass",
             fmt::format("{:.2f}x", median(over_reordered)), "1.0x", "1.15x");
  bench::row("over oneDNN with weights kept packed", fmt::format("{:.2f}x", median(over_packed)),
             "0.85x", "1.0x");
}
