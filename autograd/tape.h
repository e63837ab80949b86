#pragma once
// Tape: while one is alive, the ops of its thread are recorded; backward() runs them in reverse.
//
//   Tape tape;                       // one per thread; a second one throws
//   Var loss = model.loss(batch);
//   tape.backward(loss);             // ADDS into Parameter::grad(), frees saved tensors as it goes
//
// How ops are written stands in record.h.

#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>

#include <tapestry/autograd/graph.h>

namespace tapestry {

class Tape {
 public:
  /// Throws TapeError when another one records on this thread.
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  /// Suspends recording on this thread until the end of its scope.
  class Pause {
   public:
    Pause() : tape_(std::exchange(recording.tape, nullptr)) {}
    ~Pause() { recording.tape = tape_; }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Tape* tape_;
  };

  /// Adds d loss / d parameter into every parameter that was used. Once per tape.
  /// Throws ShapeError unless loss is a scalar, TapeError unless it was recorded here.
  void backward(const Var& loss);
  /// Adds the gradients of sum(y dy). Throws ShapeError or DTypeError unless dy is like y.
  void backward(const Var& y, const Tensor& dy);

  /// `x` as a Var whose gradient can be asked for.
  Var watch(Tensor x);
  /// d sum(y dy) / d input for each input, in its shape: watched Vars, results of ops and
  /// Parameters (not frozen). Without dy, y is a scalar. Parameter::grad() stays as it is; what no
  /// input flows into is skipped. The tape can be asked again, recorded on, and run backward.
  /// Throws TapeError for a constant, and what backward() throws.
  std::vector<Tensor> gradients(const Var& y, std::span<const Var> inputs, const Tensor& dy = {});
  std::vector<Tensor> gradients(const Var& y, std::initializer_list<Var> inputs,
                                const Tensor& dy = {}) {
    return gradients(y, std::span(inputs.begin(), inputs.size()), dy);
  }

  /// Whether a Tape records on this thread and `v` needs a gradient.
  static bool wants(const Var& v) {
    const Origin& origin = v.origin();
    return recording.tape && (origin.leaf ? !origin.leaf->frozen : origin.serial != 0);
  }

  /// The number of recorded ops; none are left after backward.
  size_t size() const { return graph_->nodes().size(); }
  /// The names of the recorded ops, in order.
  std::vector<std::string> names() const;
  /// One line per recorded op: number, name, shape, inputs, bytes saved.
  void print(std::ostream& out) const;

  /// For record.h and for segments.
  Graph& graph() { return *graph_; }

 private:
  void start(const char* op, const Var& y, const Tensor& dy);

  std::unique_ptr<Graph> graph_;
};

}  // namespace tapestry
