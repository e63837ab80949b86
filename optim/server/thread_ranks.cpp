#include <tapestry/optim/server/thread_ranks.h>

#include <deque>
#include <exception>
#include <mutex>
#include <thread>

namespace tapestry {
namespace {

/// The messages under way: box(to, from) holds them in order.
struct Post {
  explicit Post(int n) : size(n), boxes(static_cast<size_t>(n * n)) {}
  std::deque<Bytes>& box(int to, int from) { return boxes[static_cast<size_t>(to * size + from)]; }

  const int size;
  std::mutex mutex;  // of what follows
  std::vector<std::deque<Bytes>> boxes;
  std::exception_ptr error;
  std::string failure;  // why the ranks end, once one has failed
};

class ThreadRank : public Communicator {
 public:
  ThreadRank(Post& post, int rank) : post_(post), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return post_.size; }

  void start(std::vector<Bytes>& out, std::vector<Bytes>& in) override {
    const std::lock_guard lock(post_.mutex);
    for (int r = 0; r < size(); ++r) {
      const Bytes& message = out[static_cast<size_t>(r)];
      post_.box(r, rank_).push_back(message);
      if (r != rank_) bytes_out_ += static_cast<int64_t>(message.size());
    }
    in_ = &in;
  }

  bool done() override {
    const std::lock_guard lock(post_.mutex);
    require(post_.failure.empty(), post_.failure);
    for (int r = 0; r < size(); ++r)
      if (post_.box(rank_, r).empty()) return false;
    for (int r = 0; r < size(); ++r) {
      Bytes& message = (*in_)[static_cast<size_t>(r)];
      message = std::move(post_.box(rank_, r).front());
      post_.box(rank_, r).pop_front();
      if (r != rank_) bytes_in_ += static_cast<int64_t>(message.size());
    }
    return true;
  }

  bool called() override {
    const std::lock_guard lock(post_.mutex);
    require(post_.failure.empty(), post_.failure);
    for (int r = 0; r < size(); ++r)
      if (!post_.box(rank_, r).empty()) return true;
    return false;
  }

  void abort(const std::string& why, int) override {
    const std::lock_guard lock(post_.mutex);
    if (post_.failure.empty()) post_.failure = "rank " + std::to_string(rank_) + " failed: " + why;
  }

 private:
  Post& post_;
  const int rank_;
  std::vector<Bytes>* in_ = nullptr;
};

void run_rank(Post& post, int rank, const std::function<void(Communicator&)>& body) {
  ThreadRank self(post, rank);
  const auto failed = [&](const char* why) {
    {
      const std::lock_guard lock(post.mutex);
      if (!post.error) post.error = std::current_exception();
    }
    self.abort(why, 1);
  };
  try {
    body(self);
  } catch (const std::exception& e) {
    failed(e.what());
  } catch (...) {
    failed("an exception of unknown type");
  }
}

}  // namespace

void run_ranks(int n, const std::function<void(Communicator&)>& body) {
  require<ValueError>(n >= 1, "run_ranks: ", n, " ranks, expected at least 1");
  Post post(n);
  std::vector<std::thread> threads;
  for (int r = 0; r < n; ++r) threads.emplace_back([&post, r, &body] { run_rank(post, r, body); });
  for (std::thread& thread : threads) thread.join();
  if (post.error) std::rethrow_exception(post.error);
}

}  // namespace tapestry
