#pragma once
// Cluster: the ranks of a training as lm sees them. Rank 0 alone reads and writes the run and
// speaks to the user; what it decides, the others are told. Of one rank every function gives back
// what it is given.

#include <optional>

#include <tapestry/examples/common/exit_code.h>
#include <tapestry/optim/server/communicator.h>
#include <tapestry/tensor/named_tensors.h>

namespace tapestry::lm {

class Cluster {
 public:
  /// Keeps the pointer; null: alone.
  explicit Cluster(Communicator* ranks = nullptr) : ranks_(ranks) {}

  Communicator* communicator() const { return ranks_; }
  int rank() const { return ranks_ ? ranks_->rank() : 0; }
  int size() const { return ranks_ ? ranks_->size() : 1; }
  bool first() const { return rank() == 0; }
  bool several() const { return size() > 1; }

  /// What rank 0 has, on all: of a plain struct, a text, tensors.
  template <class T>
  T of_first(const T& mine) const {
    return several() ? gather(*ranks_, mine)[0] : mine;
  }
  std::string text_of_first(const std::string& mine) const;
  std::optional<NamedTensors> tensors_of_first(std::optional<NamedTensors> mine) const;
  /// What every rank has.
  template <class T>
  std::vector<T> of_all(const T& mine) const {
    return several() ? gather(*ranks_, mine) : std::vector<T>{mine};
  }
  /// Throws UserError (bad_data) unless all ranks read the same text, by its fingerprint.
  void require_same_text(uint64_t fingerprint) const;

 private:
  Communicator* ranks_;
};

/// How a rank that is not the first ends where all end and the first says why.
struct EndedWithFirst {
  app::ExitCode code;
};

}  // namespace tapestry::lm
