#include <doctest/doctest.h>

#include <cstring>
#include <thread>

#include <tapestry/tensor/arith.h>
#include <tapestry/tensor/matmul.h>
#include <tapestry/tensor/reduce.h>
#include <tapestry/tensor/storage.h>

using namespace tapestry;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPooled = false;
#elif defined(__has_feature)
constexpr bool kPooled = !__has_feature(address_sanitizer);
#else
constexpr bool kPooled = true;
#endif

}  // namespace

TEST_CASE("a storage is aligned, counted and holds every byte asked for") {
  const int64_t live = storage_stats().live;
  for (size_t bytes = 0; bytes < 5000; bytes += bytes < 300 ? 1 : 97) {
    const Storage s(bytes);
    REQUIRE(reinterpret_cast<uintptr_t>(s.data()) % 64 == 0);
    std::memset(s.data(), 0xAB, bytes);  // AddressSanitizer checks the end
    REQUIRE(s.unique());
    const Storage other = s;
    REQUIRE_FALSE(s.unique());
    REQUIRE(other == s);
    REQUIRE(storage_stats().live == live + 1);
  }
  CHECK(storage_stats().live == live);
}

TEST_CASE("blocks of every size class are large enough") {
  // Neighbouring blocks of a class must not overlap: fill both sides of each class border.
  for (size_t power = 7; power < 24; ++power)
    for (size_t quarter = 4; quarter < 8; ++quarter)
      for (int delta = -1; delta <= 1; ++delta) {
        const size_t bytes = (quarter << (power - 2)) + static_cast<size_t>(delta);
        const Storage a(bytes), b(bytes);
        std::memset(a.data(), 1, bytes);
        std::memset(b.data(), 2, bytes);
        REQUIRE(a.data()[0] == std::byte{1});
        REQUIRE(a.data()[bytes - 1] == std::byte{1});
        REQUIRE(b.data()[bytes - 1] == std::byte{2});
      }
}

TEST_CASE("the version counts in-place changes of all handles") {
  const Storage s(8), other = s;
  const uint32_t before = s.version();
  other.bump();
  CHECK(s.version() == before + 1);
}

TEST_CASE("a second pass over the same work allocates nothing from the system") {
  const auto pass = [] {
    const Tensor a = Tensor::full({37, 20}, 0.5), b = Tensor::full({20, 11}, 2.0);
    const Tensor c = tanh(matmul(a, b)) * 3.0 + sum(a, 1, true);
    return mean(softmax(c)).item();
  };
  const double first = pass();
  const StorageStats warm = storage_stats();
  CHECK(pass() == first);
  const StorageStats after = storage_stats();
  CHECK(after.live == warm.live);
  if (kPooled) CHECK(after.allocations == warm.allocations);
}

TEST_CASE("a freed block is handed out again") {
  if (!kPooled) return;
  const std::byte* first = Storage(1000).data();
  CHECK(Storage(1000).data() == first);
  CHECK(Storage(1020).data() == first);  // the same class
  CHECK(Storage(3000).data() != first);
  storage_trim();
  const int64_t allocations = storage_stats().allocations;
  const Storage again(1000);
  CHECK(storage_stats().allocations == allocations + 1);
}

TEST_CASE("a storage may be released on another thread, also on one that never allocated") {
  const int64_t live = storage_stats().live;
  int64_t live_there = 0;
  Storage moved(4096), shared(4096);
  std::thread([&live_there, gone = std::move(moved), copy = shared]() mutable {
    gone = Storage();
    copy = Storage();
    live_there = storage_stats().live;
  }).join();
  CHECK(live_there == -1);
  CHECK(storage_stats().live == live + 2);  // each thread counts what it did itself
  CHECK(shared.unique());
  shared = Storage();
  CHECK(storage_stats().live == live + 1);
}

TEST_CASE("handles of one storage may come and go on many threads") {
  Storage s(64);
  std::vector<std::thread> threads;
  for (int n = 0; n < 4; ++n)
    threads.emplace_back([copy = s] {
      for (int i = 0; i < 1000; ++i) {
        const Storage mine = copy, again = mine;
        if (mine) mine.bump();
      }
    });
  for (auto& t : threads) t.join();
  threads.clear();
  CHECK(s.unique());
  CHECK(s.version() == 4000);
}

TEST_CASE("a tensor that outlives the thread that made it stays valid") {
  Tensor t;
  std::thread([&] { t = Tensor::full({100}, 3.0); }).join();
  CHECK(sum(t).item() == 300);
}

TEST_CASE("a request beyond all memory is an error") {
  CHECK_THROWS_AS(Storage(size_t{1} << 60), Error);
  CHECK_THROWS_AS(Storage(~size_t{0}), Error);
  constexpr int64_t big = int64_t{1} << 30;
  CHECK_THROWS_AS(Tensor::zeros({big, big}, f64), Error);
}

TEST_CASE("broadcasting to an absurd size is an error") {
  constexpr int64_t big = int64_t{1} << 31;
  const Tensor a = Tensor::scalar(1).expand({big, 1, 1}), b = Tensor::scalar(1).expand({1, big, 1}),
               c = Tensor::scalar(1).expand({1, 1, big});
  CHECK_THROWS_AS(a + b, Error);
  CHECK_THROWS_AS(where(Tensor::indices({1}), a.expand({big, 2, 1}), b + c), Error);
}

TEST_CASE("containers over the pool reuse its blocks") {
  const int64_t live = storage_stats().live;
  const auto build = [] {
    PoolVector<double> v;
    for (int i = 0; i < 1000; ++i) v.push_back(i);
    return v.back();
  };
  build();
  const int64_t allocations = storage_stats().allocations;
  CHECK(build() == 999);
  if (kPooled) CHECK(storage_stats().allocations == allocations);
  CHECK(storage_stats().live == live);
}
