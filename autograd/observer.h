#pragma once
// Observer: watches the ops of its thread while it is alive, and what record() looks at to find it.
// See profile.h and check_finite.h. Observers nest: the innermost watches.

#include <tapestry/autograd/var.h>

namespace tapestry {

class Observer;
class Tape;

/// One per thread, trivially constructed so that access is a plain load.
struct RecordingContext {
  Tape* tape;
  Observer* observer;
};
inline constinit thread_local RecordingContext recording{};

class Observer {
 public:
  Observer() : outer_(std::exchange(recording.observer, this)) {}
  virtual ~Observer() { recording.observer = outer_; }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  /// After the value of an op was computed; `saved` bytes were kept for its backward rules.
  virtual void forward(const char* name, const Tensor& value, size_t saved) = 0;
  /// Around the rules of one op in the backward pass.
  virtual void backward_begin(const char* name, size_t node, const Tensor& dy) = 0;
  virtual void backward_end(const char* name, size_t node) = 0;
  /// After backward_end, for each input: its gradient so far.
  virtual void gradient(const char* /*name*/, size_t /*node*/, const Tensor& /*d*/) {}

  /// Calls forward() of the observer of this thread.
  static void notify(const char* name, const Var& out);

 private:
  Observer* outer_;
};

}  // namespace tapestry
