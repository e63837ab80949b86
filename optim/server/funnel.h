#pragma once
// Funnel: a Communicator whose messages move in the thread that made it, while another thread uses
// it. Messages of MPI move only inside of its calls, some pieces at a time, and one thread may make
// them. A worker that did so between its items would move a long message for many items.

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include <tapestry/optim/server/communicator.h>

namespace tapestry {

class Funnel : public Communicator {
 public:
  /// Keeps the reference.
  explicit Funnel(Communicator& ranks) : ranks_(ranks), owner_(std::this_thread::get_id()) {}
  int rank() const override { return ranks_.rank(); }
  int size() const override { return ranks_.size(); }

  // In the owner's thread they move messages, in another one they ask for what the owner did.
  // Errors are thrown in both.
  void start(std::vector<Bytes>& out, std::vector<Bytes>& in) override;
  bool done() override;
  bool called() override;
  void abort(const std::string& why, int code) override { ranks_.abort(why, code); }

  /// Runs f in a thread of its own and moves messages until it ends, asleep in between.
  void beside(const std::function<void()>& f);

 private:
  enum class Stage { idle, asked, moving };
  void move();  // with the lock, in the owner's thread
  bool owns() const { return std::this_thread::get_id() == owner_; }

  Communicator& ranks_;
  const std::thread::id owner_;
  std::mutex lock_;  // of what follows
  std::condition_variable changed_;
  Stage stage_ = Stage::idle;
  std::vector<Bytes>*out_ = nullptr, *in_ = nullptr;
  bool called_ = false, ended_ = false;
  int moves_ = 0;  // of the exchange
  std::exception_ptr error_;
};

}  // namespace tapestry
