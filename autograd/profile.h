#pragma once
// Profile: while one is alive, counts time and bytes of each op of this thread.
//
//   Profile profile;
//   ... steps ...
//   profile.print(std::cout);
//
// Forward time is what passed since the op before ended, so work between ops is charged to the op
// that follows it. Bytes are those of the value and of what was saved for the backward pass.

#include <chrono>
#include <iosfwd>
#include <map>
#include <string>

#include <tapestry/autograd/tape.h>

namespace tapestry {

class Profile : public Observer {
 public:
  struct Entry {
    int64_t calls = 0, backward_calls = 0;
    double forward_seconds = 0, backward_seconds = 0;
    int64_t value_bytes = 0, saved_bytes = 0;
  };

  Profile() : mark_(Clock::now()) {}
  const std::map<std::string, Entry>& entries() const { return entries_; }
  /// A table, the most expensive op first.
  void print(std::ostream& out) const;

  void forward(const char* name, const Tensor& value, size_t saved) override;
  void backward_begin(const char* name, size_t node, const Tensor& dy) override;
  void backward_end(const char* name, size_t node) override;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();

  Clock::time_point mark_;
  std::map<std::string, Entry> entries_;
};

}  // namespace tapestry
