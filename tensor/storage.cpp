#include <tapestry/tensor/storage.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>

#include <tapestry/tensor/error.h>

#if defined(__SANITIZE_ADDRESS__)
#define TAPESTRY_POOL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAPESTRY_POOL 0
#endif
#endif
#ifndef TAPESTRY_POOL
#define TAPESTRY_POOL 1
#endif

namespace tapestry {
namespace {

constexpr size_t kClasses = 4 * 48;

// Trivial and constant-initialised: access needs no guard. Blocks are kept only while it is open,
// which is from the first block it sees until the thread ends.
struct Pool {
  enum State : uint8_t { fresh, open, closed };
  std::array<StorageBlock*, kClasses> head;
  StorageStats stats;
  State state;
};
constinit thread_local Pool pool{};

struct Closer {
  Closer() { pool.state = Pool::open; }
  ~Closer() {
    pool.state = Pool::closed;
    storage_trim();
  }
};
[[gnu::noinline]] void open_pool() { static thread_local Closer closer; }

// Class 4k+j holds blocks of (4+j+1) * 2^(k+4) bytes: 80, 96, 112, 128, 160, ...
uint32_t class_of(size_t bytes) {
  const size_t n = std::max<size_t>(bytes, 65) - 1;
  const auto shift = static_cast<uint32_t>(std::bit_width(n)) - 3;
  return static_cast<uint32_t>(4 * (shift - 4) + ((n >> shift) & 3));
}
size_t bytes_of(uint32_t size_class) { return size_t{size_class % 4 + 5} << (size_class / 4 + 4); }

[[gnu::noinline]] StorageBlock* from_system(uint32_t size_class) {
  open_pool();  // here and in storage_release, off the fast path
  const size_t bytes = sizeof(StorageBlock) + ((bytes_of(size_class) + 63) & ~size_t{63});
  void* memory = std::aligned_alloc(64, bytes);
  require<MemoryError>(memory != nullptr, "out of memory: a tensor of ", bytes,
                       " bytes could not be allocated");
  ++pool.stats.allocations;
  ++pool.stats.live;
  auto* block = new (memory) StorageBlock;
  block->size_class = size_class;
  return block;
}

}  // namespace

StorageStats storage_stats() { return pool.stats; }

StorageBlock* storage_new(size_t bytes) {
  const uint32_t size_class = class_of(bytes);
  require<MemoryError>(size_class < kClasses, "out of memory: a tensor of ", bytes,
                       " bytes is too large");
  StorageBlock*& head = pool.head[size_class];
  if (!TAPESTRY_POOL || !head) return from_system(size_class);
  StorageBlock* block = head;
  head = block->next;
  block->refs.store(1, std::memory_order_relaxed);
  ++pool.stats.live;
  return block;
}

void storage_release(StorageBlock* block) {
  // A count of one is ours alone, so no other thread can raise it: no locked operation needed.
  if (block->refs.load(std::memory_order_acquire) != 1 &&
      block->refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  --pool.stats.live;
  if (pool.state == Pool::fresh) [[unlikely]]
    open_pool();  // a thread that only releases must empty its pool too
  if (!TAPESTRY_POOL || pool.state == Pool::closed) {
    std::free(block);
    return;
  }
  StorageBlock*& head = pool.head[block->size_class];
  block->next = head;
  head = block;
}

void Storage::missing() {
  fail("an undefined tensor has no elements (it may only be assigned to)");
}

void storage_trim() {
  for (StorageBlock*& head : pool.head)
    while (head) std::free(std::exchange(head, head->next));
}

}  // namespace tapestry
