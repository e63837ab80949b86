// A funnel moves messages while another thread computes, in the thread that made it, and hands on
// what goes wrong.

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include <tapestry/optim/server/funnel.h>

using namespace tapestry;

namespace {

/// One of two ranks, whose messages take twenty calls.
struct Slow : Communicator {
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void start(std::vector<Bytes>&, std::vector<Bytes>& in) override {
    note(), to = &in, left = 20, ++starts;
  }
  bool done() override {
    note();
    if (fails) fail<Error>("rank 1 failed: gone");
    if (left > 0 && --left == 0) (*to)[1] = Bytes(3);
    return left == 0;
  }
  bool called() override { return note(), true; }
  void abort(const std::string&, int) override {}

  void note() { foreign = foreign || std::this_thread::get_id() != owner; }
  const std::thread::id owner = std::this_thread::get_id();
  std::vector<Bytes>* to = nullptr;
  std::atomic<int> left{0}, starts{0};
  std::atomic<bool> fails{false}, foreign{false};
};

}  // namespace

TEST_CASE("messages move while nobody asks for them, in one thread") {
  Slow ranks;
  Funnel funnel(ranks);
  std::vector<Bytes> out(2), in(2);
  bool here = false, next = false;
  for (int i = 0; i < 2; ++i) {
    funnel.beside([&] {
      sleep_until([&] { return funnel.called(); });
      funnel.start(out, in);
      CHECK(!funnel.called());  // the other's message is that of this exchange
      sleep_until([&, i] { return ranks.starts > i; });
      sleep_until([&] { return ranks.left == 0; });  // as long as it computes
      sleep_until([&] { return here = funnel.done(); });
      sleep_until([&] { return next = funnel.called(); });
    });
    CHECK(here);
    CHECK(next);
    CHECK(in[1].size() == 3);
  }
  CHECK(!ranks.foreign);
  funnel.start(out, in);  // in the owner's thread
  int calls = 1;
  while (!funnel.done()) ++calls;
  CHECK(calls == 19);  // one by start
}

TEST_CASE("what goes wrong meanwhile is thrown where messages are asked for") {
  Slow ranks;
  Funnel funnel(ranks);
  std::vector<Bytes> out(2), in(2);
  funnel.beside([&] {
    funnel.start(out, in);
    ranks.fails = true;
    CHECK_THROWS_WITH(sleep_until([&] { return funnel.done(); }), "rank 1 failed: gone");
  });
  CHECK_THROWS_WITH(funnel.done(), "rank 1 failed: gone");
}
