#pragma once
// Communicator: the ranks that train together, of which this process (or thread) is one. It can do
// one thing: every rank sends a message to every rank. Sums, broadcasts and agreements are made of
// that, so that the order of summation is ours.
//
// Ranks are threads of one process (thread_ranks.h) or processes under MPI (mpi/mpi_ranks.h). One
// thread of a rank communicates, the one that started the run; while workers compute, funnel.h.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tapestry/tensor/error.h>

namespace tapestry {

using Bytes = std::vector<std::byte>;

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Begins an exchange: out[r] goes to rank r and in[r] comes from it, empty ones too. Every rank
  /// does so equally often, one exchange at a time. Both belong to it until done() is true.
  virtual void start(std::vector<Bytes>& out, std::vector<Bytes>& in) = 0;
  /// Whether the exchange is over. Messages move while it is called, so call it now and then.
  /// Throws Error where another rank failed.
  virtual bool done() = 0;
  /// Between exchanges: whether another rank has begun the next one.
  virtual bool called() = 0;
  /// Ends all ranks because this one failed: processes with this exit code.
  virtual void abort(const std::string& why, int code) = 0;

  // Of this rank so far, without what it sent to itself.
  int64_t bytes_out() const { return bytes_out_; }
  int64_t bytes_in() const { return bytes_in_; }

 protected:
  int64_t bytes_out_ = 0, bytes_in_ = 0;
};

/// Waits until the condition holds, asleep most of the time: 20 us at first, later 1 ms, so that
/// ranks that wait leave the cores to those that compute.
void sleep_until(const std::function<bool()>& condition);

/// An exchange, waited for.
void exchange(Communicator& ranks, std::vector<Bytes>& out, std::vector<Bytes>& in);

/// What each rank has of a plain struct, in the order of ranks.
template <class T>
std::vector<T> gather(Communicator& ranks, const T& mine) {
  const auto n = static_cast<size_t>(ranks.size());
  const auto* bytes = reinterpret_cast<const std::byte*>(&mine);
  std::vector<Bytes> out(n, Bytes(bytes, bytes + sizeof(T))), in(n);
  exchange(ranks, out, in);
  std::vector<T> all(n);
  for (size_t r = 0; r < n; ++r) std::memcpy(&all[r], in[r].data(), sizeof(T));
  return all;
}

/// The message of rank 0, for all.
Bytes broadcast(Communicator& ranks, const Bytes& mine);

/// Appends plain values to a message.
class Packer {
 public:
  explicit Packer(Bytes& to) : to_(to) {}
  template <class T>
  void put(const T& value) {
    put_bytes(&value, sizeof(T));
  }
  template <class T>
  void put(std::span<const T> values) {
    put_bytes(values.data(), values.size_bytes());
  }

 private:
  void put_bytes(const void* from, size_t n) {
    const auto* bytes = static_cast<const std::byte*>(from);
    to_.insert(to_.end(), bytes, bytes + n);
  }
  Bytes& to_;
};

/// Takes them out again, in the same order. Throws Error at the end of the message.
class Unpacker {
 public:
  explicit Unpacker(const Bytes& from) : left_(from) {}
  template <class T>
  T get() {
    T value;
    get(std::span<T>(&value, 1));
    return value;
  }
  template <class T>
  void get(std::span<T> values) {
    require(values.size_bytes() <= left_.size(), "Unpacker: a message ended too early");
    if (!values.empty()) std::memcpy(values.data(), left_.data(), values.size_bytes());
    left_ = left_.subspan(values.size_bytes());
  }

 private:
  std::span<const std::byte> left_;
};

}  // namespace tapestry
