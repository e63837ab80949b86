#include <tapestry/autograd/tape.h>

#include <ostream>

namespace tapestry {

namespace {

/// The graphs of ended tapes of this thread: usually one.
std::vector<std::unique_ptr<Graph>>& spare_graphs() {
  static thread_local std::vector<std::unique_ptr<Graph>> spare;
  return spare;
}

}  // namespace

Tape::Tape() {
  require<TapeError>(!recording.tape,
                     "Tape: another Tape is recording on this thread (end its scope, or suspend it "
                     "with Tape::Pause)");
  auto& spare = spare_graphs();
  if (spare.empty()) {
    graph_ = std::make_unique<Graph>();
  } else {
    graph_ = std::move(spare.back());
    spare.pop_back();
  }
  recording.tape = this;
}

Tape::~Tape() {
  graph_->clear();
  recording.tape = nullptr;
  spare_graphs().push_back(std::move(graph_));
}

/// Checks y and hands it its gradient.
void Tape::start(const char* op, const Var& y, const Tensor& dy) {
  require<TapeError>(!graph_->done(), op, ": this Tape has already run backward");
  if (dy.defined()) {
    require<ShapeError>(y.defined() && dy.shape() == y.shape(), op, ": a gradient of shape ",
                        dy.shape(), " was given for ", y.shape());
    require<DTypeError>(dy.dtype() == y.dtype(), op, ": a gradient of type ", dy.dtype(),
                        " was given for ", y.dtype(), " ", y.shape());
  } else {
    require<ShapeError>(y.defined() && y.shape().numel() == 1, op, ": loss has shape ", y.shape(),
                        ", expected a scalar (use sum or mean)");
  }
  const uint32_t node = y.origin().node;
  require<TapeError>(
      y.origin().serial != 0 && node < size() && graph_->nodes()[node].serial == y.origin().serial,
      op,
      ": the loss was not recorded on this Tape (it depends on no parameter, or was "
      "computed outside the Tape's scope)");
  require<TapeError>(recording.tape == this, op,
                     ": call it on the thread that recorded the Tape, outside of Tape::Pause");
  graph_->make_room();
  graph_->put(node, dy.defined() ? dy : Tensor::full(y.shape(), 1, y.dtype()));
}

void Tape::backward(const Var& loss) { backward(loss, {}); }

void Tape::backward(const Var& y, const Tensor& dy) {
  start("backward", y, dy);
  graph_->set_done(true);
  graph_->run(0, size());
  graph_->require_all_held();
}

Var Tape::watch(Tensor x) {
  graph_->require_recording("watch");
  require_defined("watch", x);
  Var out(std::move(x));
  graph_->add_node("watch", out);
  return out;
}

std::vector<Tensor> Tape::gradients(const Var& y, std::span<const Var> inputs, const Tensor& dy) {
  require<TapeError>(!graph_->done(), "gradients: this Tape has already run backward");
  Request request;
  PoolVector<Target> targets;
  for (const Var& v : inputs) {
    targets.push_back(
        graph_->target_of("gradients", static_cast<int>(targets.size()) + 1, v.origin()));
    require<TapeError>(targets.back().any(), "gradients: input #", targets.size(), " of shape ",
                       v.shape(), " is a constant or frozen (see Tape::watch)");
    if (!request.find(targets.back())) request.entries.push_back({targets.back(), {}});
  }
  struct Serving {  // also where a rule throws
    Graph& graph;
    Serving(Graph& g, Request& r) : graph(g) { g.serve(&r); }
    ~Serving() {
      graph.serve(nullptr);
      graph.drop_gradients();
    }
  };
  start("gradients", y, dy);
  {
    const Serving serving(*graph_, request);
    graph_->run(0, size(), {.freeing = false});
  }
  std::vector<Tensor> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Tensor& d = request.find(targets[i])->gradient;
    out.push_back(d.defined() ? d.to_contiguous()
                              : Tensor::zeros(inputs[i].shape(), inputs[i].dtype()));
  }
  return out;
}

std::vector<std::string> Tape::names() const {
  std::vector<std::string> out;
  for (const Graph::Node& node : graph_->nodes())
    if (node.outputs) out.emplace_back(node.name);
  return out;
}

void Tape::print(std::ostream& out) const {
  const auto& nodes = graph_->nodes();
  for (size_t i = 0; i < nodes.size(); ++i) {
    out << '#' << i << ' ' << nodes[i].name << ' ' << nodes[i].shape << ' ' << nodes[i].dtype;
    graph_->print_inputs(out, i);
    if (const size_t bytes = graph_->bytes_saved(i)) out << "  saves " << bytes << " B";
    out << '\n';
  }
}

}  // namespace tapestry
