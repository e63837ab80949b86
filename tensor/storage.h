#pragma once
// Storage: a counted, 64-byte aligned block of bytes, and the per-thread pool it comes from.
//
// Freed blocks go to a free list of the thread that frees them, so a warm training step allocates
// nothing. Sizes are rounded up to four classes per power of two (at most 25 % is wasted).
// Each storage counts its in-place changes (version): the tape compares versions to find a saved
// tensor that was overwritten. The pool is off under AddressSanitizer, which could not see through
// it.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace tapestry {

struct alignas(64) StorageBlock {
  std::atomic<uint32_t> refs{1};
  std::atomic<uint32_t> version{0};  // atomic: threads write disjoint parts of one storage
  uint32_t size_class = 0;
  StorageBlock* next = nullptr;  // in a free list

  std::byte* data() { return reinterpret_cast<std::byte*>(this) + sizeof(StorageBlock); }
};
static_assert(sizeof(StorageBlock) == 64);

/// What this thread's pool has done.
struct StorageStats {
  int64_t live = 0;         // blocks handed out minus blocks returned, on this thread
  int64_t allocations = 0;  // blocks that came from the system
};
StorageStats storage_stats();

/// A block of at least `bytes` bytes with a count of one; throws Error when memory is exhausted.
StorageBlock* storage_new(size_t bytes);
/// Drops one count; at zero the block returns to this thread's pool.
void storage_release(StorageBlock* block);
/// Returns every pooled block of this thread to the system.
void storage_trim();

/// A counted handle.
class Storage {
 public:
  Storage() = default;
  explicit Storage(size_t bytes) : block_(storage_new(bytes)) {}
  Storage(const Storage& other) : block_(other.block_) {
    if (block_) block_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Storage(Storage&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  Storage& operator=(Storage other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~Storage() {
    if (block_) storage_release(block_);
  }

  explicit operator bool() const { return block_ != nullptr; }
  bool operator==(const Storage&) const = default;
  // Each throws Error when there is no block.
  std::byte* data() const { return block()->data(); }
  bool unique() const { return block()->refs.load(std::memory_order_acquire) == 1; }
  uint32_t version() const { return block()->version.load(std::memory_order_relaxed); }
  void bump() const { block()->version.fetch_add(1, std::memory_order_relaxed); }

 private:
  StorageBlock* block() const {
    if (!block_) [[unlikely]]
      missing();
    return block_;
  }
  [[noreturn, gnu::cold]] static void missing();

  StorageBlock* block_ = nullptr;
};

/// Standard-library allocator over the pool: containers built in every step stop allocating once
/// warm.
template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class U>
  PoolAllocator(const PoolAllocator<U>&) {}
  T* allocate(size_t n) { return reinterpret_cast<T*>(storage_new(n * sizeof(T))->data()); }
  void deallocate(T* p, size_t) {
    storage_release(
        reinterpret_cast<StorageBlock*>(reinterpret_cast<std::byte*>(p) - sizeof(StorageBlock)));
  }
  template <class U>
  bool operator==(const PoolAllocator<U>&) const {
    return true;
  }
};

template <class T>
using PoolVector = std::vector<T, PoolAllocator<T>>;

}  // namespace tapestry
